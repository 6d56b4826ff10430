"""An iterator run ahead in a thread, so that reading and decompressing overlap with training."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(produce: Callable[[], Iterator[Item]], depth: int = 2) -> Iterator[Item]:
    """The items of `produce()` in order, `depth` of them ahead.

    What `produce` raises is raised here, after the items before it. Leaving early ends the thread.
    """
    line: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(depth)
    left = threading.Event()

    def put(entry: tuple[Item] | BaseException | None) -> bool:
        while not left.is_set():
            try:
                line.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in produce():
                if not put((item,)):
                    return
            put(None)
        except BaseException as error:  # raised again in the thread that asked
            put(error)

    thread = threading.Thread(target=work, name="elrbench-prefetch", daemon=True)
    thread.start()
    try:
        while (entry := line.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        left.set()
        thread.join()
