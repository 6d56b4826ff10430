"""A small TinyVIRAT: real videos of mixed sizes and lengths, and lists, as its authors lay them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from videos import random_planes, write_planes

from elrbench_plugins.tinyvirat import CLASSES

FILM = "VIRAT_S_000204_04_000738_000977"
SHAPES = ((1, 10, 10), (3, 37, 37), (40, 128, 128), (7, 52, 53), (16, 11, 24), (2, 90, 90))  # frames, rows, columns
CROPS = ((4, 112, 112), (3, 130, 150), (6, 160, 120), (5, 112, 128))  # frames, rows, columns


def write_part(root: Path, list_name: str, folder: str, count: int, first: int = 0, labelled: bool = True) -> list[Any]:
    """`count` videos under videos/FOLDER and their entries, which it writes as LIST_NAME and returns."""
    entries = []
    for number in range(count):
        frames, rows, columns = SHAPES[number % len(SHAPES)]
        name = f"{first + number:05d}"
        path = f"{FILM}/{name}.mp4" if labelled else f"{name}.mp4"
        entry: dict[str, Any] = {"id": name, "path": path, "dim": [frames, rows, columns]}
        if labelled:
            labels = [CLASSES[number % 26], *([CLASSES[14]] if number % 3 == 1 else [])]
            entry |= {"video_id": FILM, "label": labels}
        entries.append(entry)
        video = root / "videos" / folder / path
        video.parent.mkdir(parents=True, exist_ok=True)
        codec = "libx264" if rows % 2 == columns % 2 == 0 else "mpeg4"  # H.264 in 4:2:0 has even sides alone
        write_planes(video, random_planes(frames, rows, columns, seed=first + number), "yuv420p", codec=codec)
    write_list(root / list_name, entries)
    return entries


def write_list(path: Path, entries: object, tubes: bool = False) -> None:
    """Bare, or under the key `tubes`."""
    path.write_text(json.dumps({"tubes": entries} if tubes else entries))


def write_first(root: Path, train: int = 6, test: int = 6) -> Path:
    """TinyVIRAT as first released."""
    write_part(root, "tiny_train.json", "train", train)
    write_part(root, "tiny_test.json", "test", test, first=train)
    return root


def write_second(root: Path, train: int = 6, val: int = 6, test: int = 6) -> Path:
    """The challenge's release, whose test clips have no labels."""
    write_part(root, "tiny_train_v2.json", "train", train)
    write_part(root, "tiny_val_v2.json", "val", val, first=train)
    write_part(root, "tiny_test_v2_public.json", "test", test, labelled=False)
    return root


def spread(path: Path) -> None:
    """The list again with every clip from a film of its own, of two classes in turn, so that clips can be held out."""
    entries = json.loads(path.read_text())
    for number, entry in enumerate(entries):
        entry |= {"video_id": f"{FILM}_{number}", "label": [CLASSES[number % 2]]}
    write_list(path, entries)


def write_crops(root: Path) -> Path:
    """`virat-crops` as its layout says: four that train, and one that tests."""
    for part, first, count in (("train", 0, 4), ("test", 4, 1)):
        entries = []
        for number in range(first, first + count):
            frames, rows, columns = CROPS[number % 4]
            video = root / "videos" / part / FILM / f"{number:05d}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            write_planes(video, random_planes(frames, rows, columns, seed=100 + number), "yuv420p", codec="libx264")
            entries.append({"path": f"{FILM}/{number:05d}.mp4", "label": [CLASSES[number + 3]]})
        (root / f"crops_{part}.json").write_text(json.dumps(entries))
    return root
