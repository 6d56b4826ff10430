"""Train the networks on pairs of consecutive frames, by ToSR's eq. 3; with zero weights of its terms, on each frame."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from elrbench_plugins.dbpn.fit import psnr, rate
from elrbench_plugins.duf.losses import siamese_terms
from elrbench_plugins.duf.network import FRAMES, SCALE
from elrbench_plugins.duf.options import FITTING, START
from elrbench_plugins.video_pairs.motion import flow_between
from elrbench_plugins.video_pairs.pairs import pairs_of
from elrbench_plugins.video_pairs.patches import corners, cut, extent

if TYPE_CHECKING:
    from elrbench import Batch, Training
    from elrbench_plugins.duf.enhancer import VideoSuperResolution

REVISION = 1  # of `learn`: raise it when its result changes
FIRST = FRAMES // 2  # number of the first of the two frames, among 8


def fit(training: Training, module: VideoSuperResolution) -> None:
    """Train `module` in one stage. Enhancers with the same network structure share it."""
    fn = functools.partial(learn, training)
    training.stage("duf", fn, module, needs=("low", "high", *START, *FITTING), revision=REVISION)


def learn(training: Training, module: VideoSuperResolution) -> None:
    """Train `module` in place on two frames of each training clip, which share the network."""
    options = training.options
    optimiser = torch.optim.Adam(module.parameters(), lr=float(options["lr"]), betas=(0.9, 0.999))
    views = training.views("train", low=True, high=True, sampling=f"{options['frames']}x{FRAMES + 1}")
    for batch in training.epochs(views, int(options["epochs"]), state=[module, optimiser]):
        for group in optimiser.param_groups:
            group["lr"] = rate(options, batch.epoch)
        training.log(**update(training, module, optimiser, *samples(training, module, batch)))


def update(
    training: Training,
    module: VideoSuperResolution,
    optimiser: torch.optim.Optimizer,
    low: Tensor,
    high: Tensor,
    flow: Tensor,
) -> dict[str, Tensor]:
    """Take one optimizer step; return the loss, its terms, and the PSNR in dB of the clamped output.

    low: (N, 8, 3, h, w). high: the fourth and the fifth frame, (N, 2, 3, 4h, 4w). flow: between them, (N, 2, 4h, 4w).
    """
    options = training.options
    optimiser.zero_grad(set_to_none=True)
    windows = torch.cat([low[:, :FRAMES], low[:, 1:]]).transpose(1, 2)  # (2N, 3, 7, h, w)
    with training.autocast():
        images = module.network(windows)
    first, second = images.float().chunk(2)
    terms = siamese_terms((first, second), (high[:, 0], high[:, 1]), flow, float(options["delta"]))
    loss = terms["reconstruction"] + sum(float(options[key]) * terms[key] for key in ("warp_sr", "warp_hr"))
    loss.backward()
    training.step(optimiser, items=len(low))
    seen = torch.stack([first, second], 1).detach().clamp(0, 1)
    noise = (seen - high).square().mean((1, 2, 3, 4))
    return {"loss": loss.detach(), "psnr": psnr(noise), **{key: term.detach() for key, term in terms.items()}}


def samples(training: Training, module: VideoSuperResolution, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return patches: eight low frames, the two high frames in the middle, and the flow between them; see `update`."""
    options = training.options
    pairs = pairs_of(module, batch, float(options["pair_least"]))
    height, width = pairs.low.shape[-2:]
    patch = int(options["patch"])
    size = (extent(height, patch), extent(width, patch))
    drawn = corners(training, batch, (height, width), patch)
    places = [drawn[clip] for clip in pairs.clips]
    high = pairs.high[:, FIRST : FIRST + 2]
    flow = flow_between(high[:, 0], high[:, 1])  # of whole frames
    return cut(pairs.low, places, size), cut(high, places, size, SCALE), cut(flow, places, size, SCALE)
