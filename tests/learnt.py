"""Enhancers small enough to fit in a second: one sees single frames, one four at once. For `--plugin`."""

from __future__ import annotations

from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.training.recipe_options import RECIPE
from elrbench import EnhancerSpec, MethodSpec, Option, hookimpl

OPTIONS = {
    "train": Option(default=False, help="goes on learning with the recognizer"),
    "keep": Option(default=False, help="keeps what it makes of training clips, window by window"),
    "epochs": Option(default=2, low=1, help="passes over the pairs"),
    "lr": Option(default=0.05, low=0.0, help="learning rate"),
    "gain": Option(default=1.0, low=0.0, high=9.0, help="of the start"),
}


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Both, and one that a classifier teaches."""

    def spec(name: str, **fields: Any) -> EnhancerSpec:
        usual = {"factory": build, "fit": fit, "needs_high": True, "options": OPTIONS, "recognizer_options": ()}
        return EnhancerSpec(name=name, summary="a learnt filter", **{**usual, **fields})

    return [
        spec("framewise", check=refuse_thirds, budgets={"smoke": {"enhancer.epochs": 3}}),
        spec("framewise-too"),
        spec("four-at-once", frames=4, factory=build_video),
        spec("taught", fit=fit_by_classifier),
    ]


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """A method whose variants stand for enhancers."""
    return [
        MethodSpec(
            name="by-name",
            summary="the student behind an enhancer that its variant names",
            fit="elrbench_plugins.supervised.fit:supervised",
            options={**RECIPE, "matched": Option(default=False, help="")},
            variants={
                "plain": {"enhancer": "bilinear"},
                "learnt": {"enhancer": "framewise"},
                "matched": {"matched": True},
            },
            default_variants=("learnt",),
            defaults={"backbone": "toynet", "size": "24x32", "sampling": "2x1"},
        )
    ]


def refuse_thirds(plan: Any, components: Any) -> None:
    """As a real one refuses a scale."""
    if plan.size[0] % 4:
        raise ElrError(f"enhancer '{plan.enhancer}' brings views to heights that four divides, not to {plan.size[0]}")


def build(low: Any, size: tuple[int, int], options: Any) -> Any:
    """A 3x3 filter after bilinear enlargement."""
    import torch
    from torch import nn

    class Filter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.filter = nn.Conv2d(3, 3, 3, padding=1)
            torch.nn.init.dirac_(self.filter.weight)
            self.filter.weight.data *= options["gain"]

        def forward(self, view: torch.Tensor) -> torch.Tensor:
            return self.filter(nn.functional.interpolate(view, size, mode="bilinear"))

    return Filter()


def build_video(low: Any, size: tuple[int, int], options: Any) -> Any:
    """A filter over three frames after enlargement; counts what it is given."""
    import torch
    from torch import nn

    class Filter(nn.Module):
        frames = 4

        def __init__(self) -> None:
            super().__init__()
            self.filter = nn.Conv3d(3, 3, 3, padding=1)

        def forward(self, view: torch.Tensor) -> torch.Tensor:
            assert view.shape[2] == 4
            return self.filter(nn.functional.interpolate(view, (4, *size), mode="trilinear"))

    return Filter()


def fit(training: Any, module: Any) -> None:
    """Pairs of four frames, whatever the plan's sampling."""
    training.stage("filter", lambda built: _fit(training, built), module, needs=("low", "high", "epochs", "lr", "gain"))


def _fit(training: Any, module: Any) -> None:
    import torch

    views = training.views("train", high=True, sampling="1x4")
    optimiser = torch.optim.SGD(module.parameters(), lr=training.options["lr"])
    for batch in training.epochs(views, training.options["epochs"], state=[module, optimiser], batch=4):
        low, high = batch.low.flatten(0, 1), batch.high.flatten(0, 1)  # (B, 3, 4, h, w), (B, 3, 4, H, W)
        if not hasattr(module, "frames"):
            low, high = low.transpose(1, 2).flatten(0, 1), high.transpose(1, 2).flatten(0, 1)
        loss = (module(low) - high).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        training.log(loss=loss)


def fit_by_classifier(training: Any, module: Any) -> None:
    """The backbone's classes are its teacher."""
    from torch import nn

    both = nn.ModuleList([module, training.classifier()])
    training.stage("taught", lambda built: _teach(training, *built), both, needs=("low", "classifier", "epochs", "lr"))


def _teach(training: Any, module: Any, classifier: Any) -> None:
    import torch

    views = training.views("train", sampling="2x1")
    optimiser = torch.optim.SGD([*module.parameters(), *classifier.parameters()], lr=training.options["lr"])
    for batch in training.epochs(views, training.options["epochs"], state=[module, classifier, optimiser], batch=8):
        low = batch.low.transpose(2, 3)  # (B, K, T, 3, h, w)
        seen = module(low.flatten(0, 2)).unflatten(0, low.shape[:3]).transpose(2, 3)
        loss = training.task_loss(classifier(seen, batch.mask, batch.box), batch.target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        training.log(loss=loss)
