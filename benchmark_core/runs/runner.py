"""One run: list clips, decode them, train the stages, score the recognizer, write the record."""

from __future__ import annotations

import dataclasses
import json
import os
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
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.protocols import sized_by_training
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components, check_extras
from benchmark_core.plans.keep import check_validate
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.provenance import check_code, owners_of, plugins_of
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.record import find_record, part_folder, read_record, write_record
from benchmark_core.runs.announce import say_initialisation, say_teacher, say_time
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.folder import refuse_other_data
from benchmark_core.runs.fused import finished, fuse_runs
from benchmark_core.runs.lists import list_data
from benchmark_core.runs.places import place_in
from benchmark_core.runs.record_of import Stopwatch, record_of
from benchmark_core.runs.teachers import check_start, load_teacher, unchecked_overlap
from benchmark_core.runs.together import joined, prepare_together
from benchmark_core.runs.trackers import make_trackers
from benchmark_core.runs.tracking import Tracking, tracked
from benchmark_core.runs.validation import validation_of, with_scores
from benchmark_core.runs.workers import start
from benchmark_core.scoring.predict import interval_logits, merged, predict
from benchmark_core.scoring.predictions import write_predictions
from benchmark_core.scoring.scores import Score
from benchmark_core.specs import DatasetSpec
from benchmark_core.training.connect import connected
from benchmark_core.training.device import pick_device
from benchmark_core.training.observers import Observers
from benchmark_core.training.stage_folder import packed
from benchmark_core.training.training import Training, build_training


@dataclass(frozen=True)
class RunResult:
    """A run's record and its folder. streams: the runs of single modalities that a fused run averages.

    rank: number of this process if torchrun or srun started several, which all return the same record.
    """

    record: Mapping[str, Any]
    folder: Path
    streams: tuple[RunResult, ...] = ()
    rank: int = 0


def run(plan: Plan, catalog: Catalog, context: RunContext) -> RunResult:
    """Train what `plan` names, score it on the test clips of its fold, and write a record into `context.out`.

    A plan of two modalities is two runs and the mean of their probabilities. Each of the two has its own `part_folder`,
    and one that is finished is reused. A plan of several processes is run by them: those that torchrun or srun
    started, of which this process is one, or else those that are started here.
    Raises ElrError before work begins (folders, lists, names) and RunFailed after that.
    """
    check_validate(plan, context.validate)
    if connected().several or not plan.processes:
        return _run(plan, catalog, context)
    place = place_in(os.environ, plan.processes)
    if place is not None:
        with joined(place, plan, catalog, context) as own:
            return _run(plan, catalog, own)
    refuse_other_data(plan, catalog, context)
    make_trackers(catalog, context.track)  # raises before processes start if one cannot be used
    start(plan, catalog, context)
    return _finished(plan, context.out)


def _finished(plan: Plan, out: Path) -> RunResult:
    """Return the result of a run by other processes."""
    folders = [part_folder(out, plan.digest, stream.digest) for stream in plan.streams] if len(plan.streams) > 1 else []
    streams = tuple(RunResult(record=read_record(find_record(folder)), folder=folder) for folder in folders)
    return RunResult(record=read_record(find_record(out)), folder=out, streams=streams)


def _run(plan: Plan, catalog: Catalog, context: RunContext) -> RunResult:
    """Run a plan in this process, which may be one of several ranks."""
    ranks = connected()
    refuse_other_data(plan, catalog, context)
    if len(plan.streams) > 1:
        return _run_streams(plan, catalog, context)
    components = components_of(catalog, plan)
    device = pick_device(context.device)
    check_writable(context.out)
    spare = context.out if ranks.broadcast(check_cache(context.cache)) else None
    if spare is not None:
        context.reporter.say(f"the cache {context.cache} is read-only: missing stages are trained in {spare}")
    if ranks.leads:
        sweep_parts(context.out, older=3600)
    check_extras(plan, components)
    check_code(components)
    view_plan_of(plan, components)  # raises if optical flow is needed and OpenCV is absent
    with reader_lock(context.cache, context.reporter), tracked(plan, catalog, context, ranks) as tracking:
        return _run_one(plan, components, catalog, context, device, spare, tracking)


