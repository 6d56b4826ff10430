"""Check names of components, and make file names from them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmark_core.errors import ElrError

_COMPONENT = re.compile(r"[a-z0-9](?:[a-z0-9.-]|HxW)*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._,=-]+")


@dataclass(frozen=True)
class ComponentName:
    """A component's name with variants, for example `cstat:mlp+rc`."""

    base: str
    variants: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> ComponentName:
        """Split a name at `:` and `+`. Raises ElrError if a part is empty."""
        base, colon, rest = text.partition(":")
        variants = tuple(rest.split("+")) if colon else ()
        if not base or any(not variant for variant in variants):
            raise ElrError(f"'{text}' is not a component name; use NAME or NAME:VARIANT+VARIANT")
        return cls(base, variants)

    def __str__(self) -> str:
        return self.base + (":" + "+".join(self.variants) if self.variants else "")


def split_method(text: str) -> tuple[str, frozenset[str]]:
    """Split a method's name into its base and its variants, whose order does not matter. Never raises."""
    try:
        name = ComponentName.parse(text)
    except ElrError:
        return text, frozenset()
    return name.base, frozenset(name.variants)


def check_dataset_name(name: str) -> str:
    """Return `name`, which may be DATASET:TARGET for another target of a dataset's clips, such as `puppets:identity`.

    Raises ElrError if a part has characters other than lower-case letters, digits, dots and dashes.
    """
    base, colon, target = name.partition(":")
    return check_component_name(base) + (f":{check_component_name(target)}" if colon else "")


def check_component_name(name: str) -> str:
    """Return `name`. Raises ElrError if it has characters other than lower-case letters, digits, dots and dashes."""
    if not _COMPONENT.fullmatch(name) or ".." in name:
        raise ElrError(f"{name!r} cannot name a component; use lower-case letters, digits, '.' and '-'")
    return name


def folder_dataset_name(template: str, folder: str) -> str:
    """Return TEMPLATE:FOLDER, for example `folder:my-clips`; characters not allowed in names become `-`.

    Raises ElrError if the folder's name has no letter or digit.
    """
    plain = re.sub(r"[^a-z0-9.]+|\.{2,}", "-", folder.lower()).strip("-.")
    if not plain:
        raise ElrError(
            f"the folder's name {folder!r} has no letter or digit; rename the folder, or link to it under another name"
        )
    return f"{template}:{check_component_name(plain[:80])}"


def file_name(text: str) -> str:
    """Return `text` as a file name: `:`, `+` and other unsafe characters become `-`. Never empty, never a dot file."""
    safe = _UNSAFE.sub("-", text).lstrip(".").rstrip("-")
    if not safe:
        raise ElrError(f"{text!r} cannot be a file name; use letters and digits")
    return safe[:120]
