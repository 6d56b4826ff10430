"""The metadata of an exported file, from a run and its record."""

from __future__ import annotations

from typing import Literal

from benchmark_core.clips.modality import kind
from benchmark_core.exported.metadata import Metadata
from benchmark_core.plans.stored_views import frames_at_once
from benchmark_core.provenance import version_of
from benchmark_core.records.fields import RunRecord
from elrbench import LoadedRun

Stream = Literal["rgb", "flow"]


def describe(loaded: LoadedRun, record: RunRecord, weights: str) -> Metadata:
    """Return the metadata of the run's float32 file. weights: sha256 of the run's weights."""
    plan, components = loaded.plan, loaded.components
    stream: Stream = "flow" if kind(plan.modality) == "flow" else "rgb"
    low = components.degradation.low
    oracle = components.method.oracle
    return Metadata(
        plan=plan.to_json(),
        digest=plan.digest,
        weights=weights,
        classes=loaded.classes,
        task=components.dataset.task,
        metric=record["primary"],
        stream=stream,
        view="high" if oracle else "low",
        low=f"{low[0]}x{low[1]}" if low else "",
        degradation=plan.degradation,
        frames_at_once=1 if oracle else frames_at_once(plan, components),
        sampling=plan.sampling,
        test_views=plan.test_views,
        licence=components.dataset.licence,
        citation=components.dataset.citation,
        quantised="",
        made_with=version_of("elrbench") or "",
    )
