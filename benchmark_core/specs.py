"""What plugins hand over: frozen, keyword-only, cheap. Code is named as "module:attribute" and imported on use."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from benchmark_core.errors import ElrError, unknown

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from benchmark_core.clips.index import Index
    from benchmark_core.published import Published

Value: TypeAlias = bool | int | float | str
Target: TypeAlias = str | Callable[..., Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})
METRICS: Mapping[str, tuple[str, ...]] = {  # scores that clips of a task have, as `benchmark_core.scoring` makes them
    "single-label": ("top1", "top5"),
    "multi-label": ("f1_macro", "f1_micro", "f1_samples", "f1_macro_logit0.5", "f1_samples_logit0.5", "map"),
}


def resolve(target: Target) -> Callable[..., Any]:
    """The object behind "module:attribute"; a callable is returned as it is.

    Raises ElrError naming the module where it cannot be imported.
    """
    if callable(target):
        return target
    module, _, attribute = target.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ElrError(f"'{target}' cannot be loaded: {error}") from error
    return found


@dataclass(frozen=True, kw_only=True)
class Option:
    """A number or name of a component that a plan may set: `--set KIND.KEY=VALUE`.

    `unspecified` marks what the paper leaves open: the default is then this project's judgement, and says so in `help`.
    `added` marks an option that came after plans were published, and whose default changes nothing: a plan leaves it
    out at its default, so that digests, rows and stages of earlier runs stay what they were.
    `neutral` marks one that changes nothing of what is fitted, such as how much is held in memory: a stage may read it
    without naming it among its needs.
    """

    default: Value
    help: str
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    unspecified: bool = False
    added: bool = False
    neutral: bool = False

    def check(self, where: str, value: object) -> Value:
        """`value` in the default's type, within bounds and choices; ElrError naming `where` otherwise."""
        if isinstance(self.default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(self.default):
            raise ElrError(f"{where}={value!r} is not {_ARTICLES[type(self.default)]}; the default is {self.default!r}")
        if self.choices and value not in self.choices:
            raise ElrError(f"{where}={value!r} is not one of {', '.join(map(str, self.choices))}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise ElrError(f"{where}={value!r} is not finite")
            if self.low is not None and value < self.low:
                raise ElrError(f"{where}={value!r} is below {self.low}")
            if self.high is not None and value > self.high:
                raise ElrError(f"{where}={value!r} is above {self.high}")
        assert isinstance(value, (bool, int, float, str))
        return value


_ARTICLES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every component says of itself.

    variants: options that a suffix sets: `cstat:mlp+rc` merges `variants["mlp"]` and `variants["rc"]`; a method's may
        also name plan fields, such as the enhancer that it is for, and options of that: `enhancer.scale`.
    default_variants: what the bare name stands for.
    budgets: per budget name, plan fields and `KIND.KEY` options to override; of a method also what a variant of it
        stands for instead: `VARIANT:FIELD`, `VARIANT:KIND.KEY`.
    requires: modules of an optional extra, and the extra's name in `extra`; a backbone needs them for its weights only.
    """

    kind: ClassVar[str] = ""
    name: str
    summary: str
    citation: str = ""
    licence: str = ""
    unspecified: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=lambda: NOTHING)
    variants: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: NOTHING)
    default_variants: tuple[str, ...] = ()
    budgets: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: NOTHING)
    requires: tuple[str, ...] = ()
    extra: str = ""

    def __post_init__(self) -> None:
        """ElrError where an option's default, or a variant's value of one, is not what the option itself takes."""
        for key, option in self.options.items():
            if type(option.default) not in _ARTICLES:
                raise ElrError(
                    f"{self.kind} '{self.name}': the default of {key}, {option.default!r}, is no number, name, true or "
                    "false"
                )
            option.check(f"{self.kind} '{self.name}': the default of {key}", option.default)
        for variant, values in self.variants.items():
            for key, value in values.items():
                if key in self.options:
                    self.options[key].check(f"{self.kind} '{self.name}', variant {variant}: {key}", value)

    def load(self, target: Target) -> Callable[..., Any]:
        """`resolve(target)`, but an absent extra is named with the command that installs it."""
        self.check_extra()
        return resolve(target)

    @property
    def targets(self) -> Mapping[str, Target]:
        """Its fields that name code, where they do: field -> "module:attribute" or a callable."""
        named = [one.name for one in fields(self) if str(one.type).startswith("Target")]
        return {name: getattr(self, name) for name in named if getattr(self, name) is not None}

    def check_code(self) -> None:
        """Imports all that `targets` name; ElrError naming the field that is wrong."""
        for name, target in self.targets.items():
            try:
                resolve(target)
            except ElrError as error:
                raise ElrError(f"{self.kind} '{self.name}', its {name}: {error}") from error

    def check_extra(self) -> None:
        """ElrError where a module of the extra that it needs is not installed."""
        for module in self.requires:
            if importlib.util.find_spec(module) is None:
                raise ElrError(
                    f"{self.kind} '{self.name}' needs the extra '{self.extra}': pip install 'elrbench[{self.extra}]'"
                )


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which clips train and which test. `folds` are run one by one; tables fold them together."""

    summary: str
    folds: tuple[str, ...]
    pooled: bool = False  # leave-one-out scores are pooled over clips; overlapping splits are averaged


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A labelled set of clips.

    index: `index(root, protocol, options) -> Index`; reads lists, decodes nothing; `root` is None for an embedded set.
    metric: what tables rank by: "top1" or "top5" of single labels, an F1 or "map" of several. By default "top1" and
        "f1_macro".
    natively_low: clips are recorded at extreme low resolution and differ in size.
    embedded: drawn by code; needs no folder. folder: where it lies under ELRBENCH_DATA, its name by default.
    counts: protocol -> fold -> (training clips, test clips) as its authors publish them; `data verify` compares.
    answer: `answer(ids, logits (N, C)) -> str`, the submission file of a challenge whose test clips have no labels.
    at: for a template such as `folder:PATH`: `at(path) -> DatasetSpec` of what lies there, classes read from disk.
    """

    kind: ClassVar[str] = "dataset"
    classes: tuple[str, ...]
    protocols: Mapping[str, Protocol]
    index: Target
    task: Literal["single-label", "multi-label"] = "single-label"
    metric: str = ""
    degradation: str = "average-12x16"
    natively_low: bool = False
    embedded: bool = False
    folder: str = ""
    layout: str = ""  # what lies under the folder, for `data info` and errors
    where: str = ""  # where its authors offer it, for `data info`
    counts: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=lambda: NOTHING)
    answer: Target | None = None
    at: Target | None = None

    def __post_init__(self) -> None:
        """ElrError also where classes repeat themselves, or clips of that task have no such score."""
        Spec.__post_init__(self)
        if len(set(self.classes)) != len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ElrError(f"dataset '{self.name}': class '{twice}' is listed twice")
        if self.task not in METRICS:
            raise unknown(f"task of dataset '{self.name}'", self.task, METRICS)
        if not self.metric:
            object.__setattr__(self, "metric", METRICS[self.task][0])
        if self.metric not in METRICS[self.task]:
            raise unknown(f"metric of dataset '{self.name}', which is {self.task}:", self.metric, METRICS[self.task])

    @property
    def default_protocol(self) -> str:
        """The first one declared."""
        return next(iter(self.protocols))

    @property
    def unlabelled(self) -> bool:
        """Whether it is a pool: clips without classes, which train beside a labelled set and are never scored."""
        return not self.classes and self.at is None

    def place(self, path: Path) -> DatasetSpec:
        """The dataset that a template stands for at `path`; its name is the template's, a colon and the folder's."""
        assert self.at is not None
        placed: DatasetSpec = self.load(self.at)(path)
        return placed

    def read_index(self, root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        """The clips and folds under `root`."""
        index: Index = self.load(self.index)(root, protocol, options)
        return index


@dataclass(frozen=True, kw_only=True)
class DegradationSpec(Spec):
    """How low views are made. A name such as `average-HxW` is a template: the low size is read from the name asked for.

    on_clip (crop after): `degrade(frames, low, options, seed) -> uint8 (T, 3, h, w)`, on the fitted frames of one clip
        chunk, at store time; see `benchmark_core.clips.frames.Frames`.
    on_device (crop before): `degrade(high, low, options) -> float (N, 3, h, w)` of `high` float (N, 3, H, W) in [0, 1].
    Neither: the clip is taken as recorded (`native`).
    track: its name in tables, where what is seen also depends on the network's size: `{low}` is the low size, `{size}`
        the network's, a square's side written once: "{low}-centre{size}" is `14x14-centre112`. By default its name.
    """

    kind: ClassVar[str] = "degradation"
    on_clip: Target | None = None
    on_device: Target | None = None
    low: tuple[int, int] | None = None  # (h, w), filled from the name
    track: str = ""
    revision: int = 1  # raised when on_clip's result changes: stored views of another revision are made anew

    @property
    def crop(self) -> Literal["after", "before", "none"]:
        """Whether the augmentation box cuts after degrading, before it, or there is no high view."""
        return "after" if self.on_clip else "before" if self.on_device else "none"

    def track_at(self, size: tuple[int, int]) -> str:
        """Its name in tables at network size (H, W)."""
        if not self.track or self.low is None:
            return self.name
        side = str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
        return self.track.format(low=f"{self.low[0]}x{self.low[1]}", size=side)

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What names the template stands for; None where the name is itself."""
        if "HxW" not in self.name:
            return None
        head, tail = self.name.split("HxW")
        return re.compile(rf"{re.escape(head)}([1-9]\d{{0,3}})x([1-9]\d{{0,3}}){re.escape(tail)}")


@dataclass(frozen=True, kw_only=True)
class EnhancerSpec(Spec):
    """What brings a low view to the network's size.

    factory: `build(low, size, options) -> nn.Module` mapping float (N, 3, h, w) in [0, 1] to (N, 3, H, W). low is
        (h, w), or None where clips differ in size and each comes in its own. With `frames` > 1 the module has that
        number as its attribute `frames` and maps (N, 3, frames, h, w) to (N, 3, frames, H, W).
    fit: `fit(training, module)`, where it is learnt; its stages are shared by all plans of equal numbers. The module
        stands still afterwards, unless its option `train` is set. While `fit` runs, `training.options` are the
        enhancer's.
    needs_high: `fit` reads high views of the training clips.
    check: as a method's.
    recognizer_options: the options that shape its module; others do not change what it costs. None: all of them.
    flow: name of the enhancer, one without parameters, that enlarges the frames of which optical flow is made, where
        this one is learnt and so cannot.
    public: `public(module) -> nn.Module`, the part of its module that public checkpoints are of. A file then stands in
        for `fit`, under the name that its plan holds as the option `weights`, which such an enhancer declares with
        "fit" as its default (`benchmark_core.weights_file`). files: those named so far.
    published: what `elrbench cost --all` measures it in; from 12x16 to 96x128 where there is nothing.
    """

    kind: ClassVar[str] = "enhancer"
    factory: Target
    frames: int = 1
    fit: Target | None = None
    needs_high: bool = False
    check: Target | None = None
    recognizer_options: tuple[str, ...] | None = None
    flow: str = ""
    public: Target | None = None
    files: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    published: tuple[Published, ...] = ()

    def under(self, options: Mapping[str, Value]) -> EnhancerSpec:
        """The enhancer as `options` make it: one that a file stands in for reads no high views."""
        given = self.public is not None and options["weights"] != "fit"
        return replace(self, needs_high=False) if given else self

    def build(
        self, low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, Value] = NOTHING
    ) -> nn.Module:
        """The module from low size (h, w), or any where None, to network size (H, W)."""
        built: nn.Module = self.load(self.factory)(low, size, defaults(self) | dict(options))
        return built


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A published network.

    factory: `build(classes, options) -> nn.Module` with the public checkpoints' key names, offering
        `forward_features(x) -> list of stage maps` for x (N, 3, H, W) or (N, 3, T, H, W),
        `pool(map) -> (N, F)` of the last map, `get_classifier() -> nn.Module` from F to classes, and `num_features`.
    weights: initialisations by name ("imagenet"), each `load(module) -> None` in place; "scratch" is always there, and
        a file of the user's is added under the name that its plan holds (`benchmark_core.weights_file`).
    mean, std: what its weights expect of pixels in [0, 1].
    published: what `elrbench cost --all` measures it in; a usual size, 101 classes, where there is nothing.
    """

    kind: ClassVar[str] = "backbone"
    factory: Target
    dims: Literal[2, 3] = 2
    modality: str = "rgb"
    sampling: str = "4x1"
    stages: tuple[str, ...] = ()  # names of the tapped stage maps, in order
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    smallest: int = 8  # pixels of the shorter side below which a stage map would vanish
    weights: Mapping[str, Target] = field(default_factory=lambda: NOTHING)
    default_weights: str = "scratch"
    published: tuple[Published, ...] = ()

    def build(self, classes: int, options: Mapping[str, Value] = NOTHING) -> nn.Module:
        """The network with a classifier for `classes`, freshly initialised."""
        built: nn.Module = resolve(self.factory)(classes, defaults(self) | dict(options))
        return built


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """How a recognizer is trained.

    fit: `fit(training) -> Recognizer`, the one to be deployed and scored.
    recognizer: `recognizer(parts) -> Recognizer`, a pure function of the plan, for a method with a head of its own.
    recognizer_options: the options that shape its recognizer; others do not change what a recognizer costs.
    defaults: plan fields it prefers (backbone, enhancer, size, sampling, …).
    needs_high: training reads high views of the training clips.
    unlabelled: option -> its values at which training also reads a pool of clips without labels.
    takes: what it makes use of where a plan gives it. "teacher": its T-Net comes from `training.teacher_stage`, which a
        fitted one may stand in for. "high_source": it ends with the student on the target's own low views, so that high
        views may be another dataset's.
    check: `check(plan, chosen) -> None`, raising ElrError where its options do not go with what else a plan names; it
        is called before data is touched, and its module imports no torch.
    privileged: the recognizer is scored on high views: a ceiling, not a competitor.
    ceilings: option -> its values at which that is so, where it is not so by default.
    """

    kind: ClassVar[str] = "method"
    fit: Target
    recognizer: Target | None = None
    recognizer_options: tuple[str, ...] = ()
    defaults: Mapping[str, Value] = field(default_factory=lambda: NOTHING)
    needs_high: bool = False
    unlabelled: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    takes: tuple[Literal["teacher", "high_source"], ...] = ()
    check: Target | None = None
    needs_stages: bool = False  # reads the backbone's stage maps
    fixed_intervals: bool = False  # its head is built for K intervals
    privileged: bool = False
    ceilings: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    controls: tuple[str, ...] = ()  # variants that stand beside every transfer method in tables

    def under(self, options: Mapping[str, Value]) -> MethodSpec:
        """The method as `options` make it: privileged where one of them says so."""
        ceiling = any(options[key] in values for key, values in self.ceilings.items())
        return replace(self, privileged=True) if ceiling else self


KINDS: Mapping[str, type[Spec]] = {
    spec.kind: spec for spec in (DatasetSpec, DegradationSpec, EnhancerSpec, BackboneSpec, MethodSpec)
}


def defaults(spec: Spec) -> dict[str, Value]:
    """The spec's options at their defaults."""
    return {key: option.default for key, option in spec.options.items()}
