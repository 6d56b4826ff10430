"""Texts that `elrbench cache` prints."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmark_core.cli.console import columns
from elrbench_plugins.commands.cache.clearing import Freed
from elrbench_plugins.commands.cache.contents import Cache, StoredFormat, StoredStage
from elrbench_plugins.commands.cache.reading import CacheReport
from elrbench_plugins.commands.cache.sharing import Moved

# Fields of a plan that are not options of its method and have no column of their own.
NAMED = ("degradation", "enhancer", "fold", "modality", "precision", "protocol", "sampling", "size", "weights")


def list_text(cache: Cache) -> str:
    """Return a table of clips, a table of stages, and the totals."""
    now = time.time()
    parts = [f"cache {cache.root}"]
    if cache.formats:
        head = ("format", "kind", "size", "clips", "bytes", "last used", "degradation")
        parts += ["", columns([head, *(_format_row(stored, now) for stored in cache.formats)], "  ")]
    if cache.stages:
        title = ("stage", "dataset", "backbone", "seed", "state", "time", "bytes", "last used", "device", "function")
        rows = [(*_stage_row(stage, now), distinguishing_numbers(stage, cache.stages)) for stage in cache.stages]
        parts += ["", columns([(*title, "differs in"), *rows], "  ")]
    if cache.counts:
        parts += ["", counts_text(cache)]
    return "\n".join([*parts, "", totals(cache)])


def counts_text(cache: Cache) -> str:
    """Return `counts of 12 plans by 'elrbench suite show', 4.1 KiB`."""
    return f"counts of {len(cache.counts)} plans by 'elrbench suite show', {size(cache.bytes_of_counts)}"


def totals(cache: Cache) -> str:
    """Return `24 clips in 2 formats, 1.2 MiB; 3 stages, 41 MiB, 12 min of training`."""
    clips = sum(one.clips for one in cache.formats)
    spent = sum(float(stage.note.get("seconds") or 0) for stage in cache.stages)
    return (
        f"{clips} clips in {len(cache.formats)} formats, {size(sum(one.bytes for one in cache.formats))}; "
        f"{len(cache.stages)} stages, {size(sum(stage.bytes for stage in cache.stages))}, {span(spent)} of training"
    )


def _format_row(stored: StoredFormat, now: float) -> tuple[str, ...]:
    degradation = stored.degradation + (f" ({stored.halves} half written)" if stored.halves else "")
    used = ago(now - stored.used)
    return stored.key, stored.kind, stored.size or "-", str(stored.clips), size(stored.bytes), used, degradation


def _stage_row(stage: StoredStage, now: float) -> tuple[str, ...]:
    numbers, seconds = stage.numbers, stage.note.get("seconds")
    return (
        stage.folder,
        str(numbers.get("dataset", "-")),
        str(numbers.get("backbone", "-")),
        str(numbers.get("seed", "-")),
        stage.state,
        "-" if seconds is None else span(seconds),
        size(stage.bytes),
        ago(now - stage.used),
        str(stage.note.get("device", "-")),
        stage.function or "-",
    )


def distinguishing_numbers(stage: StoredStage, stages: Sequence[StoredStage]) -> str:
    """Return what distinguishes a stage from stages with equal columns: `confidence=mlp rolling=none`."""
    others = [one.numbers for one in stages if _columns(one) == _columns(stage)]
    words = []
    for key in sorted(stage.numbers):
        if (key in NAMED or key.startswith("method.")) and len({str(one.get(key)) for one in others}) > 1:
            value = stage.numbers[key]
            text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
            words.append(f"{key.removeprefix('method.')}={text}")
    return " ".join(words)


def _columns(stage: StoredStage) -> tuple[str, ...]:
    return (stage.name, stage.function, *(str(stage.numbers.get(key)) for key in ("dataset", "backbone", "seed")))


def verify_text(report: CacheReport) -> str:
    """Return one line for each broken clip or stage, then the result."""
    lines = [f"{one.path}: {one.reason}{'; removed' * one.removed}" for one in report.broken]
    lines += [f"{folder}: not read, because another process is training it" for folder in report.busy]
    read = f"{report.clips} clips and {report.stages} stages read"
    if not report.broken:
        return "\n".join([*lines, f"{read}: none is broken"])
    left = sum(not one.removed for one in report.broken)
    verdict = f"{read}: {len(report.broken)} broken"
    if left:
        verdict += f", {left} of them not removed; 'elrbench cache verify --remove' removes them"
    return "\n".join([*lines, verdict])


def choice_text(selected: Cache) -> str:
    """Return what will be removed."""
    lines = [f"  clips {one.key} {one.kind} {one.size} {one.degradation}".rstrip() for one in selected.formats]
    lines += [f"  stage {one.folder} ({one.numbers.get('dataset', '?')}, {one.state})" for one in selected.stages]
    lines += [f"  {counts_text(selected)}"] * bool(selected.counts)
    return "\n".join([*lines, totals(selected)])


def clear_text(freed: Freed) -> str:
    """Return what was removed, and what was kept."""
    return "\n".join(
        [*(f"kept: {line}" for line in freed.kept), f"removed {freed.files} files, {size(freed.bytes)} freed"]
    )


def moved_text(moved: Moved, what: str) -> str:
    """Return one line for each thing that was not copied, then the totals. what: `copied from CACHE to FOLDER`."""
    lines = [*moved.faults, *(f"not shared: {line}" for line in moved.left_out)]
    counts = [f"{moved.copied[kind]} {kind} ({moved.present[kind]} were there)" for kind in moved.copied]
    return "\n".join([*lines, f"{what}: {', '.join(counts)}, {size(moved.bytes)}"])


def size(count: float) -> str:
    """Return a size in bytes as text: `13 B`, `1.2 MiB`."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1000 and len(units) > 1:
        count /= 1024
        del units[0]
    return f"{count:.0f} {units[0]}" if count >= 10 or units[0] == "B" else f"{count:.1f} {units[0]}"


def span(seconds: float) -> str:
    """Return seconds as text: `42 s`, `12 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def ago(seconds: float) -> str:
    """Return an age as text: `just now`, `12 min ago`, `3 days ago`."""
    if seconds < 90:
        return "just now"
    days = seconds / 86400
    return f"{days:.0f} days ago" if days >= 2 else f"{span(seconds)} ago"
