"""Scores per class of each row: recall for single-label, F1 for multi-label tasks."""

from __future__ import annotations

import math

from benchmark_core.tables.cells import names
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.rows import TableRow
from benchmark_core.tables.track_cells import TrackCells
from elrbench_plugins.commands.site.blocks import Block, heading, text


def classes_block(cells: TrackCells, primary: str) -> list[Block]:
    """Return a comparison of two rows, selected by the reader; empty if no row has scores per class."""
    ranking = cells.ranking
    classes: list[Block] = []
    rows = [
        _row(number, ranked, classes) for number, ranked in enumerate(ranking, 1) if ranked.score and ranked.row.scored
    ]
    if not rows:
        return []
    single = cells.table.track["track"]["task"] == "single-label"
    numbers = {id(ranked.row): number for number, ranked in enumerate(ranking, 1)}
    first = ranking[rows[0]["number"] - 1]
    second = numbers[id(first.control)] if first.control else rows[min(1, len(rows) - 1)]["number"]
    score = "Recall of each class in %, over all folds" if single else "F1 of each class in %"
    return [
        heading("Scores per class", key="classes"),
        text(
            f"{score}, mean over seeds. The difference is in points and is not tested for significance here: "
            "use elrbench compare."
        ),
        {
            "kind": "classes",
            "label": f"Scores per class, {primary}",
            "rows": rows,
            "classes": classes,
            "pick": [rows[0]["number"], second],
        },
    ]


def _row(number: int, ranked: RankedRow, classes: list[Block]) -> Block:
    """Return the scores of one row in %. `classes` stores equal lists of names and clips once for all rows."""
    shown = names(ranked)
    per_class = ranked.row.first["per_class"]
    values = class_scores(ranked.row)
    listed = {"names": per_class["classes"], "n": clips_by_class(ranked.row)}
    if listed not in classes:
        classes.append(listed)
    return {
        "number": number,
        "name": f"{shown['method']}, {shown['backbone']}, {shown['budget']}",
        "classes": classes.index(listed),
        "values": [None if value is None else round(100 * value, 4) for value in values],
    }


def clips_by_class(row: TableRow) -> list[int]:
    """Return the number of test clips of each class in all folds."""
    folds = row.runs[row.seeds[0]].values()
    return [sum(counts) for counts in zip(*(record["per_class"]["n"] for record in folds), strict=True)]


def class_scores(row: TableRow) -> list[float | None]:
    """Return the score of each class over complete seeds as a fraction; None for 0/0.

    Single-label: recall over the clips of all folds. Multi-label: mean over seeds of the records' F1; None if the
    protocol has several folds, because the F1 of all folds is not the mean of their F1 scores.
    """
    single = row.first["track"]["task"] == "single-label"
    found: list[float | None] = []
    for index in range(len(row.first["per_class"]["classes"])):
        pairs = [(record["per_class"]["n"][index], record["per_class"]["value"][index]) for record in row.scored]
        if single:
            clips = sum(n for n, _ in pairs)
            found.append(math.fsum(n * (value or 0.0) for n, value in pairs) / clips if clips else None)
        else:
            values = [value for _, value in pairs if value is not None]
            found.append(math.fsum(values) / len(values) if values and row.folds == 1 else None)
    return found
