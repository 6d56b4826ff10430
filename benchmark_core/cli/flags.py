"""Flags that several commands share: the plan's fields, `--plugin`, `--json`, the folders, the device."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName
from benchmark_core.runs.context import NO_EXTRA_PATHS, ExtraPaths

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog
    from benchmark_core.plans.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])

# Fields of a plan as the user types them; None leaves the choice to the dataset, the method and the budget.
PLAN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("--method",), "NAME", "Transfer method, with variants: cstat, cstat:mlp+rc."),
    (("--dataset",), "NAME", "Dataset; 'elrbench list datasets' names them."),
    (("--classes",), "A,B,C", "Of the dataset's classes, these alone. Default: all."),
    (("--protocol",), "NAME", "Which clips train and which test. Default: the dataset's first."),
    (("--fold", "--split"), "NAME", "One fold of the protocol. Default: its first."),
    (("--holdout",), "SHARE", "Test on such a share of the training clips, by whole groups, to choose numbers by."),
    (("--degradation",), "NAME", "How low views are made: average-12x16. Default: the dataset's."),
    (("--enhancer",), "NAME", "What brings a low view to network size. Default: the method's."),
    (("--enhancer-weights",), "FILE", "A public checkpoint of the enhancer, instead of fitting it."),
    (("--backbone",), "NAME", "Feature extractor. Default: the method's."),
    (("--weights",), "NAME|FILE", "Initialisation: scratch, imagenet, or a checkpoint. Default: the backbone's."),
    (("--modality",), "NAME", "rgb, flow, or rgb+flow, two networks fused. Default: rgb."),
    (("--size",), "HxW", "Network size in pixels: 96x128."),
    (("--sampling",), "KxT", "Intervals and frames of a view: 4x1; with a stride 4x1s2."),
    (("--precision",), "NAME", "fp32 or bf16."),
    (("--unlabelled",), "NAME", "Pool of clips without labels, for methods that learn from one: videos:PATH."),
    (("--teacher",), "RUNFOLDER", "A finished run on high views that is the teacher, instead of training one."),
    (("--high-source",), "NAME", "Where high views of clips taken as recorded come from: a dataset of larger clips."),
    (("--budget",), "NAME", "paper, small or smoke: a named set of overrides. Default: paper."),
)


def plan_flags(function: F) -> F:
    """Every field of a plan as a flag, `--plan`, `--set`, and `--plugin`."""
    function = plugin_flag(function)
    text = "An option of a component: method.epochs=5. Repeatable."
    setting = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)
    text = "Seed of initialisation, order and augmentation. Default: 0."
    seed = click.option("--seed", type=int, metavar="N", help=text)
    function = seed(setting(function))
    text = "A YAML file of these fields, options under 'set'. Flags come on top."
    planfile = click.option("--plan", "planfile", type=click.Path(path_type=Path), metavar="FILE", help=text)
    function = planfile(function)
    for names, metavar, text in reversed(PLAN):
        field = names[0].removeprefix("--").replace("-", "_")
        function = click.option(*names, field, metavar=metavar, help=text)(function)
    return function


def beside_flags(function: F) -> F:
    """`--unlabelled-data ROOT` and `--high-source-data ROOT`: folders of the sets that a plan names beside its own."""
    for name, whose in (("unlabelled", "pool"), ("high-source", "high source")):
        text = f"The {whose}'s folder. Default: $ELRBENCH_DATA/NAME."
        function = click.option(f"--{name}-data", type=click.Path(path_type=Path), metavar="ROOT", help=text)(function)
    return function


def plugin_flag(function: F) -> F:
    """`--plugin FILE.py|MODULE`, repeatable: a plugin that is not installed."""
    text = "Add a plugin without installing it. Repeatable."
    return click.option("--plugin", "plugins", multiple=True, metavar="FILE|MODULE", help=text)(function)


def data_flag(function: F) -> F:
    """`--data ROOT`: where the dataset lies."""
    text = "The dataset's folder. Default: $ELRBENCH_DATA/NAME."
    return click.option("--data", type=click.Path(path_type=Path), metavar="ROOT", help=text)(function)


def bad_clips_flag(function: F) -> F:
    """`--bad-clips fail|skip`."""
    choice = click.Choice(("fail", "skip"))
    return click.option("--bad-clips", type=choice, default="fail", help="On a clip that cannot be read.")(function)


def device_flag(function: F) -> F:
    """`--device NAME`: what `pick_device` takes."""
    text = "cpu, cuda, cuda:1. Default: the first accelerator, else the processor."
    return click.option("--device", metavar="NAME", help=text)(function)


def json_flag(function: F) -> F:
    """`--json`: the same on stdout for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def cache_flag(function: F) -> F:
    """`--cache FOLDER`."""
    text = "Clip store. Default: $ELRBENCH_CACHE or ~/.cache/elrbench."
    return click.option("--cache", type=click.Path(path_type=Path), metavar="FOLDER", help=text)(function)


