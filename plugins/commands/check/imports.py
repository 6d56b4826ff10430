"""Refuse plugins that import torch when they are loaded: `elrbench list` and `--help` load every plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmark_core.errors import ElrError
from elrbench_plugins.commands.check.source_lines import place

HEAVY = "torch"

# Imports argv[2:], and on `import torch` prints the calling lines, innermost first, and stops.
_PROBE = f"""
import importlib, importlib.abc, importlib.util, json, os, sys, traceback

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {HEAVY!r}:
            frames = [frame for frame in traceback.extract_stack() if not frame.filename.startswith("<")]
            print(json.dumps([[frame.filename, frame.lineno] for frame in reversed(frames)]), flush=True)
            os._exit(0)

sys.path[:0] = json.loads(sys.argv[1])
sys.meta_path.insert(0, Watch())
for name in sys.argv[2:]:
    if name.endswith(".py"):
        spec = importlib.util.spec_from_file_location("checked_plugin", name)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    else:
        importlib.import_module(name)
"""


def torch_import(modules: Sequence[str], author: Path) -> str:
    """Return FILE:LINE that imports torch, directly or not, while `modules` are imported; "" if torch is not imported.

    The import runs in a new process, so that modules that are loaded here do not hide it.
    modules: module names or .py files. author: the author's file or folder; its innermost line is named.
    Raises ElrError if the modules cannot be imported.
    """
    argv = [sys.executable, "-c", _PROBE, json.dumps(sys.path), *modules]
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    if done.returncode:
        raise ElrError(f"{', '.join(modules)} cannot be imported: {(done.stderr.splitlines() or ['no output'])[-1]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("[[")]  # the module may print, too
    if not lines:
        return ""
    frames: list[tuple[str, int]] = [(file, line) for file, line in json.loads(lines[-1])]
    own = [frame for frame in frames if Path(frame[0]).resolve().is_relative_to(author)]
    return place(*(own or frames)[0])


def importable_name(module: ModuleType) -> str:
    """Return the argument of `torch_import` for a loaded module: its name, or its file if it was loaded from a file."""
    return str(module.__file__) if module.__name__.startswith("elrbench_plugin_") else module.__name__


def author_of(module: ModuleType) -> Path:
    """Return the author's folder if the module is a package, else its file."""
    path = Path(str(module.__file__)).resolve()
    return path.parent if path.name == "__init__.py" else path
