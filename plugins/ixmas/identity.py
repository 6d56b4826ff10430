"""List the clips of IXMAS with actors as classes. No picture or video is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.specs import Value
from elrbench import Fold, Index
from elrbench_plugins.identities import of_people
from elrbench_plugins.ixmas import ACTORS, IDENTITY, IXMAS_12
from elrbench_plugins.ixmas.index import read_12


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of twelve actions with actors as classes; see `ixmas.index.read` for errors."""
    actions = read_12(root, IXMAS_12.default_protocol, options)
    clips = of_people(actions.clips, IXMAS_12.classes, {name: number for number, name in enumerate(ACTORS)})
    folds = {}
    for fold in IDENTITY.protocols[protocol].folds:
        tested = {clip.id for clip in clips if clip.id.startswith(f"{clip.group}{fold}_")}
        folds[fold] = Fold(
            train=tuple(clip.id for clip in clips if clip.id not in tested),
            test=tuple(clip.id for clip in clips if clip.id in tested),
        )
    return Index(clips=clips, folds=folds, missing=actions.missing, unlisted=actions.unlisted, notes=actions.notes)
