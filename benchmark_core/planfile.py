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

import yaml

from benchmark_core.errors import ElrError, unknown
from benchmark_core.resolve import Request

FIELDS = tuple(field.name for field in dataclasses.fields(Request) if field.name != "settings")


def read_planfile(path: Path) -> dict[str, Any]:
    """The fields of a `Request` that the file gives, `settings` as "KEY=VALUE" texts.

    Raises ElrError of one line that names the file and the place: not YAML, not a mapping, an unknown or nested key.
    """
    try:
        plain = yaml.load(path.read_text(encoding="utf-8"), Loader=_Once)  # a SafeLoader
    except (OSError, UnicodeError) as error:
        raise ElrError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ElrError(f"{path}{where}: not YAML: {reason}") from error
    if not isinstance(plain, Mapping):
        raise ElrError(f"{path} is not a mapping of flags to values, such as 'method: cstat'")
    asked: dict[str, Any] = {}
    for key, value in plain.items():
        if key == "set":
            asked["settings"] = _settings(path, value)
        elif key not in FIELDS:
            raise ElrError(f"{path}: {unknown('key', str(key), (*FIELDS, 'set'))}")
        elif key == "classes" and isinstance(value, list):
            asked[key] = tuple(map(str, value))
        elif not isinstance(value, (str, int)) or isinstance(value, bool):
            raise ElrError(f"{path}: '{key}' is {value!r}, not one name or number")
        else:
            asked[key] = int(value) if key == "seed" and str(value).isdigit() else str(value)
    if not isinstance(asked.get("seed", 0), int):
        raise ElrError(f"{path}: 'seed' is {asked['seed']!r}, not a whole number")
    return asked


class _Once(yaml.SafeLoader):
    """Refuses a key that stands twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As SafeLoader does."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _settings(path: Path, value: object) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        raise ElrError(f"{path}: 'set' is not a mapping, such as 'method.epochs: 5'")
    texts = []
    for key, setting in value.items():
        if not isinstance(setting, (str, int, float)):
            raise ElrError(f"{path}: set {key} is {setting!r}, not one name or number")
        texts.append(f"{key}={str(setting).lower() if isinstance(setting, bool) else setting}")
    return tuple(texts)
