"""Format the cells of a track's tables as plain text, which the Markdown and the site share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import printed_scores
from benchmark_core.scoring.pairs import PAIRS
from benchmark_core.tables.cells import (
    NOTHING,
    changes,
    costs_of,
    interval_kinds,
    names,
    percent,
    plugins,
    spread,
    updates,
)
from benchmark_core.tables.compare import Comparison
from benchmark_core.tables.gather import TrackPage
from benchmark_core.tables.latency import Device, latencies, timed_devices
from benchmark_core.tables.ranking import RankedRow, TrackTable
from benchmark_core.tables.yardsticks import MARK, yardstick_of

BUDGET, CHANGED = "budget", "*"  # column name; mark of a budget with changed settings
NOTHING_MEASURED = "Nothing is measured yet: this board has no record of a run. `elrbench run … --publish` adds one."
REPORTED_ONLY = "Tracks that only papers report on"
REPORTED_ONLY_LEGEND = "No run on these tracks has been published. The figures are those that papers print."


@dataclass(frozen=True)
class TrackCells:
    """Cells of one track's table. A row's number is its position in `ranking`, from 1."""

    table: TrackTable

    @property
    def summary(self) -> str:
        """`single-label, 1 fold, 12 classes`."""
        track = self.table.track["track"]
        folds = "1 fold" if len(track["folds"]) == 1 else f"{len(track['folds'])} folds"
        return f"{track['task']}, {folds}, {self.table.track['dataset']['classes']} classes"

    @property
    def sections(self) -> Mapping[str, tuple[RankedRow, ...]]:
        """Rows by heading. The first section has no heading."""
        return {
            "": self.table.competitors,
            "Oracle (scored on high views; not ranked)": self.table.oracles,
            "Scored on other clips (not ranked; not comparable with the rows above)": self.table.other_clips,
        }

    @property
    def ranking(self) -> list[RankedRow]:
        """All rows in the order of the page."""
        return [ranked for section in self.sections.values() for ranked in section]

    def scores(self) -> list[dict[str, str]]:
        """Return the cells of the table of scores, one mapping per row."""
        ranking = self.ranking
        names_of_scores = dict.fromkeys(name for ranked in ranking for name in printed_scores(ranked.row.first))
        extra = [name for name in names_of_scores if name != self.table.track["primary"]]
        devices = timed_devices(cost for ranked in ranking for cost in ranked.costs)
        interval = f"95 % ({interval_kinds(ranking)})"
        rows = [_scores(number, ranked, interval, extra, devices) for number, ranked in enumerate(ranking, 1)]
        yardstick = yardstick_of(self.table)
        for ranked, row in zip(ranking, rows, strict=True):
            if yardstick and ranked in yardstick.behind:
                row[self.table.track["primary"]] += f" {MARK}"
        return rows

    @property
    def yardstick(self) -> str:
        """One sentence on the mark of rows that do not exceed the best yardstick; "" if the track has no yardstick."""
        yardstick = yardstick_of(self.table)
        if yardstick is None:
            return ""
        best = yardstick.best
        assert best.score
        shown = f"{best.row.first['plan']['method']} ({spread(best.score)})"
        if not any(yardstick.exceeded_by(ranked) is not None for ranked in self.table.competitors):
            return f"Best yardstick of this track: {shown}, a simple method. No learned row has a score."
        if not yardstick.behind:
            return f"All learned rows that are scored exceed the best yardstick of this track, {shown}."
        return f"{MARK}: does not exceed the best yardstick of this track, {shown}, a simple method to compare with."

    def settings(self) -> list[dict[str, str]]:
        """Return the cells of the table of settings, one mapping per row."""
        return [_settings(number, ranked) for number, ranked in enumerate(self.ranking, 1)]


def _scores(number: int, ranked: RankedRow, interval: str, extra: list[str], devices: list[Device]) -> dict[str, str]:
    row, score = ranked.row, ranked.score
    shown = names(ranked)
    cells = {"#": str(number), "rank": NOTHING if ranked.rank is None else str(ranked.rank)}
    cells |= {name: shown[name] for name in ("method", "backbone", "enhancer")}
    cells[BUDGET] = budget(row.first)
    cells[row.first["primary"]] = spread(score) if score else f"{row.most_folds}/{row.folds} folds"
    cells["seeds"] = _seeds(ranked)
    cells[interval] = f"{percent(score.low, 1)} to {percent(score.high, 1)}" if score else NOTHING
    cells |= {name: percent(row.mean(name)) for name in extra}
    cells["control"] = _control(ranked)
    cells["Δ control"] = _gain(ranked)
    cells |= costs_of(ranked.costs[0] if ranked.costs else None, row.first["plan"]["sampling"])
    return cells | latencies(ranked.costs, devices)


def budget(record: RunRecord) -> str:
    """Return `small`, or `small*` if some settings differ from the budget."""
    return record["plan"]["budget"] + (CHANGED if changes(record) else "")


def _settings(number: int, ranked: RankedRow) -> dict[str, str]:
    shown = names(ranked)
    cells = {"#": str(number)}
    cells |= {name: shown[name] for name in ("method", "size", "sampling", "precision", BUDGET, "init")}
    return cells | {"updates": updates(ranked), "plugins": plugins(ranked)}


def _seeds(ranked: RankedRow) -> str:
    """Return the number of seeds in the mean, and the number of seeds with missing folds."""
    incomplete = len(ranked.row.runs) - len(ranked.row.seeds)
    return str(len(ranked.row.seeds)) + (f" (+{incomplete} incomplete)" if incomplete else "")


def _control(ranked: RankedRow) -> str:
    """Return `supervised:matched 21.01 ± 3.83`."""
    control = ranked.control
    if control is None or not control.seeds:
        return NOTHING
    return f"{control.first['plan']['method']} {spread(control.interval(control.first['primary']))}"


def _gain(ranked: RankedRow) -> str:
    return NOTHING if ranked.gain is None else signed(ranked.gain)


def signed(comparison: Comparison) -> str:
    """Return a paired difference in points with its interval, such as `+7.91 (+4.80 to +11.15)`."""
    found = comparison.difference
    value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def leader(table: TrackTable) -> RankedRow | None:
    """Return the first ranked row, or None if a row above it is unranked: then no row is known to lead.

    A row above can be unranked because it has one seed where other rows have several.
    """
    best = next((ranked for ranked in table.competitors if ranked.score), None)
    return best if best and best.rank else None


def _leaders(table: TrackTable) -> list[str]:
    """Return the methods on rank 1, each once."""
    return list(dict.fromkeys(ranked.row.first["plan"]["method"] for ranked in table.competitors if ranked.rank == 1))


def most_frequent(table: TrackTable) -> float:
    """Return the score of always choosing the most frequent class of the test clips.

    It is 0 if clips have several labels, or all the same one: then there is no such baseline. Of pairs of clips, it is
    one half.
    """
    if table.track["primary"] == PAIRS:
        return 0.5
    counts = table.track["per_class"]["n"]
    plain = table.track["track"]["task"] == "single-label" and sum(count > 0 for count in counts) > 1
    return max(counts) / sum(counts) if plain else 0.0


def index_cells(page: TrackPage) -> dict[str, str]:
    """Return the cells of a track in the list of measured tracks."""
    table = page.table
    assert table is not None
    first = leader(table)
    return {
        "track": page.title,
        "task": table.track["track"]["task"],
        "score": table.track["primary"],
        "rows": str(sum(len(rows) for rows in table.sections.values())),
        "records": str(table.records),
        "leader": ", ".join(_leaders(table)) if first else NOTHING,
        "measured": percent(first.score.mean) if first and first.score else NOTHING,
        **_best_reported(page, table.track["primary"]),
    }


def reported_only_cells(page: TrackPage) -> dict[str, str]:
    """Return the cells of a track on which nothing is measured, in the list of such tracks."""
    metric = page.figures[0].first.metric
    return {"track": page.title, "score": metric, **_best_reported(page, metric)}


def _best_reported(page: TrackPage, metric: str) -> dict[str, str]:
    """Return the best figure that a paper reports on a track, oracles excluded."""
    best = next((each for each in page.figures if each.first.metric == metric and not each.first.ceiling), None)
    return {
        "reported": f"{best.first.value:.2f}" if best else NOTHING,
        "reported system": best.first.system if best else NOTHING,
    }
