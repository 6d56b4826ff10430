"""Whether plain JSON has the shape that a TypedDict declares: the schema is written once, as types."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmark_core.errors import ElrError

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_fields = functools.cache(get_type_hints)


def conform(value: object, hint: Any, where: str = "") -> None:
    """Nothing where `value` is of type `hint`; ElrError naming the place and what belongs there. More keys are fine."""
    if not _test(hint)(value):  # quick, for tables read thousands of records; only what fails it is walked through
        _walk(value, hint, where)


@functools.cache
def _test(hint: Any) -> Callable[[object], bool]:
    """A function that is true only of values of type `hint`; false says nothing yet."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: True
    if plain := _types(hint):
        return lambda value: type(value) in plain
    if is_typeddict(hint):
        fields = {key: _test(inner) for key, inner in _fields(hint).items()}
        needed = frozenset(hint.__required_keys__)
        return lambda value: (
            type(value) is dict
            and needed <= value.keys()
            and all(fields[key](inner) for key, inner in value.items() if key in fields)
        )
    if origin in (list, dict):
        (inner,) = arguments[-1:]
        kinds, each = _types(inner), _test(inner)
        return lambda value: (
            type(value) is origin and (inner is Any or _all(value if origin is list else value.values(), kinds, each))  # type: ignore[attr-defined]
        )
    if origin is Literal:
        return lambda value: value in arguments
    (inner,) = (kind for kind in arguments if kind is not type(None))
    test = _test(inner)
    return lambda value: value is None or test(value)


def _all(values: Any, kinds: frozenset[type], each: Callable[[object], bool]) -> bool:
    return kinds.issuperset(map(type, values)) if kinds else all(map(each, values))


def _types(hint: Any) -> frozenset[type]:
    """The types that a plain `hint`, or one that may be missing, is; none for another.

    JSON writes 1.0 and 1 alike in many hands, so a whole number is a number; true is neither.
    """
    if hint in _NAMES:
        return frozenset((int, float) if hint is float else (hint,))
    if get_origin(hint) in (Union, types.UnionType):
        inner = [_types(kind) for kind in get_args(hint) if kind is not type(None)]
        return frozenset((*inner[0], type(None))) if len(inner) == 1 and inner[0] else frozenset()
    return frozenset()


def _walk(value: object, hint: Any, where: str) -> None:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or (value is None and type(None) in arguments):
        return
    if is_typeddict(hint):
        if not isinstance(value, dict):
            raise _wrong(where, "an object")
        for key, inner in _fields(hint).items():
            if key in value:
                _walk(value[key], inner, _join(where, key))
            elif key in hint.__required_keys__:
                raise ElrError(f"'{_join(where, key)}' is missing")
    elif origin is list:
        if not isinstance(value, list):
            raise _wrong(where, "a list")
        for number, item in enumerate(value):
            _walk(item, arguments[0], f"{where}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, "an object")
        for key, item in value.items():
            _walk(item, arguments[1], _join(where, key))
    elif origin is Literal:
        if value not in arguments:
            raise _wrong(where, " or ".join(f"'{choice}'" for choice in arguments))
    elif origin in (Union, types.UnionType):
        (inner,) = (kind for kind in arguments if kind is not type(None))
        _walk(value, inner, where)
    elif isinstance(value, bool) is not (hint is bool) or not isinstance(value, tuple(_types(hint))):  # numpy's too
        raise _wrong(where, _NAMES[hint])


def _wrong(where: str, wanted: str) -> ElrError:
    return ElrError(f"'{where}' is not {wanted}")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
