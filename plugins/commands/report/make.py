"""Make the panels of a run's report. A panel that cannot be shown has a one-line reason instead."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmark_core.catalog import Catalog
from benchmark_core.clips.locks import reader_lock
from benchmark_core.clips.views import Batch
from benchmark_core.errors import ElrError
from benchmark_core.progress import Reporter
from benchmark_core.records.record import find_record, part_folder, read_record
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.training.device import pick_device
from elrbench_plugins.commands.report import attention, enhanced, features, figures
from elrbench_plugins.commands.report.networks import networks_of
from elrbench_plugins.commands.report.read_run import Finished
from elrbench_plugins.commands.report.run_clips import RunClips, list_run_clips

PAGE = "report.html"
CLIPS = 4  # number of best right clips and of worst wrong ones
ATTENDED = 3  # clips with attention maps: the two best, of two classes, and the worst

FindData = Callable[[], Path | None]


@dataclass(kw_only=True)
class RunReport:
    """Content of the page: values by panel, and in `why` the reason for each missing panel."""

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
    page_folder: Path,
    reporter: Reporter,
) -> RunReport:
    """Make every panel of the run's report.

    find_data: returns the dataset's folder, or None for a dataset drawn by code; its ElrError is the reason for missing
    clip panels. clips: number of best and of worst clips. page_folder: folder of the page; links start there.
    Raises ElrError if the device cannot be used.
    """
    report = RunReport(run=run)
    add_numbers(report)
    torch_device = pick_device(device)
    if "fused" in run.record:
        report.panels["streams"] = _streams(run, page_folder)
        leave_out_clips(report, "this run fuses two streams; each stream has its own report")
        return report
    if clips == 0:
        leave_out_clips(report, "no clips were asked for (--clips 0)")
        return report
    try:
        root = find_data()
        deployed = load_run(run.folder, run.record, catalog)
        run_clips = list_run_clips(deployed, run.record, data=root, cache=cache, device=torch_device, reporter=reporter)
    except ElrError as error:
        leave_out_clips(report, str(error))
        return report
    with reader_lock(cache, run_clips.reporter):
        _of_clips(report, run_clips, clips, cache=cache)
    return report


OF_CLIPS = ("attention", "enhanced", "features", "extremes")


def leave_out_clips(report: RunReport, why: str) -> None:
    """Leave out all panels that need clips and a network, for one reason."""
    report.why |= dict.fromkeys(OF_CLIPS, why)


def add_numbers(report: RunReport) -> None:
    """Add the panels that need only the run folder."""
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
        if scored := figures.held_out(run.log, run.record["primary"]):
            report.panels["held_out"] = scored
    elif "fused" in run.record:
        report.why["curves"] = "this run fuses two streams; each stream has its own report"
    else:
        report.why["curves"] = run.no_log or "no stage of this run logged values"
    if run.costs:
        report.panels["costs"] = run.costs
    if run.no_costs:
        report.why["costs"] = run.no_costs


def _streams(run: Finished, page_folder: Path) -> list[dict[str, Any]]:
    """Return each stream's modality, score and link, or `why` if its run folder cannot be read."""
    found = []
    for digest in run.record["fused"]:
        folder = part_folder(run.folder, run.record["digest"], digest)
        page = folder / PAGE
        stream: dict[str, Any] = {
            "digest": digest,
            "folder": str(folder),
            "link": quote(Path(os.path.relpath(page.resolve(), page_folder.resolve())).as_posix()),
            "there": page.is_file(),
        }
        try:
            part = read_record(find_record(folder))
            stream |= {"modality": part["plan"]["modality"], "score": part["scores"][part["primary"]]}
        except ElrError as error:
            stream["why"] = str(error)
        found.append(stream)
    return found


