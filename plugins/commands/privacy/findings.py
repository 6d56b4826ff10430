"""One attack with the figures next to it, and all attacks on one target of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmark_core.records.cost_record import CostRecord
from benchmark_core.scoring.pairs import Verification
from benchmark_core.scoring.statistics import Difference
from benchmark_core.tables.compare import Comparison
from benchmark_core.tables.rows import Interval, TableRow

HIGH = "high"  # view of the informed attacker


@dataclass(frozen=True, kw_only=True, eq=False)
class Leakage:
    """One attack: runs that differ in seed and fold only.

    attack, action: runs on the target, and of the same network on actions (None: not run).
    score, acted: primary scores; None until all folds of a seed are run.
    chance: score of always naming the most frequent class of the test clips, or of pairs; None for several labels.
    guess: score of a guess from the action's name alone; None if clips name no action.
    advantage: score - guess. Its interval is NaN for several labels and pairs, whose guess is stored as a score only.
    verification: of identity; None if the predictions of a run were not found.
    options: in which attackers of this name differ: `epochs=16`; "" if all are alike.
    """

    attack: TableRow
    action: TableRow | None
    score: Interval | None
    acted: Interval | None
    chance: float | None
    guess: float | None
    advantage: Difference | None
    verification: Verification | None
    cost: CostRecord | None
    options: str = ""

    @property
    def view(self) -> str:
        """The degradation, or `high`."""
        return HIGH if self.informed else self.degradation

    @property
    def degradation(self) -> str:
        """The degradation of the track."""
        return self.attack.first["track"]["degradation"]

    @property
    def informed(self) -> bool:
        """Whether the attacker saw high views."""
        return self.attack.first["privileged"]

    @property
    def enhancer(self) -> str:
        """The enhancer in front of the attacker's network."""
        return "none" if self.informed else self.attack.first["plan"]["enhancer"]

    @property
    def attacker(self) -> str:
        """`supervised/native3d-s`, with modality and options in brackets."""
        plan = self.attack.first["plan"]
        more = ", ".join(filter(None, ("" if plan["modality"] == "rgb" else plan["modality"], self.options)))
        return f"{plan['method']}/{plan['backbone']}" + (f" ({more})" if more else "")

    @property
    def metric(self) -> str:
        """The primary score of the target."""
        return self.attack.first["primary"]

    @property
    def macs(self) -> float | None:
        """MACs of a clip; None if they are unknown or depend on the length of a clip."""
        if self.cost is None or self.attack.first["plan"]["sampling"].startswith("windows-"):
            return None
        return self.cost["macs"]["clip"] or None


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Paired difference of two attacks on the same test clips: `after` - `before`."""

    after: Leakage
    before: Leakage
    comparison: Comparison


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All attacks on one target of a dataset, by one protocol.

    track: dataset and target as in tables: `puppets:identity`. actions: `puppets, subjects`, the track of the
    recognizers next to the attacks; "" if there are none. remarks: pairs of attacks that cannot be compared.
    """

    track: str
    protocol: str
    target: str
    actions: str
    rows: tuple[Leakage, ...]
    contrasts: tuple[Contrast, ...] = ()
    remarks: tuple[str, ...] = field(default=())

    @property
    def views(self) -> tuple[str, ...]:
        """Degradations that were attacked, smallest first, without `high`."""
        return tuple(dict.fromkeys(row.view for row in self.rows if not row.informed))

    def best(self, view: str) -> Leakage | None:
        """Return the attack with the highest score on a view; None if none is scored."""
        scored = [row for row in self.rows if row.view == view and row.score is not None]
        return max(scored, key=lambda row: row.score.mean if row.score else 0.0, default=None)
