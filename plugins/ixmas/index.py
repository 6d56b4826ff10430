"""List the clips and folds of IXMAS, from INRIA's pictures or EPFL's videos. No picture or video is opened.

A clip is one performance filmed by one camera, or by several at once. In both releases its id has the form of EPFL's
file names: `alba1_01_check-watch_cam0_frames_0053_0097`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Fold, FrameFolder, FrameFolders, Index, VideoFile
from elrbench_plugins.dataset_lists import read_lines
from elrbench_plugins.ixmas import ACTIONS, ACTORS, CAMERAS, IXMAS_11, IXMAS_12, IXMAS_12_JOINT, REPETITIONS

RECORDINGS = tuple(f"{actor}{repetition}" for actor, repetition in product(ACTORS, REPETITIONS))
VIDEO = re.compile(r"([a-z]+)([1-9])_\d+_([a-z-]+)_(cam\d)_frames_\d+_\d+\.avi")
PICTURE = re.compile(r"img(\d+)\.png", flags=re.IGNORECASE)
LAST_NUMBER = 14  # in the truth files; 13 and 14 are throws


def read_11(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the index of eleven actions; see `read`."""
    return read(IXMAS_11, root, protocol, str(options.get("release", "inria")))


def read_12(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the index of twelve actions; see `read`."""
    return read(IXMAS_12, root, protocol, str(options.get("release", "inria")))


def read_joint(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the index of twelve actions whose clips show the cameras of option `cameras` side by side; see `read`."""
    return read(IXMAS_12_JOINT, root, protocol, "inria", cameras=str(options["cameras"]))


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One performance filmed by one camera, or by several. `clip` is None if it is not on disk; `name`: in errors."""

    actor: str
    camera: str
    action: str
    name: str
    clip: Clip | None


def read(spec: DatasetSpec, root: Path | None, protocol: str, release: str, *, cameras: str = "") -> Index:
    """Return the clips of the ten actors that papers use. Clips of other actors count as unlisted.

    The group of a clip is its actor; so is its fold, by default. cameras: numbers of those that a clip shows side by
    side; "": a clip shows one, and each performance is as many clips as there are cameras.
    Raises ElrError if the folder has no clip of the release, a truth file cannot be read, or a video exists twice.
    """
    if root is None:
        raise ElrError(f"dataset '{spec.name}' needs its files: pass --data DIR; expected in it: {spec.layout}")
    notes: list[str] = []
    shots = list(_videos(spec, root) if release == "epfl" else _pictures(spec, root, notes))
    if cameras:
        shots = _joined(spec, shots, cameras)
    of_spec = [shot for shot in shots if shot.actor in ACTORS and shot.action in spec.classes]
    found = {shot.name: shot for shot in of_spec if shot.clip is not None}
    if not found:
        raise ElrError(f"{spec.name}: {_other(spec, root, release)}; expected in {root}: {spec.layout}")
    clips = tuple(shot.clip for shot in found.values() if shot.clip is not None)
    folds = {}
    for fold in spec.protocols[protocol].folds:
        tested = {name for name, shot in found.items() if fold in (shot.actor, shot.camera)}
        folds[fold] = Fold(
            train=tuple(name for name in found if name not in tested),
            test=tuple(name for name in found if name in tested),
        )
    missing = {shot.name: spec.classes.index(shot.action) for shot in of_spec if shot.clip is None}
    return Index(
        clips=clips,
        folds=folds,
        missing=tuple(missing),
        missing_targets=missing,
        unlisted=sum(shot.clip is not None for shot in shots) - len(clips),
        notes=tuple(notes),
    )


def _other(spec: DatasetSpec, root: Path, release: str) -> str:
    """Return why no clip was found, for instance because the folder has the other release."""
    if release == "inria" and any(VIDEO.fullmatch(path.name.lower()) for path in root.rglob("*.avi")):
        other = f"{spec.name}:epfl" if "epfl" in spec.variants else "ixmas-12:epfl, whose clips show one camera"
        return f"{root} has EPFL's videos, not INRIA's pictures: use --dataset {other}"
    if release == "epfl" and any(root.glob("*_truth.txt")):
        return f"{root} has INRIA's pictures, not EPFL's videos: use --dataset {spec.name}"
    return f"there is no clip of its {len(ACTORS)} actors in {root}"


def _clip(
    spec: DatasetSpec, name: str, actor: str, action: str, source: VideoFile | FrameFolder | FrameFolders
) -> Clip:
    target = spec.classes.index(action) if action in spec.classes else None
    return Clip(id=name, source=source, target=target, group=actor)


def _videos(spec: DatasetSpec, root: Path) -> Iterator[Shot]:
    """Yield EPFL's shots: one video per clip, at any depth of `root`. A performance without video has no clip.

    The actor fills the frame, so that it is resized whole, as in the code of Chen et al. (WACV 2017), and not cropped.
    """
    paths: dict[str, Path] = {}
    found = set()
    for path in sorted(root.rglob("*.[aA][vV][iI]")):
        match = VIDEO.fullmatch(path.name.lower())
        if not match:
            continue
        name = path.stem.lower()
        if name in paths:
            raise ElrError(
                f"{spec.name}: {path.name} exists twice, in {paths[name].parent} and {path.parent}; "
                "pass one of these folders as --data"
            )
        paths[name] = path
        actor, repetition, action, camera = match.groups()
        found.add((actor, int(repetition), action, camera))
        clip = _clip(spec, name, actor, action, VideoFile(path, whole=True))
        yield Shot(actor=actor, camera=camera, action=action, name=name, clip=clip)
    if not found:
        return
    for actor, repetition, (number, action), camera in product(ACTORS, REPETITIONS, ACTIONS.items(), CAMERAS):
        if (actor, repetition, action, camera) not in found:
            name = f"{actor}{repetition}_{number:02d}_{action}_{camera}"
            yield Shot(actor=actor, camera=camera, action=action, name=name, clip=None)


def _pictures(spec: DatasetSpec, root: Path, notes: list[str]) -> Iterator[Shot]:
    """Yield INRIA's shots: each run of one action number in a truth file, in the pictures of each camera.

    Truth files are next to the folders of the recordings, or in them. A shot has no clip if its recording or one of its
    pictures is absent.
    """
    paths = [*root.glob("*_png/*_truth.txt"), *root.glob("*_truth.txt")]
    truths = {path.name.removesuffix("_truth.txt"): path for path in paths}
    if not truths:
        return
    for recording in sorted({*RECORDINGS, *truths}):
        actor = recording.rstrip("0123456789")
        cameras = {camera: _numbered(root / f"{recording}_png" / camera) for camera in CAMERAS}
        numbers = [number for pictures in cameras.values() for number in pictures]
        if recording not in truths or not numbers:
            absent = f"{recording}_png" if recording in truths else f"{recording}_truth.txt"
            for camera, action in product(CAMERAS, ACTIONS.values()):
                name = f"{absent} ({action}, {camera})"
                yield Shot(actor=actor, camera=camera, action=action, name=name, clip=None)
            continue
        truth = _truth(truths[recording], spec)
        first = min(numbers)  # pictures are numbered from 0 or from 1, the same for all cameras
        beyond = max(numbers) - first + 1 - len(truth)
        if beyond:
            notes.append(f"{recording}: {max(numbers) - first + 1} pictures, {len(truth)} frames in its truth file")
        for begin, end, number in _runs(truth):
            if number not in ACTIONS:
                continue
            action, wanted = ACTIONS[number], range(first + begin, first + end)
            for camera, pictures in cameras.items():
                name = f"{recording}_{number:02d}_{action}_{camera}_frames_{wanted[0]:04d}_{wanted[-1]:04d}"
                clip = None
                if all(picture in pictures for picture in wanted):
                    names = tuple(pictures[picture] for picture in wanted)
                    source = FrameFolder(root / f"{recording}_png" / camera, names)
                    clip = _clip(spec, name, actor, action, source)
                yield Shot(actor=actor, camera=camera, action=action, name=name, clip=clip)


def _joined(spec: DatasetSpec, shots: list[Shot], numbers: str) -> list[Shot]:
    """Return a shot of each performance. It has no clip if one of the cameras has none."""
    wanted, label = [f"cam{number}" for number in numbers], f"cam{numbers}"
    performances: dict[str, dict[str, Shot]] = {}
    for shot in shots:
        performances.setdefault(shot.name.replace(shot.camera, label), {})[shot.camera] = shot
    joined = []
    for name, by_camera in performances.items():
        first = next(iter(by_camera.values()))
        sources = [shot.clip.source for camera in wanted if (shot := by_camera[camera]).clip is not None]
        clip = None
        if len(sources) == len(wanted):
            source = FrameFolders(tuple(each for each in sources if isinstance(each, FrameFolder)))
            clip = _clip(spec, name, first.actor, first.action, source)
        joined.append(Shot(actor=first.actor, camera=label, action=first.action, name=name, clip=clip))
    return joined


def _numbered(folder: Path) -> dict[int, str]:
    """Return the pictures of a folder by their number."""
    if not folder.is_dir():
        return {}
    found = ((PICTURE.fullmatch(path.name), path.name) for path in folder.iterdir())
    return dict(sorted((int(match[1]), name) for match, name in found if match))


def _truth(path: Path, spec: DatasetSpec) -> list[int]:
    """Return the action number of each frame."""
    truth = []
    for line, text in read_lines(path, spec.name, spec.layout):
        for word in text.split():
            if not word.isascii() or not word.isdigit() or int(word) > LAST_NUMBER:
                raise ElrError(
                    f"{spec.name}: {path.name} line {line} is not an action number from 0 to {LAST_NUMBER}: {word!r}"
                )
            truth.append(int(word))
    return truth


def _runs(truth: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (first frame, frame after the last, number) of each run of one number."""
    begin = 0
    for number, run in groupby(truth):
        end = begin + len(list(run))
        yield begin, end, number
        begin = end
