"""One run: list clips, decode them, train the stages, score the recognizer, write the record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark_core.atomic import check_cache, check_writable, sweep_parts, write_whole
from benchmark_core.catalog import Catalog
from benchmark_core.clips.flow_format import opencv
from benchmark_core.clips.locks import reader_lock
from benchmark_core.clips.views import Views
from benchmark_core.cost.structure import cost_of, describe_plan
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.names import file_name
from benchmark_core.networks.assemble import enhancer_initialisation_of, initialisation_of, recognizer_of
from benchmark_core.networks.protocols import sized_by_training
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components, check_extras
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.provenance import check_code, owners_of, plugins_of
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.record import part_folder, write_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.folder import refuse_other_data
from benchmark_core.runs.fused import finished, fuse_runs
from benchmark_core.runs.lists import Listing, list_data
from benchmark_core.runs.prepare import prepare, view_plan_of
from benchmark_core.runs.preview import preview
from benchmark_core.runs.record_of import Stopwatch, record_of
from benchmark_core.runs.teachers import Teacher, check_start, load_teacher, unchecked_overlap
from benchmark_core.runs.time_estimate import report_time_estimate
from benchmark_core.scoring.predict import interval_logits, predict
from benchmark_core.scoring.predictions import write_predictions
from benchmark_core.scoring.scores import Score
from benchmark_core.specs import DatasetSpec
from benchmark_core.training.device import pick_device
from benchmark_core.training.stage_folder import packed
from benchmark_core.training.training import Training, build_training


@dataclass(frozen=True)
class RunResult:
    """A run's record and its folder. streams: the runs of single modalities that a fused run averages."""

    record: Mapping[str, Any]
    folder: Path
    streams: tuple[RunResult, ...] = ()


def run(plan: Plan, catalog: Catalog, context: RunContext) -> RunResult:
    """Train what `plan` names, score it on the test clips of its fold, and write a record into `context.out`.

    A plan of two modalities is two runs and the mean of their probabilities. Each of the two has its own `part_folder`,
    and one that is finished is reused.
    Raises ElrError before work begins (folders, lists, names) and RunFailed after that.
    """
    refuse_other_data(plan, catalog, context)
    if len(plan.streams) > 1:
        return _run_streams(plan, catalog, context)
    components = components_of(catalog, plan)
    device = pick_device(context.device)
    check_writable(context.out)
    spare = context.out if check_cache(context.cache) else None
    if spare is not None:
        context.reporter.say(f"the cache {context.cache} is read-only: missing stages are trained in {spare}")
    sweep_parts(context.out, older=3600)
    check_extras(plan, components)
    check_code(components)
    view_plan_of(plan, components)  # raises if optical flow is needed and OpenCV is absent
    with reader_lock(context.cache, context.reporter):
        return _run_one(plan, components, catalog, context, device, spare)


def _run_one(
    plan: Plan,
    components: Components,
    catalog: Catalog,
    context: RunContext,
    device: torch.device,
    spare: Path | None,
) -> RunResult:
    """Run a plan of one modality. spare: if the cache is read-only, the folder for stages that it lacks."""
    stopwatch, oracle = Stopwatch(), components.method.oracle
    _say_initialisation(plan, components, context)
    teacher = load_teacher(context.extra.teacher, plan, components, catalog)
    listing = list_data(plan, components, catalog, context)
    check_start(plan, components, listing.index.digest())
    if teacher is not None:
        teacher.check_lists(plan, components, listing.index.digest())
    owners = {kind: owner.identity for kind, owner in owners_of(catalog, components).items()}
    if plan.budget != "smoke":
        _say_time(plan, components, catalog, context, device, listing, owners, teacher)
    data = prepare(plan, components, context, listing)
    stopwatch.lap()

    training = build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(owners),
        make_views=data.training_views,
        device=device,
        cache=context.cache,
        reporter=context.reporter,
        spare=spare,
        refit=context.refit,
        external_teacher=teacher.network if teacher else None,
    )
    for sentence in unchecked_overlap(plan, components, teacher):
        training.note(sentence)
    recognizer = _fit(plan, components, training)
    stopwatch.lap()

    test = data.test_views(high=oracle)
    windows = components.dataset.window_scores is not None and test.sampling.kind == "windows"
    collecting: AbstractContextManager[list[Any]] = interval_logits(recognizer) if windows else nullcontext([])
    with collecting as intervals:
        ids, targets, logits = predict(
            recognizer, test, device=device, precision=plan.precision, high=oracle, reporter=context.reporter
        )
    stopwatch.lap()

    out, name = context.out, f"{file_name(plan.method)}-{plan.digest}.predictions.csv.gz"
    predictions = write_predictions(out / name, ids, targets, logits, components.dataset.classes)
    write_whole(out / "recognizer.safetensors", packed(recognizer))
    history = {stage["name"]: stage["history"] for stage in training.stages}
    write_whole(out / "log.json", json.dumps(history, indent=1).encode())
    record = record_of(
        plan,
        components,
        catalog,
        data=data,
        training=training,
        teacher=teacher,
        padded=test.padded + data.training_views(low=not oracle, high=oracle, seed=0).padded,
        predictions=predictions,
        window_scores=_window_scores(components.dataset, test, intervals, targets),
        device=device,
        stopwatch=stopwatch,
    )
    structure = describe_plan(plan, components)
    if sized_by_training(recognizer):  # folds and seeds share a cost: count the lengths that the plan states
        recognizer = recognizer_of(plan.untrained, components, high=oracle).to(device)
    write_cost(out, cost_of(recognizer, structure, structure["low"] or data.median_size(), device))
    write_record(out, record)  # last: it marks the run as finished
    return RunResult(record=record, folder=out)


