"""Checks of a component, together with the minimal components of `minimal`: build, shapes, gradients, state, a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.lookup import find
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs import (
    BackboneSpec,
    CommandSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Spec,
    TrackerSpec,
    defaults,
)
from elrbench_plugins.commands.check import minimal
from elrbench_plugins.commands.check.assertions import (
    CheckFailed,
    CheckSkipped,
    gradients_and_state,
    require,
    require_installed,
    require_shape,
)
from elrbench_plugins.commands.check.command_checks import check_command, check_tracker
from elrbench_plugins.commands.check.dataset_checks import check_dataset, few_clips

LOW, SIZE, CLASSES, BATCH = (12, 16), (64, 96), 5, 2  # (h, w) and (H, W) in pixels
LOW_SIZES = (LOW, (9, 11), (28, 28), (16, 24), (8, 12))  # the last two are 1/4 and 1/8 of SIZE
BUDGET = "smoke"


@dataclass(frozen=True)
class ComponentChecks:
    """The checks of every kind of component.

    catalog: has the minimal components. work: folder for runs and clips. data: dataset name -> its folder.
    """

    catalog: Catalog
    work: Path
    data: Mapping[str, Path]

    def steps(self, spec: Spec) -> Iterator[str]:
        """Make the checks of `spec`. Yields the name of each check before it is made."""
        yield "installed"
        for module in spec.requires:
            require_installed(spec, module)
        spec.check_code()
        if isinstance(spec, DatasetSpec):
            yield from self.dataset(spec)
        elif isinstance(spec, DegradationSpec):
            yield from self.degradation(spec)
        elif isinstance(spec, EnhancerSpec):
            yield from self.enhancer(spec)
        elif isinstance(spec, BackboneSpec):
            yield from self.backbone(spec)
        elif isinstance(spec, MethodSpec):
            yield from self.method(spec)
        elif isinstance(spec, CommandSpec):
            yield from check_command(spec)
        elif isinstance(spec, TrackerSpec):
            yield from check_tracker(spec)

    def dataset(self, spec: DatasetSpec) -> Iterator[str]:
        """Check lists and one clip, and one run on a few clips, unless the dataset has no labels or is not here."""
        yield from check_dataset(spec, self.catalog, self.data, BUDGET)
        root = self.data.get(spec.name)
        given = spec.at_folder(root) if spec.at is not None and root is not None else spec
        if given.unlabelled:
            return
        yield "resolves to a plan"
        few = few_clips(given, minimal.TRAIN, minimal.TEST)
        checks = replace(self, catalog=minimal.with_dataset(self.catalog, few))
        yield from checks.smoke_run(checks.plan(dataset=few.name, degradation=None), root)

    def degradation(self, spec: DegradationSpec) -> Iterator[str]:
        """Check sizes and ranges, and that a frame depends on nothing but clip, frame number and seed."""
        sized = self.catalog.degradations[spec.name.replace("HxW", "12x16")] if spec.pattern else spec
        options = defaults(spec)
        if sized.on_clip is not None:
            low, degrade = sized.low or LOW, spec.load(sized.on_clip)
            planes = (np.random.default_rng(1).random((3, 6, 48, 64)) * 255).astype(np.uint8)  # (3, T, H, W)
            clip = Frames(planes=tuple(planes), colour="rgb")
            yield "returns the right size"
            output = degrade(clip, low, options, 7)
            expected = (6, 3, *low)
            require(
                output.dtype == np.uint8 and output.shape == expected,
                f"it returns {output.dtype} {output.shape}; expected uint8 {expected}",
            )
            yield "is deterministic"
            require(bool((degrade(clip, low, options, 7) == output).all()), "two calls with the same seed differ")
            yield "does not depend on chunks"
            tail = Frames(planes=tuple(planes[:, 3:]), colour="rgb", first=3)
            require(
                bool((degrade(tail, low, options, 7) == output[3:]).all()),
                "frames 3 to 5 given alone differ from frames 3 to 5 of the whole clip; seed noise by clip and frame",
            )
        elif sized.over_time is not None:
            yield from _over_time(spec, sized, options)
        elif sized.on_device is not None:
            low, degrade = sized.low or LOW, spec.load(sized.on_device)
            yield "returns the right size"
            output = degrade(minimal.noise(BATCH, 3, *SIZE), low, options)
            require_shape(output, (BATCH, 3, *low))
            require(bool((output >= 0).all() and (output <= 1).all()), "it returns values outside [0, 1]")
        if sized.crop != "none":
            yield from self.smoke_run(self.plan(degradation=sized.name))

    def enhancer(self, spec: EnhancerSpec) -> Iterator[str]:
        """Check every low size that the enhancer accepts, gradients, state, and one run."""
        yield "resolves to a plan"
        plans: dict[tuple[int, int], Plan] = {}
        for low in LOW_SIZES:
            try:
                degradation = minimal.DEGRADATION.name.replace("HxW", f"{low[0]}x{low[1]}")
                plans[low] = self.plan(enhancer=spec.name, degradation=degradation, size=f"{SIZE[0]}x{SIZE[1]}")
            except ElrError as error:
                refused = error
        if not plans:
            raise CheckFailed(f"it accepts none of the low sizes tried: {refused}")
        yield "builds"
        time = (spec.frames,) if spec.frames > 1 else ()
        options = next(iter(plans.values())).options("enhancer")
        built = {low: spec.build(low, SIZE, options) for low in plans}
        yield "returns the right size"
        for low, module in built.items():
            require_shape(module(minimal.noise(2, 3, *time, *low)), (2, 3, *time, *SIZE))
        low, module = next(iter(built.items()))
        low_view = minimal.noise(2, 3, *time, *low)
        yield from gradients_and_state(module, lambda built: built(low_view), lambda: spec.build(low, SIZE, options))
        yield from self.smoke_run(plans[low])

    def backbone(self, spec: BackboneSpec) -> Iterator[str]:
        """Check stage maps, features, classifier, gradients, state, initial weights, and one run."""
        if spec.at is not None:
            yield "its model is given"
            raise CheckSkipped("it is a template: its networks are models that the user names")
        yield "builds"
        built: Any = spec.build(CLASSES)
        for name in ("forward_features", "pool", "get_classifier", "num_features"):
            require(hasattr(built, name), f"its module has no '{name}'")
        frames = Sampling.parse(spec.sampling).t
        time = (frames,) if spec.dims == 3 else ()
        require(spec.dims == 3 or frames == 1, f"it is 2D, but its sampling is {spec.sampling}; use e.g. 4x1")
        picture = minimal.noise(BATCH, 3, *time, *SIZE)

        def logits(module: Any) -> Tensor:
            output: Tensor = module.get_classifier()(module.pool(module.forward_features(picture)[-1]))
            return output  # (B, C)

        yield "returns the right shapes"
        maps = built.forward_features(picture)
        named = not spec.stages or len(maps) == len(spec.stages)
        require(named, f"it returns {len(maps)} stage maps, but names {len(spec.stages)} stages")
        require(all(stage.shape[0] == BATCH for stage in maps), "a stage map has another batch size than the input")
        features = built.pool(maps[-1])
        require_shape(features, (BATCH, built.num_features))
        require_shape(built.get_classifier()(features), (BATCH, CLASSES))
        yield from gradients_and_state(built, logits, lambda: spec.build(CLASSES))
        for name, target in spec.weights.items():
            yield f"loads weights '{name}'"
            spec.load(target)(built)
            require(bool(torch.isfinite(logits(built.eval())).all()), "its logits are not finite with these weights")
        yield "resolves to a plan"
        plan = self.plan(
            backbone=spec.name,
            weights="scratch",
            modality=spec.modality,
            sampling=spec.sampling if spec.dims == 3 else "2x1",
            size=None if spec.native else f"{SIZE[0]}x{SIZE[1]}",  # a native backbone has the low size
        )
        yield from self.smoke_run(plan)

    def method(self, spec: MethodSpec) -> Iterator[str]:
        """Check the recognizer of a plan with the method's default components, and one run."""
        yield "resolves to a plan"
        plan = self.plan(method=spec.name)
        if spec.own_controls:
            yield "names controls that exist"
            for name in (*filter(None, spec.own_controls), *spec.own_controls.values()):
                find(self.catalog.methods, name if ":" in name else f"{spec.name}:{name}")
            for key in spec.idea_options:
                require(key in spec.options, f"idea_options has '{key}', which is not an option")
        yield "builds its recognizer"
        components = components_of(self.catalog, plan)
        built = recognizer_of(plan, components, high=spec.oracle)
        sampling = Sampling.parse(plan.sampling)
        view = minimal.noise(BATCH, sampling.k, 3, sampling.t, *(plan.size if spec.oracle else LOW))
        yield "returns the right shapes"
        require_shape(built(view), (BATCH, len(components.dataset.classes)))
        unused = () if spec.recognizer is None else _names(built, built.backbone.get_classifier())
        yield from gradients_and_state(
            built, lambda module: module(view), lambda: recognizer_of(plan, components, high=spec.oracle), unused
        )
        yield from self.smoke_run(plan)

    def plan(self, **asked: str | None) -> Plan:
        """Return a smoke plan of the minimal components, one of them replaced by the component under test."""
        method = self.catalog.methods[asked.get("method") or minimal.METHOD.name]
        request = {
            "method": method.name,
            "dataset": minimal.DATASET.name,
            "degradation": minimal.DATASET.degradation,
            **asked,
        }
        budgets = method.budgets or {BUDGET: {}}
        budget = BUDGET if BUDGET in budgets else next(iter(budgets))
        return resolve_plan(self.catalog, PlanRequest(**{**request, "budget": budget}))  # type: ignore[arg-type]

    def smoke_run(self, plan: Plan, data: Path | None = None) -> Iterator[str]:
        """Check one run, from clips to record. data: folder of the dataset."""
        yield "trains in a smoke run"
        context = RunContext(data=data, out=self.work / plan.digest, cache=self.work / "cache")
        result = run(plan, self.catalog, context)
        require(sum(result.record["updates"].values()) > 0, "training made no update")
        score = result.record["scores"][result.record["primary"]]["value"]
        require(0 <= score <= 1, f"its score is {score}; expected a fraction from 0 to 1")


