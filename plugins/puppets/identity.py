"""`puppets:identity`: the clips of `puppets` with the person as target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmark_core.specs import Value
from elrbench import Index
from elrbench_plugins.identities import of_people
from elrbench_plugins.puppets import PUPPETS_CLASSES
from elrbench_plugins.puppets.single import TRAIN_PEOPLE, listed


def index(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the training clips of `puppets`, and as many test clips of the same people as `options` ask for."""
    actions = listed(options, test_people=range(TRAIN_PEOPLE))
    people = {f"subject-{number:04d}": number for number in range(TRAIN_PEOPLE)}
    return replace(actions, clips=of_people(actions.clips, PUPPETS_CLASSES, people))
