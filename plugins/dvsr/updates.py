"""One update by eq. 1, and one of network, attention branch and classifier by eq. 3, in micro-batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from elrbench_plugins.dvsr.enhancer import signed, unsigned
from elrbench_plugins.dvsr.losses import full, masked, psnr, reconstruction, sparsity
from elrbench_plugins.dvsr.network import Attention, Dvsr

LEAST = 2  # clips per pass of the classifier; BatchNorm over one clip may be over a single value

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training


class Reconstruction:
    """`update(low, high)`: one step of Adam on eq. 1. Its state is the optimiser's."""

    def __init__(self, training: Training, network: Dvsr) -> None:
        options = training.options
        network.checkpointed = bool(options["checkpoint"])
        self.training = training
        self.network = network
        self.optimiser = adam(options, network, decay="weight_decay")

    def __call__(self, low: Tensor, high: Tensor, step: int | None = None, alpha: float = 1.0) -> dict[str, Tensor]:
        """Take a step; return loss and PSNR. low: (N, 3, 16, h, w) in [-1, 1]. high: (N, 3, T', h', w') in [0, 1]."""
        self.optimiser.zero_grad(set_to_none=True)
        losses, views = [], []
        for part, share in parts(len(low), int(self.training.options["micro_batch"])):
            with self.training.autocast():
                made = self.network(low[part], step, alpha)
            loss = share * reconstruction(made, signed(high[part]))
            loss.backward()
            losses.append(loss.detach())
            views.append(unsigned(full(made.detach())))
        self.training.step(self.optimiser, items=len(low))
        return {"loss": torch.stack(losses).sum(), "psnr": psnr(torch.cat(views), high)}

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return self.optimiser.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimiser.load_state_dict(state)


class Joint:
    """`update(low, high, target)`: a step of the classifier on reconstructions, then of network and branch by eq. 3.

    Its state is the two optimisers'.
    """

    def __init__(self, training: Training, network: Dvsr, attention: Attention, classifier: Recognizer) -> None:
        options = training.options
        network.checkpointed = bool(options["checkpoint"])
        self.training = training
        self.network, self.attention, self.classifier = network, attention, classifier
        self.optimiser = adam(options, network, attention, decay="joint_weight_decay")
        self.classifier_optimiser = adam(options, classifier, prefix="classifier_")

    def __call__(self, low: Tensor, high: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Take both steps; return the terms of eq. 3, PSNR and the classifier's loss.

        low: (N, 3, 16, h, w) in [-1, 1]. high: (N, 3, 16, H, W) in [0, 1]. target: int64 (N,) or float (N, C).
        """
        pieces = list(parts(len(low), int(self.training.options["micro_batch"]), least=LEAST))
        made = self._pass(low) if len(pieces) == 1 else None
        if made is None:
            with torch.no_grad(), self.training.autocast():
                view = torch.cat([unsigned(full(self.network(low[part]))) for part, _ in pieces])
        else:
            view = unsigned(full(made[0].detach()))
        classifier_loss = self._teach(view, target, pieces)
        self.optimiser.zero_grad(set_to_none=True)
        self.classifier.requires_grad_(False)
        terms = [
            self._descend(made or self._pass(low[part]), high[part], target[part], share) for part, share in pieces
        ]
        self.classifier.requires_grad_(True)
        self.training.step(self.optimiser, items=len(low))
        sums = {key: torch.stack([term[key] for term in terms]).sum() for key in terms[0] if key != "map"}
        weights = torch.cat([term["map"] for term in terms])
        return {**sums, "psnr": psnr(view, high), "psnr_att": psnr(view, high, weights), "classifier": classifier_loss}

    def _pass(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction and the attention map of `low`."""
        with self.training.autocast():
            made, features = self.network.with_features(low)
            return made, self.attention(features)

    def _teach(self, view: Tensor, target: Tensor, pieces: Sequence[tuple[slice, float]]) -> Tensor:
        """Take the classifier's step, without attention; return its loss."""
        self.classifier_optimiser.zero_grad(set_to_none=True)
        losses = []
        for part, share in pieces:
            loss = share * self._classification(view[part], target[part])
            loss.backward()
            losses.append(loss.detach())
        self.training.step(self.classifier_optimiser, items=len(target))
        return torch.stack(losses).sum()

    def _descend(self, passed: tuple[Tensor, Tensor], high: Tensor, target: Tensor, share: float) -> dict[str, Tensor]:
        """Add the gradients of eq. 3 times `share`; return its terms times `share`, and the attention map."""
        options = self.training.options
        made, attention = full(passed[0]), full(passed[1])
        rec = reconstruction(made, signed(high), attention)  # eq. 1
        classification = self._classification(masked(made, attention, str(options["mask"])), target)  # eq. 2
        spread = sparsity(attention)  # eq. 2's regularisation
        loss = (
            float(options["lambda_rec"]) * rec
            + float(options["lambda_att"]) * classification
            + float(options["sparsity"]) * spread
        )  # eq. 3
        (share * loss).backward()
        terms = {"loss": loss, "rec": rec, "att": classification, "attention": spread}
        return {**{key: share * term.detach() for key, term in terms.items()}, "map": attention.detach()}

    def _classification(self, view: Tensor, target: Tensor) -> Tensor:
        """Return the task loss on (N, 3, 16, H, W) in [0, 1]. A 2D backbone gets each frame as an interval.

        For a batch of one clip the classifier uses its running statistics: batch statistics may be of one value.
        """
        view = view.transpose(1, 2).unsqueeze(3) if self.classifier.dims == 2 else view.unsqueeze(1)
        alone = evaluating(self.classifier) if len(view) == 1 else nullcontext()
        with alone, self.training.autocast():
            logits = self.classifier(view)  # (N, C)
        return self.training.task_loss(logits, target)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"network": self.optimiser.state_dict(), "classifier": self.classifier_optimiser.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimiser.load_state_dict(state["network"])
        self.classifier_optimiser.load_state_dict(state["classifier"])


def adam(
    options: Mapping[str, Any], *modules: nn.Module, prefix: str = "", decay: str | None = None
) -> torch.optim.Adam:
    """Return Adam (Kingma & Ba, ICLR 2015) over the modules' parameters. decay: name of the weight decay option."""
    return torch.optim.Adam(
        [parameter for module in modules for parameter in module.parameters()],
        lr=float(options[f"{prefix}lr"]),
        betas=(float(options[f"{prefix}beta1"]), float(options[f"{prefix}beta2"])),
        weight_decay=float(options[decay]) if decay else 0.0,
    )


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Use evaluation mode within the block, then restore the mode of each submodule."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def parts(number: int, most: int, least: int = 1) -> Iterator[tuple[slice, float]]:
    """Yield slices of at most `most` of `number` clips (0: all), and the share of the clips in each.

    least: smallest number of clips in a slice, even if it is more than `most`; fewer only if `number` is smaller.
    """
    starts = list(range(0, number, max(most, least) if most else number))
    if len(starts) > 1 and number - starts[-1] < least:
        starts.pop()
    for first, last in pairwise([*starts, number]):
        yield slice(first, last), (last - first) / number
