"""A run's report, panel by panel. What cannot be shown is a panel that says why, in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmark_core.catalog import Catalog
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.views import Batch
from benchmark_core.errors import ElrError
from benchmark_core.progress import Reporter
from benchmark_core.records.record import find_record, part_folder, read_record
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.training.device import pick_device
from elrbench_plugins.commands.report import attention, enhanced, features, figures
from elrbench_plugins.commands.report.networks import networks_of
from elrbench_plugins.commands.report.read import Finished
from elrbench_plugins.commands.report.seen import Material, material

PAGE = "report.html"
CLIPS = 4  # best, and worst
ATTENDED = 3  # clips whose attention is drawn: the best of two classes, and the worst

FindData = Callable[[], Path | None]


@dataclass(kw_only=True)
class RunReport:
    """What the page shows: plain values by panel, and for a panel without any the reason in `why`."""

    run: Finished
    panels: dict[str, Any] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


def make_report(
    run: Finished,
    catalog: Catalog,
    *,
    find_data: FindData,
    cache: Path,
    device: str | None,
    clips: int,
    extra: Path,
    reporter: Reporter,
) -> RunReport:
    """Every panel of the run's report.

    find_data: the dataset's folder, None of one that is drawn; an ElrError from it is why clips are not shown. clips:
    how many of the best and of the worst are. beside: the folder of the page, from where links lead.
    Raises ElrError where the device cannot be used.
    """
    report = RunReport(run=run)
    add_numbers(report)
    place = pick_device(device)
    if "fused" in run.record:
        report.panels["streams"] = _streams(run, extra)
        leave_out_clips(report, "two streams were fused, and each has its own report")
        return report
    if clips == 0:
        leave_out_clips(report, "no clips were asked for (--clips 0)")
        return report
    try:
        deployed = load_run(run.folder, run.record, catalog)
        root = find_data()
        stock = material(deployed, run.record, data=root, cache=cache, device=place, reporter=reporter)
    except ElrError as error:
        leave_out_clips(report, str(error))
        return report
    _of_clips(report, stock, clips, cache=cache)
    return report


OF_CLIPS = ("attention", "enhanced", "features", "extremes")


def leave_out_clips(report: RunReport, why: str) -> None:
    """None of the panels that need clips and a network, all for the same reason."""
    report.why |= dict.fromkeys(OF_CLIPS, why)


def add_numbers(report: RunReport) -> None:
    """The panels that the run folder alone suffices for."""
    run = report.run
    classes, threshold = run.predictions.classes, figures.threshold_of(run.record)
    counts = figures.matrix(run.predictions, threshold)
    report.panels["matrix"] = {
        "classes": list(classes),
        "counts": counts.tolist(),
        "n": run.record["per_class"]["n"],
        "confused": figures.confused(counts, run.record["per_class"]["n"], classes),
    }
    report.panels["per_class"] = figures.per_class(run.record)
    if run.log is not None and (plots := figures.curves(run.log)):
        report.panels["curves"] = plots
    elif "fused" in run.record:
        report.why["curves"] = "two streams were fused, and each has its own report"
    else:
        report.why["curves"] = run.no_log or "no stage of this run logged anything"
    if run.costs:
        report.panels["costs"] = run.costs
    if run.no_costs:
        report.why["costs"] = run.no_costs


def _streams(run: Finished, extra: Path) -> list[dict[str, Any]]:
    """Each stream's modality, score and link; `why` in place of a score where its run folder cannot be read."""
    found = []
    for digest in run.record["fused"]:
        folder = part_folder(run.folder, run.record["digest"], digest)
        page = folder / PAGE
        told: dict[str, Any] = {
            "digest": digest,
            "folder": str(folder),
            "link": quote(Path(os.path.relpath(page.resolve(), extra.resolve())).as_posix()),
            "there": page.is_file(),
        }
        try:
            part = read_record(find_record(folder))
            told |= {"modality": part["plan"]["modality"], "score": part["scores"][part["primary"]]}
        except ElrError as error:
            told["why"] = str(error)
        found.append(told)
    return found


