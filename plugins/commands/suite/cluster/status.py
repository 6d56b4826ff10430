"""Texts and JSON of `elrbench suite status`. Reads the sheet and the states alone; loads neither plugins nor torch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.cli.console import columns
from benchmark_core.progress import duration
from elrbench_plugins.commands.suite.cluster.job import JobFolder
from elrbench_plugins.commands.suite.cluster.sheet import Sheet, SheetRun
from elrbench_plugins.commands.suite.cluster.state import JobState, present_state
from elrbench_plugins.commands.suite.cluster.waves import Waves

NOTHING = "-"
ERROR = 100  # characters of an error that the table shows


@dataclass(frozen=True)
class RunStatus:
    """A run and the state of its job. holds: (stage, digest of the run that trains it) if it waits for a stage."""

    run: SheetRun
    folder: JobFolder
    state: JobState
    waits_for: tuple[str, str] | None = None

    @property
    def phase(self) -> str:
        """The phase of the job; "done" for a run that was finished before."""
        return "done" if self.run.finished and self.state.phase == "waiting" else self.state.phase


def statuses(sheet: Sheet, out: Path) -> list[RunStatus]:
    """Return the status of each run, in the order of the sheet."""
    folders = {run.digest: JobFolder(out / run.digest) for run in sheet.runs}
    states = {digest: present_state(folder) for digest, folder in folders.items()}
    running = [digest for digest, state in states.items() if state.phase == "running"]
    waves = Waves({run.digest: run.stages for run in sheet.runs}, lambda stage: stage.note(sheet.cache).exists())
    return [
        RunStatus(
            run,
            folders[run.digest],
            states[run.digest],
            waves.held_by(run.digest, running) if states[run.digest].phase in ("waiting", "queued") else None,
        )
        for run in sheet.runs
    ]


def status_json(sheet: Sheet, found: Sequence[RunStatus]) -> dict[str, Any]:
    """Return the runs in order, and the number of runs by phase."""
    return {
        "suite": sheet.suite,
        "on": sheet.engine.on,
        "started": sheet.started,
        "counts": dict(Counter(one.phase for one in found)),
        "runs": [
            {
                "digest": one.run.digest,
                "rows": list(one.run.rows),
                "method": one.run.method,
                "seed": one.run.seed,
                "fold": one.run.fold,
                "state": one.phase,
                "stage": one.state.stage or None,
                "epoch": one.state.epoch or None,
                "epochs": one.state.epochs or None,
                "eta_s": one.state.eta,
                "host": one.state.host or None,
                "attempt": one.state.attempt,
                "seconds": _seconds(one),
                "waits_for": list(one.waits_for) if one.waits_for else None,
                "error": one.state.error or None,
                "log": str(one.folder.output),
            }
            for one in found
        ],
    }


def status_text(sheet: Sheet, found: Sequence[RunStatus]) -> str:
    """Return a table with a line per run, the reasons of failures, and the number of runs by phase."""
    table: list[Sequence[str]] = [("state", "stage", "epoch", "ETA", "host", "time", "run", "log")]
    for one in found:
        state, seconds = one.state, _seconds(one)
        table.append(
            (
                one.phase,
                _stage(one),
                f"{state.epoch}/{state.epochs}" if state.epochs and one.phase == "running" else NOTHING,
                duration(state.eta) if state.eta is not None and one.phase == "running" else NOTHING,
                state.host or NOTHING,
                NOTHING if seconds is None else duration(seconds),
                str(one.run),
                str(one.folder.output) if one.folder.output.exists() else NOTHING,
            )
        )
    errors = [f"{one.run}: {_short(one.state.error)}" for one in found if one.phase == "failed" and one.state.error]
    lost = [f"{one.run}: its worker on {one.state.host} ended without a result" for one in found if one.phase == "lost"]
    counts = Counter(one.phase for one in found)
    total = f"{sheet.suite} on {sheet.engine.on}: " + ", ".join(f"{number} {phase}" for phase, number in counts.items())
    advice = "'elrbench suite run' with the same options continues lost and waiting runs." if lost else ""
    return "\n\n".join(block for block in (columns(table), "\n".join([*errors, *lost]), total, advice) if block)


def _stage(one: RunStatus) -> str:
    if one.waits_for is not None:
        return f"waits for {one.waits_for[0]} of {one.waits_for[1]}"
    return one.state.stage or NOTHING if one.phase == "running" else NOTHING


def _seconds(one: RunStatus) -> float | None:
    if not one.state.started:
        return None
    return (time.time() if one.phase == "running" else one.state.updated) - one.state.started


def _short(text: str) -> str:
    return text if len(text) <= ERROR else f"{text[: ERROR - 1]}…"
