"""One track's page as Markdown, and the index of all tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from benchmark_core.tables.cells import (
    NOTHING,
    changes,
    costs_of,
    gpus,
    interval_kinds,
    latencies,
    links,
    literal,
    names,
    notes,
    percent,
    plugins,
    spread,
    updates,
)
from benchmark_core.tables.grid import grid
from benchmark_core.tables.lines import Line
from benchmark_core.tables.page import Page
from benchmark_core.tables.printed_markdown import printed_section

MARK = "<!-- written by 'elrbench leaderboard' from the records; edit those, not this -->"

LEGEND = """\
Scores in %: mean ± sample standard deviation over seeds. The 95 % interval is over test clips: Wilson's for shares
of clips, bootstrap for F1. *Matched*: the control of the same budget, partners and numbers of epochs; *Δ matched*: the
paired difference from it, in points, on the same seeds and clips, with its 95 % bootstrap interval. A row shares the
rank of the one above where the paired interval of the two holds zero. `k/n folds`: not ranked until all folds are in.
\\*: numbers that are not the budget's, named in the last table. MACs: multiply-adds; `≥` where an operator could not be
counted. `-`: not measured, or nothing to pair with; it enters no mean."""


def track_markdown(page: Page, root: str) -> str:
    """The page of a track. `root` leads from the page to the leaderboards folder ("../../../")."""
    parts = [MARK, f"# {literal(page.title)}", *_measured(page, root)]
    if page.printed:
        parts += printed_section(page)
    return "\n\n".join(parts) + "\n"


def _measured(page: Page, root: str) -> list[str]:
    """What was run: scores in one table, what the rows are in another, for both in one is too wide to read."""
    table = page.table
    if table is None:
        return ["Nothing is measured on this track yet."]
    track = table.track["track"]
    folds = "1 fold" if len(track["folds"]) == 1 else f"{len(track['folds'])} folds"
    said = f"{track['task']}, {folds}, {table.track['dataset']['classes']} classes, data `{table.manifest}`."
    sections = (
        ("", table.competitors),
        ("## Ceilings (privileged: scored on high views)", table.ceilings),
        ("## Scored on other clips (not ranked, not comparable with the above)", table.elsewhere),
    )
    everything = [line for _, lines in sections for line in lines]
    number = {id(line): place for place, line in enumerate(everything, 1)}
    extra = [name for name in table.track["scores"] if name != table.track["primary"]]
    devices = gpus(cost for line in everything for cost in line.costs)
    interval = f"95 % ({literal(interval_kinds(everything))})"
    parts = [said]
    for heading, lines in sections:
        if lines:
            parts += [heading] if heading else []
            parts.append(grid([_scores(number[id(line)], line, interval, extra, devices) for line in lines]))
    parts += [LEGEND, "## What the rows are", grid([_what(number[id(line)], line, root) for line in everything])]
    said_by: dict[str, list[int]] = {}
    for line in everything:
        for note in notes(line):
            said_by.setdefault(note, []).append(number[id(line)])
    if said_by:
        parts.append("\n".join(f"- Row {', '.join(map(str, rows))}: {literal(note)}" for note, rows in said_by.items()))
    return parts


def index_markdown(pages: Mapping[PurePosixPath, Page], others: Mapping[str, str]) -> str:
    """The page that lists all tracks; keys are the pages' paths beside it. others: of further pages, what they are."""
    measured_first = sorted(pages.items(), key=lambda item: (item[1].table is None, item[0]))
    rows = [_indexed(path, page) for path, page in measured_first]
    parts = [MARK, "# Tracks", "One table a track: dataset, protocol, degradation. Scores in %."]
    parts.append(grid(rows) if rows else "No records yet.")
    if others:
        parts.append("\n".join(f"- [{literal(what)}]({quote(file)})" for file, what in others.items()))
    return "\n\n".join(parts) + "\n"


def _indexed(path: PurePosixPath, page: Page) -> dict[str, str]:
    table = page.table
    leader = next((line for line in table.competitors if line.score), None) if table else None
    metric = table.track["primary"] if table else page.printed[0].first.metric
    best = next((line for line in page.printed if line.first.metric == metric and not line.first.ceiling), None)
    stem = str(path).removesuffix(".md")
    files = [f"[CSV]({quote(f'{stem}.csv')})"] if table else []
    files += [f"[reported]({quote(f'{stem}.reported.csv')})"] if page.printed else []
    return {
        "track": f"[{literal(page.title)}]({quote(path.as_posix())})",
        "task": table.track["track"]["task"] if table else NOTHING,
        "score": literal(metric),
        "rows": str(sum(len(lines) for lines in table.parts.values())) if table else "0",
        "records": str(table.records) if table else "0",
        "leads": literal(leader.row.first["plan"]["method"]) if leader else NOTHING,
        "measured": percent(leader.score.mean) if leader and leader.score else NOTHING,
        "reported": f"{best.first.value:.2f}" if best else NOTHING,
        "by": literal(best.first.system) if best else NOTHING,
        "CSV": " ".join(files),
    }


def _scores(number: int, line: Line, interval: str, extra: Sequence[str], devices: Sequence[str]) -> dict[str, str]:
    row = line.row
    shown = names(line)
    cells = {"#": str(number), "rank": NOTHING if line.rank is None else str(line.rank)}
    cells |= {name: literal(shown[name]) for name in ("method", "backbone", "enhancer")}
    cells["budget"] = literal(row.first["plan"]["budget"]) + ("\\*" if changes(row.first) else "")
    cells[literal(row.first["primary"])] = spread(line.score) if line.score else f"{row.most_folds}/{row.folds} folds"
    cells["seeds"] = _seeds(line)
    cells[interval] = f"{percent(line.score.low, 1)} to {percent(line.score.high, 1)}" if line.score else NOTHING
    cells |= {literal(name): percent(row.mean(name)) for name in extra}
    cells["matched"] = _matched(line)
    cells["Δ matched"] = _gain(line)
    cells |= costs_of(line.costs[0] if line.costs else None, row.first["plan"]["sampling"])
    return cells | latencies(line.costs, devices)


def _what(number: int, line: Line, root: str) -> dict[str, str]:
    shown = names(line)
    cells = {"#": str(number)}
    cells |= {name: literal(shown[name]) for name in ("method", "size", "sampling", "precision", "budget", "init")}
    cells["updates"] = literal(updates(line))
    cells["plugins"] = literal(plugins(line))
    cells["records"] = links(line, root)
    return cells


def _seeds(line: Line) -> str:
    """How many are in the mean; those with folds missing are named apart."""
    short = len(line.row.runs) - len(line.row.seeds)
    return str(len(line.row.seeds)) + (f" (+{short} incomplete)" if short else "")


def _matched(line: Line) -> str:
    control = line.matched
    return spread(control.interval(control.first["primary"])) if control and control.seeds else NOTHING


def _gain(line: Line) -> str:
    if line.gain is None:
        return NOTHING
    found = line.gain.difference
    value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"
