"""Write the types of records as JSON Schema (draft 2020-12), for tools that do not import elrbench.

The schema is made from the types that `check_schema` tests, so that both accept the same records. Two things are left
to elrbench: JSON Schema takes 1.0 for an integer, and it cannot compare fields with each other.
"""

from __future__ import annotations

import inspect
import re
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmark_core.records.checksum import SCHEMA
from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import RunRecord

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ADDRESS = "https://raw.githubusercontent.com/elrbench/elrbench/main/docs/schema"  # where the schemas are published
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_head(name: str, title: str) -> dict[str, Any]:
    """Return the first keys of a published schema."""
    return {"$schema": DIALECT, "$id": f"{ADDRESS}/{name}.json", "title": title}


def run_record_schema() -> dict[str, Any]:
    """Return the JSON Schema of run records."""
    return {**schema_head("record", "Record of a run of elrbench"), **_document(RunRecord)}


def cost_record_schema() -> dict[str, Any]:
    """Return the JSON Schema of cost records."""
    return {**schema_head("cost", "Cost record of elrbench"), **_document(CostRecord)}


def _document(hint: Any) -> dict[str, Any]:
    """Return the schema of a TypedDict, with those of the types inside it in `$defs`."""
    inner: dict[str, Any] = {}
    document = _object(hint, inner)
    document["properties"]["schema"] |= {"const": SCHEMA, "description": "version of this schema"}
    return {**document, "$defs": dict(sorted(inner.items()))}


def _schema(hint: Any, inner: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type, as `schema_check` tests it. Those of TypedDicts are added to `inner`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        name = hint.__name__
        if name not in inner:
            inner[name] = {}  # the name is taken while its fields are read
            inner[name] = _object(hint, inner)
        return {"$ref": f"#/$defs/{name}"}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], inner)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], inner)}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        (kind,) = (kind for kind in arguments if kind is not type(None))
        return {"anyOf": [_schema(kind, inner), {"type": "null"}]}
    if hint is Any:
        return {}
    if origin is Annotated and get_origin(arguments[0]) is list:
        return {**_schema(arguments[0], inner), "minItems": arguments[1], "maxItems": arguments[1]}
    if origin is Annotated:
        return {"type": _PLAIN[arguments[0]], "minimum": arguments[1], "maximum": arguments[2]}
    return {"type": _PLAIN[hint]}


def _object(hint: Any, inner: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a TypedDict. Descriptions are those of its docstring. Further keys are allowed."""
    fields = {key: _schema(kind, inner) for key, kind in get_type_hints(hint, include_extras=True).items()}
    summary, described = _described(hint)
    return {
        "type": "object",
        **({"description": summary} if summary else {}),
        "properties": {
            key: {**schema, **({"description": described[key]} if key in described else {})}
            for key, schema in fields.items()
        },
        "required": [key for key in fields if key in hint.__required_keys__],
    }


def _described(hint: Any) -> tuple[str, dict[str, str]]:
    """Return the first paragraph of a TypedDict's docstring, and field -> its text under "Attributes:"."""
    text = inspect.cleandoc(hint.__doc__ or "")
    summary, _, rest = text.partition("\n\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in rest.partition("Attributes:\n")[2].splitlines():
        entry = re.match(r" {4}(\w+(?:, \w+)*): (.+)", line)
        if entry:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            names = []
    return " ".join(summary.split()), found
