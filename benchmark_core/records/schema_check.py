"""Check JSON against a TypedDict, so that the schema is written only once, as types.

`Annotated[int, LOW, HIGH]` is a number with its range, `Annotated[list[int], N]` a list of N items.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmark_core.errors import ElrError

Whole = Annotated[int, 0, 2**64]
Positive = Annotated[int, 1, 2**64]
Amount = Annotated[float, 0, 1e30]
Fraction = Annotated[float, 0, 1]
Sides = Annotated[list[Positive], 2]  # [H, W] in pixels

_NAMES = {str: "text", int: "an integer", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


class _Fault(Exception):
    """What is wrong with a field, then the path to it, innermost key first."""


def check_schema(value: object, hint: Any) -> None:
    """Raise ElrError if `value` is not of type `hint`, naming the field and its type. Extra keys are allowed."""
    try:
        _test(hint)(value)
    except _Fault as fault:
        what, *path = fault.args
        raise ElrError(f"'{''.join(reversed(path)).removeprefix('.')}' {what}") from fault


@functools.cache
def _test(hint: Any) -> Callable[[Any], None]:
    """Return a function that raises _Fault unless its argument is of type `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        fields = {key: _test(inner) for key, inner in get_type_hints(hint, include_extras=True).items()}
        return lambda value: _test_object(value, fields, hint.__required_keys__)
    if origin in (list, dict):
        test = _test(arguments[-1])
        return lambda value: _test_all(value, origin, test)
    if origin is Literal:
        return lambda value: _test_literal(value, arguments)
    if origin in (Union, types.UnionType):
        (test,) = (_test(kind) for kind in arguments if kind is not type(None))
        return lambda value: None if value is None else test(value)
    if hint is Any:
        return lambda value: None
    if origin is Annotated and get_origin(arguments[0]) is list:
        kind, count = arguments
        test = _test(kind)
        return lambda value: _test_count(value, test, count)
    return lambda value: _test_plain(value, *(arguments if origin is Annotated else (hint,)))


def _test_object(value: Any, fields: dict[str, Callable[[Any], None]], needed: frozenset[str]) -> None:
    _test_plain(value, dict)
    for key, test in fields.items():
        if key in value:
            _test_inner(value[key], test, key)
        elif key in needed:
            raise _Fault("is missing", f".{key}")


def _test_all(value: Any, kind: type, test: Callable[[Any], None]) -> None:
    _test_plain(value, kind)
    for key, inner in value.items() if kind is dict else enumerate(value):
        _test_inner(inner, test, key)


def _test_count(value: Any, test: Callable[[Any], None], count: int) -> None:
    test(value)
    if len(value) != count:
        raise _Fault(f"has {len(value)} items; expected {count}")


def _test_inner(value: Any, test: Callable[[Any], None], key: str | int) -> None:
    try:
        test(value)
    except _Fault as fault:
        fault.args += (f".{key}" if isinstance(key, str) else f"[{key}]",)
        raise


def _test_plain(value: Any, kind: type, *limits: float) -> None:
    """Test one value. An integer is also a number, because some JSON writers turn 1.0 into 1. A boolean is neither."""
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or isinstance(value, bool) is not (kind is bool):
        raise _Fault(f"is not {_NAMES[kind]}")
    if limits and not limits[0] <= value <= limits[1]:
        expected = f"{limits[0]} or more" if value < limits[0] else f"{limits[1]:g} or less"
        raise _Fault(f"is {value}; expected {expected}")


def _test_literal(value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise _Fault(f"is not {' or '.join(map(repr, choices))}")
