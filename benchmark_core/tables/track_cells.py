"""The cells of a track's tables as plain text: Markdown and pages show the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.cells import (
    NOTHING,
    changes,
    costs_of,
    gpus,
    interval_kinds,
    latencies,
    names,
    percent,
    plugins,
    spread,
    updates,
)
from benchmark_core.tables.page import Page
from benchmark_core.tables.ranking import RankedRow, TrackTable

BUDGET, MARKED = "budget", "*"  # the column, and what marks numbers that are not the budget's


@dataclass(frozen=True)
class TrackCells:
    """What all lines of one table have in common: how they are numbered, and which columns there are."""

    table: TrackTable

    @property
    def said(self) -> str:
        """`single-label, 1 fold, 12 classes`"""
        track = self.table.track["track"]
        folds = "1 fold" if len(track["folds"]) == 1 else f"{len(track['folds'])} folds"
        return f"{track['task']}, {folds}, {self.table.track['dataset']['classes']} classes"

    @property
    def sections(self) -> Mapping[str, tuple[RankedRow, ...]]:
        """By heading; those that stand first have none."""
        return {
            "": self.table.competitors,
            "Ceilings (privileged: scored on high views)": self.table.oracles,
            "Scored on other clips (not ranked, not comparable with the above)": self.table.elsewhere,
        }

    @property
    def lines(self) -> list[RankedRow]:
        """All of them; a line's number is its place here, from 1."""
        return [line for lines in self.sections.values() for line in lines]

    def scores(self) -> list[dict[str, str]]:
        """What came out, a row a line."""
        lines = self.lines
        track = self.table.track
        extra = [name for name in track["scores"] if name != track["primary"]]
        devices = gpus(cost for line in lines for cost in line.costs)
        interval = f"95 % ({interval_kinds(lines)})"
        return [_scores(number, line, interval, extra, devices) for number, line in enumerate(lines, 1)]

    def what(self) -> list[dict[str, str]]:
        """What the rows are, a row a line."""
        return [_what(number, line) for number, line in enumerate(self.lines, 1)]


def _scores(number: int, line: RankedRow, interval: str, extra: list[str], devices: list[str]) -> dict[str, str]:
    row = line.row
    shown = names(line)
    cells = {"#": str(number), "rank": NOTHING if line.rank is None else str(line.rank)}
    cells |= {name: shown[name] for name in ("method", "backbone", "enhancer")}
    cells[BUDGET] = budget(row.first)
    cells[row.first["primary"]] = spread(line.score) if line.score else f"{row.most_folds}/{row.folds} folds"
    cells["seeds"] = _seeds(line)
    cells[interval] = f"{percent(line.score.low, 1)} to {percent(line.score.high, 1)}" if line.score else NOTHING
    cells |= {name: percent(row.mean(name)) for name in extra}
    cells["matched"] = _matched(line)
    cells["Δ matched"] = _gain(line)
    cells |= costs_of(line.costs[0] if line.costs else None, row.first["plan"]["sampling"])
    return cells | latencies(line.costs, devices)


def budget(record: RunRecord) -> str:
    """`small`, or `small*` where some number is not the budget's."""
    return record["plan"]["budget"] + (MARKED if changes(record) else "")


def _what(number: int, line: RankedRow) -> dict[str, str]:
    shown = names(line)
    cells = {"#": str(number)}
    cells |= {name: shown[name] for name in ("method", "size", "sampling", "precision", BUDGET, "init")}
    return cells | {"updates": updates(line), "plugins": plugins(line)}


def _seeds(line: RankedRow) -> str:
    """How many are in the mean; those with folds missing are named apart."""
    short = len(line.row.runs) - len(line.row.seeds)
    return str(len(line.row.seeds)) + (f" (+{short} incomplete)" if short else "")


def _matched(line: RankedRow) -> str:
    control = line.matched
    return spread(control.interval(control.first["primary"])) if control and control.seeds else NOTHING


def _gain(line: RankedRow) -> str:
    if line.gain is None:
        return NOTHING
    found = line.gain.difference
    value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def index_cells(page: Page) -> dict[str, str]:
    """A track's line in the list of tracks."""
    table = page.table
    # Who is above all others; of one seed, among others of several, nobody can say that.
    above = next((line for line in table.competitors if line.score), None) if table else None
    leader = above if above and above.rank else None
    metric = table.track["primary"] if table else page.printed[0].first.metric
    best = next((line for line in page.printed if line.first.metric == metric and not line.first.ceiling), None)
    return {
        "track": page.title,
        "task": table.track["track"]["task"] if table else NOTHING,
        "score": metric,
        "rows": str(sum(len(lines) for lines in table.parts.values())) if table else "0",
        "records": str(table.records) if table else "0",
        "leads": leader.row.first["plan"]["method"] if leader else NOTHING,
        "measured": percent(leader.score.mean) if leader and leader.score else NOTHING,
        "reported": f"{best.first.value:.2f}" if best else NOTHING,
        "by": best.first.system if best else NOTHING,
    }
