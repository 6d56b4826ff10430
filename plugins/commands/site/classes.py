"""Scores class by class of each row: recall, or F1 where clips have several labels."""

from __future__ import annotations

import math

from benchmark_core.tables.cells import names
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.rows import TableRow
from benchmark_core.tables.track_cells import TrackCells
from elrbench_plugins.commands.site.blocks import Block, heading, text


def classes_block(cells: TrackCells, primary: str) -> list[Block]:
    """Two rows side by side, which the reader picks; nothing where no row has scores by class."""
    lines = cells.lines
    classes: list[Block] = []
    rows = [_row(number, line, classes) for number, line in enumerate(lines, 1) if line.score and line.row.scored]
    if not rows:
        return []
    single = cells.table.track["track"]["task"] == "single-label"
    controls = {id(line.row): number for number, line in enumerate(lines, 1)}
    first = lines[rows[0]["number"] - 1]
    beside = controls[id(first.matched)] if first.matched else rows[min(1, len(rows) - 1)]["number"]
    said = "Recall of each class in %, all folds together" if single else "F1 of each class in %"
    return [
        heading("Class by class", key="classes"),
        text(f"{said}, mean over seeds. The difference is in points; it is untested: elrbench compare tests it."),
        {
            "kind": "classes",
            "label": f"Class by class, {primary}",
            "rows": rows,
            "classes": classes,
            "pick": [rows[0]["number"], beside],
        },
    ]


def _row(number: int, line: RankedRow, classes: list[Block]) -> Block:
    """values in %. `classes` holds each list of names and clips once: rows have them in common."""
    shown = names(line)
    per_class = line.row.first["per_class"]
    values = class_scores(line.row)
    listed = {"names": per_class["classes"], "n": clips_by_class(line.row)}
    if listed not in classes:
        classes.append(listed)
    return {
        "number": number,
        "name": f"{shown['method']}, {shown['backbone']}, {shown['budget']}",
        "classes": classes.index(listed),
        "values": [None if value is None else round(100 * value, 4) for value in values],
    }


def clips_by_class(row: TableRow) -> list[int]:
    """Test clips of each class in all folds."""
    folds = row.runs[row.seeds[0]].values()
    return [sum(counts) for counts in zip(*(record["per_class"]["n"] for record in folds), strict=True)]


def class_scores(row: TableRow) -> list[float | None]:
    """Of each class over complete seeds, a fraction; None where that is 0/0.

    Clips with one label: right clips over clips of all folds. With several: the mean over seeds of the record's F1, and
    None where a class is in more folds than one, for F1 is no mean of folds.
    """
    single = row.first["track"]["task"] == "single-label"
    found: list[float | None] = []
    for place in range(len(row.first["per_class"]["classes"])):
        pairs = [(record["per_class"]["n"][place], record["per_class"]["value"][place]) for record in row.scored]
        if single:
            clips = sum(n for n, _ in pairs)
            found.append(math.fsum(n * (value or 0.0) for n, value in pairs) / clips if clips else None)
        else:
            values = [value for _, value in pairs if value is not None]
            found.append(math.fsum(values) / len(values) if values and row.folds == 1 else None)
    return found
