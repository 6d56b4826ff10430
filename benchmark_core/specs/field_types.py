"""Check the fields of specs, which plugins write, against their annotations."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from benchmark_core.errors import ElrError

MEANS: Mapping[str, str] = {"Target": "'module:attribute' or a function", "Value": "a number, a name, true or false"}


def check_fields(where: str, holder: Any) -> None:
    """Raise ElrError naming `where` and the field if a field of a dataclass, or an element of it, has a wrong type.

    A list is accepted as a tuple. Generators are not: they may be endless.
    """
    for one in fields(holder):
        value, stated = getattr(holder, one.name), str(one.type)
        if not _fits(value, stated):
            shown = repr(value) if isinstance(value, (str, int, float, tuple, list, dict)) else type(value).__name__
            raise ElrError(f"{where}: {one.name} is {shown:.60}, not {MEANS.get(stated, stated)}")


def _fits(value: object, stated: str) -> bool:
    """Whether a value fits an annotation, given as text. Keys of mappings are not checked."""
    if stated.startswith("Mapping["):
        inner = stated.removeprefix("Mapping[str, ")[:-1]
        return isinstance(value, Mapping) and all(_fits(item, inner) for item in value.values())
    if " | " in stated:
        return any(_fits(value, part) for part in stated.split(" | "))
    if stated.startswith("tuple["):
        inner = stated[len("tuple[") : -1].removesuffix(", ...")
        inner = inner if inner.startswith("Literal") else inner.partition(",")[0]
        return isinstance(value, (tuple, list)) and all(_fits(item, inner) for item in value)
    if stated.startswith("Literal["):
        return type(value) in map(type, ast.literal_eval(stated.removeprefix("Literal")))
    names = {kind.__name__ for kind in type(value).__mro__}
    if stated == "Target":
        return "str" in names or callable(value)
    allowed = {"Value": {"int", "float", "str"}, "float": {"int", "float"}, "Any": names, "None": {"NoneType"}}
    return bool(names & allowed.get(stated, {stated}))
