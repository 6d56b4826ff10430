"""List the clips of Nagoya FIR with people as classes. No recording is opened.

Both people of a day follow one script in the dark and in the light, one after the other in one recording. So the
recording does not tell who acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.specs import Value
from elrbench import Clip, Fold, Index
from elrbench_plugins.identities import of_people
from elrbench_plugins.nagoya_fir import CLASSES, IDENTITY, LIGHTS, OF_PEOPLE, VERIFICATION
from elrbench_plugins.nagoya_fir.index import read as read_actions


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of the protocol's days with people as classes; see `nagoya_fir.index.read` for errors."""
    actions, clips = _clips(root, protocol, options)
    folds = {}
    for name in IDENTITY.protocols[protocol].folds:
        light = name if name in LIGHTS else LIGHTS[0]  # a day is tested in the dark
        there = [clip for clip in clips if name in LIGHTS or clip.id.startswith(f"{name}_")]
        folds[name] = Fold(
            train=tuple(clip.id for clip in there if f"_{light}" not in clip.id),
            test=tuple(clip.id for clip in there if f"_{light}" in clip.id),
        )
    return Index(clips=clips, folds=folds, missing=actions.missing)


def read_strangers(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the same clips; a fold tests all clips of one day and trains on the people of the others."""
    actions, clips = _clips(root, protocol, options)
    folds = {
        day: Fold(
            train=tuple(clip.id for clip in clips if not clip.id.startswith(f"{day}_")),
            test=tuple(clip.id for clip in clips if clip.id.startswith(f"{day}_")),
        )
        for day in VERIFICATION.protocols[protocol].folds
    }
    return Index(clips=clips, folds=folds, missing=actions.missing)


def _clips(root: Path | None, protocol: str, options: Mapping[str, Value]) -> tuple[Index, tuple[Clip, ...]]:
    """Return the index of actions on the protocol's days, and its clips with people as classes."""
    actions = read_actions(root, OF_PEOPLE[protocol], options)
    letters = {actions.by_id[fold.test[0]].group: letter for letter, fold in actions.folds.items() if fold.test}
    people = {group: IDENTITY.classes.index(letter) for group, letter in letters.items()}
    return actions, of_people(actions.clips, CLASSES, people)
