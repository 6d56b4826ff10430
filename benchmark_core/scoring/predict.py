"""Logits of a recognizer over views, and nothing else: no choice is made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark_core.clips.views import Views
from benchmark_core.errors import RunFailed
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.progress import Reporter
from benchmark_core.training.device import autocast

BATCH = 32  # clips of one frame an interval; fewer of more


def predict(
    recognizer: Recognizer, views: Views, *, device: torch.device, precision: str, high: bool, reporter: Reporter
) -> tuple[list[str], npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Ids, targets int (N,) or 0/1 (N, C), and logits float32 (N, C), clip by clip in listed order.

    high: the recognizer is scored on high views. RunFailed where a logit is not finite.
    """
    ids: list[str] = []
    targets: list[npt.NDArray[Any]] = []
    logits: list[npt.NDArray[np.float32]] = []
    recognizer.eval()
    with torch.inference_mode(), reporter.steps("test", len(views)) as advance:
        for host in views.batches(max(1, BATCH // views.sampling.t)):
            batch = views.to_device(host, device)
            view = batch.high if high else batch.low
            with autocast(device, precision):
                found = recognizer(view, batch.mask).float()
            if found.ndim != 2 or found.shape != (len(batch.ids), views.classes):
                raise RunFailed(
                    f"the recognizer gives logits of shape {tuple(found.shape)} for {len(batch.ids)} clips of "
                    f"{views.classes} classes; its head is the method's"
                )
            if not bool(torch.isfinite(found).all()):
                raise RunFailed(
                    f"logits of clip '{batch.ids[0]}' or one beside it are not finite; use --precision fp32"
                )
            ids += batch.ids
            targets.append(batch.target.cpu().numpy())
            logits.append(found.cpu().numpy())
            advance(len(batch.ids))
    return ids, np.concatenate(targets), np.concatenate(logits)
