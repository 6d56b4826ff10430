"""Read plans from YAML files: the flags of `elrbench run` by name, and `set` for options.

method: cstat
dataset: puppets
budget: small
classes: [clap, wave]
set:
  method.epochs: 5
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.plan import TEACHER_BACKBONE
from benchmark_core.plans.resolve import PlanRequest
from benchmark_core.strict_yaml import read_yaml
from benchmark_core.weights_file import PREFIX

FIELDS = tuple(field.name for field in dataclasses.fields(PlanRequest) if field.name != "settings")


def read_planfile(path: Path) -> dict[str, Any]:
    """Return the fields of a `PlanRequest` that the file sets; `settings` holds "KEY=VALUE" texts.

    Raises ElrError naming the file and the key if it is not YAML, not a mapping, or a key is unknown or nested.
    """
    return read_fields(read_yaml(path), str(path))


def read_fields(plain: object, where: str) -> dict[str, Any]:
    """Return the same as `read_planfile` for parsed YAML. `where` begins each error message."""
    if not isinstance(plain, Mapping):
        raise ElrError(f"{where} is not a mapping of flags to values, such as 'seed: 1'")
    asked: dict[str, Any] = {}
    for key, value in plain.items():
        if key == "set":
            asked["settings"] = _settings(where, value)
        elif key not in FIELDS:
            raise ElrError(f"{where}: {unknown('key', str(key), (*FIELDS, 'set'), 'elrbench run --help')}")
        elif key == "classes" and isinstance(value, list) and all(map(_is_scalar, value)):
            asked[key] = tuple(map(str, value))
        elif not _is_scalar(value):
            raise ElrError(f"{where}: '{key}' is {value!r}, not one name or number")
        else:
            asked[key] = int(value) if key == "seed" and str(value).isdecimal() else str(value)
    if not isinstance(asked.get("seed", 0), int):
        raise ElrError(f"{where}: 'seed' is {asked['seed']!r}, not a whole number")
    return asked


def fields_of(plan: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a `PlanRequest` that resolves to a record's plan again.

    given: paths of files that a plan names only by name and digest: weights, enhancer_weights, teacher. "backbone":
        what the user names instead of the plan's backbone, such as the folder of a model.
    Raises ElrError if the plan names such a file and `given` lacks it, or the reverse. A backbone without its files is
    found out when it is looked up.
    """
    plain = {key: value for key, value in plan.items() if key != "settings" and value not in ("", [])}
    for name in ("size", "teacher_size"):
        if name in plain:
            plain[name] = "x".join(map(str, plan[name]))
    if str(plain.get("teacher_weights", "")).startswith(PREFIX):  # they are those of the student
        del plain["teacher_weights"]
    plain["set"] = {key: value for key, value in plan["settings"].items() if value != ""}
    plain["set"] = {key: each for key, each in plain["set"].items() if not key.startswith(f"{TEACHER_BACKBONE}.")}
    held = {
        "weights": plain["weights"] if str(plain["weights"]).startswith(PREFIX) else "",
        "enhancer_weights": str(plan["settings"].get("enhancer.weights", "")),
        "teacher": plain.get("teacher", ""),
    }
    for name, text in held.items():
        known = text.startswith(PREFIX) or (name == "teacher" and text)
        flag = f"--{name.replace('_', '-')}"
        if known and name not in given:
            raise ElrError(f"the plan names the file {text} without its path; pass {flag} PATH")
        if not known and name in given:
            raise ElrError(f"the plan does not use {flag}; remove {flag} {given[name]}")
    if "enhancer_weights" in given:
        del plain["set"]["enhancer.weights"]
    return read_fields({**plain, **given}, "the record's plan")


def _is_scalar(value: object) -> bool:
    """Return whether a value is one name or number."""
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _settings(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        raise ElrError(f"{where}: 'set' is not a mapping, such as 'method.epochs: 5'")
    texts = []
    for key, setting in value.items():
        if not isinstance(setting, (str, int, float)):
            raise ElrError(f"{where}: set {key} is {setting!r}, not one name or number")
        texts.append(f"{key}={str(setting).lower() if isinstance(setting, bool) else setting}")
    return tuple(texts)
