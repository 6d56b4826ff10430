"""What a worker process needs to run a plan: plan, plugins and folders as plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_core.backbone_templates import add_backbone, sources
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.weights_file import PREFIX, WeightsFile, add_enhancer_weights, add_weights


def request_of(plan: Plan, catalog: Catalog, context: RunContext) -> dict[str, Any]:
    """Return plan, plugins and folders as plain values for `read_request`."""
    paths = {name: None if path is None else str(path) for name, path in vars(context.extra).items()}
    return {
        "plan": plan.to_json(),
        "plugins": list(catalog.extra),
        "installed": catalog.installed,
        "folders": {name: str(path) for name, path in catalog.folders.items()},
        "backbones": sources(catalog),
        "weights": _weights_files(plan, catalog),
        "context": {
            "out": str(context.out),
            "cache": str(context.cache),
            "data": None if context.data is None else str(context.data),
            "bad_clips": context.bad_clips,
            "shared_clips": context.shared_clips,
            "device": context.device,
            "refit": context.refit,
            "track": list(context.track),
            "validate": context.validate,
        },
        "extra": paths,
        "quiet": bool(getattr(context.reporter, "quiet", True)),
    }


def _weights_files(plan: Plan, catalog: Catalog) -> dict[str, str]:
    """Return the paths of the checkpoints that the plan names: "backbone", "enhancer"."""
    found: dict[str, str] = {}
    for spec in catalog.backbones.values():
        if isinstance(file := spec.weights.get(plan.weights), WeightsFile):
            found["backbone"] = str(file.path)
    name = str(plan.settings.get("enhancer.weights", ""))
    for enhancer in catalog.enhancers.values():
        if name.startswith(PREFIX) and isinstance(file := enhancer.files.get(name), WeightsFile):
            found["enhancer"] = str(file.path)
    return found


def read_request(request: Mapping[str, Any]) -> tuple[Plan, Catalog, RunContext]:
    """Return plan, catalog and context of a request. The context's reporter is silent."""
    catalog = load_catalog(request["plugins"], entry_points=request["installed"])
    for name, folder in request["folders"].items():
        catalog, _ = catalog.with_folder(name, Path(folder))
    for text in request["backbones"]:
        catalog, _ = add_backbone(catalog, text)
    if "backbone" in request["weights"]:
        catalog, _ = add_weights(catalog, request["weights"]["backbone"])
    if "enhancer" in request["weights"]:
        catalog, _ = add_enhancer_weights(catalog, request["weights"]["enhancer"])
    plain = dict(request["context"])
    for key in ("out", "cache", "data"):
        plain[key] = None if plain[key] is None else Path(plain[key])
    plain["track"] = tuple(plain["track"])
    extra = {name: None if path is None else Path(path) for name, path in request["extra"].items()}
    return Plan.from_json(request["plan"]), catalog, RunContext(**plain, extra=ExtraPaths(**extra))
