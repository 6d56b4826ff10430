"""Compare a record with a second run of its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.records.clip_results import clip_hits
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.predictions import Predictions

_SHOWN = 3
UNKNOWN = "not recorded"


def refuse_other_plan(record: RunRecord, plan: Plan) -> None:
    """Raise ElrError if `plan`, resolved again from the recorded fields, differs from the recorded plan."""
    if plan.digest == record["digest"]:
        return
    theirs, ours = _flat(record["plan"]), _flat(plan.to_json())
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    shown = ", ".join(
        f"{key} was {theirs.get(key, 'not set')!r} and is {ours.get(key, 'not set')!r}" for key in keys[:_SHOWN]
    )
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    raise ElrError(
        f"the plan of {record['digest']} cannot be run again because its components have changed: {shown}{more}; "
        f"install the recorded version (elrbench {record['versions'].get('elrbench', 'of unknown version')})"
    )


def _flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in plan.items() if key != "settings"}, **plan["settings"]}


@dataclass(frozen=True)
class Agreement:
    """Predictions of two runs of one plan, compared clip by clip.

    clips: number tested in both runs. same: number with the same predicted class or classes; None if it is unknown,
        because the record has several labels per clip and its predictions file is missing.
    hits: `same` compares only whether each clip was right, because the predictions file is missing.
    largest_difference: of any logit; None without predictions.
    """

    clips: int
    same: int | None
    hits: bool
    largest_difference: float | None

    @property
    def all_same(self) -> bool:
        """Whether every clip agrees."""
        return self.same == self.clips


def agreement(old: RunRecord, before: Predictions | None, new: RunRecord, after: Predictions) -> Agreement:
    """Compare predictions. before: those of `old`, or None if their file is missing. after: those of `new`."""
    if before is None:
        if old["hits"] is None or old["scores"][old["primary"]]["n"] != len(after.ids):
            return Agreement(len(after.ids), None, hits=False, largest_difference=None)
        same = int(np.sum(clip_hits(old) == clip_hits(new)))
        return Agreement(len(after.ids), same, hits=True, largest_difference=None)
    places = {key: place for place, key in enumerate(before.ids)}
    here = [place for place, key in enumerate(after.ids) if key in places]
    one, other = before.logits[[places[after.ids[place]] for place in here]], after.logits[here]  # (n, C)
    if after.targets.ndim == 2:
        same = np.all((one > 0) == (other > 0), axis=1)
    else:
        same = one.argmax(axis=1) == other.argmax(axis=1)
    return Agreement(
        len(here), int(same.sum()), hits=False, largest_difference=float(np.abs(one - other).max()) if here else None
    )


def differences(old: RunRecord, new: RunRecord) -> dict[str, tuple[str, str]]:
    """Devices, processors, versions, plugins and unreadable clips that differ: name -> (recorded, again)."""
    pairs = dict(_facts(old, new))
    return {key: (one, other) for key, (one, other) in pairs.items() if one != other}


def _facts(old: RunRecord, new: RunRecord) -> Iterator[tuple[str, tuple[str, str]]]:
    yield "device", (old["device"], new["device"])
    inexact = f"{UNKNOWN}; it may be another model"  # older records
    yield "processor", (old.get("processor", inexact), new.get("processor", inexact))
    for name in {**old["versions"], **new["versions"]}:
        yield name, (old["versions"].get(name, UNKNOWN), new["versions"].get(name, UNKNOWN))
    for kind in {**old["plugins"], **new["plugins"]}:
        one, other = (
            f"{owner['plugin']} ({owner['distribution']} {owner['version']})".replace(" )", ")") if owner else "none"
            for owner in (old["plugins"].get(kind), new["plugins"].get(kind))
        )
        yield f"plugin of the {kind}", (one, other)
    yield "clips that could not be read", (_listed(old["clips"]["bad"]), _listed(new["clips"]["bad"]))
    yield "initialisation", (old["initialisation"], new["initialisation"])


def _listed(names: list[str]) -> str:
    shown = sorted(names)
    return (
        "none"
        if not shown
        else ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if shown[_SHOWN:] else "")
    )
