"""Read dataset lists as their authors publish them, also if file names differ slightly from the lists' names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmark_core.errors import ElrError


def read_lines(path: Path, owner: str, expected: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, stripped text) of each line that is not blank, with any line ending.

    Raises ElrError naming `owner` and the `expected` layout if the file cannot be read as UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ElrError(f"{owner}: the list {path} cannot be read: {reason}; expected: {expected}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def levelled(name: str) -> str:
    """Replace all but ASCII letters, digits and dots by `_`: lists and files differ in `(`, `!` and the like."""
    return re.sub(r"[^A-Za-z0-9.]", "_", name)


def files_by_name(
    folder: Path, suffixes: tuple[str, ...] = (".avi",), level: Callable[[str], str] = levelled
) -> dict[str, Path]:
    """Return the files of a folder by name, and by `level(name)` if only one file has that levelled name.

    Empty if there is no such folder. Look names up with `find`.
    """
    if not folder.is_dir():
        return {}
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes}
    alike: dict[str, list[Path]] = defaultdict(list)
    for name, path in files.items():
        alike[level(name)].append(path)
    return {name: paths[0] for name, paths in alike.items() if len(paths) == 1} | files


def find(name: str, files: dict[str, Path], level: Callable[[str], str] = levelled) -> Path | None:
    """Return the file of `files_by_name` for a list's `name`: by exact name, else by levelled name, else None."""
    return files.get(name) or files.get(level(name))
