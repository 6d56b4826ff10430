"""Clips laid out so that those near in the network's features are near (t-SNE; Bai et al., CSTAT, Fig. 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark_core.networks.recognizer import Trace
from benchmark_core.records.cost_record import CostRecord
from benchmark_core.scoring.predictions import Predictions
from elrbench_plugins.commands.report.attention import TAP
from elrbench_plugins.commands.report.figures import first_class
from elrbench_plugins.commands.report.seen import Material, batch_size, look

CLIPS = 240  # that are laid out, at most
MACS = 6e11  # and no more than so many multiply-adds without a GPU: some ten seconds on two cores
FEWEST = 6  # of which a layout says anything
FEW = 24  # that are laid out whatever they cost
PERPLEXITY = 30.0  # scikit-learn's; of few clips less


def affordable(costs: Sequence[CostRecord], device: torch.device) -> int:
    """How many clips are laid out, by what the network costs a clip; CLIPS on a GPU and where nothing says."""
    if device.type != "cpu" or not costs or not costs[0]["macs"]["clip"]:
        return CLIPS
    return int(min(CLIPS, max(FEW, MACS / costs[0]["macs"]["clip"])))


def sample(predictions: Predictions, most: int = CLIPS) -> list[str]:
    """Up to `most` clip ids, of every class the share that it has among all."""
    order = sorted(range(len(predictions.ids)), key=lambda row: (first_class(predictions, row), row))
    taken = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(np.int64))
    return [predictions.ids[order[place]] for place in taken]


def features_of(stock: Material, ids: Sequence[str], *, high: bool) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Ids of those that could be read, and what the run's network makes of them: float (N, F)."""
    network = stock.deployed.recognizer.to(stock.device).eval()
    views = stock.views(ids, high=high, low=not high)
    found: list[npt.NDArray[np.float32]] = []
    names: list[str] = []
    with stock.reporter.steps("features", len(views)) as advance:
        for batch in stock.batches(views, batch_size(stock.deployed)):
            with stock.seeing():
                found.append(clip_features(look(network, batch, high=high), batch.mask.cpu().numpy()))
            names += batch.ids
            advance(len(batch.ids))
    return names, np.concatenate(found)


def clip_features(trace: Trace, mask: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(B, F): each clip's mean over its real intervals, mask (B, K); by the head's own weights where it has such."""
    features = trace.features.float()
    if features.ndim > 3:  # maps (B, K, C, [T,] h, w)
        features = features.flatten(3).mean(-1)
    weights = trace.head_outputs.get(TAP)
    if weights is not None and weights.shape == mask.shape:
        share = weights.float().cpu().numpy()
    else:
        share = mask / mask.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("bkf,bk->bf", features.cpu().numpy(), share), dtype=np.float32)


def layout(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(N, F) to (N, 2) by t-SNE, seeded. Needs scikit-learn, of the extra `report`."""
    from sklearn.manifold import TSNE

    near = min(PERPLEXITY, (len(features) - 1) / 3)
    if not np.ptp(features, axis=0).any():  # a collapsed network: every clip at one point
        return np.zeros((len(features), 2), dtype=np.float32)
    found: npt.NDArray[np.float32] = TSNE(perplexity=near, init="pca", random_state=0).fit_transform(features)
    return found


def points(predictions: Predictions, ids: Sequence[str], places: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """A row a clip: x, y, id, names of its classes, the first of them."""
    rows = {key: row for row, key in enumerate(predictions.ids)}
    found = []
    for key, (x, y) in zip(ids, places.tolist(), strict=True):
        first = first_class(predictions, rows[key])
        target = predictions.targets[rows[key]]
        every = [first] if predictions.targets.ndim == 1 else np.flatnonzero(target).tolist()
        found.append(
            {
                "x": x,
                "y": y,
                "id": key,
                "class": predictions.classes[first] if first >= 0 else "none",
                "classes": [predictions.classes[number] for number in every],
            }
        )
    return found
