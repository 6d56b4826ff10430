"""One run as a story: index, store, stages, score, record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmark_core.atomic import check_writable, sweep_parts, write_whole
from benchmark_core.catalog import Catalog
from benchmark_core.clips.flow_format import opencv
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.cost.structure import cost_of, describe_plan, structure_key
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.names import ComponentName, file_name
from benchmark_core.networks.assemble import enhancer_initialisation_of, initialisation_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.budgets import changed_from_budget
from benchmark_core.plans.combinations import Components, check_extras
from benchmark_core.plans.extra_paths import NO_EXTRA_PATHS, ExtraPaths
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of, track_name
from benchmark_core.progress import Reporter
from benchmark_core.provenance import check_code, file_digest, owners_of, plugins_of, versions
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.record import part_folder, write_record
from benchmark_core.runs.extra_data import extra_sets
from benchmark_core.runs.folder import refuse_other_data
from benchmark_core.runs.fused import finished, fuse_runs
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.teachers import check_start, load_teacher, untold
from benchmark_core.runs.time_estimate import report_time_estimate
from benchmark_core.scoring.predict import predict
from benchmark_core.scoring.predictions import read_predictions, write_predictions
from benchmark_core.training.device import describe_device, pick_device
from benchmark_core.training.stage_folder import packed
from benchmark_core.training.training import build_training


@dataclass(frozen=True)
class RunResult:
    """The record as written, and the folder that holds it. parts: the runs that it fuses, where it does."""

    record: Mapping[str, Any]
    folder: Path
    parts: tuple[RunResult, ...] = ()


def run(
    plan: Plan,
    catalog: Catalog,
    *,
    data: Path | None,
    out: Path,
    cache: Path,
    reporter: Reporter,
    bad_clips: str = "fail",
    device: str | None = None,
    refit: bool = False,
    extra: ExtraPaths = NO_EXTRA_PATHS,
) -> RunResult:
    """Trains what `plan` names, scores it on its fold's test clips, and leaves a record in `out`.

    beside: where the plan's pool, high source and teacher lie.
    A plan of two modalities is two runs, each in its `part_folder`; one that is finished is taken as it is.
    Raises ElrError before work began (folders, lists, names) and RunFailed after.
    """
    refuse_other_data(out, plan, catalog, data=data, extra=extra, bad_clips=bad_clips)
    if len(plan.streams) > 1:
        for stream in plan.streams:
            part = part_folder(out, plan.digest, stream.digest)
            refuse_other_data(part, stream, catalog, data=data, extra=extra, bad_clips=bad_clips)

        def run_stream(stream: Plan, folder: Path) -> RunResult:
            return run(
                stream,
                catalog,
                data=data,
                out=folder,
                cache=cache,
                reporter=reporter,
                bad_clips=bad_clips,
                device=device,
                refit=refit,
                extra=extra,
            )

        return _run_streams(plan, catalog, run_stream, out=out, reporter=reporter, refit=refit)
    components = components_of(catalog, plan)
    place = pick_device(device)
    for folder in (out, cache / "clips", cache / "stages"):
        check_writable(folder)
    sweep_parts(out, older=3600)
    check_extras(plan, components)
    check_code(catalog, components)
    return _run_one(
        plan,
        components,
        catalog,
        data=data,
        out=out,
        cache=cache,
        reporter=reporter,
        bad_clips=bad_clips,
        place=place,
        refit=refit,
        extra=extra,
    )


@holds_reader_lock
def _run_one(
    plan: Plan,
    components: Components,
    catalog: Catalog,
    *,
    data: Path | None,
    out: Path,
    cache: Path,
    reporter: Reporter,
    bad_clips: str,
    place: torch.device,
    refit: bool,
    extra: ExtraPaths,
) -> RunResult:
    """The run of one modality: prepares clips, trains, tests, and writes what it leaves."""
    began = time.monotonic()
    high = components.method.oracle
    initialisation = initialisation_of(plan, components)
    if initialisation != plan.weights:
        reporter.say(f"weights: {initialisation}")
    if not high and (said := enhancer_initialisation_of(plan, components)):
        reporter.say(f"enhancer's weights: {said}")
    teacher = load_teacher(extra.teacher, plan, components, catalog)
    pool, source = extra_sets(catalog, plan, extra)
    ready = prepare(
        plan, components, data=data, cache=cache, bad_clips=bad_clips, reporter=reporter, pool=pool, source=source
    )
    manifest = ready.index.digest()
    check_start(plan, components, manifest)
    if teacher is not None:
        teacher.check_lists(plan, components, manifest)
    external_teacher = teacher.network if teacher else None
    inputs = ready.stage_inputs({kind: owner.identity for kind, owner in owners_of(catalog, components).items()})
    prepared = time.monotonic()
    if plan.budget != "smoke":
        report_time_estimate(
            plan,
            components,
            catalog,
            clips=len(ready.train),
            inputs=inputs,
            device=place,
            cache=cache,
            refit=refit,
            reporter=reporter,
            external_teacher=external_teacher,
            pool=len(ready.pool.clips) if ready.pool else None,
            source=len(ready.source.clips) if ready.source else None,
            frames=ready.mean_frames(high=high),
        )
    training = build_training(
        plan=plan,
        components=components,
        inputs=inputs,
        make_views=ready.training_views,
        device=place,
        cache=cache,
        reporter=reporter,
        refit=refit,
        external_teacher=external_teacher,
    )
    for sentence in untold(plan, components, teacher):
        training.note(sentence)
    recognizer = components.method.load(components.method.fit)(training)
    if not isinstance(recognizer, Recognizer):
        raise RunFailed(f"method '{plan.method}': its fit returned {type(recognizer).__name__}, not a Recognizer")
    if external_teacher is not None and not training.used_external_teacher:
        raise ElrError(
            f"method '{plan.method}' as set here has not taken the teacher {plan.teacher}; leave out --teacher"
        )
    trained = time.monotonic()
    test = ready.test_views(high=high)
    ids, targets, logits = predict(
        recognizer, test, device=place, precision=plan.precision, high=high, reporter=reporter
    )
    tested = time.monotonic()

    stem = f"{file_name(plan.method)}-{plan.digest}"
    predictions = write_predictions(
        out / f"{stem}.predictions.csv.gz", ids, targets, logits, components.dataset.classes
    )
    write_whole(out / "recognizer.safetensors", packed(recognizer))
    history = {stage["name"]: stage["history"] for stage in training.stages}
    write_whole(out / "log.json", json.dumps(history, indent=1).encode())
    record = add_checksum(
        {
            "schema": 1,
            "kind": "run",
            "digest": plan.digest,
            "plan": plan.to_json(),
            "changed": changed_from_budget(catalog, plan),
            "track": {
                "dataset": track_name(catalog, plan, "dataset"),
                "protocol": plan.protocol_name,
                "folds": list(components.dataset.protocols[plan.protocol].folds),
                "pooled": components.dataset.protocols[plan.protocol].pooled,
                "degradation": track_name(catalog, plan, "degradation"),
                "task": components.dataset.task,
            },
            "privileged": components.method.oracle,
            "control": is_control(plan, components),
            "primary": components.dataset.metric,
            # Of the file, so that anyone can score it again.
            **read_predictions(predictions).scored().to_json(components.dataset.metric),
            "clips": {
                "train": len(ready.train),
                "test": len(ready.test),
                "bad": list(ready.bad),
                "padded": test.padded + ready.training_views(low=not high, high=high, seed=0).padded,
            },
            "dataset": {"manifest": manifest, "classes": len(components.dataset.classes)},
            **({"unlabelled": ready.pool.to_json()} if ready.pool else {}),
            **({"high_source": ready.source.to_json()} if ready.source else {}),
            **({"teacher": teacher.to_json()} if teacher else {}),
            "initialisation": initialisation,
            "updates": {stage["name"]: stage["updates"] for stage in training.stages},
            "stages": [
                {key: stage[key] for key in ("name", "key", "reused", "seconds", "device")} for stage in training.stages
            ],
            **({"notes": training.notes} if training.notes else {}),
            "device": describe_device(place),
            "versions": versions(),
            "plugins": plugins_of(catalog, components),
            "timings": {
                "prepare_s": round(prepared - began, 2),
                "train_s": round(trained - prepared, 2),
                "test_s": round(tested - trained, 2),
                "total_s": round(time.monotonic() - began, 2),
            },
            "structure": structure_key(describe_plan(plan, components)),
            "predictions": {"file": predictions.name, "sha256": file_digest(predictions)},
            "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    write_record(out, record)
    structure = describe_plan(plan, components)
    write_cost(out, cost_of(recognizer, structure, structure["low"] or ready.median_size(), place))
    return RunResult(record=record, folder=out)


def _run_streams(
    plan: Plan,
    catalog: Catalog,
    run_stream: Callable[[Plan, Path], RunResult],
    *,
    out: Path,
    reporter: Reporter,
    refit: bool,
) -> RunResult:
    """The runs of the plan's modalities, one after the other, and the mean of their probabilities."""
    check_writable(out)
    opencv()  # before the first of them trains
    components = components_of(catalog, plan)
    plugins = plugins_of(catalog, components)
    parts, reused = [], []
    for stream in plan.streams:
        folder = part_folder(out, plan.digest, stream.digest)
        done = None if refit else finished(folder, stream, plugins)
        if done is not None:
            reporter.say(f"{stream.modality}: the finished run {stream.digest} is reused")
            reused.append(stream.modality)
        else:
            reporter.say(f"{stream.modality}: run {stream.digest}")
        parts.append(run_stream(stream, folder) if done is None else RunResult(record=done, folder=folder))
    return RunResult(record=fuse_runs(plan, components, out, reused), folder=out, parts=tuple(parts))


def is_control(plan: Plan, components: Components) -> bool:
    """Whether `plan` names a control of its method, and does what that control does."""
    named = set(ComponentName.parse(plan.method).variants) & set(components.method.controls)
    options = components.options(plan, "method")
    return any(options[key] == value for name in named for key, value in components.method.variants[name].items())
