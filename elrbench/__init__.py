"""elrbench: benchmark action recognition in extreme-low-resolution video.

This module is the public API. What it exports is stable and documented; modules of `benchmark_core` are private.

    import elrbench

    result = elrbench.run(method="supervised", dataset="puppets", budget="smoke", out="run", cache="cache")
    result.record["scores"]["top1"]["value"]

Names are imported on first use, so that `import elrbench` loads neither torch nor plugins.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark_core.api import load_records, load_run, resolve, run
    from benchmark_core.catalog import Catalog, load_catalog
    from benchmark_core.clips.frames import Frames
    from benchmark_core.clips.views import Batch
    from benchmark_core.errors import ElrError, RunFailed
    from benchmark_core.exported.model import ExportedModel, read_exported
    from benchmark_core.hookspecs import hookimpl
    from benchmark_core.networks.recognizer import Parts, Recognizer, Trace
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan
    from benchmark_core.runs.loaded_run import LoadedRun
    from benchmark_core.runs.runner import RunResult
    from benchmark_core.specs import (
        ArrayFrames,
        BackboneSpec,
        Clip,
        CommandSpec,
        DatasetSpec,
        DegradationSpec,
        Drawn,
        EnhancerSpec,
        Fold,
        FrameFolder,
        FrameFolders,
        Index,
        MethodSpec,
        Option,
        Protocol,
        Published,
        TableFrames,
        TrackedRun,
        Tracker,
        TrackerSpec,
        VideoFile,
    )
    from benchmark_core.training.keys import stage_function
    from benchmark_core.training.recipe_options import RECIPE
    from benchmark_core.training.training import Training

    __version__: str

_HOME = {
    "api": ("load_records", "load_run", "resolve", "run"),
    "catalog": ("Catalog", "load_catalog"),
    "clips.frames": ("Frames",),
    "clips.views": ("Batch",),
    "errors": ("ElrError", "RunFailed"),
    "exported.model": ("ExportedModel", "read_exported"),
    "hookspecs": ("hookimpl",),
    "networks.recognizer": ("Parts", "Recognizer", "Trace"),
    "plans.combinations": ("Components",),
    "plans.plan": ("Plan",),
    "runs.loaded_run": ("LoadedRun",),
    "runs.runner": ("RunResult",),
    "specs": (
        "ArrayFrames",
        "BackboneSpec",
        "Clip",
        "CommandSpec",
        "DatasetSpec",
        "DegradationSpec",
        "Drawn",
        "EnhancerSpec",
        "Fold",
        "FrameFolder",
        "FrameFolders",
        "Index",
        "MethodSpec",
        "Option",
        "Protocol",
        "Published",
        "TableFrames",
        "TrackedRun",
        "Tracker",
        "TrackerSpec",
        "VideoFile",
    ),
    "training.keys": ("stage_function",),
    "training.recipe_options": ("RECIPE",),
    "training.training": ("Training",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "RECIPE",
    "ArrayFrames",
    "BackboneSpec",
    "Batch",
    "Catalog",
    "Clip",
    "CommandSpec",
    "Components",
    "DatasetSpec",
    "DegradationSpec",
    "Drawn",
    "ElrError",
    "EnhancerSpec",
    "ExportedModel",
    "Fold",
    "FrameFolder",
    "FrameFolders",
    "Frames",
    "Index",
    "LoadedRun",
    "MethodSpec",
    "Option",
    "Parts",
    "Plan",
    "Protocol",
    "Published",
    "Recognizer",
    "RunFailed",
    "RunResult",
    "TableFrames",
    "Trace",
    "TrackedRun",
    "Tracker",
    "TrackerSpec",
    "Training",
    "VideoFile",
    "__version__",
    "hookimpl",
    "load_catalog",
    "load_records",
    "load_run",
    "read_exported",
    "resolve",
    "run",
    "stage_function",
]


def __getattr__(name: str) -> Any:
    """Import a name of `__all__` when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("elrbench")
    if name in _MODULE_OF:
        found = getattr(importlib.import_module(f"benchmark_core.{_MODULE_OF[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'elrbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
