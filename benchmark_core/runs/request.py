"""Turn a request of the command line or the Python API into a plan and the folders that it needs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.plan import Plan
from benchmark_core.runs.context import NO_EXTRA_PATHS, ExtraPaths


def make_plan(
    catalog: Catalog,
    planfile: Path | None,
    settings: tuple[str, ...],
    fields: Mapping[str, Any],
    data: Path | None = None,
    extra: ExtraPaths = NO_EXTRA_PATHS,
) -> tuple[Catalog, Plan, ExtraPaths]:
    """Resolve a plan from `fields` and `settings` ("KEY=VALUE"), which override those of `planfile`.

    data: folder of the dataset. extra: folders of the unlabelled and the HR dataset, if given.
    Returns the catalog with datasets at a folder (`folder:PATH`) and weight files added, the plan, and `extra` with the
    folder of the teacher's run. No clip is read.
    Raises ElrError for an unknown name, a number out of bounds, or components that cannot be combined.
    """
    from benchmark_core.backbone_templates import add_backbone
    from benchmark_core.plans.resolve import PlanRequest, resolve_plan
    from benchmark_core.weights_file import add_enhancer_weights, add_weights

    asked: dict[str, Any] = {}
    if planfile is not None:
        from benchmark_core.plans.planfile import read_planfile

        asked = read_planfile(planfile)
    asked |= {name: value for name, value in fields.items() if value is not None}
    for needed in ("method", "dataset"):
        if needed not in asked:
            raise ElrError(f"no {needed} is given: pass --{needed} NAME; 'elrbench list {needed}s' lists them")
    known = {field.name for field in dataclasses.fields(PlanRequest)}
    for name in asked:
        if name not in known:
            raise unknown("field of a plan", name, known - {"settings"}, "elrbench run --help")
    settings = (*asked.pop("settings", ()), *settings)
    catalog, asked["dataset"] = catalog.with_folder(asked["dataset"], data)
    for name in ("backbone", "teacher_backbone"):
        if name in asked:
            catalog, asked[name] = add_backbone(catalog, asked[name])
    if "weights" in asked:
        catalog, asked["weights"] = add_weights(catalog, asked["weights"])
    if "enhancer_weights" in asked:
        catalog, asked["enhancer_weights"] = add_enhancer_weights(catalog, asked["enhancer_weights"])
    for name in ("unlabelled", "high_source"):
        root = getattr(extra, name)
        if name in asked:
            catalog, asked[name] = catalog.with_folder(asked[name], root, _data_flag(name))
        elif root is not None:
            flag = f"--{name.replace('_', '-')}"
            raise ElrError(f"{_data_flag(name)} {root} has no effect without {flag}; add {flag} NAME")
    if "teacher" in asked:
        from benchmark_core.runs.teachers import teacher_name

        extra = dataclasses.replace(extra, teacher=Path(asked["teacher"]))
        asked["teacher"] = teacher_name(Path(asked["teacher"]))
    plan = resolve_plan(catalog, PlanRequest(**asked, settings=settings))
    for name, dataset in (("unlabelled", plan.unlabelled), ("high_source", plan.hr_source)):
        if dataset and (root := getattr(extra, name)) is not None:
            data_root(catalog, dataset, root, _data_flag(name))  # fail now, also if nothing will run
    return catalog, plan, extra


def located(catalog: Catalog, plan: Plan, extra: ExtraPaths) -> ExtraPaths:
    """Return `extra` with the default folder of each extra dataset of the plan that has no folder yet."""
    roots = {
        field: data_root(catalog, name, getattr(extra, field), _data_flag(field))
        for field, name in (("unlabelled", plan.unlabelled), ("high_source", plan.hr_source))
        if name
    }
    return dataclasses.replace(extra, **roots)


def _data_flag(field: str) -> str:
    return f"--{field.replace('_', '-')}-data"


def data_root(catalog: Catalog, dataset: str, given: Path | None, flag: str = "--data") -> Path | None:
    """Return the folder of a dataset: the catalog's, else `given`, else the dataset's folder under ELRBENCH_DATA.

    None for a dataset drawn by code. flag: the option that sets `given`, for errors.
    """
    if dataset in catalog.folders:
        return catalog.folders[dataset]
    spec = catalog.datasets.spec_of(dataset)
    if spec.embedded:
        if given is not None:
            raise ElrError(f"dataset '{spec.name}' is drawn by code and reads no folder; remove {flag} {given}")
        return None
    folder = spec.folder or spec.name
    where = (
        f"pass {flag} DIR or set ELRBENCH_DATA to the folder that contains '{folder}'. Where to get it: "
        f"`elrbench data info {spec.name}`"
    )
    if given is not None:
        root = given
    elif os.environ.get("ELRBENCH_DATA"):
        root = Path(os.environ["ELRBENCH_DATA"]) / folder
    else:
        raise ElrError(f"dataset '{spec.name}' needs its files: {where}")
    if not root.is_dir():
        raise ElrError(f"dataset '{spec.name}': the folder {root} does not exist; {where}")
    return root


def cache_folder(given: Path | None) -> Path:
    """Return `given`, else $ELRBENCH_CACHE, else ~/.cache/elrbench."""
    if given is not None:
        return given
    named = os.environ.get("ELRBENCH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "elrbench"
