"""A number or name of a component, with its bounds and what it is for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from benchmark_core.errors import ElrError

Value: TypeAlias = bool | int | float | str
TYPES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}


@dataclass(frozen=True, kw_only=True)
class Option:
    """A number or name of a component that a plan may set: `--set KIND.KEY=VALUE`.

    `unspecified` marks what the paper leaves open: the default is then this project's judgement, and says so in `help`.
    `added` marks an option that came after plans were published, and whose default changes nothing: a plan leaves it
    out at its default, so that digests, rows and stages of earlier runs stay what they were.
    `neutral` marks one that changes nothing of what is fitted, such as how much is held in memory: a stage may read it
    without naming it among its needs.
    """

    default: Value
    help: str
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    unspecified: bool = False
    added: bool = False
    neutral: bool = False

    def check(self, where: str, value: object) -> Value:
        """`value` in the default's type, within bounds and choices; ElrError naming `where` otherwise."""
        if isinstance(self.default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(self.default):
            raise ElrError(f"{where}={value!r} is not {TYPES[type(self.default)]}; the default is {self.default!r}")
        if self.choices and value not in self.choices:
            raise ElrError(f"{where}={value!r} is not one of {', '.join(map(str, self.choices))}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise ElrError(f"{where}={value!r} is not finite")
            if self.low is not None and value < self.low:
                raise ElrError(f"{where}={value!r} is below {self.low}")
            if self.high is not None and value > self.high:
                raise ElrError(f"{where}={value!r} is above {self.high}")
        assert isinstance(value, (bool, int, float, str))
        return value
