"""A small PA-HMDB51: labels as its authors publish them, and videos in JHMDB's layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any

from videos import random_planes, write_planes

from elrbench_plugins.hmdb51 import CLASSES as ACTIONS
from elrbench_plugins.pa_hmdb51 import ATTRIBUTES, FOLDS
from elrbench_plugins.pa_hmdb51.index import fold_of

Entry = dict[str, Any]


def entry(**labels: Any) -> Entry:
    """Labels of 100 frames: value 1 of every attribute unless `labels` has its ranges."""
    return {attribute: [[0, 99, 1]] for attribute in ATTRIBUTES} | {"review": True, "note": ""} | labels


def file_name(film: str, action: str) -> str:
    """As HMDB51 names a clip of a film."""
    return f"{film}_{action}_f_cm_np1_fr_med_0.avi"


def films(fold: str, number: int) -> list[str]:
    """Names of films whose clips the fold tests."""
    return list(islice((name for name in map("film{}".format, count()) if fold_of(name) == fold), number))


def write_labels(root: Path, clips: Mapping[str, Mapping[str, Entry]]) -> Path:
    """Write the files of all actions. clips: action -> file name -> entry; other actions have one clip, of no video."""
    (root / "PrivacyAttributes").mkdir(parents=True, exist_ok=True)
    for action in ACTIONS:
        entries = clips.get(action) or {file_name("elsewhere", action): entry()}
        (root / "PrivacyAttributes" / f"{action}.json").write_text(json.dumps(entries, indent=4))
    return root


def write_attributes(root: Path) -> Path:
    """Two clips for each fold, as JHMDB has them: people who wave are women, people who jump are men."""
    clips: dict[str, dict[str, Entry]] = {"wave": {}, "jump": {}}
    for number, fold in enumerate(FOLDS):
        for action, gender, film in zip(clips, (2, 1), films(fold, 2), strict=True):
            name = file_name(film, action)
            clips[action][name] = entry(gender=[[0, 99, gender]], face=[[0, 9, 0], [10, 99, number % 3]])
            path = root / "ReCompress_Videos" / action / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_planes(path, random_planes(5, 24, 32, 2 * number + gender), "yuv420p", codec="mpeg4")
    return write_labels(root, clips)
