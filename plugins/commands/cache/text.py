"""What `elrbench cache` prints for people."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmark_core.cli.console import columns
from elrbench_plugins.commands.cache.clearing import Freed
from elrbench_plugins.commands.cache.contents import Cache, KeptRecipe, KeptStage
from elrbench_plugins.commands.cache.reading import CacheReport

# Numbers of a plan that are no option of its method and have no column of their own.
NAMED = ("degradation", "enhancer", "fold", "modality", "precision", "protocol", "sampling", "size", "weights")


def list_text(cache: Cache) -> str:
    """Two tables and the totals."""
    now = time.time()
    parts = [f"cache {cache.root}"]
    if cache.recipes:
        head = ("recipe", "kind", "size", "clips", "bytes", "last used", "degradation")
        parts += ["", columns([head, *(_recipe_row(recipe, now) for recipe in cache.recipes)], "  ")]
    if cache.stages:
        title = ("stage", "dataset", "backbone", "seed", "state", "took", "bytes", "last used", "device", "function")
        rows = [(*_stage_row(stage, now), apart_by(stage, cache.stages)) for stage in cache.stages]
        parts += ["", columns([(*title, "apart by"), *rows], "  ")]
    return "\n".join([*parts, "", totals(cache)])


def totals(cache: Cache) -> str:
    """`24 clips in 2 recipes, 1.2 MiB; 3 stages, 41 MiB, 12 min to fit`."""
    clips = sum(recipe.clips for recipe in cache.recipes)
    spent = sum(float(stage.note.get("seconds") or 0) for stage in cache.stages)
    return (
        f"{clips} clips in {len(cache.recipes)} recipes, {size(sum(recipe.bytes for recipe in cache.recipes))}; "
        f"{len(cache.stages)} stages, {size(sum(stage.bytes for stage in cache.stages))}, {span(spent)} to fit"
    )


def _recipe_row(recipe: KeptRecipe, now: float) -> tuple[str, ...]:
    what = recipe.degradation + (f" ({recipe.halves} half written)" if recipe.halves else "")
    used = ago(now - recipe.used)
    return recipe.key, recipe.kind, recipe.size or "-", str(recipe.clips), size(recipe.bytes), used, what


def _stage_row(stage: KeptStage, now: float) -> tuple[str, ...]:
    numbers, seconds = stage.number_of, stage.note.get("seconds")
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


def apart_by(stage: KeptStage, stages: Sequence[KeptStage]) -> str:
    """What tells a stage from those whose other columns are the same: `confidence=mlp rolling=none`."""
    others = [one.number_of for one in stages if _columns(one) == _columns(stage)]
    words = []
    for key in sorted(stage.number_of):
        if (key in NAMED or key.startswith("method.")) and len({str(one.get(key)) for one in others}) > 1:
            value = stage.number_of[key]
            text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
            words.append(f"{key.removeprefix('method.')}={text}")
    return " ".join(words)


def _columns(stage: KeptStage) -> tuple[str, ...]:
    return (stage.name, stage.function, *(str(stage.number_of.get(key)) for key in ("dataset", "backbone", "seed")))


def verify_text(report: CacheReport) -> str:
    """One line for each broken thing, then the verdict."""
    lines = [f"{one.path}: {one.reason}{'; removed' * one.removed}" for one in report.broken]
    lines += [f"{folder}: left alone, another process is fitting it" for folder in report.busy]
    read = f"{report.clips} clips and {report.stages} stages read"
    if not report.broken:
        return "\n".join([*lines, f"{read}: all as they were written"])
    left = sum(not one.removed for one in report.broken)
    verdict = f"{read}: {len(report.broken)} broken"
    if left:
        verdict += f", {left} of them still there; 'elrbench cache verify --remove' takes away what is broken"
    return "\n".join([*lines, verdict])


def choice_text(components: Cache) -> str:
    """What is about to go."""
    lines = [f"  clips {one.key} {one.kind} {one.size} {one.degradation}".rstrip() for one in components.recipes]
    lines += [f"  stage {one.folder} ({one.number_of.get('dataset', '?')}, {one.state})" for one in components.stages]
    return "\n".join([*lines, totals(components)])


def clear_text(freed: Freed) -> str:
    """What went, and what stayed."""
    return "\n".join(
        [*(f"kept: {line}" for line in freed.kept), f"removed {freed.files} files, {size(freed.bytes)} freed"]
    )


def size(count: float) -> str:
    """`13 B`, `1.2 MiB`."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1000 and len(units) > 1:
        count /= 1024
        del units[0]
    return f"{count:.0f} {units[0]}" if count >= 10 or units[0] == "B" else f"{count:.1f} {units[0]}"


def span(seconds: float) -> str:
    """`42 s`, `12 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def ago(seconds: float) -> str:
    """`just now`, `12 min ago`, `3 days ago`."""
    if seconds < 90:
        return "just now"
    days = seconds / 86400
    return f"{days:.0f} days ago" if days >= 2 else f"{span(seconds)} ago"
