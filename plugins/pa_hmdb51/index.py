"""List the clips and folds of PA-HMDB51. No video is opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile
from elrbench_plugins.dataset_lists import files_by_name, find, levelled
from elrbench_plugins.hmdb51 import CLASSES as ACTIONS
from elrbench_plugins.hmdb51.index import level_name, listed, source_video
from elrbench_plugins.jhmdb import CLASSES as JHMDB_ACTIONS
from elrbench_plugins.jhmdb import JHMDB
from elrbench_plugins.jhmdb.index import OWN_SPLITS
from elrbench_plugins.pa_hmdb51 import FOLDS, SPECS, TRIMMED, VIDEOS, WHOLE
from elrbench_plugins.pa_hmdb51.labels import Labels, read_labels


def read(root: Path | None, protocol: str, options: Mapping[str, Value], *, target: str) -> Index:
    """Return the labelled clips of HMDB51, or with protocol `jhmdb-5fold` those that JHMDB has.

    target: "" for the action, an attribute, or "attributes". A clip's id is `ACTION/NAME`, as in the labels; its group
    is the film that it was cut from; its `action` is set unless it is the target. All clips of a film are tested in the
    same fold, which does not depend on the protocol.
    Raises ElrError if labels cannot be read, or no labelled clip is on disk.
    """
    spec = SPECS[target]
    if root is None:
        raise ElrError(f"dataset '{spec.name}' needs its files: pass --data DIR; expected in it: {spec.layout}")
    labels = list(read_labels(root, spec.name, spec.layout))
    videos = _videos(spec, root, protocol)
    on_disk = {action: files_by_name(videos / action, level=level_name) for action in ACTIONS}
    known = _names_in_jhmdb(videos) if protocol == TRIMMED else None
    clips: dict[str, Clip] = {}
    missing: dict[str, int | tuple[int, ...]] = {}
    tested: dict[str, list[str]] = {fold: [] for fold in FOLDS}
    for one in labels:
        number = _target(one, target)
        path = find(one.file, on_disk[one.action], level_name)
        if path is None:
            if known is None or (one.action, level_name(one.file)) in known:
                missing[f"{one.action}/{one.file}"] = number
            continue
        stem = Path(one.file).stem
        film = source_video(stem, one.action)
        clip = Clip(
            id=f"{one.action}/{stem}",
            source=VideoFile(path),
            target=number,
            group=film,
            action=one.action if target else "",
        )
        clips[clip.id] = clip
        tested[fold_of(film)].append(clip.id)
    if not clips:
        raise ElrError(f"{spec.name}: none of the {len(labels)} labelled clips is in {videos}{_other(root, protocol)}")
    folds = {
        fold: Fold(train=tuple(key for other in FOLDS if other != fold for key in tested[other]), test=tuple(own))
        for fold, own in tested.items()
    }
    note = f"{protocol}: {len(clips)} of the {len(labels)} labelled clips found, in {videos}"
    if protocol == TRIMMED:
        note += "; they are trimmed and have the labels of the whole clips"
    return Index(
        clips=tuple(clips.values()), folds=folds, missing=tuple(missing), missing_targets=missing, notes=(note,)
    )


read_actions = partial(read, target="")
read_skin_color = partial(read, target="skin_color")
read_face = partial(read, target="face")
read_gender = partial(read, target="gender")
read_nudity = partial(read, target="nudity")
read_relationship = partial(read, target="relationship")
read_attributes = partial(read, target="attributes")


def _target(labels: Labels, target: str) -> int | tuple[int, ...]:
    if not target:
        return ACTIONS.index(labels.action)
    return labels.of_any_frame() if target == "attributes" else labels.of_most_frames(target)


def fold_of(film: str) -> str:
    """Return the fold that tests the clips of a film: a digest of its name, whatever its punctuation and case."""
    digest = hashlib.sha256(levelled(film).lower().encode()).hexdigest()
    return FOLDS[int(digest, 16) % len(FOLDS)]


def _places(root: Path, protocol: str) -> tuple[Path, Path]:
    """Return where the clips of a protocol may be: under `root`, or in the folder of their dataset next to it."""
    dataset, folder = VIDEOS[protocol]
    return root / folder, Path(os.path.abspath(root)).parent / dataset / folder


def _videos(spec: DatasetSpec, root: Path, protocol: str) -> Path:
    """Return the folder of the protocol's videos. Raises ElrError if there is none."""
    places = _places(root, protocol)
    for place in places:
        if place.is_dir():
            return place
    raise ElrError(
        f"{spec.name}: protocol {protocol} needs the clips of {VIDEOS[protocol][0]} in {places[0]} or {places[1]}"
        f"{_other(root, protocol)}"
    )


def _other(root: Path, protocol: str) -> str:
    """Return the end of an error: a hint at the other protocol if its clips are there."""
    other = WHOLE if protocol == TRIMMED else TRIMMED
    if any(place.is_dir() for place in _places(root, other)):
        return f"; the clips of {VIDEOS[other][0]} are there: use --protocol {other}"
    return ""


def _names_in_jhmdb(videos: Path) -> set[tuple[str, str]]:
    """Return (action, levelled file name) of the clips in JHMDB's lists, so that those not on disk are missing.

    Empty without lists. The first of a class's three lists has all clips of the class, also unused ones.
    """
    names = set()
    for action in JHMDB_ACTIONS:
        lists = [videos.parent / folder / f"{action}_test_split1.txt" for folder in OWN_SPLITS]
        path = next((path for path in lists if path.is_file()), None)
        if path is not None:
            names |= {(action, level_name(file)) for file, _ in listed(path, JHMDB)}
    return names
