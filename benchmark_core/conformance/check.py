"""`elrbench check`: every component of a plugin builds, holds its shapes, learns, is restored, and trains."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.decode import decode
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.sampling import Sampling
from benchmark_core.conformance import kit
from benchmark_core.errors import ElrError, unknown
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import Request, chosen_by, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.runner import run
from benchmark_core.specs import (
    NOTHING,
    BackboneSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Spec,
    defaults,
)

LOW, SIZE, CLASSES, BATCH = (12, 16), (64, 96), 5, 2
LOWS = (LOW, (9, 11), (28, 28), (16, 24), (8, 12))  # the last two are a quarter and an eighth of SIZE
BUDGET = "smoke"


class Unfit(ElrError):
    """A component breaks its contract."""


class Skipped(ElrError):
    """A check cannot be made here: an extra or a folder is absent."""


@dataclass(frozen=True)
class Finding:
    """One check of one component."""

    component: str
    check: str
    outcome: Literal["ok", "failed", "skipped"]
    detail: str = ""


def check_plugin(catalog: Catalog, plugin: str, *, work: Path, data: Mapping[str, Path] = NOTHING) -> Iterator[Finding]:
    """Findings in order, as they are made. `work` is an empty folder for runs and clips; `data` has datasets' folders.

    Raises ElrError where the plugin is not in the catalog or brings nothing.
    """
    if plugin not in (known := {owner.plugin for owner in catalog.plugins}):
        raise unknown("plugin", plugin, known)
    specs = [section[name] for section in catalog.sections.values() for name in section]
    mine = [spec for spec in specs if catalog.owner(spec).plugin == plugin]
    if not mine:
        raise ElrError(f"plugin '{plugin}' brings no component: none of its hooks returned a spec")
    bench = Bench(kit.with_kit(catalog), work, data)
    for spec in mine:
        yield from _follow(f"{spec.kind} {spec.name}", bench.steps(spec))


def _follow(component: str, steps: Iterator[str]) -> Iterator[Finding]:
    """Each step is named before it is made: what is raised before the next name is its own, and ends the component."""
    current = next(steps)
    while True:
        try:
            following = next(steps)
        except StopIteration:
            yield Finding(component, current, "ok")
            return
        except Skipped as error:
            yield Finding(component, current, "skipped", str(error))
            return
        except ElrError as error:
            yield Finding(component, current, "failed", str(error))
            return
        except Exception as error:  # a plugin's bug: whatever it is, it is the finding
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            yield Finding(component, current, "failed", f"{type(error).__name__}: {error} ({where})")
            return
        yield Finding(component, current, "ok")
        current = following


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
            _present(spec, module)
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
        _require(single and (spec.unlabelled or bool(spec.classes)), "its classes repeat themselves, or there are none")
        _require(bool(spec.protocols), "it has no protocol")
        _require(spec.degradation in self.catalog.degradations, f"its degradation '{spec.degradation}' is unknown")
        yield "lists clips"
        root = None if spec.embedded else self.data.get(spec.name.partition(":")[0])
        if root is None and not spec.embedded:
            raise Skipped("its clips lie in a folder: give --data ROOT or set ELRBENCH_DATA")
        options = {**defaults(spec), **_of_budget(spec)}
        for protocol in spec.protocols:
            read = spec.read_index(root, protocol, options)
            _require(len(read.by_id) == len(read.clips), f"{protocol}: two clips have one id")
            _require(set(read.folds) == set(spec.protocols[protocol].folds), f"{protocol}: not the folds declared")
            if spec.unlabelled:
                _require(set(read.pool) == set(read.by_id), f"{protocol}: a clip is not in the pool")
                continue
            _require(set(read.pool) <= set(read.by_id), f"{protocol}: unknown ids in the pool")
            labels = {clip.id: clip.target for clip in read.clips if clip.target is not None}
            _require(set(labels) == set(read.by_id) - set(read.pool), f"{protocol}: pool and labelled clips overlap")
            listed = (target if isinstance(target, tuple) else (target,) for target in labels.values())
            beyond = {target for targets in listed for target in targets} - set(range(len(spec.classes)))
            _require(not beyond, f"{protocol}: targets beyond its {len(spec.classes)} classes: {sorted(beyond)[:3]}")
            for name, fold in read.folds.items():
                _require(not set(fold.train) & set(fold.test), f"{protocol}, fold {name}: clips both train and test")
                _require(set(fold.train) | set(fold.test) <= set(read.by_id), f"{protocol}, fold {name}: unknown ids")
                _require(bool(fold.train) and bool(fold.test), f"{protocol}, fold {name}: a part is empty")
        yield "lists the same clips again"
        first = next(iter(spec.protocols))
        once, again = (spec.read_index(root, first, options) for _ in range(2))
        _require(once.digest() == again.digest(), "two readings differ")
        yield "decodes a clip"
        chunk = next(iter(decode(once.clips[0].source)))
        _require(len(chunk) > 0, f"clip '{once.clips[0].id}' has no frames")
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
            _require(
                made.dtype == np.uint8 and made.shape == wanted,
                f"it returns {made.dtype} {made.shape} where uint8 {wanted} is due",
            )
            yield "is the same again"
            _require(bool((degrade(whole, low, options, 7) == made).all()), "two calls with one seed differ")
            yield "is the same in chunks"
            tail = Frames(planes=tuple(planes[:, 3:]), colour="rgb", first=3)
            _require(
                bool((degrade(tail, low, options, 7) == made[3:]).all()),
                "frames 3 to 5 alone differ from frames 3 to 5 of the whole clip; seed noise by clip and frame",
            )
        elif sized.on_device is not None:
            low, degrade = sized.low or LOW, spec.load(sized.on_device)
            yield "holds its size"
            made = degrade(kit.noise(BATCH, 3, *SIZE), low, options)
            _shape(made, (BATCH, 3, *low))
            _require(bool((made >= 0).all() and (made <= 1).all()), "it leaves [0, 1]")
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
        built = {low: _module(spec.build(low, SIZE, options)) for low in plans}
        _require(
            getattr(built[next(iter(built))], "frames", 1) == spec.frames, f"its module has not frames={spec.frames}"
        )
        yield "holds its size"
        for low, module in built.items():
            _shape(module(kit.noise(2, 3, *time, *low)), (2, 3, *time, *SIZE))
        low, module = next(iter(built.items()))
        low_view = kit.noise(2, 3, *time, *low)
        yield from _learns_and_returns(module, lambda built: built(low_view), lambda: spec.build(low, SIZE, options))
        yield from self.smoke(plans[low])

    def backbone(self, spec: BackboneSpec) -> Iterator[str]:
        """Stage maps, features, classifier, gradients, state, initialisations, one run."""
        yield "builds"
        built: Any = _module(spec.build(CLASSES))
        for name in ("forward_features", "pool", "get_classifier", "num_features"):
            _require(hasattr(built, name), f"its module has no '{name}'")
        frames = Sampling.parse(spec.sampling).t
        time = (frames,) if spec.dims == 3 else ()
        _require(spec.dims == 3 or frames == 1, f"it is 2D, but its sampling is {spec.sampling}")
        picture = kit.noise(BATCH, 3, *time, *SIZE)

        def logits(module: Any) -> Tensor:
            out: Tensor = module.get_classifier()(module.pool(module.forward_features(picture)[-1]))
            return out

        yield "holds its shapes"
        maps = built.forward_features(picture)
        named = not spec.stages or len(maps) == len(spec.stages)
        _require(named, f"{len(maps)} stage maps for {len(spec.stages)} stage names")
        _require(all(stage.shape[0] == BATCH for stage in maps), "a stage map loses the batch")
        _shape(built.pool(maps[-1]), (BATCH, built.num_features))
        _shape(logits(built), (BATCH, CLASSES))
        yield from _learns_and_returns(built, logits, lambda: spec.build(CLASSES))
        for name, target in spec.weights.items():
            yield f"takes weights '{name}'"
            spec.load(target)(built)
            _require(bool(torch.isfinite(logits(built.eval())).all()), "its logits are then not finite")
        sampling = spec.sampling if spec.dims == 3 else "2x1"
        yield from self.smoke(
            self.plan(backbone=spec.name, weights="scratch", modality=spec.modality, sampling=sampling, size="64x96")
        )

    def method(self, spec: MethodSpec) -> Iterator[str]:
        """The recognizer of a plan with the method's own partners; one run of it."""
        yield "makes a plan"
        plan = self.plan(method=spec.name)
        yield "builds its recognizer"
        chosen = chosen_by(self.catalog, plan)
        built = recognizer_of(plan, chosen, high=spec.privileged)
        sampling = Sampling.parse(plan.sampling)
        view = kit.noise(BATCH, sampling.k, 3, sampling.t, *(plan.size if spec.privileged else LOW))
        yield "holds its shapes"
        _shape(built(view), (BATCH, len(chosen.dataset.classes)))
        unused = () if spec.recognizer is None else _names(built, built.backbone.get_classifier())
        yield from _learns_and_returns(
            built, lambda module: module(view), lambda: recognizer_of(plan, chosen, high=spec.privileged), unused
        )
        yield from self.smoke(plan)

    def plan(self, **asked: str | None) -> Plan:
        """A smoke plan of the kit, with what is under test in its place."""
        own = self.catalog.methods[asked.get("method") or kit.METHOD.name]
        request = {"method": own.name, "dataset": kit.DATASET.name, "degradation": kit.DATASET.degradation, **asked}
        budgets = own.budgets or {BUDGET: {}}
        budget = BUDGET if BUDGET in budgets else next(iter(budgets))
        return resolve_plan(self.catalog, Request(**{**request, "budget": budget}))  # type: ignore[arg-type]

    def smoke(self, plan: Plan) -> Iterator[str]:
        """One run, from the clips to the record."""
        yield "trains in a smoke run"
        result = run(
            plan, self.catalog, data=None, out=self.work / plan.digest, cache=self.work / "cache", reporter=Silent()
        )
        _require(sum(result.record["updates"].values()) > 0, "no update was made")
        primary = result.record["scores"][result.record["primary"]]["value"]
        _require(0 <= primary <= 1, f"its score is {primary}")


