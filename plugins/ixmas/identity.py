"""List the clips of IXMAS with actors as classes. No picture or video is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from benchmark_core.specs import Value
from elrbench import Clip, Fold, Index
from elrbench_plugins.identities import of_people
from elrbench_plugins.ixmas import ACTORS, HALVES, IDENTITY, IXMAS_12
from elrbench_plugins.ixmas.index import read_12


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of twelve actions with actors as classes; see `ixmas.index.read` for errors."""
    actions, clips = _clips(root, options)
    folds = {
        fold: _fold(clips, {clip.id for clip in clips if clip.id.startswith(f"{clip.group}{fold}_")})
        for fold in IDENTITY.protocols[protocol].folds
    }
    return replace(actions, clips=clips, folds=folds)


def read_strangers(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the same clips; a fold tests all clips of five actors and trains on the others."""
    actions, clips = _clips(root, options)
    folds = {fold: _fold(clips, {clip.id for clip in clips if clip.group in tested}) for fold, tested in HALVES.items()}
    return replace(actions, clips=clips, folds=folds)


def _clips(root: Path | None, options: Mapping[str, Value]) -> tuple[Index, tuple[Clip, ...]]:
    """Return the index of twelve actions, and its clips with actors as classes."""
    actions = read_12(root, IXMAS_12.default_protocol, options)
    return actions, of_people(actions.clips, IXMAS_12.classes, {name: number for number, name in enumerate(ACTORS)})


def _fold(clips: Collection[Clip], tested: Collection[str]) -> Fold:
    return Fold(
        train=tuple(clip.id for clip in clips if clip.id not in tested),
        test=tuple(clip.id for clip in clips if clip.id in tested),
    )
