"""Whether plain JSON has the shape that a TypedDict declares: the schema is written once, as types."""

from __future__ import annotations

import functools
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmark_core.errors import ElrError

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_fields = functools.cache(get_type_hints)


def conform(value: object, hint: Any, where: str = "") -> None:
    """Nothing where `value` is of type `hint`; ElrError naming the place and what belongs there. More keys are fine."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or (value is None and type(None) in arguments):
        return
    if is_typeddict(hint):
        if not isinstance(value, dict):
            raise _wrong(where, "an object")
        for key, inner in _fields(hint).items():
            if key in value:
                conform(value[key], inner, _join(where, key))
            elif key in hint.__required_keys__:
                raise ElrError(f"'{_join(where, key)}' is missing")
    elif origin is list:
        if not isinstance(value, list):
            raise _wrong(where, "a list")
        for number, item in enumerate(value):
            conform(item, arguments[0], f"{where}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, "an object")
        for key, item in value.items():
            conform(item, arguments[1], _join(where, key))
    elif origin is Literal:
        if value not in arguments:
            raise _wrong(where, " or ".join(f"'{choice}'" for choice in arguments))
    elif origin in (Union, types.UnionType):
        (inner,) = (kind for kind in arguments if kind is not type(None))
        conform(value, inner, where)
    elif not _plain(value, hint):
        raise _wrong(where, _NAMES[hint])


def _plain(value: object, hint: type) -> bool:
    """JSON writes 1.0 and 1 alike in many hands, so a whole number is a number; true is neither."""
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _wrong(where: str, wanted: str) -> ElrError:
    return ElrError(f"'{where}' is not {wanted}")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
