"""Work done ahead in threads, so that reading and decompressing overlap with training."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

# Reading is mostly decompression, outside the interpreter's lock: a fast device has more than one thread's use. On few
# cores more would only take turns with the training itself.
READERS = max(1, min(4, (os.cpu_count() or 1) // 4))


def prefetch(tasks: Iterable[Callable[[], Item]], *, depth: int = 2, workers: int = READERS) -> Iterator[Item]:
    """What the tasks return, in their order; `depth` of them lie ready or are being made, and `workers` more.

    What a task raises is raised here, after the items before it. Leaving early ends the threads.
    """
    line = iter(tasks)
    ahead: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="elrbench-prefetch") as pool:

        def submit() -> None:
            for task in line:
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
