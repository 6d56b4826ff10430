"""`elrbench predict`: predict test clips or unlabelled clips with the recognizer of a run or of an exported file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import bad_clips_flag, cache_flag, device_flag, json_flag, plugin_flag
from benchmark_core.errors import ElrError
from benchmark_core.runs.request import cache_folder, data_root

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog
    from benchmark_core.progress import Reporter
    from benchmark_core.records.fields import PlanFields
    from benchmark_core.scoring.predicted import Predicted
    from benchmark_core.specs import DatasetSpec

PATH = click.Path(path_type=Path)
TABLE, ANSWER = "predictions.csv.gz", "answer.txt"


@click.command("predict")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--model", type=PATH, metavar="FILE.onnx", help="File of 'elrbench export', instead of RUN; no torch.")
@click.option(
    "--data",
    type=PATH,
    metavar="PATH",
    help="A video, a folder of videos, or the dataset's folder. Default: $ELRBENCH_DATA/FOLDER (see `data info`).",
)
@click.option("--dataset", metavar="NAME", help="Another dataset with the classes of the run, or without labels.")
@click.option(
    "--split", type=click.Choice(("test", "pool")), help="Test clips, or unlabelled clips (pool). Default: test."
)
@bad_clips_flag
@device_flag
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help=f"File to write. Default: {TABLE} or {ANSWER} in the run folder or next to FILE.onnx.",
)
@cache_flag
@plugin_flag
@json_flag
def command(
    run: str | None,
    model: Path | None,
    data: Path | None,
    dataset: str | None,
    split: str | None,
    bad_clips: str,
    device: str | None,
    out: Path | None,
    cache: Path | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """elrbench predict elrbench-runs/3f2a90c14b7d5e68 --data /data/clips

    Predict clips with the recognizer of a finished run, and write label, probability and logits of each clip as CSV.
    RUN is the run folder, or the first digits of its digest. Labelled clips are scored. For the unlabelled test clips
    of a challenge, the challenge's answer file is written. If --data is not the run's dataset, all videos below it are
    read as unlabelled clips.

    With --model, the recognizer is a file that 'elrbench export' wrote. It runs on the CPU and needs onnxruntime, but
    no torch.
    """
    from benchmark_core.catalog import load_catalog
    from benchmark_core.plans.lookup import find

    if run is not None and model is None:
        from benchmark_core.provenance import refuse_absent
        from benchmark_core.records.record import find_record, read_record
        from benchmark_core.runs.folder import find_run

        runfolder = find_run(run)
        record, exported = read_record(find_record(runfolder)), None
        catalog = load_catalog(extra=plugins)
        made_with = {kind: owner for kind, owner in record["plugins"].items() if kind != "dataset"}  # may be another
        refuse_absent(made_with, catalog)
        plan, folder = record["plan"], runfolder
    elif run is None and model is not None:
        from benchmark_core.exported.model import read_exported

        if device not in (None, "cpu"):
            raise ElrError(f"--device {device}: an exported file runs on the CPU; remove --device")
        record, exported = None, read_exported(model)
        catalog = load_catalog(extra=plugins)
        plan, folder = cast("PlanFields", exported.metadata.plan), model.parent
    else:
        raise ElrError("pass either a run folder or --model FILE.onnx")
    if data is not None and not data.exists():
        raise ElrError(f"--data {data} does not exist; pass a folder of clips, or a clip")
    if dataset is None and split is None and data is not None:
        reason = not_the_dataset(catalog, plan, data)
        if reason and (template := unlabelled_template(catalog)):
            what = "one unlabelled clip" if data.is_file() else "a folder of unlabelled clips"
            ConsoleReporter().say(f"{data} is read as {what}: {reason}")
            dataset, data = f"{template}:{data}", None
    catalog, name = catalog.with_folder(dataset or plan["dataset"], data)
    root = data_root(catalog, name, data)
    if out is not None and out.is_dir():
        raise ElrError(f"--out {out} is a folder; pass a file name")

    from benchmark_core.atomic import check_cache, check_writable
    from benchmark_core.records.record import without_top5

    check_writable(folder if out is None else out.parent)
    check_cache(cache_folder(cache))
    unlabelled = split == "pool" or (split is None and find(catalog.datasets, name)[0].unlabelled)
    part: Literal["pool", "test"] = "pool" if unlabelled else "test"
    asked: dict[str, Any] = {
        "data": root,
        "cache": cache_folder(cache),
        "bad_clips": bad_clips,
        "reporter": ConsoleReporter(),
    }
    if exported is not None:
        from benchmark_core.exported.predict import predict_exported

        spec, predicted = predict_exported(exported, catalog, name, part, **asked)
    else:
        from benchmark_core.runs.loaded_run import load_run, predict_clips
        from benchmark_core.training.device import pick_device

        assert record is not None
        loaded = load_run(folder, record, catalog, name)
        spec = loaded.components.dataset
        predicted = predict_clips(loaded, part, **asked, device=pick_device(device))
    written, scores = write(spec, predicted, folder, out, ConsoleReporter())
    result: dict[str, Any] = {
        "file": str(written),
        "dataset": name,
        "split": part,
        "clips": len(predicted.ids),
        "padded": predicted.padded,
        "bad": list(predicted.bad),
        "scores": scores,
    }
    if as_json:
        print_json(result)
    else:
        printed = without_top5(scores or {}, len(spec.classes), spec.metric)
        click.echo(summary({**result, "scores": printed}, labels_of(spec, predicted)))


def not_the_dataset(catalog: Catalog, plan: PlanFields, data: Path) -> str:
    """Return why `data` does not hold the run's dataset, "" if it does."""
    from benchmark_core.clips.listing import list_clips
    from benchmark_core.plans.resolve import with_options
    from benchmark_core.specs import DatasetSpec

    if data.is_file():
        return "it is a file"
    try:
        placed, name = catalog.with_folder(plan["dataset"], data)
        spec, options = with_options(placed, "dataset", name)
        assert isinstance(spec, DatasetSpec)
        if spec.embedded:
            return f"dataset '{spec.name}' is drawn by code and has no folder"
        own = {key.partition(".")[2]: value for key, value in plan["settings"].items() if key.startswith("dataset.")}
        index = list_clips(spec, plan["protocol"], options | own, data=data, bad_clips="skip")
    except ElrError as error:
        return f"it does not have the layout of the run's dataset ({error})"
    return "" if index.clips else f"it has no clip that dataset '{spec.name}' lists"


