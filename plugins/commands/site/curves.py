"""Plot scores over resolution: tracks that differ only in the size of their low views."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from benchmark_core.tables.cells import names
from benchmark_core.tables.gather import TrackPage
from benchmark_core.tables.rows import TableRow
from elrbench_plugins.commands.site.blocks import Block, heading, text

_SIZE = re.compile(r"(?<![\dx])(\d+)x(\d+)(?![\dx])")


def curves_blocks(pages: Mapping[PurePosixPath, TrackPage]) -> list[Block]:
    """Return a section per family of tracks; empty if no family has two sizes."""
    families: dict[tuple[str, str, str], list[tuple[tuple[int, int], TrackPage]]] = {}
    for page in pages.values():
        size, family = size_of(page.track["degradation"])
        if size:
            families.setdefault((page.track["dataset"], page.track["protocol"], family), []).append((size, page))
    blocks: list[Block] = []
    for of, members in sorted(families.items()):
        if len(members) > 1:
            sizes = sorted(members, key=lambda member: member[0])
            plots = [*_measured(sizes), *_reported(sizes)]
            blocks += [heading(" · ".join(of)), *plots] if plots else []
    return [text(_LEGEND), *blocks] if blocks else []


_LEGEND = """\
Each line is one system, trained and tested at each size. Every size is a track of its own; compare scores only at the
same size."""


def size_of(degradation: str) -> tuple[tuple[int, int] | None, str]:
    """Return ((height, width), family) of a degradation: ((12, 16), "average-HxW"); (None, name) without a size."""
    found = _SIZE.search(degradation)
    if not found:
        return None, degradation
    return (int(found[1]), int(found[2])), degradation[: found.start()] + "HxW" + degradation[found.end() :]


def _measured(sizes: list[tuple[tuple[int, int], TrackPage]]) -> list[Block]:
    """Return lines of rows that were run at two or more sizes, with their 95 % intervals."""
    series: dict[str, Block] = {}
    metrics = {page.table.track["primary"] for _, page in sizes if page.table}
    for size, page in sizes:
        for ranked in (*page.table.competitors, *page.table.oracles) if page.table else ():
            if ranked.score:
                shown = names(ranked)
                named = f"{shown['method']}, {shown['backbone']}, {shown['enhancer']}, {shown['budget']}"
                one = series.setdefault(_system(ranked.row), {"name": named, "points": []})
                score = {key: round(100 * getattr(ranked.score, key), 4) for key in ("mean", "low", "high")}
                one["points"].append(_point(size, score["mean"]) | {"low": score["low"], "high": score["high"]})
    return _block("Measured", ", ".join(sorted(metrics)), list(series.values()))


def _system(row: TableRow) -> str:
    """Return a row's plan without the degradation. Rows on one line have the same."""
    plan: dict[str, Any] = {**row.first["plan"]}
    settings = {key: value for key, value in plan["settings"].items() if not key.startswith("degradation.")}
    rest = {
        key: value for key, value in plan.items() if key not in ("seed", "fold", "degradation", "teacher", "settings")
    }
    return json.dumps([rest, settings, row.first["dataset"]["manifest"]], sort_keys=True)


def _reported(sizes: list[tuple[tuple[int, int], TrackPage]]) -> list[Block]:
    """Return the same for reported figures, with one plot per score."""
    metrics: dict[str, dict[tuple[object, ...], Block]] = {}
    for size, page in sizes:
        for figure in (figure for figure_row in page.figures for figure in figure_row.figures):
            system = (figure.paper, figure.table, figure.system, figure.backbone, figure.modality, figure.ceiling)
            words = [figure.system, figure.backbone, figure.modality, "oracle" if figure.ceiling else ""]
            named = ", ".join([*filter(None, words), figure.paper, figure.table])
            one = metrics.setdefault(figure.metric, {}).setdefault(system, {"name": named, "points": []})
            point = _point(size, figure.value)
            one["points"] += [point] if point not in one["points"] else []
    return [
        block
        for metric, series in metrics.items()
        for block in _block("Reported by papers", metric, list(series.values()))
    ]


def _point(size: tuple[int, int], value: float) -> Block:
    return {"size": f"{size[0]}x{size[1]}", "pixels": size[0] * size[1], "value": value}


def _block(title: str, metric: str, series: list[Block]) -> list[Block]:
    """Return a plot of the lines with two or more sizes, best at the smallest size first; empty if there are none."""
    lines = [one for one in series if len({point["size"] for point in one["points"]}) > 1]
    lines.sort(key=lambda one: (one["points"][0]["pixels"], -one["points"][0]["value"], one["name"]))
    if not lines:
        return []
    label = f"{metric} in % over the size of low views in pixels"
    return [
        heading(f"{title}, {metric}", 3),
        {"kind": "curves", "label": f"{title}: {label}", "score": metric, "series": lines},
    ]
