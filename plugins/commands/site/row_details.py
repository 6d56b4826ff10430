"""Details of a row: its plan, the record of each run, and the command that repeats the run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from benchmark_core.records.clip_results import clip_list
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS, track_path
from benchmark_core.records.record import printed_scores, record_name
from benchmark_core.tables.cells import notes, percent
from benchmark_core.tables.ranking import RankedRow
from elrbench_plugins.commands.site.blocks import Block

_FILE = "file:"  # prefix of weights that a plan knows only by name and digest


def row_details(ranked: RankedRow, cells: Mapping[str, str], board: str) -> Block:
    """Return the details of a row.

    Args:
        ranked: the row.
        cells: its cells in all tables.
        board: name of the leaderboards folder.
    """
    first = ranked.row.first
    return {
        "cells": list(cells.values()),
        "notes": notes(ranked),
        "plan": _plan(first),
        "facts": _facts(first),
        "runs": [_run(record, board) for record in ranked.row.records],
    }


def _plan(record: RunRecord) -> list[list[Any]]:
    """Return [name, value, whether it differs from the budget] per plan field, without seed and fold."""
    plain: dict[str, Any] = {
        key: value for key, value in record["plan"].items() if key not in ("settings", "seed", "fold")
    }
    everything = {**plain, **record["plan"]["settings"]}
    return [[key, _text(key, value), key in record["changed"]] for key, value in everything.items() if value != ""]


def _text(key: str, value: object) -> str:
    if key == "size" and isinstance(value, list):
        return "x".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _facts(record: RunRecord) -> list[list[str]]:
    """Return [name, value] of data, versions and plugins, from the first run."""
    clips = record["clips"]
    bad = f", {len(clips['bad'])} unreadable" if clips["bad"] else ""
    facts = {
        "data": clip_list(record),
        "clips": f"{clips['train']} training, {clips['test']} test, {clips['padded']} padded{bad}",
        "initial weights": record["initialisation"],
        "updates": ", ".join(f"{stage} {count}" for stage, count in record["updates"].items()),
        "stages": ", ".join(
            f"{stage['name']} {stage['seconds']:.0f} s{' (reused)' if stage['reused'] else ''}"
            for stage in record["stages"]
        ),
        "plugins": ", ".join(
            f"{kind} {owner['name']} ({owner['plugin']}, {owner['distribution']} {owner['version']})"
            for kind, owner in record["plugins"].items()
        ),
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "structure": record["structure"],
    }
    return [[key, value] for key, value in facts.items() if value]


def _run(record: RunRecord, board: str) -> Block:
    """Return one record: scores in % with intervals, device, time, and the command that repeats the run."""
    scores = [
        [name, f"{percent(score['value'])} ({percent(score['low'], 1)} to {percent(score['high'], 1)})"]
        for name, score in printed_scores(record).items()
    ]
    timings = record["timings"]
    took = f"{timings['total_s']:.0f} s" if "total_s" in timings else ""
    if "train_all_s" in timings:
        took += f" (training, with earlier processes: {timings['train_all_s']:.0f} s)"
    return {
        "seed": str(record["plan"]["seed"]),
        "fold": record["plan"]["fold"],
        "digest": record["digest"],
        "scores": scores,
        "device": record["device"],
        "took": took,
        "finished": record["finished"],
        "command": rerun_command(record, board),
    }


def rerun_command(record: RunRecord, board: str) -> str:
    """Return the command that repeats a run. FILE and DIR stand for files that the plan knows only by digest."""
    file = PurePosixPath(board) / RECORDS / track_path(record["track"]) / record_name(record)
    plan = record["plan"]
    files = [" --weights FILE"] if plan["weights"].startswith(_FILE) else []
    files += [" --enhancer-weights FILE"] if str(plan["settings"].get("enhancer.weights", "")).startswith(_FILE) else []
    files += [" --teacher DIR"] if plan.get("teacher") else []
    return f"elrbench rerun {shlex.quote(file.as_posix())}{''.join(files)}"