def unlabelled_template(catalog: Catalog) -> str:
    """Return the dataset that reads any folder of unlabelled clips, "" if there is none or more than one."""
    templates = {name: spec for name, spec in catalog.datasets.items() if spec.at is not None}
    found = [name for name, spec in templates.items() if not any(each.folds for each in spec.protocols.values())]
    return found[0] if len(found) == 1 else ""


def write(
    dataset: DatasetSpec, predicted: Predicted, folder: Path, out: Path | None, reporter: Reporter
) -> tuple[Path, dict[str, Any] | None]:
    """Write predictions, or a challenge's answer file. Return the file, and the scores if the clips are labelled.

    dataset: with the classes and the task of the recognizer.
    """
    from benchmark_core.atomic import write_whole
    from benchmark_core.scoring.predictions import as_written, write_predictions

    ids, targets, logits = predicted.ids, predicted.targets, predicted.logits
    if targets is None and dataset.answer is not None:
        text = dataset.returned("answer", dataset.load(dataset.answer)(ids, logits), str)
        path = out or folder / ANSWER
        _say_if_replaced(path, reporter)
        return write_whole(path, text.encode()), None
    path = out or folder / TABLE
    _say_if_replaced(path, reporter)
    write_predictions(path, ids, targets, logits, dataset.classes, labels_of(dataset, predicted))
    if targets is None:
        return path, None
    return path, as_written(ids, targets, logits, dataset.classes).scored(dataset.metric).to_json()["scores"]


def _say_if_replaced(path: Path, reporter: Reporter) -> None:
    if path.exists():
        reporter.say(f"replacing {path}; --out FILE writes to another file")


def labels_of(dataset: DatasetSpec, predicted: Predicted) -> Mapping[str, Sequence[str]]:
    """Return the columns "label" and "probability" of the predicted clips."""
    from benchmark_core.scoring.predicted_labels import predicted_labels

    return predicted_labels(predicted.logits, dataset.classes, multi_label=dataset.task == "multi-label")


def summary(result: Mapping[str, Any], labels: Mapping[str, Sequence[str]]) -> str:
    """Return what was predicted as text; for a single clip with its label."""
    lines = [f"{result['clips']} {result['split']} clips of {result['dataset']}"]
    if result["clips"] == 1:
        label, probability = labels["label"][0], labels["probability"][0]
        lines.append(f"  label: {label} (probability {probability})" if label else "  label: none above 0.5")
    if result["scores"]:
        scores = result["scores"].items()
        rows = [(name, f"{100 * score['value']:.1f} %", f"n = {score['n']}") for name, score in scores]
        lines.append(columns(rows, "  "))
    if result["padded"]:
        lines.append(f"  {result['padded']} are shorter than the view; their last frame is repeated")
    if result["bad"]:
        lines.append(f"  {len(result['bad'])} more cannot be decoded and are left out (first: {result['bad'][0]})")
    lines.append(f"written: {result['file']}")
    return "\n".join(lines)
