"""Digests of source text, noted next to stored results. They are not part of a key; `revision` is."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_core.canonical import digest_of


def source_note(fn: Callable[..., Any]) -> dict[str, str]:
    """Return digests of the source text of the function's module and of its package, to store as a note."""
    return {"source": source_digest(fn), "package": package_digest(fn)}


def source_digest(fn: Callable[..., Any]) -> str:
    """Return 16 hex digits of the source text of the function's module; empty if there is none (compiled code)."""
    plain = fn.func if isinstance(fn, functools.partial) else fn
    try:
        text = inspect.getsource(inspect.getmodule(plain) or plain)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def package_digest(fn: Callable[..., Any]) -> str:
    """Return 16 hex digits of the source texts of the function's package; empty if the module is in no package."""
    module = inspect.getmodule(fn.func if isinstance(fn, functools.partial) else fn)
    path = getattr(module, "__file__", None)
    if path is None or not getattr(module, "__package__", None):
        return ""
    texts = [[file.name, file.read_text(encoding="utf-8")] for file in sorted(Path(path).parent.glob("*.py"))]
    return digest_of(texts)


def other_source(note: Mapping[str, Any], fn: Callable[..., Any]) -> bool:
    """Whether the noted result was made by other source text. Notes of older versions have only the module's digest."""
    if "package" in note:
        return bool(note["package"] != package_digest(fn) or note.get("source") != source_digest(fn))
    return bool(note.get("source") != source_digest(fn))
