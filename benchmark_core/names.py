"""Names of components, and names of files made from them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmark_core.errors import ElrError

_COMPONENT = re.compile(r"[a-z0-9](?:[a-z0-9.-]|HxW)*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._,=-]+")


@dataclass(frozen=True)
class ComponentName:
    """`cstat:mlp+rc`: a base name and the variants asked for."""

    base: str
    variants: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> ComponentName:
        """Splits at `:` and `+`. ElrError where a part is empty."""
        base, colon, rest = text.partition(":")
        variants = tuple(rest.split("+")) if colon else ()
        if not base or any(not variant for variant in variants):
            raise ElrError(f"'{text}' is not a component's name; write NAME or NAME:VARIANT+VARIANT")
        return cls(base, variants)

    def __str__(self) -> str:
        return self.base + (":" + "+".join(self.variants) if self.variants else "")


def check_component_name(name: str) -> str:
    """Lower-case letters, digits, dots and dashes; names end up in files and tables."""
    if not _COMPONENT.fullmatch(name) or ".." in name:
        raise ElrError(f"{name!r} cannot name a component; use lower-case letters, digits, '.' and '-'")
    return name


def placed_name(template: str, folder: str) -> str:
    """`folder:my-clips` of a template and a folder's own name: what cannot stand in a component's name becomes `-`.

    ElrError where nothing is left of the folder's name.
    """
    plain = re.sub(r"[^a-z0-9.]+|\.{2,}", "-", folder.lower()).strip("-.")
    if not plain:
        raise ElrError(f"the folder's name {folder!r} has neither letter nor digit; name it otherwise, or link to it")
    return f"{template}:{check_component_name(plain[:80])}"


def file_name(text: str) -> str:
    """`text` as one path component: `:`, `+` and whatever else is unsafe become `-`; never empty, never a dot file."""
    safe = _UNSAFE.sub("-", text).lstrip(".").rstrip("-")
    if not safe:
        raise ElrError(f"{text!r} cannot name a file")
    return safe[:120]
