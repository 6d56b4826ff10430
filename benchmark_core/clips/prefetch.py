"""Read ahead in threads, so that reading and decompressing overlap with training."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

# Reading is mostly decompression, outside the interpreter's lock, so a fast device gains from several threads. On few
# cores, more threads would only compete with the training.
READERS = max(1, min(4, (os.cpu_count() or 1) // 4))


def prefetch(tasks: Iterable[Callable[[], Item]], *, depth: int = 2, workers: int = READERS) -> Iterator[Item]:
    """Yield the results of the tasks in order. At most `depth + workers` of them are ready or in progress.

    An exception in a task is raised after the items before it. Closing the iterator early ends the threads.
    """
    remaining = iter(tasks)
    ahead: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="elrbench-prefetch") as pool:

        def submit() -> None:
            for task in remaining:
                ahead.append(pool.submit(task))
                return

        try:
            for _ in range(depth + workers):
                submit()
            while ahead:
                item = ahead.popleft().result()
                submit()
                yield item
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
