"""Time a training step through the harness and the same step by hand: `pytest benchmarks/test_training_step.py`.

One step: 16 clips of 4 frames at 12x16, ResNet-18 at 96x128, AdamW, float32. The step by hand has its views in memory.
The harness reads them from the clip store, draws boxes, logs, checks for NaN and saves its state at the epoch's end.
Epochs of the two alternate, and the median of the ratios is printed.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from benchmark_core.clips.augment import cut
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.training import Training, build_training
from elrbench import load_catalog

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
CLIPS = int(os.environ.get("ELRBENCH_BENCHMARK_CLIPS", "192"))
BATCH = min(CLIPS, 16)
ROUNDS = int(os.environ.get("ELRBENCH_BENCHMARK_ROUNDS", "5"))


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("store")
    catalog = load_catalog()
    settings = (f"dataset.train={CLIPS}", "dataset.test=12")
    plan = resolve_plan(catalog, PlanRequest(method="supervised", dataset="puppets", budget="small", settings=settings))
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=folder, cache=folder))
    return build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(OWNERS),
        make_views=data.training_views,
        device=torch.device("cpu"),
        cache=folder,
        reporter=Silent(),
    )


def by_hand(training: Training) -> Iterator[None]:
    """Yield after each step in plain PyTorch, on views in memory."""
    views = training.views("train")
    batches = [dataclasses.asdict(host) for host in views.batches(BATCH)]
    net = training.recognizer()
    backbone, mean, std = net.backbone, net.mean, net.std
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-2)
    net.train()
    while True:
        for batch in batches:
            low = batch["low"].float().div(255).flatten(0, 1).squeeze(2)  # (B*K, 3, h, w)
            image = F.interpolate(low, (96, 128), mode="bilinear", align_corners=False).unsqueeze(2)
            image = cut(image, batch["box"].repeat_interleave(4, 0)).squeeze(2)
            logits = backbone((image - mean) / std).reshape(BATCH, 4, -1).mean(1)
            loss = F.cross_entropy(logits, batch["target"])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            yield


def test_a_step_through_the_harness(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    hand = by_hand(training)
    took: dict[str, list[float]] = {"by hand": [], "harness": []}

    def fit(net: torch.nn.Module) -> None:
        """Train like a method, in eight lines. At the start of each epoch, an epoch by hand runs too."""
        views = training.views("train")
        recipe = training.recipe(net, views, ROUNDS + 2)
        began = time.perf_counter()
        for batch in training.epochs(views, ROUNDS + 2, state=[net, recipe]):
            if len(took["by hand"]) == batch.epoch:  # the previous epoch has ended and is saved
                took["harness"].append(time.perf_counter() - began)
                began = time.perf_counter()
                for _ in range(CLIPS // BATCH):
                    next(hand)
                took["by hand"].append(time.perf_counter() - began)
                began = time.perf_counter()
            with training.autocast():
                loss = training.task_loss(net(batch.low, batch.mask, batch.box), batch.target)
            recipe.step(loss)
            training.log(loss=loss)

    training.stage("bench", fit, training.recognizer(), needs=("low", *RECIPE))
    pairs = list(zip(took["by hand"][1:], took["harness"][2:], strict=False))  # the first epoch of each warms up
    ratio = statistics.median(harness / plain for plain, harness in pairs)
    with capsys.disabled():
        plain, harness = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"\nan epoch of {CLIPS // BATCH} steps: by hand {plain:.2f} s, harness {harness:.2f} s;", end=" ")
        print(f"ratio, median of {len(pairs)} pairs: {ratio:.3f}")
