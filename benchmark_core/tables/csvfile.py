"""One track's table as CSV: the same rows, scores as fractions, an empty cell where nothing is known."""

from __future__ import annotations

import pandas as pd

from benchmark_core.records.record import clips_of
from benchmark_core.tables.cells import gpus, latency, names, plugins, updates
from benchmark_core.tables.lines import Line, TrackTable


def track_csv(table: TrackTable) -> str:
    """Fractions to 6 significant digits, more than any clip count supports and the same on every machine."""
    lines = [(part, line) for part, lines in table.parts.items() for line in lines]
    devices = gpus(line for _, line in lines)
    frame = pd.DataFrame([_fields(part, line, table, devices) for part, line in lines])
    frame = frame.astype({"rank": "Int64", "params": "Int64"})  # whole, also where some are missing
    text: str = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text


def _fields(part: str, line: Line, table: TrackTable, devices: list[str]) -> dict[str, object]:
    row, score = line.row, line.score
    gain = line.gain.difference if line.gain else None
    cost = line.costs[0] if line.costs else None
    return {
        "part": part,
        "rank": line.rank,
        **names(line),
        "control": row.first["control"],
        "primary": row.first["primary"],
        "mean": score.mean if score else None,
        "std": score.std if score else None,
        "low95": score.low if score else None,
        "high95": score.high if score else None,
        "seeds": len(row.seeds),
        "folds": row.most_folds,
        "of_folds": row.folds,
        **{name: row.mean(name) for name in table.track["scores"] if name != table.track["primary"]},
        "gain": gain.value if gain else None,
        "gain_low95": gain.low if gain else None,
        "gain_high95": gain.high if gain else None,
        "gain_over": line.gain.b if line.gain else None,
        "params": cost["params"]["total"] if cost else None,
        "macs_clip": cost["macs"]["clip"] if cost else None,
        **{f"latency_ms {device}": latency(line.costs, device) for device in devices},
        "updates": updates(line),
        "plugins": plugins(line),
        "data": clips_of(row.first),
        "digests": " ".join(record["digest"] for record in row.records),
    }
