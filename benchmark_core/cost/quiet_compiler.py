"""Keep what compilers say out of a measurement's output."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("torch._dynamo", "torch._inductor")


@contextmanager
def quiet_compiler() -> Iterator[None]:
    """Drop the warnings of `torch.compile`, among them its traces of graph breaks; errors are raised as before.

    If the variable TORCH_LOGS is set, torch logs what it asks for.
    """
    loggers = [] if os.environ.get("TORCH_LOGS") else [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
