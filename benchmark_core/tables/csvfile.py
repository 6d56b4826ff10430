"""Render tables as CSV with every column: measured scores as fractions, reported figures in % as printed."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark_core.papers.reported import Figure
from benchmark_core.records.clip_results import clip_list
from benchmark_core.records.record import all_scores
from benchmark_core.tables.cells import enhancer_share, names, notes, plugins, updates
from benchmark_core.tables.controls import is_control
from benchmark_core.tables.latency import Device, latency, timed_devices
from benchmark_core.tables.markup import csv_text, one_line
from benchmark_core.tables.ranking import RankedRow, TrackTable
from benchmark_core.tables.reported import FigureRow, ReportedFigures, track_of
from benchmark_core.tables.yardsticks import Yardstick, is_yardstick, yardstick_of

_PARAMS = {"": "total", "_backbone": "backbone", "_enhancer": "enhancer", "_head": "head"}


def track_csv(table: TrackTable) -> str:
    """Return the measured rows of one track."""
    rows = [(part, ranked) for part, section in table.sections.items() for ranked in section]
    devices = timed_devices(cost for _, ranked in rows for cost in ranked.costs)
    scores = dict.fromkeys(name for _, ranked in rows for name in all_scores(ranked.row.first))
    yardstick = yardstick_of(table)
    return csv_text(
        [_fields(part, ranked, scores, devices) | _yardstick(part, ranked, yardstick) for part, ranked in rows],
        whole=("rank", "matched_seeds", "params", "params_backbone", "params_enhancer", "params_head"),
    )


def _fields(part: str, ranked: RankedRow, scores: Iterable[str], devices: list[Device]) -> dict[str, object]:
    row, score, control = ranked.row, ranked.score, ranked.control
    primary = row.first["primary"]
    gain = ranked.gain.difference if ranked.gain else None
    matched = control.interval(control.first["primary"]) if control and control.seeds else None
    cost = ranked.costs[0] if ranked.costs else None
    return {
        "part": part,
        "rank": ranked.rank,
        **names(ranked),
        "control": is_control(row.first),
        "primary": primary,
        "mean": score.mean if score else None,
        "std": score.std if score else None,
        "low95": score.low if score else None,
        "high95": score.high if score else None,
        "interval": row.first["scores"][primary]["interval"],
        "seeds": len(row.seeds),
        "folds": row.most_folds,
        "of_folds": row.folds,
        **{name: row.mean(name) for name in scores if name != primary},
        "gain": gain.value if gain else None,
        "gain_low95": gain.low if gain else None,
        "gain_high95": gain.high if gain else None,
        "gain_over": ranked.gain.b if ranked.gain else None,
        "matched_mean": matched.mean if matched else None,
        "matched_std": matched.std if matched else None,
        "matched_seeds": len(control.seeds) if control and matched else None,
        **{f"params{of}": cost["params"][key] if cost else None for of, key in _PARAMS.items()},  # type: ignore[literal-required]
        "macs_view": cost["macs"]["view"] if cost else None,
        "macs_clip": cost["macs"]["clip"] if cost else None,
        "macs_enhancer_share": enhancer_share(cost),
        "macs_lower_bound": bool(cost["understated"]) if cost else None,
        **{
            f"{kind.lower()}_latency_ms {one_line(name)}": latency(ranked.costs, (kind, name)) for kind, name in devices
        },
        "updates": updates(ranked),
        "plugins": plugins(ranked),
        "notes": " ".join(notes(ranked)),
        "data": clip_list(row.first),
        "digests": " ".join(record["digest"] for record in row.records),
    }


def _yardstick(part: str, ranked: RankedRow, yardstick: Yardstick | None) -> dict[str, object]:
    """Return the columns on yardsticks, which only tracks with a yardstick have. Empty: not compared."""
    if yardstick is None:
        return {}
    compared = part == "ranked"
    return {
        "yardstick": is_yardstick(ranked),
        "best_yardstick": yardstick.best.row.first["plan"]["method"],
        "exceeds_yardstick": yardstick.exceeded_by(ranked) if compared else None,
    }


def figures_csv(rows: Iterable[FigureRow]) -> str:
    """Return the figures of one track in %, one line per source, next to the measured scores."""
    return csv_text(
        [
            {
                **_figure(figure),
                "measured": 100 * row.measured.mean if row.measured else None,
                "measured_std": 100 * row.measured.std if row.measured and row.measured.std is not None else None,
                "measured_seeds": len(row.row.seeds) if row.row else None,
                "difference": row.difference,
                "digests": " ".join(record["digest"] for record in row.row.scored) if row.row else None,
                "notes": " | ".join(figure.notes),
            }
            for row in rows
            for figure in row.figures
        ],
        whole=("measured_seeds",),
    )


def reported_csv(reported: ReportedFigures) -> str:
    """Return all figures of all papers in %, and the systems without a figure."""
    rows: list[dict[str, object]] = [
        {
            **_figure(figure),
            "page": "/".join(track.values()) if (track := track_of(figure)) else None,
            "notes": " | ".join(figure.notes),
        }
        for paper in reported.library.papers.values()
        for figure in paper.figures.values()
    ]
    rows += (
        {
            "id": system.id,
            "paper": system.paper,
            "system": system.system,
            "origin": system.origin,
            "dataset": " ".join(system.datasets) or None,
            "notes": system.note,
        }
        for system in reported.systems
    )
    return csv_text(rows)


def _figure(figure: Figure) -> dict[str, object]:
    """Return the cells that describe a figure. Unknown values are empty."""
    cells: dict[str, object] = {
        key: getattr(figure, key) or None
        for key in ("id", "paper", "table", "row", "column", "system", "origin", "dataset", "protocol", "degradation")
    }
    cells |= {"backbone": figure.backbone or None, "modality": figure.modality or None, "oracle": figure.ceiling}
    return cells | {"metric": figure.metric, "reported": figure.value}