def _of_clips(report: RunReport, run_clips: RunClips, clips: int, *, cache: Path) -> None:
    """Add the panels with clips. A panel that fails has its reason and does not affect the others."""
    predictions = report.run.predictions
    among = [row for row, key in enumerate(predictions.ids) if key in run_clips.clips]
    threshold = figures.threshold_of(report.run.record)
    best, worst = (figures.extremes(predictions, among, clips, threshold, best=best) for best in (True, False))
    attended = [*best[: ATTENDED - 1], *worst[:1]]
    panels: dict[str, Callable[[], Any]] = {
        "attention": lambda: _attention(report, run_clips, attended, cache),
        "enhanced": lambda: _enhanced(report, run_clips, attended),
        "features": lambda: _features(report, run_clips),
        "extremes": lambda: _extremes(report, run_clips, best, worst),
    }
    for name, make in panels.items():
        try:
            report.panels[name] = make()
        except ElrError as error:
            report.why[name] = str(error)


def _attention(report: RunReport, run_clips: RunClips, rows: Sequence[int], cache: Path) -> dict[str, Any]:
    run = report.run
    networks = networks_of(run_clips.loaded, run.record, run.folder, cache)
    looked, notes = attention.attention_of(run_clips, _batches(report, run_clips, rows), networks)
    return {"clips": _with_captions(report, looked), "notes": notes}


def _enhanced(report: RunReport, run_clips: RunClips, rows: Sequence[int]) -> dict[str, Any]:
    components = run_clips.loaded.components
    if components.method.oracle:
        raise ElrError(f"method '{components.method.name}' uses high views and has no enhancer")
    if not enhanced.is_trained(run_clips):
        raise ElrError(f"enhancer '{run_clips.loaded.plan.enhancer}' has no trained weights")
    shown, why = enhanced.enhanced_of(run_clips, _batches(report, run_clips, rows))
    return {"clips": _with_captions(report, shown), "notes": [why] if why else []}


def _batches(report: RunReport, run_clips: RunClips, rows: Sequence[int]) -> list[Batch]:
    """Return low and high views of clips by row number, one clip per batch."""
    ids = [report.run.predictions.ids[row] for row in dict.fromkeys(rows)]
    return list(run_clips.batches(run_clips.views(ids, high=True), 1))


def _with_captions(report: RunReport, clips: Mapping[str, Sequence[attention.AttentionRow]]) -> list[dict[str, Any]]:
    """Return each clip with its rows of frames, labels and predictions."""
    predictions, threshold = report.run.predictions, figures.threshold_of(report.run.record)
    at = {key: row for row, key in enumerate(predictions.ids)}
    return [{**figures.clip_caption(predictions, at[key], threshold), "rows": rows} for key, rows in clips.items()]


def _features(report: RunReport, run_clips: RunClips) -> list[dict[str, Any]]:
    predictions = report.run.predictions
    most = features.affordable(report.run.costs, run_clips.device)
    ids = [key for key in features.sample(predictions, most) if key in run_clips.clips]
    if len(ids) < features.FEWEST:
        raise ElrError(f"{len(ids)} test clips are too few; t-SNE needs {features.FEWEST}")
    names, found = features.features_of(run_clips, ids, high=run_clips.loaded.components.method.oracle)
    if len(names) < features.FEWEST:
        raise ElrError(f"{len(names)} readable test clips are too few; t-SNE needs {features.FEWEST}")
    return features.points(predictions, names, features.layout(found))


def _extremes(report: RunReport, run_clips: RunClips, best: Sequence[int], worst: Sequence[int]) -> dict[str, Any]:
    """Return the best and the worst clips as the network sees them."""
    high, ids = run_clips.loaded.components.method.oracle, report.run.predictions.ids
    views = run_clips.views([ids[row] for row in dict.fromkeys([*best, *worst])], high=high, low=not high)
    lines = {batch.ids[0]: attention.view_rows(run_clips, batch) for batch in run_clips.batches(views, 1)}
    return {
        name: _with_captions(report, {ids[row]: lines[ids[row]] for row in taken if ids[row] in lines})
        for name, taken in (("best", best), ("worst", worst))
    }