def board_flag(function: F) -> F:
    """`--folder FOLDER`: records/, costs/ and the tables."""
    text = "The leaderboards: records/, costs/, and the tables beside them."
    default = Path("leaderboards")
    return click.option(
        "--folder", type=click.Path(path_type=Path), metavar="FOLDER", default=default, show_default=True, help=text
    )(function)


def make_plan(
    catalog: Catalog,
    planfile: Path | None,
    settings: tuple[str, ...],
    fields: Mapping[str, Any],
    data: Path | None = None,
    extra: ExtraPaths = NO_EXTRA_PATHS,
) -> tuple[Catalog, Plan, ExtraPaths]:
    """The plan of the flags, over those of `planfile`; every name and number is checked before data is touched.

    A dataset given as `folder:PATH`, or as its name beside `data`, is in the catalog that comes back, and so is a file
    of weights. beside: folders of pool and high source, where flags give them; it comes back with the teacher's.
    """
    from benchmark_core.plans.resolve import PlanRequest, resolve_plan
    from benchmark_core.weights_file import place_enhancer_weights, place_weights

    asked: dict[str, Any] = {}
    if planfile is not None:
        from benchmark_core.plans.planfile import read_planfile

        asked = read_planfile(planfile)
    asked |= {name: value for name, value in fields.items() if value is not None}
    for needed in ("method", "dataset"):
        if needed not in asked:
            raise ElrError(f"which {needed}? Give --{needed} NAME; 'elrbench list {needed}s' names them")
    settings = (*asked.pop("settings", ()), *settings)
    catalog, asked["dataset"] = catalog.placed(asked["dataset"], data)
    if "weights" in asked:
        catalog, asked["weights"] = place_weights(catalog, asked["weights"])
    if "enhancer_weights" in asked:
        catalog, asked["enhancer_weights"] = place_enhancer_weights(catalog, asked["enhancer_weights"])
    for name in ("unlabelled", "high_source"):
        root = getattr(extra, name)
        if name in asked:
            catalog, asked[name] = catalog.placed(asked[name], root, _data_flag(name))
        elif root is not None:
            raise ElrError(f"{_data_flag(name)} {root} is the folder of a set that no --{name.replace('_', '-')} names")
    if "teacher" in asked:
        from benchmark_core.runs.teachers import teacher_name

        extra = dataclasses.replace(extra, teacher=Path(asked["teacher"]))
        asked["teacher"] = teacher_name(Path(asked["teacher"]))
    plan = resolve_plan(catalog, PlanRequest(**asked, settings=settings))
    for name, held in (("unlabelled", plan.unlabelled), ("high_source", plan.hr_source)):
        if held and (root := getattr(extra, name)) is not None:
            data_root(catalog, held, root, _data_flag(name))  # refused here too where nothing is run
    return catalog, plan, extra


def located(catalog: Catalog, plan: Plan, extra: ExtraPaths) -> ExtraPaths:
    """`beside` with the folders that are not given: where sets were placed, or their own under ELRBENCH_DATA."""
    roots = {
        field: data_root(catalog, name, getattr(extra, field), _data_flag(field))
        for field, name in (("unlabelled", plan.unlabelled), ("high_source", plan.hr_source))
        if name
    }
    return dataclasses.replace(extra, **roots)


def _data_flag(field: str) -> str:
    return f"--{field.replace('_', '-')}-data"


def data_root(catalog: Catalog, dataset: str, given: Path | None, flag: str = "--data") -> Path | None:
    """The dataset's folder: the one it was placed at, `given`, or its own under ELRBENCH_DATA; None if embedded.

    flag: what gives `given`, for errors.
    """
    if dataset in catalog.places:
        return catalog.places[dataset]
    spec = catalog.datasets[ComponentName.parse(dataset).base]
    if spec.embedded:
        if given is not None:
            raise ElrError(f"dataset '{spec.name}' is drawn by code and reads no folder; leave out {flag} {given}")
        return None
    if given is not None:
        root = given
    elif os.environ.get("ELRBENCH_DATA"):
        root = Path(os.environ["ELRBENCH_DATA"]) / (spec.folder or spec.name)
    else:
        raise ElrError(f"dataset '{spec.name}' lies in a folder: give {flag} ROOT, or ELRBENCH_DATA, the one above it")
    if not root.is_dir():
        raise ElrError(f"dataset '{spec.name}' is not at {root}: there is no such folder; {flag} ROOT names another")
    return root


def cache_folder(given: Path | None) -> Path:
    """`--cache`, else ELRBENCH_CACHE, else ~/.cache/elrbench."""
    if given is not None:
        return given
    named = os.environ.get("ELRBENCH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "elrbench"
