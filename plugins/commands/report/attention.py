"""Attention maps of each network of a run over space and time (Bai et al., CSTAT, Fig. 9).

Spatial attention is eq. 1 of the paper on the last stage map: the sum over channels of |O|. It works for every method.
Weights over time need a head that returns the output `weights` (B, K), which sums to 1 over a clip's intervals.
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
from elrbench_plugins.commands.report.run_clips import RunClips, clip_of, even_frames, frames_of, image_of, trace_batch

INTERVAL_WEIGHTS = "weights"  # output of a head that weights intervals


@dataclass(frozen=True, kw_only=True)
class AttentionRow:
    """A row of frames. bars: the weight of each frame's interval, 0 to 1, if the network has weights. crisp: enlarge
    without smoothing.
    """

    label: str
    frames: Sequence[str]
    bars: Sequence[float] = ()
    crisp: bool = False


def attention_of(
    run_clips: RunClips, batches: Sequence[Batch], networks: Iterable[ReportNetwork | Missing]
) -> tuple[dict[str, list[AttentionRow]], list[str]]:
    """Return rows by clip id, and notes. The rows are the clip's own views, then the attention of each network.

    batches: one clip each. The notes say why a network has no attention map or no weights over time.
    """
    shown = {batch.ids[0]: view_rows(run_clips, batch) for batch in batches}
    notes: list[str] = []
    without: list[str] = []
    for one in networks:
        if isinstance(one, Missing):
            notes.append(f"{one.name} is not shown: {one.why}")
            continue
        network = one.recognizer.to(run_clips.device).eval()
        has_bars = False
        for batch in batches:
            with run_clips.inference():
                trace = trace_batch(network, batch, high=one.high)
            row = row_of(trace, f"{one.name}, on {'high' if one.high else 'low'} views")
            has_bars |= bool(row.bars)
            shown[batch.ids[0]].append(row)
        if not has_bars:
            without.append(one.name)
    if without:
        notes.append(
            f"No weights over time for {', '.join(without)}: the head has no output '{INTERVAL_WEIGHTS}' "
            "for several intervals"
        )
    return shown, notes


def view_rows(run_clips: RunClips, batch: Batch) -> list[AttentionRow]:
    """Return the rows of a clip's high and low view; one row if both are the same."""
    found = {}
    for label, view in (("high view", batch.high), ("low view", batch.low)):
        if view is not None:
            frames = frames_of(clip_of(view, 0), run_clips.loaded.recognizer.frames)
            found[label] = frames[even_frames(len(frames))]
    if len(found) == 2 and torch.equal(found["high view"], found["low view"]):
        found = {"as recorded": found["low view"]}
    return [
        AttentionRow(label=f"{label}, {frames.shape[-2]}x{frames.shape[-1]}", frames=uris(colours(frames)), crisp=True)
        for label, frames in found.items()
    ]


def row_of(trace: Trace, label: str) -> AttentionRow:
    """Return the attention map of a pass over one clip, drawn over the backbone's input, with interval weights."""
    image = image_of(trace)  # (K * T, C, H, W)
    maps = per_frame(spatial(trace.stages[-1]), len(image))
    components = even_frames(len(image))
    weights = trace.head_outputs.get(INTERVAL_WEIGHTS)
    bars: list[float] = []
    if weights is not None and weights.ndim == 2 and weights.shape[1] > 1:
        each = weights[0].float().cpu().numpy()  # (K,)
        bars = [float(each[number * len(each) // len(image)]) for number in components]
    frames = heated(colours(image[components]), stretched(maps)[components])
    return AttentionRow(label=label, frames=uris(frames), bars=bars)


def spatial(stage: Tensor) -> npt.NDArray[np.float32]:
    """Return eq. 1, F = Σ |O| over channels: (K, C, [T,] h, w) to (K, [T,] h, w)."""
    found: npt.NDArray[np.float32] = stage.detach().float().abs().sum(1).cpu().numpy()
    return found


def per_frame(maps: npt.NDArray[np.float32], frames: int) -> npt.NDArray[np.float32]:
    """Expand maps (K, [T',] h, w) to (K * T, h, w): each frame gets the map of its time step."""
    flat = maps.reshape(-1, *maps.shape[-2:])
    return flat[np.arange(frames) * len(flat) // frames]


def uris(frames: npt.NDArray[np.uint8]) -> list[str]:
    """Return each frame as a data URI."""
    return [data_uri(frame) for frame in frames]


def foreground(network: Recognizer, view: Tensor) -> npt.NDArray[np.float32] | None:
    """Return the foreground attention of a trained enhancer, float (K * T, H, W) in [0, 1], for one clip.

    view: (K, 3, T', h, w); T' is a multiple of the frames that the enhancer takes at once. The middle T frames are
    kept, as in `Recognizer.enhance`. None if the enhancer's module has no method `attention`.
    That method maps (N, 3, T', h, w) to (N, 1, T', H, W), or (N, 3, h, w) to (N, 1, H, W) for an image-wise enhancer.
    """
    if not isinstance(network.enhancer, ForegroundEnhancer):
        return None
    attend = network.enhancer.attention
    at_once = network.frames_at_once
    intervals, channels, frames = view.shape[:3]
    if at_once == 1:
        flat = view.transpose(1, 2).flatten(0, 1)  # (K * T, 3, h, w)
        found = torch.cat([attend(flat[number : number + 1]) for number in range(len(flat))])
        return np.asarray(found[:, 0].float().cpu().numpy())
    parts = view.reshape(intervals, channels, frames // at_once, at_once, *view.shape[-2:]).transpose(1, 2)
    pieces = [attend(part[None]) for part in parts.flatten(0, 1)]  # each (1, 1, at_once, H, W)
    whole = torch.cat(pieces).reshape(intervals, -1, at_once, *pieces[0].shape[-2:]).flatten(1, 2)  # (K, T', H, W)
    first = (frames - network.frames) // 2
    return np.asarray(whole[:, first : first + network.frames].flatten(0, 1).float().cpu().numpy())
