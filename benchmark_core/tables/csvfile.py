"""Tables as CSV: the rows of the Markdown with every column, scores of records as fractions, figures as printed."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark_core.papers.reported import Figure
from benchmark_core.records.clip_results import clips_of
from benchmark_core.tables.cells import enhancer_share, flat, gpus, latency, names, notes, plugins, updates
from benchmark_core.tables.grid import csv_text
from benchmark_core.tables.printed import Printed, Reported, track_of
from benchmark_core.tables.ranking import RankedRow, TrackTable

_PARAMS = {"": "total", "_backbone": "backbone", "_enhancer": "enhancer", "_head": "head"}


def track_csv(table: TrackTable) -> str:
    """What was measured on one track."""
    lines = [(part, line) for part, lines in table.parts.items() for line in lines]
    devices = gpus(cost for _, line in lines for cost in line.costs)
    return csv_text(
        [_fields(part, line, table, devices) for part, line in lines],
        whole=("rank", "matched_seeds", "params", "params_backbone", "params_enhancer", "params_head"),
    )


def _fields(part: str, line: RankedRow, table: TrackTable, devices: list[str]) -> dict[str, object]:
    row, score, control = line.row, line.score, line.matched
    primary = row.first["primary"]
    gain = line.gain.difference if line.gain else None
    matched = control.interval(control.first["primary"]) if control and control.seeds else None
    cost = line.costs[0] if line.costs else None
    return {
        "part": part,
        "rank": line.rank,
        **names(line),
        "control": row.first["control"],
        "primary": primary,
        "mean": score.mean if score else None,
        "std": score.std if score else None,
        "low95": score.low if score else None,
        "high95": score.high if score else None,
        "interval": row.first["scores"][primary]["interval"],
        "seeds": len(row.seeds),
        "folds": row.most_folds,
        "of_folds": row.folds,
        **{name: row.mean(name) for name in table.track["scores"] if name != table.track["primary"]},
        "gain": gain.value if gain else None,
        "gain_low95": gain.low if gain else None,
        "gain_high95": gain.high if gain else None,
        "gain_over": line.gain.b if line.gain else None,
        "matched_mean": matched.mean if matched else None,
        "matched_std": matched.std if matched else None,
        "matched_seeds": len(control.seeds) if control and matched else None,
        **{f"params{of}": cost["params"][key] if cost else None for of, key in _PARAMS.items()},  # type: ignore[literal-required]
        "macs_view": cost["macs"]["view"] if cost else None,
        "macs_clip": cost["macs"]["clip"] if cost else None,
        "macs_enhancer_share": enhancer_share(cost),
        "macs_lower_bound": bool(cost["understated"]) if cost else None,
        **{f"latency_ms {flat(device)}": latency(line.costs, device) for device in devices},
        "updates": updates(line),
        "plugins": plugins(line),
        "notes": " ".join(notes(line)),
        "data": clips_of(row.first),
        "digests": " ".join(record["digest"] for record in row.records),
    }


def printed_csv(lines: Iterable[Printed]) -> str:
    """The figures of one track, one a source, beside what was measured; scores in %."""
    return csv_text(
        [
            {
                **_figure(figure),
                "measured": 100 * line.measured.mean if line.measured else None,
                "measured_std": 100 * line.measured.std if line.measured and line.measured.std is not None else None,
                "measured_seeds": len(line.row.seeds) if line.row else None,
                "difference": line.difference,
                "digests": " ".join(record["digest"] for record in line.row.scored) if line.row else None,
                "notes": " | ".join(figure.notes),
            }
            for line in lines
            for figure in line.figures
        ],
        whole=("measured_seeds",),
    )


def reported_csv(reported: Reported) -> str:
    """Every figure of every paper, and every system without one; scores in %."""
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
    """What is not said is empty."""
    cells: dict[str, object] = {
        key: getattr(figure, key) or None
        for key in ("id", "paper", "table", "row", "column", "system", "origin", "dataset", "protocol", "degradation")
    }
    cells |= {"backbone": figure.backbone or None, "modality": figure.modality or None, "ceiling": figure.ceiling}
    return cells | {"metric": figure.metric, "reported": figure.value}
