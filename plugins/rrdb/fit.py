"""Train the networks: pixels first, then, if the options say so, with a discriminator and a network of features."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from elrbench_plugins.dbpn.fit import parts, psnr
from elrbench_plugins.rrdb.discriminator import Discriminator
from elrbench_plugins.rrdb.losses import adversarial_loss, discriminator_loss, motion_weight, pixel_error
from elrbench_plugins.rrdb.network import SCALE
from elrbench_plugins.rrdb.options import LATER, PIXELS
from elrbench_plugins.video_pairs.motion import flow_between
from elrbench_plugins.video_pairs.pairs import pairs_of
from elrbench_plugins.video_pairs.patches import corners, cut, extent

if TYPE_CHECKING:
    from benchmark_core.clips.views import Views
    from elrbench import Batch, Recognizer, Training
    from elrbench_plugins.dbpn.enhancer import SuperResolution

REVISION = 1  # of `learn` and `sharpen`: raise it when their result changes
STILL = 0.05  # pixels of mean flow; below it a note is recorded


def fit(training: Training, module: SuperResolution) -> None:
    """Train `module` in one stage, or two. Enhancers with the same network structure share them."""
    options = training.options
    needs = ("low", "high", "residual", *PIXELS)
    training.stage("rrdb", functools.partial(learn, training), module, needs=needs, revision=REVISION)
    features = float(options["feature_weight"]) > 0
    if features or float(options["gan_weight"]) > 0:
        more = (*needs, *LATER, *(["classifier"] if features else []), module)
        training.stage("rrdb-later", functools.partial(sharpen, training), module, needs=more, revision=REVISION)


def learn(training: Training, module: SuperResolution) -> None:
    """Train `module` in place on the errors of pixels, by SoSR's eq. 1 if they are weighted."""
    options = training.options
    epochs, lr = int(options["epochs"]), float(options["lr"])
    optimiser = torch.optim.Adam(module.parameters(), lr=lr, betas=(0.9, 0.999))
    for batch in training.epochs(clips(training), epochs, state=[module, optimiser]):
        set_rate(optimiser, lr, batch.epoch, epochs)
        low, high, weight = samples(training, module, batch)
        training.log(**update(training, module, optimiser, low, high, weight))
    note_still_clips(training)


def update(
    training: Training,
    module: SuperResolution,
    optimiser: torch.optim.Optimizer,
    low: Tensor,
    high: Tensor,
    weight: Tensor | None,
) -> dict[str, Tensor]:
    """Take one optimizer step; return its loss, and the PSNR in dB of the clamped output.

    low: (N, 3, h, w). high: (N, 3, 4h, 4w). weight: (N, 1, 4h, 4w) or None.
    """
    kind = str(training.options["pixel"])
    optimiser.zero_grad(set_to_none=True)
    losses, noise = [], []
    for part, share in parts(len(low), int(training.options["micro_batch"])):
        with training.autocast():
            made = module.enlarged(low[part])
        loss = share * pixel_error(made.float(), high[part], kind, None if weight is None else weight[part])
        loss.backward()
        losses.append(loss.detach())
        noise.append(squared_error(made, high[part]))
    training.step(optimiser, items=len(low))
    return {"loss": torch.stack(losses).sum(), "psnr": psnr(torch.cat(noise))}


def sharpen(training: Training, module: SuperResolution) -> None:
    """Train `module` in place on the sum of the three losses, in turns with the discriminator."""
    options = training.options
    epochs, lr = int(options["later_epochs"]), float(options["later_lr"])
    height, width = module.to_source.size
    patch = int(options["patch"])
    discriminator = Discriminator((SCALE * extent(height, patch), SCALE * extent(width, patch))).to(training.device)
    features = network_of_features(training) if float(options["feature_weight"]) > 0 else None
    optimisers = [torch.optim.Adam(each.parameters(), lr=lr, betas=(0.9, 0.999)) for each in (module, discriminator)]
    for batch in training.epochs(clips(training), epochs, state=[module, discriminator, *optimisers]):
        for optimiser in optimisers:
            set_rate(optimiser, lr, batch.epoch, epochs)
        low, high, weight = samples(training, module, batch)
        fake = deceive(training, module, discriminator, features, optimisers[0], low, high, weight)
        discern(training, discriminator, optimisers[1], fake, high)