def _window_scores(dataset: DatasetSpec, test: Views, intervals: list[Any], targets: Any) -> Mapping[str, Score]:
    """Return the dataset's scores over windows without repeated frames; none if `intervals` is empty."""
    if not intervals or dataset.window_scores is None:
        return {}
    windows = [logits[:n] for logits, n in zip(intervals, test.whole_windows(), strict=True)]
    return dataset.returned("window_scores", dataset.load(dataset.window_scores)(windows, targets), dict)


def _say_initialisation(plan: Plan, components: Components, context: RunContext) -> None:
    initialisation = initialisation_of(plan, components)
    if initialisation != plan.weights:
        context.reporter.say(f"weights: {initialisation}")
    if not components.method.oracle and (text := enhancer_initialisation_of(plan, components)):
        context.reporter.say(f"enhancer weights: {text}")


def _say_time(
    plan: Plan,
    components: Components,
    catalog: Catalog,
    context: RunContext,
    device: torch.device,
    listing: Listing,
    owners: Mapping[str, str],
    teacher: Teacher | None,
) -> None:
    """Report the estimated training time before all clips are decoded, which may take hours."""
    context.reporter.say("estimating the training time from the clip files and a few timed training steps")
    counted = preview(plan, components, context, listing, owners)
    report_time_estimate(
        plan,
        components,
        catalog,
        clips=counted.clips,
        inputs=counted.inputs,
        device=device,
        cache=context.cache,
        refit=context.refit,
        reporter=context.reporter,
        external_teacher=teacher.network if teacher else None,
        unlabelled=counted.unlabelled,
        hr_source=counted.hr_source,
        frames=counted.frames,
    )


def _fit(plan: Plan, components: Components, training: Training) -> Recognizer:
    """Run the method's `fit`. Raises if it returns no Recognizer or ignores the teacher that the plan names."""
    recognizer = components.method.load(components.method.fit)(training)
    if not isinstance(recognizer, Recognizer):
        raise RunFailed(f"method '{plan.method}': `fit` returned {type(recognizer).__name__}, not a Recognizer")
    if plan.teacher and not training.used_external_teacher:
        raise ElrError(f"method '{plan.method}' did not use the teacher {plan.teacher}; remove --teacher")
    return recognizer


def _run_streams(plan: Plan, catalog: Catalog, context: RunContext) -> RunResult:
    """Run the plan's modalities one after the other, then average their probabilities."""
    contexts = {
        stream.digest: dataclasses.replace(context, out=part_folder(context.out, plan.digest, stream.digest))
        for stream in plan.streams
    }
    for stream in plan.streams:
        refuse_other_data(stream, catalog, contexts[stream.digest])
    check_writable(context.out)
    opencv()  # raises before the first stream trains
    components = components_of(catalog, plan)
    plugins = plugins_of(catalog, components)
    results, reused = [], []
    for stream in plan.streams:
        own = contexts[stream.digest]
        record = None if context.refit else finished(own.out, stream, plugins)
        if record is not None:
            context.reporter.say(f"{stream.modality}: the finished run {stream.digest} is reused")
            reused.append(stream.modality)
            results.append(RunResult(record=record, folder=own.out))
        else:
            context.reporter.say(f"{stream.modality}: run {stream.digest}")
            results.append(run(stream, catalog, own))
    return RunResult(fuse_runs(plan, components, context.out, reused), context.out, tuple(results))