def _run_one(
    plan: Plan,
    components: Components,
    catalog: Catalog,
    context: RunContext,
    device: torch.device,
    spare: Path | None,
    tracking: Tracking,
) -> RunResult:
    """Run a plan of one modality. spare: if the cache is read-only, the folder for stages that it lacks."""
    stopwatch, oracle, ranks = Stopwatch(), components.method.oracle, connected()
    say_initialisation(plan, components, context)
    teacher = load_teacher(context.extra.teacher, plan, components, catalog)
    say_teacher(teacher, context)
    listing = ranks.each(lambda: list_data(plan, components, catalog, context))
    check_start(plan, components, listing.index.digest())
    if teacher is not None:
        teacher.check_lists(plan, components, listing.index.digest())
    owners = {kind: owner.identity for kind, owner in owners_of(catalog, components).items()}
    if plan.budget != "smoke":
        ranks.lead(lambda: say_time(plan, components, catalog, context, device, listing, owners, teacher))
    ranks.lead(tracking.begin)
    data = prepare_together(ranks, plan, components, context, listing)
    stopwatch.lap()

    training = build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(owners, keep=bool(plan.keep)),
        make_views=data.training_views,
        device=device,
        cache=context.cache,
        reporter=context.reporter,
        spare=spare,
        refit=context.refit,
        external_teacher=teacher.network if teacher else None,
        ranks=ranks,
        observers=Observers(
            follow=tracking.follow,
            validation=validation_of(plan, components, data, device, ranks, context.validate),
        ),
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
            recognizer,
            test,
            device=device,
            precision=plan.precision,
            high=oracle,
            reporter=context.reporter,
            ranks=ranks,
        )
    if windows and ranks.several:
        intervals = merged(ranks, intervals, test) if any(ranks.gather(bool(intervals))) else []
    stopwatch.lap()

    def written() -> Mapping[str, Any]:
        """Write everything that the run leaves; the record comes last."""
        out, name = context.out, f"{file_name(plan.method)}-{plan.digest}.predictions.csv.gz"
        predictions = write_predictions(out / name, ids, targets, logits, components.dataset.classes)
        write_whole(out / "recognizer.safetensors", packed(recognizer))
        history = {stage["name"]: with_scores(stage) for stage in training.stages}
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
        deployed = recognizer
        if sized_by_training(deployed):  # folds and seeds share a cost: count the lengths that the plan states
            deployed = recognizer_of(plan.untrained, components, high=oracle).to(device)
        write_cost(out, cost_of(deployed, structure, structure["low"] or data.median_size(), device))
        write_record(out, record)  # last: it marks the run as finished
        return record

    record = ranks.lead(written)
    tracking.finish(record)
    return RunResult(record=record, folder=context.out, rank=ranks.rank)


def _window_scores(dataset: DatasetSpec, test: Views, intervals: list[Any], targets: Any) -> Mapping[str, Score]:
    """Return the dataset's scores over windows without repeated frames; none if `intervals` is empty."""
    if not intervals or dataset.window_scores is None:
        return {}
    windows = [logits[:n] for logits, n in zip(intervals, test.whole_windows(), strict=True)]
    return dataset.returned("window_scores", dataset.load(dataset.window_scores)(windows, targets), dict)


def _fit(plan: Plan, components: Components, training: Training) -> Recognizer:
    """Run the method's `fit`. Raises if it returns no Recognizer or ignores the teacher that the plan names."""
    recognizer = components.method.load(components.method.fit)(training)
    if not isinstance(recognizer, Recognizer):
        raise RunFailed(f"method '{plan.method}': `fit` returned {type(recognizer).__name__}, not a Recognizer")
    if plan.teacher and not training.used_external_teacher:
        raise ElrError(f"method '{plan.method}' did not use the teacher {plan.teacher}; remove --teacher")
    _check_scored(plan, components, training)
    return recognizer


def _check_scored(plan: Plan, components: Components, training: Training) -> None:
    """Raise ElrError if the plan keeps the best epoch and no epoch was scored."""
    if not plan.keep:
        return
    if not any(stage["scores"] for stage in training.stages):
        raise ElrError(f"method '{plan.method}' has no epochs of the recognizer to choose from; remove --keep")
    training.note(
        f"epochs were chosen by {components.dataset.metric} on the held-out clips, on which the run is scored, too: "
        "its score is too high"
    )


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
    ranks = connected()
    for stream in plan.streams:
        own = contexts[stream.digest]
        record = None if context.refit else ranks.broadcast(finished(own.out, stream, plugins))
        if record is not None:
            context.reporter.say(f"{stream.modality}: the finished run {stream.digest} is reused")
            reused.append(stream.modality)
            results.append(RunResult(record=record, folder=own.out))
        else:
            context.reporter.say(f"{stream.modality}: run {stream.digest}")
            results.append(run(stream, catalog, own))
    with tracked(plan, catalog, context, ranks) as tracking:
        ranks.lead(tracking.begin)
        fused = ranks.lead(lambda: fuse_runs(plan, components, context.out, reused))
        tracking.finish(fused)
    return RunResult(fused, context.out, tuple(results), rank=ranks.rank)
