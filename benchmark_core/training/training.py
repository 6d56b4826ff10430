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

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.clips.derived import DerivedViews
from benchmark_core.clips.enhanced import Enhancer
from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError, RunFailed, unknown
from benchmark_core.networks.assemble import load_enhancer, recognizer_of
from benchmark_core.networks.heads import HEADS
from benchmark_core.networks.losses import soft_loss, task_loss
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter
from benchmark_core.specs import Value
from benchmark_core.training.device import autocast_to_train
from benchmark_core.training.external_teacher import ExternalTeacher
from benchmark_core.training.keys import (
    StageInputs,
)
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.seeds import seeded
from benchmark_core.training.stage_runner import StageRunner


class Training(StageRunner):
    """The materials of one run. Test clips cannot be reached from here."""

    def __init__(
        self,
        *,
        plan: Plan,
        components: Components,
        inputs: StageInputs,
        make_views: Callable[..., Views],
        device: torch.device,
        cache: Path,
        reporter: Reporter,
        refit: bool = False,
        given: ExternalTeacher | None = None,
    ) -> None:
        super().__init__(
            plan=plan,
            inputs=inputs,
            options=components.options(plan, "method"),
            device=device,
            cache=cache,
            reporter=reporter,
            refit=refit,
            given=given,
            neutral={
                spec.kind: {key for key, option in spec.options.items() if option.neutral}
                for spec in (components.method, components.enhancer)
            },
        )
        self.components = components
        self.classes = len(components.dataset.classes)
        self._make_views = make_views

    # -- materials

    def views(
        self,
        split: str = "train",
        *,
        low: bool = True,
        high: bool = False,
        unlabelled: bool = False,
        sampling: str | None = None,
        whole: bool = False,
    ) -> Views:
        """Augmented views of the training clips, in an order that the plan's seed and the stage's name give.

        Where the plan has a high source, views of high, alone or beside low, are of its clips and carry its labels.
        unlabelled: of the pool's clips instead; targets are then -1, or zeros where labels are several.
        sampling: instead of the plan's, for an enhancer that learns from frames of its own number: low and high views
            both have T frames, while low ones by the plan's are widened to what the enhancer takes at once.
        whole: uncut, at interval centres or in all windows, in listed order, for `derive`.
        """
        if split != "train":
            raise ElrError(f"a method asked for views of '{split}' clips; only training clips are for fitting")
        own: dict[str, Any] = {} if sampling is None else {"sampling": Sampling.parse(sampling)}
        if whole:
            own["whole"] = True
        if low and sampling is None and (kept := self._kept(again=high)) is not None:
            own["enhancer"] = kept
        if not unlabelled:
            return self._make_views(low=low, high=high, seed=self._views_seed(), **own)
        if not self.plan.unlabelled:
            raise ElrError(
                f"method '{self.plan.method}' asked for clips without labels, and its plan has no pool; its spec must "
                "name in `unlabelled` the options that ask for one"
            )
        return self._make_views(low=low, high=high, seed=self._views_seed(), unlabelled=True, **own)

    def recognizer(self, role: str = "student", *, head: str | None = None) -> Recognizer:
        """A fresh recognizer on low views; its initial weights depend on the plan's seed and `role` alone.

        Its enhancer, where that is learnt, is fitted first, and stands still unless its option `train` is set.
        head: a core head instead of the method's own, by name ("mean-logits").
        """
        return self._build(role, head, high=False)

    def teacher(self, role: str = "teacher", *, head: str | None = None) -> Recognizer:
        """The same network for high views."""
        return self._build(role, head, high=True)

    def classifier(self, role: str = "classifier") -> Recognizer:
        """Backbone and head without an enhancer, for views (B, K, 3, T, H, W) that have been brought to network size.

        Its stage needs "classifier" where an enhancer is fitted by it.
        """
        return self._build(role, "mean-logits", high=True)

    def _build(self, role: str, head: str | None, *, high: bool) -> Recognizer:
        if head is not None and head not in HEADS:
            raise unknown("head", head, HEADS)
        fitted = None if high else self._fit_enhancer()
        with seeded(self.plan.seed, role):
            module = recognizer_of(self.plan, self.components, high=high, head=head)
        if fitted is not None:
            module.enhancer.load_state_dict(fitted.state_dict())
            module.enhancer.requires_grad_(bool(self.components.options(self.plan, "enhancer").get("train", False)))
        placed: Recognizer = self.place(module)
        return placed

    def _fit_enhancer(self) -> nn.Module | None:
        """The plan's enhancer as its own `fit` leaves it, once a run; None where there is nothing to fit."""
        spec, plan = self.components.enhancer, self.plan
        if spec.fit is None or kind(plan.modality) == "flow":
            return None
        if self._enhancer is None:
            options = self.components.options(plan, "enhancer")
            with seeded(plan.seed, "enhancer"):
                module = spec.build(self.components.degradation.low, plan.size, options).to(self.device)
            if spec.public is not None and options["weights"] != "fit":
                self._take_weights(module, str(options["weights"]))
                self._fitted.add(module, str(options["weights"]))
            else:
                with self._as_enhancer(options):
                    spec.load(spec.fit)(self, module)
            self._fitted.key(module, f"enhancer {spec.name}")
            self._enhancer = module.eval()
        return self._enhancer

    def _take_weights(self, module: nn.Module, name: str) -> None:
        """The enhancer's, from the file of that name."""
        spec = self.components.enhancer
        said = load_enhancer(spec, module, self.components.degradation.low, self.plan.size, name)
        self.note(f"enhancer '{spec.name}' has the weights {said}, and was not fitted here")

    def _kept(self, *, again: bool) -> Enhancer | None:
        """The enhancer, where what it makes of a clip is kept: it stands still, and low views are the same each epoch.

        again: high views are wanted beside low ones, which of clips taken as recorded are then degraded anew.
        """
        spec, options = self.components.enhancer, self.components.options(self.plan, "enhancer")
        crop = self.components.degradation.crop
        anew = crop == "before" or (crop == "none" and again)
        if anew or options.get("train", False) or (spec.frames > 1 and not options.get("keep", False)):
            return None
        module = None if self._scope == "enhancer" else self._fit_enhancer()
        if module is None:
            return None
        key = self._fitted.key(module, f"enhancer {spec.name}")
        return Enhancer(module=module, frames=spec.frames, stage=key, device=self.device)

    @contextmanager
    def _as_enhancer(self, options: Mapping[str, Value]) -> Iterator[None]:
        """Options and stage keys are the enhancer's within the block."""
        self.options, outer, self._scope = options, self.options, "enhancer"
        try:
            yield
        finally:
            self.options, self._scope = outer, "method"

    def place(self, module: Any) -> Any:
        """`module` on the device, 2D convolutions in channels-last order (a fifth faster on a CPU, more on a GPU)."""
        placed = module.to(self.device)
        if self.components.backbone.dims == 2:
            for parameter in placed.parameters():
                if parameter.dim() == 4:  # an enhancer may have 3D ones beside
                    parameter.data = parameter.data.to(memory_format=torch.channels_last)
        return placed

    # -- losses and updates

    def task_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy, or binary cross-entropy with logits; a scalar in float32."""
        classes = len(self.components.dataset.classes)
        if logits.shape != (len(target), classes):
            raise RunFailed(
                f"method '{self.plan.method}' has logits of shape {tuple(logits.shape)} for {len(target)} clips of "
                f"{classes} classes"
            )
        smoothing = float(self.options.get("label_smoothing", 0.0))
        return task_loss(self.components.dataset.task, smoothing)(logits.float(), target)

    def soft_loss(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """See `benchmark_core.networks.losses.soft_loss`."""
        return soft_loss(self.components.dataset.task, student, teacher, temperature)

    def recipe(self, modules: nn.Module | Sequence[nn.Module], views: Views | DerivedViews, epochs: int) -> Recipe:
        """Optimiser and schedule over the modules' trainable parameters, by the method's options."""
        several = [modules] if isinstance(modules, nn.Module) else modules
        return Recipe(several, self.options, epochs=epochs, steps=views.steps(int(self.options["batch"])))

    def autocast(self) -> AbstractContextManager[None]:
        """The plan's precision, for forward passes and losses."""
        return autocast_to_train(self.device, self.plan.precision)
