"""Read YAML safely and strictly: no tags that build objects, no duplicate keys, errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from benchmark_core.errors import ElrError


def read_yaml(path: Path) -> Any:
    """Parse a file to plain names and numbers. Raises ElrError naming the file, and the line if known."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ElrError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Parse `text` to plain names and numbers. Raises ElrError that begins with `where`, and the line if known."""
    try:
        return yaml.load(text, Loader=_Once)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        position = f"{where}, line {mark.line + 1}" if mark else where
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ElrError(f"{position}: not YAML: {reason}") from error


class _Once(yaml.SafeLoader):
    """Refuse duplicate keys: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping as SafeLoader does, but refuse duplicate keys."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
