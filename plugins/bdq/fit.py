"""Adversarial training: in each batch, first encoder and action network against a fixed privacy network, then that."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark_core.clips.sampling import middle
from elrbench_plugins.bdq import FITTING, SHAPE, START
from elrbench_plugins.bdq.encoder import Encoder
from elrbench_plugins.bdq.labels import labels_of
from elrbench_plugins.bdq.losses import encoder_loss, entropy, privacy_loss

if TYPE_CHECKING:
    from elrbench import Batch, Recognizer, Training

REVISION = 1  # of `learn`: raise it when its result changes
FRAMES = 16  # that the encoder takes at once
LAST_LR = 1e-7  # of the cosine schedule, as in the authors' code


def fit(training: Training, module: Encoder) -> None:
    """Train `module` in one stage, which depends on the plan's backbone and sampling."""
    needs = ("low", "classifier", "sampling", *SHAPE, *START, *FITTING)
    training.stage("bdq", functools.partial(learn, training), module, needs=needs, revision=REVISION)


def learn(training: Training, module: Encoder) -> None:
    """Train `module` in place, and record what its privacy network still knows."""
    options, views = training.options, training.views("train")
    labels = labels_of(views.clips, training.plan.dataset)
    judges = {
        "action": Judge(training.classifier("bdq-action"), labels.actions).to(training.device),
        "person": Judge(training.classifier("bdq-person"), labels.people).to(training.device),
    }
    adversaries = Adversaries(training, module, judges["action"], judges["person"], views.sampling.t)
    epochs = int(options["epochs"])
    state = [module, *judges.values(), adversaries.protector, adversaries.attacker]
    for batch in training.epochs(views, epochs, state=state):
        adversaries.set_rate(cosine(float(options["lr"]), batch.epoch, epochs))
        training.log(**adversaries.step(batch, *labels.of(batch)))
    if training.history:
        last = training.history[-1]
        training.note(
            f"in the last epoch, the networks that trained the encoder recognised {100 * last['action_top1']:.1f} % of "
            f"the actions and {100 * last['person_top1']:.1f} % of the people of training clips (chance "
            f"{100 / labels.people:.1f} %); sigma of the blur is {module.blur.log_sigma.exp().item():.2f} low pixels"
        )


class Judge(nn.Module):
    """The plan's backbone with a linear layer over the mean features of a clip, for any number of classes."""

    def __init__(self, network: Recognizer, classes: int) -> None:
        super().__init__()
        self.network = network
        self.linear = nn.Linear(network.backbone.num_features, classes)
        for unused in network.backbone.get_classifier().parameters():
            unused.requires_grad_(False)

    def forward(self, view: Tensor, mask: Tensor, box: Tensor | None) -> Tensor:
        """Return logits (B, classes) of encoded views (B, K, 3, T, H, W)."""
        features = self.network.trace(view, mask, box).features  # (B, K, F)
        mean = (features * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        logits: Tensor = self.linear(mean)
        return logits


class Adversaries:
    """The two optimizers and their turns. frames: T of the networks' views."""

    def __init__(self, training: Training, module: Encoder, action: Judge, person: Judge, frames: int) -> None:
        options = training.options
        self.training, self.module, self.action, self.person, self.frames = training, module, action, person, frames
        self.alpha = float(options["alpha"])
        sgd = functools.partial(torch.optim.SGD, lr=float(options["lr"]), momentum=float(options["momentum"]))
        decay = float(options["weight_decay"])
        networks = [[p for p in judge.parameters() if p.requires_grad] for judge in (action, person)]
        # Without decay for the encoder: a smaller logarithm of sigma or a lower threshold is not simpler.
        encoder = {"params": list(module.parameters()), "weight_decay": 0.0}
        self.protector = sgd([encoder, {"params": networks[0], "weight_decay": decay}])
        self.attacker = sgd(networks[1], weight_decay=decay)

    def set_rate(self, lr: float) -> None:
        """Set the learning rate of both optimizers."""
        for optimizer in (self.protector, self.attacker):
            for group in optimizer.param_groups:
                group["lr"] = lr

    def step(self, batch: Batch, action: Tensor, person: Tensor) -> dict[str, Tensor]:
        """Take both steps; return losses, entropy and accuracies. action, person: int64 (B,)."""
        training, mask, box = self.training, batch.mask, batch.box
        self.protector.zero_grad(set_to_none=True)
        with training.autocast():
            view = encoded(self.module, batch.low, self.frames)
            actions, people = self.action(view, mask, box).float(), self.person(view, mask, box).float()
        loss = encoder_loss(actions, people, action, self.alpha)
        loss.backward()
        training.step(self.protector)
        self.module.quantise.project()

        self.attacker.zero_grad(set_to_none=True)  # also of what the first step added
        with training.autocast():
            with torch.no_grad():
                view = encoded(self.module, batch.low, self.frames)
            guesses = self.person(view, mask, box).float()
        privacy = privacy_loss(guesses, person)
        privacy.backward()
        training.step(self.attacker)
        return {
            "loss": loss.detach(),
            "entropy": entropy(people.detach()),
            "privacy": privacy.detach(),
            "action_top1": hits(actions, action),
            "person_top1": hits(guesses, person),
        }


def encoded(module: Encoder, low: Tensor | list[Tensor], frames: int) -> Tensor:
    """Return encoded views (B, K, 3, T, H, W) of low views (B, K, 3, T', h, w), or of a list of clips, as a recognizer.

    T' is a multiple of 16; the middle T frames remain.
    """
    if not isinstance(low, Tensor):
        return torch.cat([encoded(module, clip[None], frames) for clip in low])
    flat = low.flatten(0, 1).unflatten(2, (-1, FRAMES)).transpose(1, 2).flatten(0, 1)  # (N*T'/16, 3, 16, h, w)
    seen = module(flat).unflatten(0, (low.shape[0] * low.shape[1], -1)).transpose(1, 2).flatten(2, 3)
    first = middle(seen.shape[2], frames)
    return seen[:, :, first : first + frames].unflatten(0, low.shape[:2])


def cosine(lr: float, epoch: int, epochs: int) -> float:
    """Return the learning rate of an epoch, counted from 0."""
    return LAST_LR + (lr - LAST_LR) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def hits(logits: Tensor, target: Tensor) -> Tensor:
    """Return the part of clips whose largest logit is the target's."""
    return (logits.detach().argmax(1) == target).float().mean()
