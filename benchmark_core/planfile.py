"""A plan asked for in a YAML file: the flags of `elrbench run` by name, and `set` for options.

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
from benchmark_core.resolve import Request
from benchmark_core.strict_yaml import read_yaml

FIELDS = tuple(field.name for field in dataclasses.fields(Request) if field.name != "settings")


def read_planfile(path: Path) -> dict[str, Any]:
    """The fields of a `Request` that the file gives, `settings` as "KEY=VALUE" texts.

    Raises ElrError of one line that names the file and the place: not YAML, not a mapping, an unknown or nested key.
    """
    return read_fields(read_yaml(path), str(path))


def read_fields(plain: object, where: str) -> dict[str, Any]:
    """As `read_planfile`, of what YAML held; `where` begins each error."""
    if not isinstance(plain, Mapping):
        raise ElrError(f"{where} is not a mapping of flags to values, such as 'method: cstat'")
    asked: dict[str, Any] = {}
    for key, value in plain.items():
        if key == "set":
            asked["settings"] = _settings(where, value)
        elif key not in FIELDS:
            raise ElrError(f"{where}: {unknown('key', str(key), (*FIELDS, 'set'))}")
        elif key == "classes" and isinstance(value, list):
            asked[key] = tuple(map(str, value))
        elif not isinstance(value, (str, int)) or isinstance(value, bool):
            raise ElrError(f"{where}: '{key}' is {value!r}, not one name or number")
        else:
            asked[key] = int(value) if key == "seed" and str(value).isdigit() else str(value)
    if not isinstance(asked.get("seed", 0), int):
        raise ElrError(f"{where}: 'seed' is {asked['seed']!r}, not a whole number")
    return asked


def _settings(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        raise ElrError(f"{where}: 'set' is not a mapping, such as 'method.epochs: 5'")
    texts = []
    for key, setting in value.items():
        if not isinstance(setting, (str, int, float)):
            raise ElrError(f"{where}: set {key} is {setting!r}, not one name or number")
        texts.append(f"{key}={str(setting).lower() if isinstance(setting, bool) else setting}")
    return tuple(texts)