@holds_reader_lock
def _of_clips(report: RunReport, stock: Material, clips: int, *, cache: Path) -> None:
    """The panels of clips, each for itself: what fails in one is its reason and leaves the others alone."""
    predictions = report.run.predictions
    among = [row for row, key in enumerate(predictions.ids) if key in stock.clips]
    best, worst = (figures.extremes(predictions, among, clips, best=best) for best in (True, False))
    attended = [*best[: ATTENDED - 1], *worst[:1]]
    panels: dict[str, Callable[[], Any]] = {
        "attention": lambda: _attention(report, stock, attended, cache),
        "enhanced": lambda: _enhanced(report, stock, attended),
        "features": lambda: _features(report, stock),
        "extremes": lambda: _extremes(report, stock, best, worst),
    }
    for name, make in panels.items():
        try:
            report.panels[name] = make()
        except ElrError as error:
            report.why[name] = str(error)


def _attention(report: RunReport, stock: Material, rows: Sequence[int], cache: Path) -> dict[str, Any]:
    run = report.run
    networks = networks_of(stock.deployed, run.record, run.folder, cache)
    looked, notes = attention.attention_of(stock, _batches(report, stock, rows), networks)
    return {"clips": _told(report, looked), "notes": notes}


def _enhanced(report: RunReport, stock: Material, rows: Sequence[int]) -> dict[str, Any]:
    components = stock.deployed.components
    if components.method.oracle:
        raise ElrError(f"method '{components.method.name}' sees high views and has no enhancer")
    if not enhanced.is_learnt(stock):
        raise ElrError(f"enhancer '{stock.deployed.plan.enhancer}' is not learnt")
    shown, why = enhanced.enhanced_of(stock, _batches(report, stock, rows))
    return {"clips": _told(report, shown), "notes": [why] if why else []}


def _batches(report: RunReport, stock: Material, rows: Sequence[int]) -> list[Batch]:
    """Low and high views of clips by their row numbers, one clip a batch."""
    ids = [report.run.predictions.ids[row] for row in dict.fromkeys(rows)]
    return list(stock.batches(stock.views(ids, high=True), 1))


def _told(report: RunReport, clips: Mapping[str, Sequence[attention.AttentionRow]]) -> list[dict[str, Any]]:
    """Each clip, by its id: its lines of frames, what it is, and what the network says."""
    predictions, threshold = report.run.predictions, figures.threshold_of(report.run.record)
    at = {key: row for row, key in enumerate(predictions.ids)}
    return [{**figures.told_of(predictions, at[key], threshold), "rows": rows} for key, rows in clips.items()]


def _features(report: RunReport, stock: Material) -> list[dict[str, Any]]:
    predictions = report.run.predictions
    most = features.affordable(report.run.costs, stock.device)
    ids = [key for key in features.sample(predictions, most) if key in stock.clips]
    if len(ids) < features.FEWEST:
        raise ElrError(f"{len(ids)} clips are too few to be laid out: {features.FEWEST} are")
    names, found = features.features_of(stock, ids, high=stock.deployed.components.method.oracle)
    if len(names) < features.FEWEST:
        raise ElrError(f"{len(names)} clips that can be read are too few to be laid out: {features.FEWEST} are")
    return features.points(predictions, names, features.layout(found))


def _extremes(report: RunReport, stock: Material, best: Sequence[int], worst: Sequence[int]) -> dict[str, Any]:
    """Both lists: each clip as the network sees it."""
    high, ids = stock.deployed.components.method.oracle, report.run.predictions.ids
    views = stock.views([ids[row] for row in dict.fromkeys([*best, *worst])], high=high, low=not high)
    lines = {batch.ids[0]: attention.given_rows(stock, batch) for batch in stock.batches(views, 1)}
    return {
        name: _told(report, {ids[row]: lines[ids[row]] for row in taken if ids[row] in lines})
        for name, taken in (("best", best), ("worst", worst))
    }
