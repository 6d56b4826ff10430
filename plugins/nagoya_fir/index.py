"""List the annotated actions of Nagoya FIR. No recording is opened.

A clip is a range of rows of one recording, counted from 1, both ends included. A subject is one person on one day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import Value
from benchmark_core.specs.index import Clip, Fold, Index, TableFrames
from elrbench_plugins.dataset_lists import read_lines
from elrbench_plugins.nagoya_fir import CLASSES, CLASSES_5, DAYS, NAGOYA_FIR, PROTOCOLS, STOPPING, SUBJECTS

SHAPE = (16, 16)  # pixels
SAME = {"walk1": "walk", "walk2": "walk", "falling1": "falling", "falling2": "falling"}


@dataclass(frozen=True)
class Action:
    """One annotated action. first, last: rows from 1, both included. human: number of the person."""

    file: str
    first: int
    last: int
    label: str
    human: int

    @property
    def id(self) -> str:
        """Return the id of the clip, such as `20170203_p1_light1/190-202`."""
        return f"{self.file.removesuffix('.csv')}/{self.first}-{self.last}"


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the actions of the protocol's days, one fold per subject. Absent recordings are in `missing`.

    Raises ElrError if the folder, a day's annotation or every recording is missing, a line cannot be read, or an
    annotation has a wrong number of people.
    """
    if root is None:
        raise ElrError(f"dataset 'nagoya-fir' needs its files: pass --data DIR; expected in it: {NAGOYA_FIR.layout}")
    coldest, hottest = float(options["coldest"]), float(options["hottest"])
    if coldest >= hottest:
        raise ElrError(f"dataset.coldest={coldest} is not below dataset.hottest={hottest}; change one of them")
    clips: dict[str, Clip] = {}
    acted: dict[str, list[str]] = {subject: [] for subject in SUBJECTS[protocol]}
    missing: dict[str, int] = {}
    for day in PROTOCOLS[protocol]:
        actions = list(_annotated(root, day))
        letters = _letters(day, actions)
        recordings = {path.name for path in (root / day / "raw").glob("*.csv")}
        for action in actions:
            target = CLASSES.index(action.label)
            if action.file not in recordings:
                missing[action.id] = target
                continue
            if action.id in clips:
                raise ElrError(f"nagoya-fir: annotation_{day}_human.csv lists {action.id} twice; remove one line")
            source = TableFrames(
                path=root / day / "raw" / action.file,
                first=action.first - 1,
                last=action.last - 1,
                prefix="P",
                shape=SHAPE,
                coldest=coldest,
                hottest=hottest,
            )
            group = f"{day}-human{action.human}"
            clips[action.id] = Clip(id=action.id, source=source, target=target, group=group)
            acted[letters[action.human]].append(action.id)
    if not clips:
        raise ElrError(f"nagoya-fir: no annotated recording is in {root}; expected in it: {NAGOYA_FIR.layout}")
    folds = {
        subject: Fold(train=tuple(key for other in acted if other != subject for key in acted[other]), test=tuple(own))
        for subject, own in acted.items()
    }
    return Index(clips=tuple(clips.values()), folds=folds, missing=tuple(missing), missing_targets=missing)


def read_5(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the index of five actions: that of `read`, with sit, lie and stand as one class."""
    index = read(root, protocol, options)
    five = [CLASSES_5.index("stopping" if name in STOPPING else name) for name in CLASSES]
    clips = tuple(replace(clip, target=five[clip.target]) for clip in index.clips if isinstance(clip.target, int))
    missing = {name: five[target] for name, target in index.missing_targets.items() if isinstance(target, int)}
    return replace(index, clips=clips, missing_targets=missing)


def _letters(day: str, actions: list[Action]) -> dict[int, str]:
    """Return person number -> subject: the people of a day, in order of number, have its letters in order."""
    people = sorted({action.human for action in actions})
    if len(people) != len(DAYS[day]):
        named = ", ".join(f"human{number}" for number in people) or "nobody"
        raise ElrError(
            f"nagoya-fir: annotation_{day}_human.csv names {named}, but {len(DAYS[day])} people acted on that day; "
            "the file is incomplete: get it again"
        )
    return dict(zip(people, DAYS[day], strict=True))


def _annotated(root: Path, day: str) -> Iterator[Action]:
    """Yield the actions of a day's annotation, whose lines are FILE,START,END,LABEL,HUMAN."""
    path = root / "annotation" / f"annotation_{day}_human.csv"
    if not path.is_file():
        absent = f"nagoya-fir: the annotation {path} does not exist"
        if day not in PROTOCOLS["loso-6"] and (root / "annotation").is_dir():
            raise ElrError(f"{absent}; --protocol loso-6 needs only the other three days, which have six subjects")
        raise ElrError(f"{absent}; expected in {root}: {NAGOYA_FIR.layout}")
    for number, line in read_lines(path, "nagoya-fir", NAGOYA_FIR.layout):
        found = re.fullmatch(rf"({day}_\w+\.csv),(\d+),(\d+),(\w+),human(\d+),*", line)
        if not found or not 1 <= int(found[2]) <= int(found[3]):
            expected = f"{day}_*.csv,START,END,LABEL,humanN"
            raise ElrError(f"nagoya-fir: {path.name} line {number} is not '{expected}': {line!r}")
        label = SAME.get(found[4], found[4])
        if label not in CLASSES:
            raise ElrError(f"nagoya-fir: {path.name} line {number}: {unknown('action', found[4], CLASSES)}")
        yield Action(file=found[1], first=int(found[2]), last=int(found[3]), label=label, human=int(found[5]))
