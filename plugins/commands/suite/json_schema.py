"""The JSON Schema (draft 2020-12) of suites: what `read_suite` accepts, for editors and other tools.

Rules that compare a suite with something else are left to `read_suite`: the file's name, names of rows that repeat or
that are made from other fields, axes that are also in `common`, and the largest number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark_core.cli.flags import PLAN
from benchmark_core.records.json_schema import schema_head
from elrbench_plugins.commands.suite.suite import FIELDS, KEYS, ROW

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
SCALAR = {"type": ["string", "number"]}
SETTING = {"type": ["string", "number", "boolean"]}
SEED = {"type": "integer", "minimum": 0}
SEEDS = {"anyOf": [SEED, {"type": "array", "items": SEED, "minItems": 1}]}
SETTINGS = {
    "type": "object",
    "description": "Options of components: method.epochs: 5.",
    "additionalProperties": SETTING,
}
PRINTED = {"properties": {"run": {"const": "none"}}, "required": ["run"]}  # a row that is not run
# Field of a plan -> its help on the command line.
HELP = {flags[0].removeprefix("--").replace("-", "_"): text for flags, _, text in PLAN}


def suite_schema() -> dict[str, Any]:
    """Return the JSON Schema of suites."""
    properties = {
        "suite": {**TEXT, "description": "Name of the suite, equal to the file's."},
        "title": TEXT,
        "about": {**TEXTS, "description": "Remarks, such as choices that the paper does not specify."},
        "seeds": {**SEEDS["anyOf"][1], "description": "Seeds of rows that have none of their own. Default: 0."},
        "common": {**_mapping({**_plan_fields(), "set": SETTINGS}), "description": "Fields of every row."},
        "rows": {"type": "array", "items": _row(), "minItems": 1},
        "matrix": {**_matrix(), "description": "Fields with lists of values; each combination is a row."},
    }
    assert properties.keys() == set(KEYS)
    return {
        **schema_head("suite", "Suite of elrbench"),
        "description": "Rows with the fields of a plan, or a matrix of such fields.",
        **_mapping(properties),
        "oneOf": [{"required": ["rows"]}, {"required": ["matrix"]}],
        "allOf": [_given("method"), _given("dataset")],
    }


def _mapping(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a mapping with these keys and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _row() -> dict[str, Any]:
    own = {
        "row": {**TEXT, "pattern": r"^[^\s,]+$", "description": "Name of the row. Default: METHOD#NUMBER."},
        "figure": {"anyOf": [TEXT, TEXTS], "description": "Ids of printed figures."},
        "run": {"enum": ["plan", "none"], "description": "none: the row is only printed."},
        "note": TEXT,
    }
    assert own.keys() == set(ROW)
    return {
        **_mapping({**own, **_plan_fields(), "set": SETTINGS}),
        "if": PRINTED,
        "then": {"properties": {"figure": {"minItems": 1}}, "required": ["figure"]},
    }


def _matrix() -> dict[str, Any]:
    axis = {"anyOf": [SCALAR, {"type": "array", "items": SCALAR, "minItems": 1}]}
    axes = {name: _described(name, SEEDS if name == "seed" else axis) for name in FIELDS if name != "classes"}
    return {**_mapping(axes), "minProperties": 1}


def _plan_fields() -> dict[str, Any]:
    kinds = {
        "classes": {"anyOf": [SCALAR, {"type": "array", "items": SCALAR}]},
        "seed": {"anyOf": [SEED, {**TEXT, "pattern": "^[0-9]+$"}]},
    }
    return {name: _described(name, kinds.get(name, SCALAR)) for name in FIELDS}


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "description": HELP[name]} if name in HELP else schema


def _given(name: str) -> dict[str, Any]:
    """Return the rule that every row that runs has the field, itself or from `common`."""
    given: dict[str, Sequence[str]] = {"required": [name]}
    return {
        "anyOf": [
            {"properties": {"common": given}, "required": ["common"]},
            {"properties": {"matrix": given}, "required": ["matrix"]},
            {"properties": {"rows": {"items": {"anyOf": [given, PRINTED]}}}, "required": ["rows"]},
        ]
    }