def deceive(
    training: Training,
    module: SuperResolution,
    discriminator: Discriminator,
    features: Recognizer | None,
    optimiser: torch.optim.Optimizer,
    low: Tensor,
    high: Tensor,
    weight: Tensor | None,
) -> Tensor:
    """Take a step of the network on pixels, features and the discriminator; return what it made, (N, 3, 4h, 4w)."""
    options = training.options
    optimiser.zero_grad(set_to_none=True)
    discriminator.requires_grad_(False)
    with training.autocast():
        made = module.enlarged(low)
    made = made.float()
    terms = {"pixels": pixel_error(made, high, str(options["pixel"]), weight)}
    loss = float(options["pixel_weight"]) * terms["pixels"]
    if features is not None:
        terms["features"] = feature_error(training, features, made, high)
        loss = loss + float(options["feature_weight"]) * terms["features"]
    if float(options["gan_weight"]) > 0:
        with training.autocast():
            real, fake = discriminator(high).detach(), discriminator(made)
        terms["adversarial"] = adversarial_loss(real.float(), fake.float())
        loss = loss + float(options["gan_weight"]) * terms["adversarial"]
    loss.backward()
    discriminator.requires_grad_(True)
    training.step(optimiser, items=len(low))
    found = {key: term.detach() for key, term in terms.items()}
    training.log(loss=loss.detach(), psnr=psnr(squared_error(made, high)), **found)
    return made.detach()


def discern(
    training: Training, discriminator: Discriminator, optimiser: torch.optim.Optimizer, fake: Tensor, high: Tensor
) -> None:
    """Take a step of the discriminator, if the adversarial loss is used."""
    if not float(training.options["gan_weight"]) > 0:
        return
    optimiser.zero_grad(set_to_none=True)
    with training.autocast():
        real, made = discriminator(high), discriminator(fake)
    loss = discriminator_loss(real.float(), made.float())
    loss.backward()
    training.step(optimiser, items=len(high))
    training.log(discriminator=loss.detach())


def network_of_features(training: Training) -> Recognizer:
    """Return the plan's backbone with its initial weights, frozen."""
    return training.classifier("features").eval().requires_grad_(False)


def feature_error(training: Training, network: Recognizer, made: Tensor, high: Tensor) -> Tensor:
    """Return the mean absolute difference of the last stage maps of images (N, 3, H, W), a scalar."""
    with training.autocast():
        ours, theirs = (network.backbone.forward_features(network.backbone_input(view))[-1] for view in (made, high))
    return (ours.float() - theirs.float().detach()).abs().mean()


def clips(training: Training) -> Views:
    """Return views of single frames of each training clip, or of pairs of frames if motion is needed."""
    count = 2 if training.options["weighting"] == "flow" else 1
    return training.views("train", low=True, high=True, sampling=f"{training.options['frames']}x{count}")


def samples(training: Training, module: SuperResolution, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return patches: input (N, 3, h, w), target (N, 3, 4h, 4w), and weights (N, 1, 4h, 4w) or None."""
    options = training.options
    pairs = pairs_of(module, batch, float(options["pair_least"]))
    height, width = pairs.low.shape[-2:]
    patch = int(options["patch"])
    size = (extent(height, patch), extent(width, patch))
    drawn = corners(training, batch, (height, width), patch)
    places = [drawn[clip] for clip in pairs.clips]
    weight = None
    if options["weighting"] == "flow":
        flow = flow_between(pairs.high[:, 0], pairs.high[:, 1])  # (N, 2, H, W) of whole frames
        training.log(motion=flow.square().sum(1).sqrt().mean())
        weight = cut(
            motion_weight(flow, float(options["weight_power"]), float(options["weight_base"])), places, size, SCALE
        )
    return cut(pairs.low[:, 0], places, size), cut(pairs.high[:, 0], places, size, SCALE), weight


def set_rate(optimiser: torch.optim.Optimizer, lr: float, epoch: int, epochs: int) -> None:
    """Set the learning rate of an epoch, counted from 0: a tenth of `lr` in the second half."""
    for group in optimiser.param_groups:
        group["lr"] = lr * (0.1 if 2 * epoch >= epochs > 1 else 1.0)


def squared_error(made: Tensor, high: Tensor) -> Tensor:
    """Return the mean squared error of each clamped image, (N,)."""
    return (made.detach().float().clamp(0, 1) - high).square().mean((1, 2, 3))


def note_still_clips(training: Training) -> None:
    """Add a note if errors were weighted by motion that is nearly zero."""
    rows = [row["motion"] for row in training.history if "motion" in row]
    if rows and rows[-1] < STILL and float(training.options["weight_base"]) == 0:
        training.note(
            f"frames move by {rows[-1]:.3f} pixels on average, so that most errors have no weight; set "
            "enhancer.weight_base to learn what does not move, too"
        )
