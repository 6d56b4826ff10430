"""Digests of source code, noted next to stored results. They are not part of a key; `revision` is.

Comments, docstrings and layout do not count, so that a rewritten sentence gives no warning.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_core.canonical import digest_of


def source_note(fn: Callable[..., Any]) -> dict[str, str]:
    """Return digests of the code of the function's module and of its package, to store as a note."""
    return {"module_code": module_digest(fn), "package_code": package_digest(fn)}


def module_digest(fn: Callable[..., Any]) -> str:
    """Return 16 hex digits of the code of the function's module; empty if it has no source text (compiled code)."""
    plain = fn.func if isinstance(fn, functools.partial) else fn
    try:
        text = inspect.getsource(inspect.getmodule(plain) or plain)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(_code(text).encode()).hexdigest()[:16]


def package_digest(fn: Callable[..., Any]) -> str:
    """Return 16 hex digits of the code of the function's package; empty if the module is in no package."""
    module = inspect.getmodule(fn.func if isinstance(fn, functools.partial) else fn)
    path = getattr(module, "__file__", None)
    if path is None or not getattr(module, "__package__", None):
        return ""
    codes = [[file.name, _code(file.read_text(encoding="utf-8"))] for file in sorted(Path(path).parent.glob("*.py"))]
    return digest_of(codes)


def other_source(note: Mapping[str, Any], fn: Callable[..., Any]) -> bool:
    """Whether the noted result was made by other code.

    Notes of older versions hold digests of the text with its comments. They cannot be compared and count as equal.
    """
    if "module_code" not in note:
        return False
    return bool(note["module_code"] != module_digest(fn) or note.get("package_code") != package_digest(fn))


def _code(text: str) -> str:
    """The code of a module without comments, docstrings and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
