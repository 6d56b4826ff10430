"""Train the networks: L1 loss on frames and their low views, Adam, a tenth of its rate in the second half."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from elrbench_plugins.dbpn.enhancer import SuperResolution
from elrbench_plugins.dbpn.options import FITTING

if TYPE_CHECKING:
    from benchmark_core.clips.views import Batch
    from benchmark_core.training.training import Training

REVISION = 1  # of `learn`: raise it when its result changes


def fit(training: Training, module: SuperResolution) -> None:
    """Train `module` in one stage. Enhancers with the same network structure share it."""
    needs = ("low", "high", "residual", *FITTING)
    training.stage("dbpn", functools.partial(learn, training), module, needs=needs, revision=REVISION)


def learn(training: Training, module: SuperResolution) -> None:
    """Train `module` in place on single frames of the training clips."""
    options = training.options
    epochs, least = int(options["epochs"]), float(options["pair_least"])
    optimiser = torch.optim.Adam(module.parameters(), lr=float(options["lr"]), betas=(0.9, 0.999))
    views = training.views("train", low=True, high=True, sampling=f"{options['frames']}x1")
    for batch in training.epochs(views, epochs, state=[module, optimiser]):
        for group in optimiser.param_groups:
            group["lr"] = rate(options, batch.epoch)
        low, high = pairs_of(module, batch, least)
        training.log(**update(training, module, optimiser, low, high))


def rate(options: Mapping[str, Any], epoch: int) -> float:
    """Return the learning rate in `epoch`, counted from 0."""
    return float(options["lr"]) * (0.1 if 2 * epoch >= int(options["epochs"]) > 1 else 1.0)


def update(
    training: Training, module: SuperResolution, optimiser: torch.optim.Optimizer, low: Tensor, high: Tensor
) -> dict[str, Tensor]:
    """Take one optimizer step; return its loss, and the PSNR in dB of the clamped output.

    low: (N, 3, h', w') in [0, 1], the network's input. high: (N, 3, scale*h', scale*w') in [0, 1], its target.
    """
    optimiser.zero_grad(set_to_none=True)
    losses, noise = [], []
    for part, share in parts(len(low), int(training.options["micro_batch"])):
        with training.autocast():
            made = module.made(low[part])
        loss = share * (made.float() - high[part]).abs().mean()
        loss.backward()
        losses.append(loss.detach())
        noise.append((made.detach().float().clamp(0, 1) - high[part]).square().mean((1, 2, 3)))
    training.step(optimiser, items=len(low))
    return {"loss": torch.stack(losses).sum(), "psnr": psnr(torch.cat(noise))}


def psnr(noise: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB, for values in [0, 1]: the mean over images of 10 log10(1 / MSE).

    noise: (N,), mean squared error of each image.
    """
    return -10 * noise.clamp(min=1e-10).log10().mean()


def parts(number: int, most: int) -> Iterator[tuple[slice, float]]:
    """Yield slices of at most `most` of `number` frames (0: all), and the share of the frames in each."""
    for first in range(0, number, most or number):
        last = min(number, first + (most or number))
        yield slice(first, last), (last - first) / number


def pairs_of(module: SuperResolution, batch: Batch, least: float) -> tuple[Tensor, Tensor]:
    """Return the network's inputs (N, 3, h, w) and targets (N, 3, scale*h, scale*w), both in [0, 1].

    A pair is flipped if its clip's crop box is flipped. It is not cropped.
    Clips as recorded: those whose high view has less than `least` of the target size are left out. If no clip reaches
    it, the largest is used.
    """
    assert batch.low is not None and batch.high is not None
    if isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor):
        components = list(range(len(batch.low)))
        low, high = module.to_source(frames(batch.low)), module.to_made(frames(batch.high))
    else:
        components = large(batch.high, module.to_made.size, least)
        low = torch.cat([module.to_source(frames(batch.low[i][None])) for i in components])
        high = torch.cat([module.to_made(frames(batch.high[i][None])) for i in components])
    if batch.box is None:
        return low, high
    flip = batch.box[components, 4].repeat_interleave(len(low) // len(components)).reshape(-1, 1, 1, 1) > 0
    return torch.where(flip, low.flip(-1), low), torch.where(flip, high.flip(-1), high)


def frames(view: Tensor) -> Tensor:
    """Reshape (B, K, 3, T, h, w) to (B*K*T, 3, h, w)."""
    return view.transpose(2, 3).flatten(0, 2)


def large(views: Sequence[Tensor] | Tensor, size: tuple[int, int], least: float) -> list[int]:
    """Return the indices of views (..., h, w) with at least `least` of `size`, or of the largest view if none has."""
    shares = [min(view.shape[-2] / size[0], view.shape[-1] / size[1]) for view in views]
    return [i for i, share in enumerate(shares) if share >= least] or [shares.index(max(shares))]