def _learns_and_returns(module: nn.Module, forward: Any, build: Any, unused: Sequence[str] = ()) -> Iterator[str]:
    """Gradients reach every parameter; a second build takes the first one's state and gives its outputs."""
    yield "gradients reach every parameter"
    module.train()
    learnt = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if learnt:
        forward(module).square().mean().backward()
        missed = [name for name, parameter in learnt.items() if parameter.grad is None and name not in unused]
        more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
        _require(not missed, f"none reaches {', '.join(missed[:3])}{more}")
        spoilt = [name for name, parameter in learnt.items() if not _finite(parameter.grad)]
        _require(not spoilt, f"that of {', '.join(spoilt[:3])} is not finite")
    yield "its state is restored"
    other = _module(build())
    other.load_state_dict(module.state_dict(), strict=True)
    with torch.no_grad():
        same = torch.allclose(forward(module.eval()), forward(other.eval()), atol=1e-5)
    _require(same, "a second module with the first one's state gives other outputs: some of it is in no buffer")


def _finite(gradient: Tensor | None) -> bool:
    return gradient is None or bool(torch.isfinite(gradient).all())


def _names(whole: nn.Module, part: nn.Module) -> tuple[str, ...]:
    """Names, within `whole`, of the parameters of `part`."""
    inside = {id(parameter) for parameter in part.parameters()}
    return tuple(name for name, parameter in whole.named_parameters() if id(parameter) in inside)


def _present(spec: Spec, module: str) -> None:
    try:
        replace(spec, requires=(module,)).load(len)
    except ElrError as error:
        raise Skipped(str(error)) from error


def _of_budget(spec: DatasetSpec) -> dict[str, Any]:
    """The dataset's own options under the smoke budget."""
    return {
        key.partition(".")[2]: value
        for key, value in spec.budgets.get(BUDGET, {}).items()
        if key.startswith("dataset.")
    }


def _module(built: object) -> nn.Module:
    if not isinstance(built, nn.Module):
        raise Unfit(f"its factory returns {type(built).__name__}, not a torch module")
    return built


def _shape(made: object, wanted: tuple[int, ...]) -> None:
    if not isinstance(made, Tensor):
        raise Unfit(f"it returns {type(made).__name__}, not a tensor")
    _require(tuple(made.shape) == wanted, f"it returns {tuple(made.shape)} where {wanted} is due")
    _require(made.is_floating_point(), f"it returns {made.dtype}, not a float")
    _require(bool(torch.isfinite(made).all()), "it returns values that are not finite")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Unfit(otherwise)
