"""Which files are clips, their ids, and a digest of their contents."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs.index import ArrayFrames, FrameFolder, VideoFile

VIDEOS = frozenset(
    ".3gp .asf .avi .divx .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .vob .webm .wmv".split()  # noqa: SIM905
)
PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
SAMPLE_BYTES = 1 << 16  # at each end of a file


def entries(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted by name, without hidden files. Raises ElrError if it cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ElrError(f"the folder {folder} cannot be listed: {error.strerror or error}") from error


def is_video(path: Path) -> bool:
    """Whether `path` is a regular file with the suffix of a video."""
    return path.suffix.lower() in VIDEOS and path.is_file()


def clip_at(path: Path) -> VideoFile | FrameFolder | None:
    """Return the clip at `path`: a regular file, or a folder with pictures. None for anything else."""
    if path.is_file():
        return VideoFile(path)
    if path.is_dir():
        names = (entry.name for entry in entries(path) if entry.suffix.lower() in PICTURES and entry.is_file())
        if found := tuple(sorted(names, key=by_number)):
            return FrameFolder(path, found)
    return None


def by_number(name: str) -> list[tuple[int, int, str]]:
    """Sort key: frame-2 before frame-10, 002 next to 2, numbers before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts] + [(-1, 0, name)]


def shown(parts: Iterable[str]) -> str:
    """Return the id of a clip from the parts of its path: one line of Unicode, also for undecodable names."""
    name = os.fsencode("/".join(parts)).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in name)


def contents(sources: Iterable[tuple[str, VideoFile | FrameFolder | ArrayFrames]]) -> str:
    """Return 16 hex digits over the ids of clips and the sizes and both ends of their files.

    Two folders with clips of the same names have different digests. An unreadable file counts by its name; decoding
    reports it.
    """
    digest = hashlib.sha256()
    for name, source in sorted(sources, key=lambda pair: pair[0]):
        digest.update(f"{name}\n".encode())
        for path in _files(source):
            try:
                size = path.stat().st_size
                digest.update(f"{path.name.encode(errors='surrogateescape')!r} {size}\n".encode())
                with path.open("rb") as file:
                    digest.update(file.read(SAMPLE_BYTES))
                    file.seek(max(SAMPLE_BYTES, size - SAMPLE_BYTES))
                    digest.update(file.read(SAMPLE_BYTES))
            except OSError:
                continue
    return digest.hexdigest()[:16]


def _files(source: VideoFile | FrameFolder | ArrayFrames) -> Iterator[Path]:
    if isinstance(source, FrameFolder):
        yield from (source.path / name for name in source.names)
    else:
        yield source.path
