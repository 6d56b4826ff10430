"""What a row opens: the plan that its runs have in common, each run's record, and the command that runs it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from benchmark_core.records.clip_results import clips_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS, track_path
from benchmark_core.records.record import record_name
from benchmark_core.tables.cells import notes, percent
from benchmark_core.tables.ranking import RankedRow
from elrbench_plugins.commands.site.blocks import Block

_FILE = "file:"  # begins the name of weights that a plan knows by name and digest alone


def opened(line: RankedRow, cells: Mapping[str, str], board: str) -> Block:
    """cells: the row's own, of all its tables. board: the name of the leaderboards folder."""
    first = line.row.first
    return {
        "cells": list(cells.values()),
        "notes": notes(line),
        "plan": _plan(first),
        "facts": _facts(first),
        "runs": [_run(record, board) for record in line.row.records],
    }


def _plan(record: RunRecord) -> list[list[Any]]:
    """[name, value, whether it is another than the budget's], settings after the names; seed and fold are the runs'."""
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
    """What is the same in all runs of a row, or is told of the first: data, versions, who brought what."""
    clips = record["clips"]
    bad = f", {len(clips['bad'])} that cannot be read" if clips["bad"] else ""
    facts = {
        "data": clips_of(record),
        "clips": f"{clips['train']} to train, {clips['test']} to test, {clips['padded']} padded{bad}",
        "begins with": record["initialisation"],
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
    """One record: its scores in % with their intervals, where and when it was made, and its command."""
    scores = [
        [name, f"{percent(score['value'])} ({percent(score['low'], 1)} to {percent(score['high'], 1)})"]
        for name, score in record["scores"].items()
    ]
    seconds = record["timings"].get("total_s")
    return {
        "seed": str(record["plan"]["seed"]),
        "fold": record["plan"]["fold"],
        "digest": record["digest"],
        "scores": scores,
        "device": record["device"],
        "took": "" if seconds is None else f"{seconds:.0f} s",
        "finished": record["finished"],
        "command": command(record, board),
    }


def command(record: RunRecord, board: str) -> str:
    """The one that runs the record's plan again; FILE and RUNFOLDER stand for what the plan knows by digest alone."""
    file = PurePosixPath(board) / RECORDS / track_path(record["track"]) / record_name(record)
    plan = record["plan"]
    given = [" --weights FILE"] if plan["weights"].startswith(_FILE) else []
    given += [" --enhancer-weights FILE"] if str(plan["settings"].get("enhancer.weights", "")).startswith(_FILE) else []
    given += [" --teacher RUNFOLDER"] if plan.get("teacher") else []
    return f"elrbench rerun {shlex.quote(file.as_posix())}{''.join(given)}"
