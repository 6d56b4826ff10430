"""Compute the logits of a recognizer over views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmark_core.clips.batch import Part, View
from benchmark_core.clips.views import Views
from benchmark_core.errors import RunFailed
from benchmark_core.networks.heads import Head, mean_probability
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.progress import Reporter
from benchmark_core.training.device import autocast
from benchmark_core.training.ranks import ONE, Ranks

T = TypeVar("T")
BATCH = 32  # frames per interval and batch: 32 clips with T = 1, 2 clips with T = 16


def predict(
    recognizer: Recognizer,
    views: Views,
    *,
    device: torch.device,
    precision: str,
    high: bool,
    reporter: Reporter,
    ranks: Ranks = ONE,
) -> tuple[list[str], npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Return ids, targets and logits of all clips, in listed order.

    ranks: they share the batches, and each returns the results of all. A batch is the same as for one process.

    high: score on high views. Of several test views of a clip, the probabilities are averaged: the logits are those of
    the mean. Targets are int64 (N,), or 0/1 (N, C) if multi-label; logits are float32 (N, C).
    Raises RunFailed if the logits have another shape or are not finite.
    """
    ids: list[str] = []
    targets: list[npt.NDArray[Any]] = []
    logits: list[npt.NDArray[np.float32]] = []
    size, turn = batch_size(views), ranks.turn
    own = len(in_turn(range(len(views)), size, turn))
    recognizer.eval()
    with torch.inference_mode(), reporter.steps("test", own, unit="clips") as advance:
        for host in views.batches(size, turns=turn):
            batch = views.to_device(host, device)
            view = batch.high if high else batch.low
            with autocast(device, precision):
                found = _of_views(recognizer, view, batch.mask, views)
            if found.ndim != 2 or found.shape != (len(batch.ids), views.classes):
                raise RunFailed(
                    f"the recognizer returns logits of shape {tuple(found.shape)} for {len(batch.ids)} clips of "
                    f"{views.classes} classes; correct the head of the method"
                )
            if not bool(torch.isfinite(found).all()):
                raise RunFailed(
                    f"logits of clip '{batch.ids[0]}' or a clip in its batch are not finite; use --precision fp32"
                )
            ids += batch.ids
            targets.append(batch.target.cpu().numpy())
            logits.append(found.cpu().numpy())
            advance(len(batch.ids))
    if ranks.several:
        rows = merged(ranks, list(zip(ids, _rows(targets), _rows(logits), strict=True)), views)
        return [row[0] for row in rows], np.stack([row[1] for row in rows]), np.stack([row[2] for row in rows])
    return ids, np.concatenate(targets), np.concatenate(logits)


def batch_size(views: Views) -> int:
    """Return the number of clips that are scored at once."""
    return max(1, BATCH // views.sampling.t)


def in_turn(clips: Sequence[T], size: int, turn: Part) -> list[T]:
    """Return the clips of one rank's batches of `size` clips."""
    batches = [clips[first : first + size] for first in range(0, len(clips), size)]
    return [clip for batch in turn.share(batches) for clip in batch]


def merged(ranks: Ranks, own: Sequence[T], views: Views) -> list[T]:
    """Return the results of all clips in listed order, on every rank. own: those of this rank's clips, in order."""
    return in_order(ranks.gather(list(own)), len(views), batch_size(views))


def in_order(parts: Sequence[Sequence[T]], clips: int, size: int) -> list[T]:
    """Merge the results of all ranks, each in the order of `in_turn`."""
    found: dict[int, T] = {}
    for rank, results in enumerate(parts):
        numbers = in_turn(range(clips), size, Part(rank=rank, size=len(parts)))
        found |= zip(numbers, results, strict=True)
    return [found[number] for number in range(clips)]


def _rows(batches: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    return [row for batch in batches for row in batch]


def _of_views(recognizer: Recognizer, view: View | None, mask: Tensor, views: Views) -> Tensor:
    """Return logits (B, C) in float32: of the clips, or of the mean probability of their test views, one pass each."""
    assert view is not None
    count = views.test_views.count
    if count == 1:
        return _logits(recognizer, view, mask)
    each = mask.shape[1] // count  # intervals of a view
    logits = []
    for first in range(0, mask.shape[1], each):
        at = slice(first, first + each)
        part = view[:, at] if isinstance(view, Tensor) else [clip[at] for clip in view]
        logits.append(_logits(recognizer, part, mask[:, at]))
    if logits[0].ndim != 2:
        return logits[0]  # the caller refuses the shape
    stacked = torch.stack(logits, 1)  # (B, views, C)
    real = torch.ones_like(stacked[..., :1], dtype=torch.bool)
    return mean_probability(stacked, real, "multi-label" if views.multi_label else "single-label")


def _logits(recognizer: Recognizer, view: View, mask: Tensor) -> Tensor:
    logits: Tensor = recognizer(view, mask)
    return logits.float()


@contextmanager
def interval_logits(recognizer: Recognizer) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Collect the logits (K, C) of each clip's intervals while `recognizer` runs; none if its head needs them all."""
    found: list[npt.NDArray[np.float32]] = []
    classifier = recognizer.head.shared[0] if isinstance(recognizer.head, Head) else nn.Identity()
    hook = classifier.register_forward_hook(
        lambda module, given, logits: found.extend(logits.detach().float().cpu().numpy())
    )
    try:
        yield found
    finally:
        hook.remove()
