"""Options of components, with bounds and help."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from benchmark_core.errors import ElrError

Value: TypeAlias = bool | int | float | str
TYPES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}


@dataclass(frozen=True, kw_only=True)
class Option:
    """A number or name of a component that a plan may set: `--set KIND.KEY=VALUE`.

    choices: allowed values; empty: any. A choice such as "last-N" stands for "last-1", "last-2" and so on.
    low, high: bounds, both included.
    unspecified: the paper does not state the value; the default is this project's choice, and `help` says so.
    added: the option was added after plans were published, and its default changes nothing. A plan leaves it out at its
        default, so that the digests of earlier plans, rows and stages stay valid.
    neutral: the option changes only, for example, memory use, not the trained result. A stage may read it without
        naming it in its needs.
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
        """Return `value` in the default's type. Raises ElrError naming `where` if it is not allowed."""
        if isinstance(self.default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(self.default):
            raise ElrError(f"{where}={value!r} is not {TYPES[type(self.default)]}; the default is {self.default!r}")
        if self.choices and (value not in self.choices or _counted(value)) and not self._numbered(value):
            raise ElrError(f"{where}={value!r} is not one of {', '.join(map(str, self.choices))}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise ElrError(f"{where}={value!r} is not finite")
            if self.low is not None and value < self.low:
                low = _number(self.low)
                raise ElrError(f"{where}={_number(value)} is below {low}; pass {low} or more (default: {self._usual})")
            if self.high is not None and value > self.high:
                high = _number(self.high)
                raise ElrError(
                    f"{where}={_number(value)} is above {high}; pass {high} or less (default: {self._usual})"
                )
        assert isinstance(value, (bool, int, float, str))
        return value

    @property
    def _usual(self) -> str:
        return _number(self.default) if isinstance(self.default, (int, float)) else str(self.default)

    def _numbered(self, value: object) -> bool:
        """Return whether `value` has a number in place of the N of a choice."""
        found = re.fullmatch(r"(.+-)[1-9][0-9]{0,3}", value) if isinstance(value, str) else None
        return found is not None and f"{found[1]}N" in self.choices


def _number(value: float) -> str:
    """Return a number without the `.0` of whole floats."""
    return repr(value).removesuffix(".0")


def _counted(value: object) -> bool:
    """Return whether `value` is a choice that stands for others, such as "last-N"."""
    return isinstance(value, str) and value.endswith("-N")
