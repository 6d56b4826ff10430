"""What an exported file says about itself, in ONNX's `metadata_props`: text by key, each key with a prefix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, cast

from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.specs.dataset import METRICS

PREFIX = "elrbench."
SCHEMA = "1"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Metadata of an exported recognizer.

    plan: the run's plan, as in its record. digest: the plan's. weights: sha256 of the run's weights.
    classes: names of the C classes in the order of the probabilities. task: their sum is 1 (softmax) or they are
        independent (sigmoid). metric: the primary score.
    stream: what frames hold: `rgb` grey levels, or `flow` levels (see `clips.flow_format`).
    view: `low` or, for an oracle, `high` frames.
    low: "HxW" of the low frames, "" if clips are taken as recorded. degradation: the plan's.
    frames_at_once: frames that the enhancer takes at once; T of the input is a multiple of it.
    sampling, test_views: which frames of a clip the file gets, and how many passes are averaged.
    licence, citation: of the data that the run was trained on.
    quantised: "" for float32 weights, or `int8`. made_with: version of elrbench.
    """

    plan: Mapping[str, Any]
    digest: str
    weights: str
    classes: tuple[str, ...]
    task: Literal["single-label", "multi-label"]
    metric: str
    stream: Literal["rgb", "flow"]
    view: Literal["low", "high"]
    low: str
    degradation: str
    frames_at_once: int
    sampling: str
    test_views: str
    licence: str
    citation: str
    quantised: str
    made_with: str

    @cached_property
    def as_plan(self) -> Plan:
        """The plan."""
        return Plan.from_json(self.plan)

    @cached_property
    def frames(self) -> Sampling:
        """The sampling."""
        return Sampling.parse(self.sampling)

    @cached_property
    def passes(self) -> ClipViews:
        """The test views."""
        return ClipViews.parse(self.test_views)

    @property
    def view_frames(self) -> tuple[int, int]:
        """(C, T): channels and frames of an interval of the input."""
        sampling = self.frames
        frames = sampling.widened(self.frames_at_once) if self.view == "low" else sampling.t
        return (2 if self.stream == "flow" else 3), frames

    @property
    def multi_label(self) -> bool:
        """Whether a clip may have several classes."""
        return self.task == "multi-label"

    def to_props(self) -> dict[str, str]:
        """Return text by key: plain text, or JSON for what is no text."""
        found = {"schema": SCHEMA}
        for field in fields(self):
            value = getattr(self, field.name)
            found[field.name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        return {f"{PREFIX}{key}": text for key, text in found.items()}

    @classmethod
    def from_props(cls, props: Mapping[str, str], where: str) -> Metadata:
        """Read `to_props`. where: the file, for errors. Raises ElrError if it is not of this project or was changed."""
        found = {key.removeprefix(PREFIX): text for key, text in props.items() if key.startswith(PREFIX)}
        if not found:
            raise ElrError(f"{where} has no metadata of elrbench; pass a file that 'elrbench export' wrote")
        if found.get("schema") != SCHEMA:
            raise ElrError(
                f"{where} has metadata of schema {found.get('schema', 'unknown')}, and this version reads schema "
                f"{SCHEMA}; export the run again with this version"
            )
        missing = [field.name for field in fields(cls) if field.name not in found]
        if missing:
            raise ElrError(f"{where} lacks the metadata {', '.join(missing)}; export the run again")
        texts = {name: found[name] for name in (field.name for field in fields(cls))}
        try:
            read: dict[str, Any] = {
                **texts,
                **{name: json.loads(texts[name]) for name in ("plan", "classes", "frames_at_once")},
            }
            read["classes"] = tuple(read["classes"])
            made = cls(**read)
            made._check()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ElrError) as error:
            raise ElrError(f"{where} has damaged metadata ({error}); export the run again") from error
        return made

    def _check(self) -> None:
        """Raise ElrError or ValueError if fields do not agree."""
        plan = self.as_plan
        if plan.digest != self.digest:
            raise ValueError(f"the plan's digest is {plan.digest}, not {self.digest}")
        if self.task not in METRICS or self.metric not in METRICS[self.task]:
            raise ValueError(f"task '{self.task}' or metric '{self.metric}' is unknown")
        names = cast(tuple[object, ...], self.classes)
        if len(set(names)) != len(names) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError("class names are missing or repeated")
        if (self.sampling, self.test_views) != (plan.sampling, plan.test_views) or self.frames.t < 1:
            raise ValueError(f"sampling {self.sampling} {self.test_views} is not the plan's")
        if self.stream not in ("rgb", "flow") or self.view not in ("low", "high") or int(self.frames_at_once) < 1:
            raise ValueError("stream, view or frames_at_once is unknown")
        ClipViews.parse(self.test_views)
