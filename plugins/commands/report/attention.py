"""Where each network of a run looks, and when (Bai et al., CSTAT, Fig. 9).

Spatial attention is the paper's eq. 1 of the last stage map: the sum over channels of |O|. It needs no cooperation of a
method. The bar of time does: a head gives it as the tap `weights` (B, K), which sum to 1 over a clip's intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark_core.clips.views import Batch
from benchmark_core.networks.protocols import ForegroundEnhancer
from benchmark_core.networks.recognizer import Recognizer, Trace
from elrbench_plugins.commands.report.networks import Missing, ReportNetwork
from elrbench_plugins.commands.report.pictures import colours, data_uri, heated, stretched
from elrbench_plugins.commands.report.seen import Material, clip_of, frames_of, image_of, look, picked

TAP = "weights"  # of a head that weighs intervals


@dataclass(frozen=True, kw_only=True)
class AttentionRow:
    """A line of frames. bars: the weight of each frame's interval, 0 to 1, where the network has such. crisp: to be
    enlarged without smoothing.
    """

    label: str
    frames: Sequence[str]
    bars: Sequence[float] = ()
    crisp: bool = False


def attention_of(
    stock: Material, batches: Sequence[Batch], networks: Iterable[ReportNetwork | Missing]
) -> tuple[dict[str, list[AttentionRow]], list[str]]:
    """Rows of each clip in `batches`, one clip a batch: what it is, then what each network makes of it.

    And which network has no picture, or no bar, and why: sentences.
    """
    shown = {batch.ids[0]: given_rows(stock, batch) for batch in batches}
    notes: list[str] = []
    without: list[str] = []
    for one in networks:
        if isinstance(one, Missing):
            notes.append(f"{one.name} is not shown: {one.why}")
            continue
        network = one.recognizer.to(stock.device).eval()
        barred = False
        for batch in batches:
            with stock.seeing():
                trace = look(network, batch, high=one.high)
            row = row_of(trace, f"{one.name}, on {'high' if one.high else 'low'} views")
            barred |= bool(row.bars)
            shown[batch.ids[0]].append(row)
        if not barred:
            without.append(one.name)
    if without:
        notes.append(
            f"No bar of time for {', '.join(without)}: the head gives no weights of several intervals (a tap '{TAP}')"
        )
    return shown, notes


def given_rows(stock: Material, batch: Batch) -> list[AttentionRow]:
    """The clip of a batch as it was given: its high and its low view, or one row where both are the same."""
    found = {}
    for label, view in (("high view", batch.high), ("low view", batch.low)):
        if view is not None:
            frames = frames_of(clip_of(view, 0), stock.deployed.recognizer.frames)
            found[label] = frames[picked(len(frames))]
    if len(found) == 2 and torch.equal(found["high view"], found["low view"]):
        found = {"as recorded": found["low view"]}
    return [
        AttentionRow(label=f"{label}, {frames.shape[-2]}x{frames.shape[-1]}", frames=uris(colours(frames)), crisp=True)
        for label, frames in found.items()
    ]


def row_of(trace: Trace, label: str) -> AttentionRow:
    """Attention of the one clip of a pass over what the backbone saw, and the weights of its intervals."""
    image = image_of(trace)  # (K * T, C, H, W)
    maps = per_frame(spatial(trace.stages[-1]), len(image))
    components = picked(len(image))
    weights = trace.head_outputs.get(TAP)
    bars: list[float] = []
    if weights is not None and weights.ndim == 2 and weights.shape[1] > 1:
        each = weights[0].float().cpu().numpy()  # (K,)
        bars = [float(each[number * len(each) // len(image)]) for number in components]
    frames = heated(colours(image[components]), stretched(maps)[components])
    return AttentionRow(label=label, frames=uris(frames), bars=bars)


def spatial(stage: Tensor) -> npt.NDArray[np.float32]:
    """Eq. 1, F = Σ |O| over channels: (K, C, [T,] h, w) to (K, [T,] h, w)."""
    found: npt.NDArray[np.float32] = stage.detach().float().abs().sum(1).cpu().numpy()
    return found


def per_frame(maps: npt.NDArray[np.float32], frames: int) -> npt.NDArray[np.float32]:
    """Maps (K, [T',] h, w) of K * T frames: (K * T, h, w), each frame under the step of time that it falls in."""
    flat = maps.reshape(-1, *maps.shape[-2:])
    return flat[np.arange(frames) * len(flat) // frames]


def uris(frames: npt.NDArray[np.uint8]) -> list[str]:
    """Each frame as a data URI."""
    return [data_uri(frame) for frame in frames]


def foreground(network: Recognizer, view: Tensor) -> npt.NDArray[np.float32] | None:
    """How much each pixel matters to a learnt enhancer, float (K * T, H, W) in [0, 1] of one clip (K, 3, T', h, w).

    T' is a multiple of the frames that the enhancer takes at once; the middle T are kept, as in `Recognizer.enhance`.
    None where the enhancer's module has no method `attention`, (N, 3, T', h, w) to (N, 1, T', H, W); one of single
    frames takes (N, 3, h, w) and gives (N, 1, H, W).
    """
    if not isinstance(network.enhancer, ForegroundEnhancer):
        return None
    tell = network.enhancer.attention
    at_once = network.frames_at_once
    intervals, channels, frames = view.shape[:3]
    if at_once == 1:
        flat = view.transpose(1, 2).flatten(0, 1)  # (K * T, 3, h, w)
        found = torch.cat([tell(flat[number : number + 1]) for number in range(len(flat))])
        return np.asarray(found[:, 0].float().cpu().numpy())
    parts = view.reshape(intervals, channels, frames // at_once, at_once, *view.shape[-2:]).transpose(1, 2)
    pieces = [tell(part[None]) for part in parts.flatten(0, 1)]  # each (1, 1, at_once, H, W)
    whole = torch.cat(pieces).reshape(intervals, -1, at_once, *pieces[0].shape[-2:]).flatten(1, 2)  # (K, T', H, W)
    first = (frames - network.frames) // 2
    return np.asarray(whole[:, first : first + network.frames].flatten(0, 1).float().cpu().numpy())
