"""Check JSON against a TypedDict, so that the schema is written only once, as types."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmark_core.errors import ElrError

_NAMES = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
_fields = functools.cache(get_type_hints)


def check_schema(value: object, hint: Any, path: str = "") -> None:
    """Raise ElrError if `value` is not of type `hint`, naming the field and its type. Extra keys are allowed."""
    if not _test(hint)(value):  # fast path: tables read thousands of records
        _walk(value, hint, path)


@functools.cache
def _test(hint: Any) -> Callable[[object], bool]:
    """Return a fast test. True means that the value is of type `hint`; False means that `_walk` must decide."""
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
    """Return the Python types of a plain or optional `hint`; empty for any other hint.

    An integer is also a number, because some JSON writers turn 1.0 into 1. A boolean is neither.
    """
    if hint in _NAMES:
        return frozenset((int, float) if hint is float else (hint,))
    if get_origin(hint) in (Union, types.UnionType):
        inner = [_types(kind) for kind in get_args(hint) if kind is not type(None)]
        return frozenset((*inner[0], type(None))) if len(inner) == 1 and inner[0] else frozenset()
    return frozenset()


def _walk(value: object, hint: Any, path: str) -> None:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or (value is None and type(None) in arguments):
        return
    if is_typeddict(hint):
        if not isinstance(value, dict):
            raise _wrong(path, "an object")
        for key, inner in _fields(hint).items():
            if key in value:
                _walk(value[key], inner, _join(path, key))
            elif key in hint.__required_keys__:
                raise ElrError(f"'{_join(path, key)}' is missing")
    elif origin is list:
        if not isinstance(value, list):
            raise _wrong(path, "a list")
        for number, item in enumerate(value):
            _walk(item, arguments[0], f"{path}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            raise _wrong(path, "an object")
        for key, item in value.items():
            _walk(item, arguments[1], _join(path, key))
    elif origin is Literal:
        if value not in arguments:
            raise _wrong(path, " or ".join(f"'{choice}'" for choice in arguments))
    elif origin in (Union, types.UnionType):
        (inner,) = (kind for kind in arguments if kind is not type(None))
        _walk(value, inner, path)
    elif isinstance(value, bool) is not (hint is bool) or not isinstance(
        value, tuple(_types(hint))
    ):  # also numpy scalars
        raise _wrong(path, _NAMES[hint])


def _wrong(path: str, wanted: str) -> ElrError:
    return ElrError(f"'{path}' is not {wanted}")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
