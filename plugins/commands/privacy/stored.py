"""Find the records of attacks and of actions that belong together, and their costs and predictions on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import COSTS, RECORDS, track_path
from benchmark_core.records.finished import costs_in
from benchmark_core.records.stored import stored_predictions
from benchmark_core.scoring.predictions import Predictions
from elrbench_plugins.commands.privacy.findings import Findings
from elrbench_plugins.commands.privacy.leakage import find_leaks, network_key


@dataclass(frozen=True)
class Places:
    """Folders: `out` holds run folders, `board` is a leaderboards folder. verified: also read predictions."""

    out: Path | None
    board: Path | None
    verified: bool = True

    def cost(self, record: RunRecord) -> CostRecord | None:
        """Return the cost of a record's network, of any device; None if there is none."""
        folders = [self.out / record["digest"]] if self.out else []
        folders += [self.board / COSTS] if self.board else []
        found = (cost for folder in folders for cost in costs_in(folder, record["structure"]).values())
        return next(found, None)

    def predictions(self, record: RunRecord) -> Predictions | None:
        """Return the predictions of a record; None if they are in no folder. ElrError if they are not its own."""
        folders = [self.out / record["digest"]] if self.out else []
        folders += [self.board / RECORDS / track_path(record["track"])] if self.board else []
        for folder in folders:
            if (folder / record["predictions"]["file"]).is_file():
                return stored_predictions(record, folder)
        return None


def findings_of(
    records: Iterable[RunRecord],
    places: Places,
    *,
    target: str,
    dataset: str | None = None,
    protocol: str | None = None,
    action_protocol: str | None = None,
) -> list[Findings]:
    """Return the findings of each track of a target and each of its protocols; empty if there are no attacks.

    Args:
        records: run records.
        places: where costs and predictions are.
        target: as in `puppets:identity`.
        dataset: name; None: all datasets.
        protocol: of the target; None: each.
        action_protocol: of the actions; None: the one that has most runs of the attacks' networks.
    """
    attacks: dict[tuple[str, str], list[RunRecord]] = {}
    of_dataset: dict[str, list[RunRecord]] = {}
    for record in records:
        base, colon, name = record["plan"]["dataset"].partition(":")
        track = record["track"]
        if not colon:
            of_dataset.setdefault(base, []).append(record)
        elif name == target and dataset in (None, base) and protocol in (None, track["protocol"]):
            attacks.setdefault((track["dataset"], track["protocol"]), []).append(record)
    return [
        find_leaks(
            found,
            list(_joined(found, of_dataset.get(found[0]["plan"]["dataset"].partition(":")[0], []), action_protocol)),
            cost=places.cost,
            predictions=places.predictions if places.verified else None,
        )
        for _, found in sorted(attacks.items())
    ]


def _joined(attacks: Sequence[RunRecord], actions: Sequence[RunRecord], protocol: str | None) -> Iterator[RunRecord]:
    """Yield the runs on actions with the attacks' networks and options of the dataset, of one protocol."""
    networks = {network_key(record) for record in attacks}
    same = [record for record in actions if network_key(record) in networks and _same_numbers(attacks[0], record)]
    counts = Counter(record["track"]["protocol"] for record in same)
    chosen = protocol or min(counts, key=lambda name: (-counts[name], name), default="")
    yield from (record for record in same if record["track"]["protocol"] == chosen)


def _same_numbers(attack: RunRecord, action: RunRecord) -> bool:
    """Whether both tracks name the same options of the dataset, of those that the dataset of actions has."""
    known = {key.removeprefix("dataset.") for key in action["plan"]["settings"] if key.startswith("dataset.")}
    named = [set(record["track"]["dataset"].split(",")[1:]) for record in (attack, action)]
    return {pair for pair in named[0] if pair.partition("=")[0] in known} == named[1]
