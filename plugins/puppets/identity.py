"""`puppets:identity` and `puppets:verification`: the clips of `puppets` with the person as target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmark_core.specs import Value
from elrbench import Index
from elrbench_plugins.identities import of_people
from elrbench_plugins.puppets import PUPPETS_CLASSES
from elrbench_plugins.puppets.keys import TEST_SUBJECTS
from elrbench_plugins.puppets.single import TRAIN_PEOPLE, listed


def index(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the training clips of `puppets`, and as many test clips of the same people as `options` ask for."""
    return _with_people(options, test_people=range(TRAIN_PEOPLE))


def strangers(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the training clips of `puppets`, and test clips of as many other people, who are numbered from 0, too."""
    return _with_people(options, test_people=range(TEST_SUBJECTS, TEST_SUBJECTS + TRAIN_PEOPLE))


def _with_people(options: Mapping[str, Value], *, test_people: range) -> Index:
    actions = listed(options, test_people=test_people)
    people = {
        f"subject-{who:04d}": number for one in (range(TRAIN_PEOPLE), test_people) for number, who in enumerate(one)
    }
    return replace(actions, clips=of_people(actions.clips, PUPPETS_CLASSES, people))
