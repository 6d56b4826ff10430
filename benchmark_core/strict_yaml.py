"""Read YAML safely and strictly: no tags that build objects, no duplicate keys, a bounded size, errors of one line."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from benchmark_core.errors import ElrError
from benchmark_core.regular_file import read_regular

LARGEST = 256 << 10  # bytes of a file, and characters of a document with its aliases expanded


def read_yaml(path: Path) -> Any:
    """Parse a file to plain names and numbers. Raises ElrError naming the file, and the line if known."""
    try:
        text = read_regular(path, LARGEST).decode()
    except UnicodeError as error:
        raise ElrError(f"{path} cannot be read: {error}") from error
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
    """Refuse duplicate keys, of which the second would silently win, and aliases that expand to a huge document."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Construct a document as SafeLoader does, but refuse one that is too large with its aliases expanded."""
        if _expanded(node, {}) > LARGEST:
            raise yaml.MarkedYAMLError(problem=f"its aliases expand it to more than {LARGEST >> 10} KiB")
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping as SafeLoader does, but refuse duplicate keys."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, times in Counter(key for key in keys if isinstance(key, Hashable)).items():
            if times > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _expanded(node: yaml.Node, sizes: dict[int, float]) -> float:
    """Return the number of characters of a node with its aliases expanded, infinite if it contains itself."""
    if id(node) not in sizes:
        sizes[id(node)] = math.inf
        inner = itertools.chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
        if isinstance(node, yaml.ScalarNode):
            if node.tag.endswith(":int") and len(node.value) > 40:
                raise yaml.MarkedYAMLError(problem="a whole number is too long", problem_mark=node.start_mark)
            sizes[id(node)] = 1 + len(node.value)
        else:
            sizes[id(node)] = 1 + sum(_expanded(each, sizes) for each in inner)
    return sizes[id(node)]
