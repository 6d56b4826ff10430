"""What a method's `fit(training)` works with: a library, not a framework.

def fit(training):
    return training.stage("student", lambda student: supervise(training, student), training.recognizer(), needs=(…))

def supervise(training, student):
    views = training.views("train")
    recipe = training.recipe(student, views, 20)
    for batch in training.epochs(views, 20, state=[student, recipe]):
        with training.autocast():
            loss = training.task_loss(student(batch.low, batch.mask, batch.box), batch.target)
        recipe.step(loss)
        training.log(loss=loss)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.canonical import digest_of
from benchmark_core.clips.degraded import degrade_views
from benchmark_core.clips.derived import DerivedViews
from benchmark_core.clips.enhanced import Enhancer
from benchmark_core.clips.modality import kind
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError, RunFailed, unknown
from benchmark_core.networks.assemble import load_enhancer, recognizer_of
from benchmark_core.networks.heads import HEADS
from benchmark_core.networks.losses import soft_loss, task_loss
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter
from benchmark_core.training.device import autocast_to_train
from benchmark_core.training.external_teacher import ExternalTeacher
from benchmark_core.training.keys import StageInputs
from benchmark_core.training.map_order import order_maps
from benchmark_core.training.observers import NOBODY, Observers
from benchmark_core.training.ranks import ONE, Ranks
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.run_stages import RunStages
from benchmark_core.training.seeds import seeded
from benchmark_core.training.stage_runner import StageRunner, ViewRequest
from benchmark_core.training.stage_trainer import StageTrainer


class Training(RunStages):
    """Views, networks, losses and updates of one run. Test clips cannot be reached from here.

    runner: trains the stages (`StageTrainer`), or estimates what they take. On the device "meta", tensors have shapes
    and no content: networks are built without drawing or loading weights.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        components: Components,
        inputs: StageInputs,
        device: torch.device,
        runner: StageRunner,
        external_teacher: ExternalTeacher | None = None,
    ) -> None:
        super().__init__(
            plan=plan,
            inputs=inputs,
            options=components.options(plan, "method"),
            device=device,
            runner=runner,
            classes=len(components.dataset.classes),
            external_teacher=external_teacher,
            neutral={
                spec.kind: {key for key, option in spec.options.items() if option.neutral}
                for spec in (components.method, components.enhancer)
            },
        )
        self.components = components

    # -- views and networks

    def views(
        self,
        split: str = "train",
        *,
        low: bool = True,
        high: bool = False,
        unlabelled: bool = False,
        sampling: str | None = None,
        whole: bool = False,
        most: int | None = None,
    ) -> Views:
        """Return augmented views of the training clips, shuffled by the plan's seed and the stage's name.

        If the plan names a high source, views that include high views show that source's clips, with their labels.
        unlabelled: views of the unlabelled clips instead; targets are then -1, or zeros on a multi-label dataset.
        sampling: instead of the plan's, for an enhancer that is trained on a number of frames of its own. Low and high
            views then both have T frames; with the plan's sampling, low views have the frames that the enhancer takes,
            and the enhancer's stage needs "sampling".
        whole: not augmented, at interval centres or in all windows, in listed order, for `derive`.
        most: at most so many of the clips, those with the smallest hash of their ids. None: all.
        """
        if split != "train":
            raise ElrError(f"method '{self.plan.method}' asked for views of '{split}' clips; use 'train'")
        if unlabelled and not self.plan.unlabelled:
            raise ElrError(
                f"method '{self.plan.method}' asked for unlabelled clips, but the plan has none; add the options "
                "that use unlabelled clips to the method's `unlabelled`"
            )
        return self._runner.views(
            ViewRequest(
                low=low,
                high=high,
                unlabelled=unlabelled,
                sampling=self._sampling(sampling),
                whole=whole,
                most=most,
                enhancer=self._stored_enhancer(high=high) if low and sampling is None else None,
            )
        )

    def recognizer(self, role: str = "student", *, head: str | None = None) -> Recognizer:
        """Return a new recognizer on low views; its initial weights depend on the plan's seed and `role` alone.

        A learnt enhancer is trained first, and frozen unless its option `train` is set.
        head: name of a core head instead of the method's own ("mean-logits").
        """
        return self._build(role, head)

    def teacher(self, role: str = "teacher", *, head: str | None = None) -> Recognizer:
        """Return the network for high views: the student's, or another that the plan names; see `Plan.of_teacher`.

        It takes the same views of a batch as the student, `batch.high` with `batch.mask` and `batch.box`.
        """
        network = self._build(role, head, high=True)
        self._teachers.append(network)
        return network

    def classifier(self, role: str = "classifier") -> Recognizer:
        """Return backbone and head without an enhancer, for views (B, K, 3, T, H, W) that have network size already.

        A stage that trains an enhancer by it needs "classifier".
        """
        return self._build(role, "mean-logits", enhanced=True)

    def _build(self, role: str, head: str | None, *, high: bool = False, enhanced: bool = False) -> Recognizer:
        if head is not None and head not in HEADS:
            raise unknown("head", head, HEADS)
        enhancer = None if high or enhanced else self._trained_enhancer()
        plan, meta = self.plan, self.device.type == "meta"
        with seeded(plan.seed, role), self.device if meta else nullcontext():
            plan = plan.untrained if meta else plan
            module = recognizer_of(plan, self.components, high=high, head=head, enhanced=enhanced)
        if enhancer is not None:
            module.enhancer.load_state_dict(enhancer.state_dict())
            module.enhancer.requires_grad_(bool(self.components.options(self.plan, "enhancer").get("train", False)))
        placed: Recognizer = self.to_device(module)
        if high == self.components.method.oracle and not enhanced:
            self._deployable.append(placed)
        return placed

    def to_device(self, module: Any) -> Any:
        """Return `module` on the device, with maps in the fastest order, see `map_order`."""
        placed = module.to(self.device)
        dims = module.dims if isinstance(module, Recognizer) else self.components.backbone.dims
        order_maps(placed, dims=dims, precision=self.plan.precision)
        return placed

    # -- the enhancer

    def _trained_enhancer(self) -> nn.Module | None:
        """Return the plan's enhancer, trained by its own `fit` once per run; None if it is not learnt."""
        spec, plan = self.components.enhancer, self.plan
        if spec.fit is None or kind(plan.modality) == "flow":
            return None
        if self._enhancer is None:
            options = self.components.options(plan, "enhancer")
            with seeded(plan.seed, "enhancer"):
                module = spec.build(self.components.degradation.low, plan.size, options).to(self.device)
            if spec.public is not None and options["weights"] != "fit":
                self._load_enhancer(module, str(options["weights"]))
            else:
                with self._enhancer_scope(options):
                    spec.load(spec.fit)(self, module)
            self._trained.key(module, f"enhancer {spec.name}")  # raises unless `fit` trained it in a stage
            self._enhancer = module.eval()
        return self._enhancer

    def _load_enhancer(self, module: nn.Module, weights: str) -> None:
        """Load the enhancer from the file that the plan calls `weights`; on the device "meta", only take its name."""
        spec = self.components.enhancer
        if self.device.type != "meta":
            said = load_enhancer(spec, module, self.components.degradation.low, self.plan.size, weights)
            self.note(f"enhancer '{spec.name}' has the weights {said}, and was not trained here")
        self._trained.add(module, weights)

    def _stored_enhancer(self, *, high: bool) -> Enhancer | None:
        """Return the enhancer if its output is stored: it is frozen, and low views are the same in each epoch.

        high: high views are wanted, too. The low views of clips taken as recorded are then degraded again each epoch.
        """
        spec, options = self.components.enhancer, self.components.options(self.plan, "enhancer")
        crop = self.components.degradation.crop
        changes = crop == "before" or (crop == "none" and high)
        if changes or options.get("train", False) or (spec.frames > 1 and not options.get("keep", False)):
            return None
        module = None if self._scope == "enhancer" else self._trained_enhancer()
        if module is None:
            return None
        key = self._trained.key(module, f"enhancer {spec.name}")
        if options.get("weights"):  # the file's name says nothing of options without parameters, such as `residual`
            key = digest_of([key, spec.name, dict(sorted(options.items()))])
        return Enhancer(module=module, frames=spec.frames, stage=key, device=self.device)

    # -- views that are made on the device

    def degrade(self, high: Tensor) -> Tensor:
        """Return low views (B, K, 3, T, h, w) of high views (B, K, 3, T, H, W), both in [0, 1], with new noise.

        The degradation is the plan's. Raises ElrError if it can only be applied to decoded frames.
        """
        spec = self.components.degradation
        target = spec.from_high or spec.on_device
        if target is None or spec.low is None:
            raise ElrError(
                f"method '{self.plan.method}' degrades high views in training, which degradation '{spec.name}' cannot; "
                "use e.g. --degradation average-12x16"
            )
        return degrade_views(high, target, spec.low, self.components.options(self.plan, "degradation"))

    # -- losses and updates

    def task_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return cross-entropy, or binary cross-entropy with logits: a scalar in float32, the mean over clips.

        logits: (B, C). target: int64 (B,), or float (B, C) on a multi-label dataset.
        """
        if logits.shape != (len(target), self.classes):
            raise RunFailed(
                f"method '{self.plan.method}' has logits of shape {tuple(logits.shape)} for {len(target)} clips of "
                f"{self.classes} classes; correct the head of the method"
            )
        smoothing = float(self.options.get("label_smoothing", 0.0))
        return task_loss(self.components.dataset.task, smoothing)(logits.float(), target)

    def soft_loss(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Return the soft-label loss of logits (B, C), see `benchmark_core.networks.losses.soft_loss`."""
        return soft_loss(self.components.dataset.task, student, teacher, temperature)

    def recipe(self, modules: nn.Module | Sequence[nn.Module], views: Views | DerivedViews, epochs: int) -> Recipe:
        """Return optimizer and schedule over the modules' trainable parameters, by the method's options."""
        several = [modules] if isinstance(modules, nn.Module) else modules
        steps = views.steps(int(self.options["batch"]))
        return Recipe(several, self.options, epochs=epochs, steps=steps, seed=self.plan.seed)

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context of the plan's precision, for forward passes and losses."""
        return autocast_to_train(self.device, self.plan.precision)


def build_training(
    *,
    plan: Plan,
    components: Components,
    inputs: StageInputs,
    make_views: Callable[..., Views],
    device: torch.device,
    cache: Path,
    reporter: Reporter,
    spare: Path | None = None,
    refit: bool = False,
    external_teacher: ExternalTeacher | None = None,
    ranks: Ranks = ONE,
    observers: Observers = NOBODY,
) -> Training:
    """Return a `Training` that trains, by a `StageTrainer`; see both classes for the arguments."""
    runner = StageTrainer(
        plan=plan,
        make_views=make_views,
        device=device,
        cache=cache,
        reporter=reporter,
        spare=spare,
        refit=refit,
        ranks=ranks,
        observers=observers,
    )
    return Training(
        plan=plan,
        components=components,
        inputs=inputs,
        device=device,
        runner=runner,
        external_teacher=external_teacher,
    )
