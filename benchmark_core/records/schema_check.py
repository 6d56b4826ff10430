"""Check JSON against a TypedDict, so that the schema is written only once, as types.

`Annotated[int, LOW, HIGH]` is a number with its range.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmark_core.errors import ElrError

Whole = Annotated[int, 0, 2**64]
Positive = Annotated[int, 1, 2**64]
Amount = Annotated[float, 0, 1e300]
Fraction = Annotated[float, 0, 1]

_NAMES = {str: "text", int: "an integer", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


class _Fault(Exception):
    """What is wrong with a field, and the path to it, innermost key first."""

    def __init__(self, what: str, *path: str) -> None:
        super().__init__(what)
        self.what, self.path = what, list(path)


def check_schema(value: object, hint: Any) -> None:
    """Raise ElrError if `value` is not of type `hint`, naming the field and its type. Extra keys are allowed."""
    try:
        _test(hint)(value)
    except _Fault as fault:
        raise ElrError(f"'{''.join(reversed(fault.path)).removeprefix('.')}' {fault.what}") from fault


@functools.cache
def _test(hint: Any) -> Callable[[Any], None]:
    """Return a function that raises _Fault unless its argument is of type `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        fields = {key: _test(inner) for key, inner in get_type_hints(hint, include_extras=True).items()}
        needed = sorted(hint.__required_keys__, key=list(fields).index)
        return lambda value: _test_object(value, fields, needed)
    if origin in (list, dict):
        test = _test(arguments[-1])
        return lambda value: _test_all(value, origin, test)
    if origin is Literal:
        return lambda value: _refuse(value not in arguments, f"is not {' or '.join(map(repr, arguments))}")
    if origin in (Union, types.UnionType):
        (test,) = (_test(kind) for kind in arguments if kind is not type(None))
        return lambda value: None if value is None else test(value)
    if hint is Any:
        return lambda value: None
    kind, low, high = arguments if origin is Annotated else (hint, None, None)
    return lambda value: _test_plain(value, kind, low, high)


def _test_object(value: Any, fields: dict[str, Callable[[Any], None]], needed: list[str]) -> None:
    _test_plain(value, dict)
    for key in needed:
        if key not in value:
            raise _Fault("is missing", f".{key}")
    for key, test in fields.items():
        if key in value:
            try:
                test(value[key])
            except _Fault as fault:
                fault.path.append(f".{key}")
                raise


def _test_all(value: Any, kind: type, test: Callable[[Any], None]) -> None:
    _test_plain(value, kind)
    for key, inner in value.items() if kind is dict else enumerate(value):
        try:
            test(inner)
        except _Fault as fault:
            fault.path.append(f".{key}" if kind is dict else f"[{key}]")
            raise


def _test_plain(value: Any, kind: type, low: float | None = None, high: float | None = None) -> None:
    """Test one value. An integer is also a number, because some JSON writers turn 1.0 into 1. A boolean is neither."""
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool) is not (kind is bool):
        raise _Fault(f"is not {_NAMES[kind]}")
    if low is not None and high is not None and not low <= value <= high:
        raise _Fault(f"is {value}; expected {f'{low} or more' if value < low else f'{high:g} or less'}")


def _refuse(wrong: bool, what: str) -> None:
    if wrong:
        raise _Fault(what)
