"""YAML that is read safely and strictly: no tags that build objects, no key that stands twice, errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from benchmark_core.errors import ElrError


def read_yaml(path: Path) -> Any:
    """The plain names and numbers in `path`. ElrError naming the file, and the line where there is one."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ElrError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """The plain names and numbers of `text`. ElrError beginning with `where`, and the line where there is one."""
    try:
        return yaml.load(text, Loader=_Once)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}, line {mark.line + 1}" if mark else where
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ElrError(f"{place}: not YAML: {reason}") from error


class _Once(yaml.SafeLoader):
    """Refuses a key that stands twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As SafeLoader does."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
