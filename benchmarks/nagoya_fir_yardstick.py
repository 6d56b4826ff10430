"""Score a logistic regression on Nagoya FIR, leave one subject out, with and without the order of frames.

    python benchmarks/nagoya_fir_yardstick.py --data DIR

A network that averages the logits of single frames cannot distinguish sitting down from standing up. Compare such a
network with the second and third score, and a network that uses the order of frames with the first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from elrbench import load_catalog

FRAMES = 8
PENALTY = 1e-2  # C of the usual formula
Array = npt.NDArray[np.float32]


def clips(data: Path, cache: Path, protocol: str) -> tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return frames (N, 8, 256) in [0, 1], targets (N,), and the number of each clip's test fold (N,)."""
    catalog = load_catalog()
    folds = catalog.datasets["nagoya-fir"].protocols[protocol].folds
    frames, targets, subjects = [], [], []
    for number, fold in enumerate(folds):
        request = PlanRequest(
            method="supervised", dataset="nagoya-fir", protocol=protocol, fold=fold, budget="small", sampling="8x1"
        )
        plan = resolve_plan(catalog, request)
        ready = prepare(plan, components_of(catalog, plan), RunContext(out=cache, data=data, cache=cache))
        for batch in ready.test_views(high=False).batches(64):
            assert isinstance(batch.low, list)
            frames += [clip[:, 0, 0].flatten(1).numpy() / 255 for clip in batch.low]  # (8, 3, 1, 16, 16) to (8, 256)
            targets += batch.target.tolist()
            subjects += [number] * len(batch.low)
    return np.stack(frames).astype(np.float32), np.array(targets), np.array(subjects)


def fit(x: Array, y: npt.NDArray[np.int64], classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights (D, C) and biases (C,) of a penalised multinomial regression."""
    inputs, target = torch.from_numpy(x), torch.from_numpy(y)
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=300, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weight + bias, target, reduction="sum")
        loss = loss + weight.square().sum() / (2 * PENALTY)
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach(), bias.detach()


def hits(x: Array, y: npt.NDArray[np.int64], subject: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return correct clips (N,), each subject by a regression on the others. x: (N, P, D), P averaged inputs a clip."""
    right = np.zeros(len(y), bool)
    parts, classes = x.shape[1], int(y.max()) + 1
    for one in np.unique(subject):
        train, test = subject != one, subject == one
        flat = x[train].reshape(-1, x.shape[2])
        mean, std = flat.mean(0), flat.std(0) + 1e-6
        weight, bias = fit((flat - mean) / std, np.repeat(y[train], parts), classes)
        seen = torch.from_numpy((x[test] - mean) / std)
        right[test] = (seen @ weight + bias).mean(1).argmax(1).numpy() == y[test]
    return right


def main(argv: Sequence[str] | None = None) -> None:
    """Print the three scores, also by class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("elrbench-runs/yardstick-cache"))
    parser.add_argument("--protocol", default="loso-6")
    asked = parser.parse_args(argv)
    frames, targets, subjects = clips(asked.data, asked.cache, asked.protocol)
    views = {
        "frames in order": frames.reshape(len(frames), 1, -1),
        "mean and spread over frames": np.concatenate([frames.mean(1), frames.std(1)], 1)[:, None],
        "frames alone, mean of logits": frames,
    }
    for name, x in views.items():
        right = hits(np.ascontiguousarray(x), targets, subjects)
        each = " ".join(f"{100 * right[targets == number].mean():.0f}" for number in np.unique(targets))
        print(f"{name}: {100 * right.mean():.1f} % of {len(right)} clips; by class {each}")


if __name__ == "__main__":
    main()
