"""Check the fields of specs and indices, which plugins make, against their annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from benchmark_core.errors import ElrError

TYPES: Mapping[str, Any] = {
    "str": str,
    "bool": bool,
    "int": int,
    "tuple": (tuple, list),
    "Mapping": Mapping,
    "Target": str,
}
TARGET = "'module:attribute' or a function"


def check_fields(where: str, holder: Any) -> None:
    """Raise ElrError naming `where` and the field if a field of a dataclass has a wrong type.

    Names and clips in tuples are checked, too. A list passes as a tuple. A generator does not: it may be endless.
    """
    for one in fields(holder):
        value, stated = getattr(holder, one.name), str(one.type)
        outer, _, inner = stated.removesuffix(" | None").partition("[")
        fits = isinstance(value, TYPES.get(outer, object)) or (outer == "Target" and callable(value))
        if fits and outer == "tuple" and (element := inner.partition(",")[0]) in ("str", "Clip"):
            fits = all(element in (kind.__name__ for kind in type(item).__mro__) for item in value)
        if not fits and not (value is None and stated.endswith("None")):
            shown = repr(value) if isinstance(value, (str, int, float, tuple, list)) else type(value).__name__
            raise ElrError(f"{where}: {one.name} is {shown:.60}, not {TARGET if outer == 'Target' else stated}")