def _over_time(spec: DegradationSpec, sized: DegradationSpec, options: Mapping[str, Any]) -> Iterator[str]:
    """Check the object that degrades one clip, on 6 frames in one chunk, and in three chunks."""
    assert sized.over_time is not None
    low, start = sized.low or LOW, spec.load(sized.over_time)
    planes = (np.random.default_rng(1).random((3, 6, 48, 64)) * 255).astype(np.uint8)  # (3, T, H, W)

    def degraded(*ends: int) -> npt.NDArray[np.uint8]:
        degrader = start(low, options, 7)
        chunks = [
            degrader.add(Frames(planes=tuple(planes[:, first:end].copy()), colour="rgb", first=first))
            for first, end in pairwise((0, *ends))
        ]
        return np.concatenate([chunk for chunk in (*chunks, degrader.finish()) if len(chunk)])

    yield "returns the right size"
    output, expected = degraded(6), (6, 3, *low)
    require(
        output.dtype == np.uint8 and output.shape == expected,
        f"it returns {output.dtype} {output.shape}; expected uint8 {expected}",
    )
    yield "is deterministic"
    require(bool((degraded(6) == output).all()), "two clips with the same frames and the same seed differ")
    yield "does not depend on chunks"
    parts = degraded(1, 4, 6)
    require(
        parts.shape == output.shape and bool((parts == output).all()),
        "a clip in chunks of 1, 3 and 2 frames differs from the clip in one chunk; keep state over time in the object "
        "that over_time returns, and seed noise by clip and frame",
    )


def _names(whole: nn.Module, part: nn.Module) -> tuple[str, ...]:
    """Return the names in `whole` of the parameters of `part`."""
    inside = {id(parameter) for parameter in part.parameters()}
    return tuple(name for name, parameter in whole.named_parameters() if id(parameter) in inside)
