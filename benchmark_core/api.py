"""The functions of the public API, exported by the package `elrbench`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli.console import ConsoleReporter
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.request import cache_folder, data_root, located, make_plan
from benchmark_core.specs import NOTHING, Value

if TYPE_CHECKING:
    import pandas as pd

    from benchmark_core.runs.loaded_run import LoadedRun
    from benchmark_core.runs.runner import RunResult

PathLike = str | Path


def resolve(
    *,
    method: str,
    dataset: str,
    budget: str | None = None,
    seed: int | None = None,
    settings: Mapping[str, Value] = NOTHING,
    data: PathLike | None = None,
    plugins: Sequence[str] = (),
    **fields: Any,
) -> Plan:
    """Return the plan of one run: one fold and one seed, with every name and number resolved. Reads no clip.

    Args:
        method: transfer method with optional variants, such as "cstat" or "cstat:mlp+rc".
        dataset: dataset, such as "puppets", "jhmdb" or "folder:/data/my-clips".
        budget: "paper" (the default), "small" or "smoke".
        seed: seed of initialisation, order and augmentation. Default: 0.
        settings: options of components, such as {"method.epochs": 5}.
        data: folder of the dataset; needed here only for datasets that read their classes from it.
        plugins: plugins that are not installed, each a FILE.py or a module name.
        fields: other fields of a plan, named as the options of `elrbench run`: protocol, fold, holdout, classes,
            degradation, enhancer, enhancer_weights, backbone, weights, modality, size ("96x128"), sampling ("4x1"),
            precision, test_views ("3+mirror"), unlabelled, teacher, high_source, teacher_backbone,
            teacher_weights, teacher_size ("96x128"), teacher_frames, recipe, processes, batch_norm, keep.

    Raises:
        ElrError: a name is unknown, a number is out of bounds, or the components do not go together.
    """
    asked = {"method": method, "dataset": dataset, "budget": budget, "seed": seed, **fields}
    return _planned(asked, settings, data, ExtraPaths(), plugins)[1]


def run(
    *,
    method: str,
    dataset: str,
    budget: str | None = None,
    seed: int | None = None,
    out: PathLike | None = None,
    cache: PathLike | None = None,
    settings: Mapping[str, Value] = NOTHING,
    data: PathLike | None = None,
    unlabelled_data: PathLike | None = None,
    high_source_data: PathLike | None = None,
    bad_clips: str = "fail",
    shared_clips: str | None = None,
    device: str | None = None,
    refit: bool = False,
    quiet: bool = False,
    track: Sequence[str] = (),
    validate: int = 0,
    plugins: Sequence[str] = (),
    **fields: Any,
) -> RunResult:
    """Train and score one recognizer, as `elrbench run` does. A run that was interrupted continues.

    Args:
        method, dataset, budget, seed, settings, plugins, fields: see `resolve`.
        out: run folder. Default: `elrbench-runs/DIGEST` in the working directory.
        cache: folder of decoded clips and trained stages. Default: `$ELRBENCH_CACHE` or `~/.cache/elrbench`.
        data: folder of the dataset. Default: `$ELRBENCH_DATA/FOLDER`; `elrbench data info NAME` prints FOLDER.
        unlabelled_data, high_source_data: folders of the datasets that the plan names in `unlabelled`, `high_source`.
        bad_clips: "fail" raises if a clip cannot be read; "skip" leaves such clips out and lists them in the record.
        shared_clips: "fail" or "warn", for training clips with the content of a test clip. Default: the dataset's own.
        device: "cpu", "cuda" or "cuda:1". Default: the first accelerator, else the CPU.
        refit: train every stage again, also those that the cache holds.
        quiet: print no progress on stderr; warnings are still printed.
        track: experiment trackers, each "NAME" or "NAME:PROJECT", such as "tensorboard".
        validate: score every N-th epoch on the clips that `holdout` holds out of training, for the log. 0: none.

    Returns:
        The result: `.record` (the record as a mapping; scores are fractions in [0, 1]) and `.folder` (a Path with
        weights, log, record and predictions).

    Raises:
        ElrError: a mistake found before work began. RunFailed: the run could not finish.
    """
    from benchmark_core.runs.folder import RUNS, refuse_other_plan
    from benchmark_core.runs.runner import run as run_plan

    asked = {"method": method, "dataset": dataset, "budget": budget, "seed": seed, **fields}
    extra = ExtraPaths(unlabelled=_path(unlabelled_data), high_source=_path(high_source_data))
    catalog, plan, extra = _planned(asked, settings, data, extra, plugins)
    folder = _path(out) or RUNS / plan.digest
    refuse_other_plan(folder, plan.digest)
    context = RunContext(
        data=data_root(catalog, plan.dataset, _path(data)),
        out=folder,
        cache=cache_folder(_path(cache)),
        extra=located(catalog, plan, extra),
        reporter=ConsoleReporter(quiet=quiet),
        bad_clips=bad_clips,
        shared_clips=shared_clips,
        device=device,
        refit=refit,
        track=tuple(track),
        validate=validate,
    )
    return run_plan(plan, catalog, context)


def load_run(folder: PathLike, *, dataset: str | None = None, plugins: Sequence[str] = ()) -> LoadedRun:
    """Return the trained recognizer of a finished run, in eval mode on the CPU.

    Args:
        folder: run folder, with its record and `recognizer.safetensors`.
        dataset: another dataset of the same classes that the recognizer is to see. Default: the dataset of the run.
        plugins: plugins that are not installed, each a FILE.py or a module name.

    Returns:
        The loaded run. `.recognizer(low, mask)` maps low views, float (B, K, 3, T, h, w) in [0, 1], to logits (B, C).
        `.classes` are the C class names in order, `.sampling` is (K, T), `.low_size` is (h, w) or None if clips
        differ in size, `.task` is "single-label" or "multi-label".

    Raises:
        ElrError: the folder holds no finished run, or its weights cannot be read.
    """
    from benchmark_core.records.record import find_record, read_record
    from benchmark_core.runs.loaded_run import load_run as load

    path = Path(folder)
    return load(path, read_record(find_record(path)), load_catalog(extra=plugins), dataset)


def load_records(folder: PathLike = "leaderboards") -> pd.DataFrame:
    """Return published run records, one row a run, sorted by file name. Loads no torch and no plugin.

    Args:
        folder: leaderboards folder, which holds `records/`.

    Returns:
        A data frame with the columns digest, method, dataset, protocol, fold, degradation, enhancer, backbone,
        modality, size, sampling, budget, seed, oracle (scored on high views), metric (the primary one), score, low,
        high (its 95 % interval), n (test clips), one column for each other metric, device, finished, and path.
        Scores are fractions in [0, 1].

    Raises:
        ElrError: there is no such folder, or a record in it is damaged.
    """
    import pandas as pd

    from benchmark_core.records.files import run_files
    from benchmark_core.records.record import read_record

    root = Path(folder)
    if not root.is_dir():
        raise ElrError(f"the folder {root} does not exist; pass the leaderboards folder")
    frame: pd.DataFrame = pd.DataFrame([_row(read_record(path), path) for path in run_files(root)])
    return frame


def _row(record: Any, path: Path) -> dict[str, Any]:
    plan, primary = record["plan"], record["primary"]
    main = record["scores"][primary]
    copied = ("method", "dataset", "degradation", "enhancer", "backbone", "modality", "sampling", "budget", "seed")
    return {
        "digest": record["digest"],
        **{name: plan[name] for name in copied},
        "protocol": record["track"]["protocol"],
        "fold": plan["fold"],
        "size": "x".join(map(str, plan["size"])),
        "oracle": record["privileged"],
        "metric": primary,
        "score": main["value"],
        "low": main.get("low"),
        "high": main.get("high"),
        "n": main["n"],
        **{name: score["value"] for name, score in record["scores"].items()},
        "device": record["device"],
        "finished": record["finished"],
        "path": str(path),
    }


def _planned(
    asked: Mapping[str, Any],
    settings: Mapping[str, Value],
    data: PathLike | None,
    extra: ExtraPaths,
    plugins: Sequence[str],
) -> tuple[Catalog, Plan, ExtraPaths]:
    texts = tuple(
        f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in settings.items()
    )
    return make_plan(load_catalog(extra=plugins), None, texts, asked, _path(data), extra)


def _path(given: PathLike | None) -> Path | None:
    return None if given is None else Path(given)
