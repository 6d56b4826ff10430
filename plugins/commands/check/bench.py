"""Components of each kind, tried with the kit's partners: built, shaped, taught, restored, run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.decode import decode
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs import (
    BackboneSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Spec,
    defaults,
)
from elrbench_plugins.commands.check import kit
from elrbench_plugins.commands.check.demands import (
    Skipped,
    Unfit,
    learns_and_returns,
    module_of,
    present,
    require,
    shaped,
)

LOW, SIZE, CLASSES, BATCH = (12, 16), (64, 96), 5, 2
LOWS = (LOW, (9, 11), (28, 28), (16, 24), (8, 12))  # the last two are a quarter and an eighth of SIZE
BUDGET = "smoke"


@dataclass(frozen=True)
class Bench:
    """Where components are tried: with the kit's partners, in a working folder."""

    catalog: Catalog
    work: Path
    data: Mapping[str, Path]

    def steps(self, spec: Spec) -> Iterator[str]:
        """The names of the checks of `spec`, each before it is made."""
        yield "installed"
        for module in spec.requires:
            present(spec, module)
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

    def dataset(self, spec: DatasetSpec) -> Iterator[str]:
        """Lists, folds, one clip of each part, one run where no folder is needed. A template is tried on its folder."""
        if spec.at is not None:
            yield "stands for a folder"
            if spec.name not in self.data:
                raise Skipped("it stands for any folder of clips: give --data ROOT")
            spec = spec.place(self.data[spec.name])
        yield "classes and protocols"
        single = len(set(spec.classes)) == len(spec.classes)
        require(single and (spec.unlabelled or bool(spec.classes)), "its classes repeat themselves, or there are none")
        require(bool(spec.protocols), "it has no protocol")
        require(spec.degradation in self.catalog.degradations, f"its degradation '{spec.degradation}' is unknown")
        yield "lists clips"
        root = None if spec.embedded else self.data.get(spec.name.partition(":")[0])
        if root is None and not spec.embedded:
            raise Skipped("its clips lie in a folder: give --data ROOT or set ELRBENCH_DATA")
        options = {**defaults(spec), **_of_budget(spec)}
        for protocol in spec.protocols:
            read = spec.read_index(root, protocol, options)
            require(len(read.by_id) == len(read.clips), f"{protocol}: two clips have one id")
            require(set(read.folds) == set(spec.protocols[protocol].folds), f"{protocol}: not the folds declared")
            if spec.unlabelled:
                require(set(read.unlabelled) == set(read.by_id), f"{protocol}: a clip is not in the pool")
                continue
            require(set(read.unlabelled) <= set(read.by_id), f"{protocol}: unknown ids in the pool")
            labels = {clip.id: clip.target for clip in read.clips if clip.target is not None}
            require(set(labels) == set(read.by_id) - set(read.unlabelled), f"{protocol}: unlabelled clips have labels")
            listed = (target if isinstance(target, tuple) else (target,) for target in labels.values())
            beyond = {target for targets in listed for target in targets} - set(range(len(spec.classes)))
            require(not beyond, f"{protocol}: targets beyond its {len(spec.classes)} classes: {sorted(beyond)[:3]}")
            for name, fold in read.folds.items():
                require(not set(fold.train) & set(fold.test), f"{protocol}, fold {name}: clips both train and test")
                require(set(fold.train) | set(fold.test) <= set(read.by_id), f"{protocol}, fold {name}: unknown ids")
                require(bool(fold.train) and bool(fold.test), f"{protocol}, fold {name}: a part is empty")
        yield "lists the same clips again"
        first = next(iter(spec.protocols))
        once, again = (spec.read_index(root, first, options) for _ in range(2))
        require(once.digest() == again.digest(), "two readings differ")
        yield "decodes a clip"
        chunk = next(iter(decode(once.clips[0].source)))
        require(len(chunk) > 0, f"clip '{once.clips[0].id}' has no frames")
        if spec.embedded:
            yield from self.smoke(self.plan(dataset=spec.name, degradation=None))

    def degradation(self, spec: DegradationSpec) -> Iterator[str]:
        """Sizes, ranges, and that the result depends on the clip and the frame alone."""
        sized = self.catalog.degradations[spec.name.replace("HxW", "12x16")] if spec.pattern else spec
        options = defaults(spec)
        if sized.on_clip is not None:
            low, degrade = sized.low or LOW, spec.load(sized.on_clip)
            planes = (np.random.default_rng(1).random((3, 6, 48, 64)) * 255).astype(np.uint8)
            whole = Frames(planes=tuple(planes), colour="rgb")
            yield "holds its size"
            made = degrade(whole, low, options, 7)
            wanted = (6, 3, *low)
            require(
                made.dtype == np.uint8 and made.shape == wanted,
                f"it returns {made.dtype} {made.shape} where uint8 {wanted} is due",
            )
            yield "is the same again"
            require(bool((degrade(whole, low, options, 7) == made).all()), "two calls with one seed differ")
            yield "is the same in chunks"
            tail = Frames(planes=tuple(planes[:, 3:]), colour="rgb", first=3)
            require(
                bool((degrade(tail, low, options, 7) == made[3:]).all()),
                "frames 3 to 5 alone differ from frames 3 to 5 of the whole clip; seed noise by clip and frame",
            )
        elif sized.on_device is not None:
            low, degrade = sized.low or LOW, spec.load(sized.on_device)
            yield "holds its size"
            made = degrade(kit.noise(BATCH, 3, *SIZE), low, options)
            shaped(made, (BATCH, 3, *low))
            require(bool((made >= 0).all() and (made <= 1).all()), "it leaves [0, 1]")
        if sized.crop != "none":
            yield from self.smoke(self.plan(degradation=sized.name))

    def enhancer(self, spec: EnhancerSpec) -> Iterator[str]:
        """Every low size of the kit's that it takes, gradients, state, one run."""
        yield "makes a plan"
        plans: dict[tuple[int, int], Plan] = {}
        for low in LOWS:
            try:
                degradation = kit.DEGRADATION.name.replace("HxW", f"{low[0]}x{low[1]}")
                plans[low] = self.plan(enhancer=spec.name, degradation=degradation, size=f"{SIZE[0]}x{SIZE[1]}")
            except ElrError as error:
                refused = error
        if not plans:
            raise Unfit(f"it takes none of the low sizes tried: {refused}")
        yield "builds"
        time = (spec.frames,) if spec.frames > 1 else ()
        options = next(iter(plans.values())).options("enhancer")
        built = {low: module_of(spec.build(low, SIZE, options)) for low in plans}
        yield "holds its size"
        for low, module in built.items():
            shaped(module(kit.noise(2, 3, *time, *low)), (2, 3, *time, *SIZE))
        low, module = next(iter(built.items()))
        low_view = kit.noise(2, 3, *time, *low)
        yield from learns_and_returns(module, lambda built: built(low_view), lambda: spec.build(low, SIZE, options))
        yield from self.smoke(plans[low])

    def backbone(self, spec: BackboneSpec) -> Iterator[str]:
        """Stage maps, features, classifier, gradients, state, initialisations, one run."""
        yield "builds"
        built: Any = module_of(spec.build(CLASSES))
        for name in ("forward_features", "pool", "get_classifier", "num_features"):
            require(hasattr(built, name), f"its module has no '{name}'")
        frames = Sampling.parse(spec.sampling).t
        time = (frames,) if spec.dims == 3 else ()
        require(spec.dims == 3 or frames == 1, f"it is 2D, but its sampling is {spec.sampling}")
        picture = kit.noise(BATCH, 3, *time, *SIZE)

        def logits(module: Any) -> Tensor:
            out: Tensor = module.get_classifier()(module.pool(module.forward_features(picture)[-1]))
            return out

        yield "holds its shapes"
        maps = built.forward_features(picture)
        named = not spec.stages or len(maps) == len(spec.stages)
        require(named, f"{len(maps)} stage maps for {len(spec.stages)} stage names")
        require(all(stage.shape[0] == BATCH for stage in maps), "a stage map loses the batch")
        shaped(built.pool(maps[-1]), (BATCH, built.num_features))
        shaped(logits(built), (BATCH, CLASSES))
        yield from learns_and_returns(built, logits, lambda: spec.build(CLASSES))
        for name, target in spec.weights.items():
            yield f"takes weights '{name}'"
            spec.load(target)(built)
            require(bool(torch.isfinite(logits(built.eval())).all()), "its logits are then not finite")
        sampling = spec.sampling if spec.dims == 3 else "2x1"
        yield from self.smoke(
            self.plan(backbone=spec.name, weights="scratch", modality=spec.modality, sampling=sampling, size="64x96")
        )

    def method(self, spec: MethodSpec) -> Iterator[str]:
        """The recognizer of a plan with the method's own partners; one run of it."""
        yield "makes a plan"
        plan = self.plan(method=spec.name)
        yield "builds its recognizer"
        components = components_of(self.catalog, plan)
        built = recognizer_of(plan, components, high=spec.oracle)
        sampling = Sampling.parse(plan.sampling)
        view = kit.noise(BATCH, sampling.k, 3, sampling.t, *(plan.size if spec.oracle else LOW))
        yield "holds its shapes"
        shaped(built(view), (BATCH, len(components.dataset.classes)))
        unused = () if spec.recognizer is None else _names(built, built.backbone.get_classifier())
        yield from learns_and_returns(
            built, lambda module: module(view), lambda: recognizer_of(plan, components, high=spec.oracle), unused
        )
        yield from self.smoke(plan)

    def plan(self, **asked: str | None) -> Plan:
        """A smoke plan of the kit, with what is under test in its place."""
        own = self.catalog.methods[asked.get("method") or kit.METHOD.name]
        request = {"method": own.name, "dataset": kit.DATASET.name, "degradation": kit.DATASET.degradation, **asked}
        budgets = own.budgets or {BUDGET: {}}
        budget = BUDGET if BUDGET in budgets else next(iter(budgets))
        return resolve_plan(self.catalog, PlanRequest(**{**request, "budget": budget}))  # type: ignore[arg-type]

    def smoke(self, plan: Plan) -> Iterator[str]:
        """One run, from the clips to the record."""
        yield "trains in a smoke run"
        result = run(
            plan,
            self.catalog,
            RunContext(data=None, out=self.work / plan.digest, cache=self.work / "cache", reporter=Silent()),
        )
        require(sum(result.record["updates"].values()) > 0, "no update was made")
        primary = result.record["scores"][result.record["primary"]]["value"]
        require(0 <= primary <= 1, f"its score is {primary}")


def _names(whole: nn.Module, part: nn.Module) -> tuple[str, ...]:
    """Names, within `whole`, of the parameters of `part`."""
    inside = {id(parameter) for parameter in part.parameters()}
    return tuple(name for name, parameter in whole.named_parameters() if id(parameter) in inside)


def _of_budget(spec: DatasetSpec) -> dict[str, Any]:
    """The dataset's own options under the smoke budget."""
    return {
        key.partition(".")[2]: value
        for key, value in spec.budgets.get(BUDGET, {}).items()
        if key.startswith("dataset.")
    }
