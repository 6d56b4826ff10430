"""The source text behind what is kept: noted beside it, and no part of its key, which its `revision` changes."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_core.canonical import digest_of


def source_note(fn: Callable[..., Any]) -> dict[str, str]:
    """Digests of the source text of the function's module, and of the package that it is in, to be kept as a note."""
    return {"source": source_digest(fn), "package": package_digest(fn)}


def source_digest(fn: Callable[..., Any]) -> str:
    """16 hex digits of the source text of the function's module; empty where there is none, as of compiled code."""
    plain = fn.func if isinstance(fn, functools.partial) else fn
    try:
        text = inspect.getsource(inspect.getmodule(plain) or plain)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def package_digest(fn: Callable[..., Any]) -> str:
    """16 hex digits of the source texts of the package that the function's module is in; empty where it is in none."""
    module = inspect.getmodule(fn.func if isinstance(fn, functools.partial) else fn)
    path = getattr(module, "__file__", None)
    if path is None or not getattr(module, "__package__", None):
        return ""
    texts = [[file.name, file.read_text(encoding="utf-8")] for file in sorted(Path(path).parent.glob("*.py"))]
    return digest_of(texts)


def other_source(note: Mapping[str, Any], fn: Callable[..., Any]) -> bool:
    """Whether what the note is of was made by other source text; notes of older versions know the module alone."""
    if "package" in note:
        return bool(note["package"] != package_digest(fn) or note.get("source") != source_digest(fn))
    return bool(note.get("source") != source_digest(fn))
