"""t-SNE of the network's features of test clips (Bai et al., CSTAT, Fig. 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark_core.networks.recognizer import Trace
from benchmark_core.records.cost_record import CostRecord
from benchmark_core.scoring.predictions import Predictions
from elrbench_plugins.commands.report.attention import INTERVAL_WEIGHTS
from elrbench_plugins.commands.report.figures import first_class
from elrbench_plugins.commands.report.run_clips import RunClips, batch_size, trace_batch

CLIPS = 240  # at most
MACS = 6e11  # at most, in MACs without a GPU: about ten seconds on two cores
FEWEST = 6  # clips; fewer have no meaningful layout
FEW = 24  # clips that are used whatever they cost
PERPLEXITY = 30.0  # default of scikit-learn; less for few clips


def affordable(costs: Sequence[CostRecord], device: torch.device) -> int:
    """Return the number of clips to use, by the cost of a clip; CLIPS on a GPU or if the cost is unknown."""
    if device.type != "cpu" or not costs or not costs[0]["macs"]["clip"]:
        return CLIPS
    return int(min(CLIPS, max(FEW, MACS / costs[0]["macs"]["clip"])))


def sample(predictions: Predictions, most: int = CLIPS) -> list[str]:
    """Return up to `most` clip ids, with the class proportions of all clips."""
    order = sorted(range(len(predictions.ids)), key=lambda row: (first_class(predictions, row), row))
    taken = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(np.int64))
    return [predictions.ids[order[place]] for place in taken]


def features_of(run_clips: RunClips, ids: Sequence[str], *, high: bool) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Return the ids of clips that could be read, and their features, float (N, F)."""
    network = run_clips.loaded.recognizer.to(run_clips.device).eval()
    views = run_clips.views(ids, high=high, low=not high)
    found: list[npt.NDArray[np.float32]] = []
    names: list[str] = []
    with run_clips.reporter.steps("features", len(views)) as advance:
        for batch in run_clips.batches(views, batch_size(run_clips.loaded)):
            with run_clips.inference():
                found.append(clip_features(trace_batch(network, batch, high=high), batch.mask.cpu().numpy()))
            names += batch.ids
            advance(len(batch.ids))
    return names, np.concatenate(found)


def clip_features(trace: Trace, mask: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return (B, F): each clip's mean over its real intervals, mask (B, K), weighted by the head's weights if any."""
    features = trace.features.float()
    if features.ndim > 3:  # maps (B, K, C, [T,] h, w)
        features = features.flatten(3).mean(-1)
    if trace.mask is not None:
        mask = trace.mask.float().cpu().numpy()  # of the intervals that the network sees
    weights = trace.head_outputs.get(INTERVAL_WEIGHTS)
    if weights is not None and weights.shape == mask.shape:
        share = weights.float().cpu().numpy()
    else:
        share = mask / mask.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("bkf,bk->bf", features.cpu().numpy(), share), dtype=np.float32)


def layout(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Map (N, F) to (N, 2) by seeded t-SNE. Needs scikit-learn (the extra `report`)."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    if not np.ptp(features, axis=0).any():  # a collapsed network: all features equal
        return np.zeros((len(features), 2), dtype=np.float32)
    found: npt.NDArray[np.float32] = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(features)
    return found


def points(predictions: Predictions, ids: Sequence[str], places: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Return a row per clip: x, y, id, first class, all classes."""
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
