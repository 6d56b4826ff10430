"""`elrbench predict RUNFOLDER`: a finished run's recognizer on test clips, or on clips without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import bad_clips_flag, cache_flag, device_flag, json_flag, plugin_flag
from benchmark_core.errors import ElrError
from benchmark_core.runs.request import cache_folder, data_root

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog
    from benchmark_core.records.fields import PlanFields
    from benchmark_core.runs.loaded_run import LoadedRun, Predicted

PATH = click.Path(path_type=Path)
TABLE, ANSWER = "predictions.csv.gz", "answer.txt"


@click.command("predict")
@click.argument("runfolder", type=PATH)
@click.option(
    "--data", type=PATH, metavar="ROOT", help="A folder of clips, or the dataset's. Default: $ELRBENCH_DATA/NAME."
)
@click.option("--dataset", metavar="NAME", help="Another dataset with the run's classes, or a pool without any.")
@click.option(
    "--split", type=click.Choice(("test", "pool")), help="Test clips, or those without labels. Default: test."
)
@bad_clips_flag
@device_flag
@click.option("--out", type=PATH, metavar="FILE", help=f"Default: {TABLE} or {ANSWER} in the run folder.")
@cache_flag
@plugin_flag
@json_flag
def command(
    runfolder: Path,
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

    Rebuild the recognizer of a finished run and write its logits for each clip; for the unlabelled test clips of a
    challenge, the challenge's answer file. Labelled clips are scored. A folder that does not hold the run's dataset is
    taken as clips without labels, at any depth.
    """
    from benchmark_core.catalog import load_catalog
    from benchmark_core.provenance import refuse_absent
    from benchmark_core.records.record import find_record, read_record

    record = read_record(find_record(runfolder))
    catalog = load_catalog(extra=plugins)
    made_with = {kind: owner for kind, owner in record["plugins"].items() if kind != "dataset"}  # it may be another
    refuse_absent(made_with, catalog)
    if dataset is None and split is None and data is not None and data.is_dir():
        reason = strange_to(catalog, record["plan"], data)
        if reason and (pool := pool_template(catalog)):
            ConsoleReporter().say(f"{data} is taken as a folder of clips without labels: {reason}")
            dataset, data = f"{pool}:{data}", None
    catalog, name = catalog.placed(dataset or record["plan"]["dataset"], data)
    root = data_root(catalog, name, data)
    if out is not None and out.is_dir():
        raise ElrError(f"--out {out} is a folder; name the file to write")

    from benchmark_core.atomic import check_writable
    from benchmark_core.runs.loaded_run import load_run, predict_clips
    from benchmark_core.training.device import pick_device

    for folder in (runfolder if out is None else out.parent, cache_folder(cache)):
        check_writable(folder)
    deployed = load_run(runfolder, record, catalog, name)
    part = split or ("pool" if catalog.datasets[deployed.components.dataset.name].unlabelled else "test")
    predicted = predict_clips(
        deployed,
        "pool" if part == "pool" else "test",
        data=root,
        cache=cache_folder(cache),
        bad_clips=bad_clips,
        device=pick_device(device),
        reporter=ConsoleReporter(),
    )
    written, scores = write(deployed, predicted, runfolder, out)
    told: dict[str, Any] = {
        "file": str(written),
        "dataset": deployed.plan.dataset,
        "split": part,
        "clips": len(predicted.ids),
        "padded": predicted.padded,
        "bad": list(predicted.bad),
        "scores": scores,
    }
    if as_json:
        print_json(told)
    else:
        click.echo(summary(told))


def strange_to(catalog: Catalog, plan: PlanFields, data: Path) -> str:
    """Why `data` does not hold the dataset of a run; nothing where it does."""
    from benchmark_core.clips.listing import list_clips
    from benchmark_core.plans.resolve import with_options
    from benchmark_core.specs import DatasetSpec

    try:
        placed, name = catalog.placed(plan["dataset"], data)
        spec, options = with_options(placed, "dataset", name)
        assert isinstance(spec, DatasetSpec)
        if spec.embedded:
            return f"dataset '{spec.name}' is drawn by code and lies in none"
        own = {key.partition(".")[2]: value for key, value in plan["settings"].items() if key.startswith("dataset.")}
        index = list_clips(spec, plan["protocol"], options | own, data=data, bad_clips="skip")
    except ElrError as error:
        return f"it is not laid out as the run's dataset ({error})"
    return "" if index.clips else f"none of the clips that dataset '{spec.name}' lists is in it"


def pool_template(catalog: Catalog) -> str:
    """The dataset that stands for any folder of clips without labels; nothing where none or several do."""
    templates = {name: spec for name, spec in catalog.datasets.items() if spec.at is not None}
    found = [name for name, of in templates.items() if not any(each.folds for each in of.protocols.values())]
    return found[0] if len(found) == 1 else ""


def write(
    deployed: LoadedRun, predicted: Predicted, folder: Path, out: Path | None
) -> tuple[Path, dict[str, Any] | None]:
    """The file written, and the scores of labelled clips."""
    from benchmark_core.atomic import write_whole
    from benchmark_core.scoring.predictions import score_predictions, write_predictions

    dataset = deployed.components.dataset
    if predicted.targets is None and dataset.answer is not None:
        text = dataset.load(dataset.answer)(predicted.ids, predicted.logits)
        return write_whole(out or folder / ANSWER, text.encode()), None
    path = out or folder / TABLE
    write_predictions(path, predicted.ids, predicted.targets, predicted.logits, dataset.classes)
    return path, None if predicted.targets is None else score_predictions(path).to_json()["scores"]


def summary(told: dict[str, Any]) -> str:
    """What was predicted, and where it lies."""
    lines = [f"{told['clips']} {told['split']} clips of {told['dataset']}"]
    if told["scores"]:
        scores = told["scores"].items()
        rows = [(name, f"{100 * score['value']:.1f} %", f"n = {score['n']}") for name, score in scores]
        lines.append(columns(rows, "  "))
    if told["padded"]:
        lines.append(f"  {told['padded']} are shorter than the view; their last frame repeats")
    if told["bad"]:
        lines.append(f"  {len(told['bad'])} more could not be read and are left out (first: {told['bad'][0]})")
    lines.append(f"written: {told['file']}")
    return "\n".join(lines)
