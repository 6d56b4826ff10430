"""List the clips of Nagoya FIR with people as classes. No recording is opened.

Both people of a day follow one script in the dark and in the light, one after the other in one recording. So the
recording does not tell who acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.specs import Value
from elrbench import Fold, Index
from elrbench_plugins.identities import of_people
from elrbench_plugins.nagoya_fir import CLASSES, IDENTITY, LIGHTS, OF_PEOPLE
from elrbench_plugins.nagoya_fir.index import read as read_actions


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of the protocol's days with people as classes; see `nagoya_fir.index.read` for errors."""
    actions = read_actions(root, OF_PEOPLE[protocol], options)
    letters = {actions.by_id[fold.test[0]].group: letter for letter, fold in actions.folds.items() if fold.test}
    people = {group: IDENTITY.classes.index(letter) for group, letter in letters.items()}
    clips = of_people(actions.clips, CLASSES, people)
    folds = {}
    for name in IDENTITY.protocols[protocol].folds:
        light = name if name in LIGHTS else LIGHTS[0]  # a day is tested in the dark
        there = [clip for clip in clips if name in LIGHTS or clip.id.startswith(f"{name}_")]
        folds[name] = Fold(
            train=tuple(clip.id for clip in there if f"_{light}" not in clip.id),
            test=tuple(clip.id for clip in there if f"_{light}" in clip.id),
        )
    return Index(clips=clips, folds=folds, missing=actions.missing)
