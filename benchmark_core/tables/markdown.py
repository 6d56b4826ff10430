"""One track's table as Markdown, and the index of all tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from tabulate import tabulate

from benchmark_core.records.cost_record import CostRecord
from benchmark_core.tables.cells import NOTHING, gpus, latency, links, literal, names, percent, plugins, updates
from benchmark_core.tables.lines import Line, TrackTable

MARK = "<!-- written by 'elrbench leaderboard' from the records; edit those, not this -->"

LEGEND = """\
Scores in %: mean ± sample standard deviation over seeds. The 95 % interval is over test clips: Wilson's for shares
of clips, bootstrap for F1. *Δ control*: paired difference, in points, from the control of the same budget, partners and
numbers of epochs, on the same seeds and clips, with its 95 % bootstrap interval. A row shares the rank of the one above
where the paired interval of the two holds zero. `k/n folds`: not ranked until all folds are in. MACs:
multiply-adds; `≥` where an operator could not be counted. `-`: not measured, or nothing to pair with."""


def track_markdown(table: TrackTable, root: str) -> str:
    """The page of a track. `root` leads from the page to the leaderboards folder ("../../../")."""
    track = table.track["track"]
    folds = "1 fold" if len(track["folds"]) == 1 else f"{len(track['folds'])} folds"
    parts = [
        MARK,
        f"# {title(table)}",
        f"{track['task']}, {folds}, {table.track['dataset']['classes']} classes, data `{table.manifest}`.",
    ]
    sections = (
        ("", table.competitors),
        ("## Ceilings (privileged: scored on high views)", table.ceilings),
        ("## Scored on other clips (not ranked, not comparable with the above)", table.elsewhere),
    )
    everything = [line for _, lines in sections for line in lines]
    extra = [name for name in table.track["scores"] if name != table.track["primary"]]
    for heading, lines in sections:
        if lines:
            parts += [heading] if heading else []
            parts.append(grid([_cells(line, extra, gpus(everything), root) for line in lines]))
    parts.append(LEGEND)
    return "\n\n".join(parts) + "\n"


def index_markdown(tables: Mapping[PurePosixPath, TrackTable]) -> str:
    """The page that lists all tracks; keys are the pages' paths beside it."""
    rows = []
    for path, table in tables.items():
        leader = next((line for line in table.competitors if line.score), None)
        rows.append(
            {
                "track": f"[{title(table)}]({quote(path.as_posix())})",
                "task": table.track["track"]["task"],
                "score": literal(table.track["primary"]),
                "rows": str(sum(len(lines) for lines in table.parts.values())),
                "records": str(table.records),
                "leads": literal(leader.row.first["plan"]["method"]) if leader else NOTHING,
                "%": percent(leader.score.mean) if leader and leader.score else NOTHING,
                "CSV": f"[CSV]({quote(path.with_suffix('.csv').as_posix())})",
            }
        )
    body = grid(rows) if rows else "No records yet."
    return "\n\n".join([MARK, "# Tracks", "One table a track: dataset, protocol, degradation.", body]) + "\n"


def title(table: TrackTable) -> str:
    """`puppets · subjects · average-12x16`"""
    track = table.track["track"]
    return literal(" · ".join((track["dataset"], track["protocol"], track["degradation"])))


def grid(rows: Sequence[Mapping[str, str]]) -> str:
    """Cells as they are, none parsed as a number."""
    return tabulate([list(row.values()) for row in rows], headers=list(rows[0]), tablefmt="pipe", disable_numparse=True)


def _cells(line: Line, extra: Sequence[str], devices: Sequence[str], root: str) -> dict[str, str]:
    row = line.row
    cells = {"rank": NOTHING if line.rank is None else str(line.rank)}
    cells |= {name: literal(text) for name, text in names(line).items()}
    cells[literal(row.first["primary"])] = _score(line)
    cells["seeds"] = _seeds(line)
    cells["95 %"] = f"{percent(line.score.low, 1)} to {percent(line.score.high, 1)}" if line.score else NOTHING
    cells |= {literal(name): percent(row.mean(name)) for name in extra}
    cells["Δ control"] = _gain(line)
    cost = line.costs[0] if line.costs else None
    cells["params (M)"] = f"{cost['params']['total'] / 1e6:.2f}" if cost else NOTHING
    cells["MACs/clip (G)"] = _macs(cost, row.first["plan"]["sampling"]) if cost else NOTHING
    for device in devices or [""]:
        found = latency(line.costs, device)
        heading = f"latency (ms), {literal(device)}" if device else "latency (ms)"
        cells[heading] = NOTHING if found is None else f"{found:.3g}"
    cells["updates"] = literal(updates(line))
    cells["plugins"] = literal(plugins(line))
    cells["records"] = links(line, root)
    return cells


def _score(line: Line) -> str:
    if line.score is None:
        return f"{line.row.most_folds}/{line.row.folds} folds"
    spread = "" if line.score.std is None else f" ± {percent(line.score.std)}"
    return percent(line.score.mean) + spread


def _seeds(line: Line) -> str:
    """How many are in the mean; those with folds missing are named apart."""
    short = len(line.row.runs) - len(line.row.seeds)
    return str(len(line.row.seeds)) + (f" (+{short} incomplete)" if short else "")


def _gain(line: Line) -> str:
    if line.gain is None:
        return NOTHING
    found = line.gain.difference
    value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _macs(cost: CostRecord, sampling: str) -> str:
    figure = f"{cost['macs']['clip'] / 1e9:.4g}"
    if sampling.startswith("windows-"):  # a clip has as many as its length gives
        figure += " a window"
    return f"≥ {figure}" if cost["understated"] else figure
