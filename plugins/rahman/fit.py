"""Learn words and filters from the training clips without labels, then train the SVM."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

import torch

from elrbench import ElrError
from elrbench_plugins.rahman.bsif import independent_components, patches
from elrbench_plugins.rahman.words import BagOfWords
from elrbench_plugins.svm_head.fit import fit_recognizer
from elrbench_plugins.svm_head.head import SvmHead
from elrbench_plugins.svm_head.precision import full_precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from elrbench import Parts, Recognizer, Training

REVISION = 1  # of `learn`: raise it when its result changes
ITERATIONS = 100  # of k-means


def recognizer(parts: Parts) -> Recognizer:
    """Return enhancer and descriptor with an untrained head."""
    return parts.assemble(
        SvmHead(
            features=parts.num_features,
            classes=parts.classes,
            options=parts.options,
            one_vs_one=parts.task == "single-label",
            group_sizes=parts.backbone.group_sizes,
        )
    )


def fit(training: Training) -> Recognizer:
    """Learn words and filters, then train the head on the descriptors of low views; return the recognizer."""
    network = training.recognizer()
    training.stage(
        "codebook",
        functools.partial(learn, training, network),
        network.backbone,
        needs=("low", "sample"),
        revision=REVISION,
    )
    return fit_recognizer(training, network=network)


def learn(training: Training, network: Recognizer, backbone: BagOfWords) -> None:
    """Set the words of HOG and HOF and the filters of `backbone` from random parts of all training clips."""
    views = training.views("train", whole=True)
    sample = int(training.options["sample"])
    each = -(-sample // max(1, len(views)))  # of a clip
    found: dict[str, list[Tensor]] = {"hog": [], "hof": [], "patches": []}
    for seen, batch in enumerate(training.epochs(views, 1, state=[backbone], batch=1), 1):
        assert batch.low is not None
        image, _ = network.enhance_and_crop(batch.low)
        clips = network.backbone_input(image)
        with torch.no_grad(), full_precision(clips.device):
            for clip in clips.float():
                _collect(training, backbone, clip, -(-each // len(clips)), found)
        # Learn before the epoch ends, so that its checkpoint holds the result. A count of MACs and an estimate of time
        # learn nothing.
        if seen == len(views) and training.device.type != "meta":
            _learn(training, backbone, {name: torch.cat(parts) for name, parts in found.items() if parts})


def _learn(training: Training, backbone: BagOfWords, found: Mapping[str, Tensor]) -> None:
    """Set words and filters from the descriptors and patches of all clips."""
    seed = training.plan.seed % 2**32  # what scikit-learn takes
    for name in ("hog", "hof"):
        words = _words(found[name], getattr(backbone, name), seed, name.upper())
        getattr(backbone, name).copy_(words)
    if "bsif" in backbone.textures:
        _learn_filters(training, backbone, found["patches"], seed)


def _collect(
    training: Training, backbone: BagOfWords, clip: Tensor, number: int, found: dict[str, list[Tensor]]
) -> None:
    """Add up to `number` random descriptors and patches of a clip (3, T, H, W) to `found`."""
    grey = backbone.grey(clip)
    hog, hof, real = backbone.local(grey)
    if training.device.type == "meta":
        return
    places = real.nonzero().flatten().cpu().numpy()
    chosen = torch.from_numpy(training.rng.permutation(places)[:number]).to(clip.device)
    found["hog"].append(hog[chosen].cpu())
    found["hof"].append(hof[chosen].cpu())
    if "bsif" in backbone.textures:
        found["patches"].append(patches(grey, backbone.filters.shape[1], number, training.rng).cpu())


def _words(descriptors: Tensor, words: Tensor, seed: int, kind: str) -> Tensor:
    """Return the means of k-means, (W, D), of descriptors (M, D). ElrError if there are fewer than words."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if len(descriptors) < len(words):
        raise ElrError(
            f"backbone.words={len(words)}, but the training clips have {len(descriptors)} {kind} descriptors at most "
            "in the sample; lower backbone.words, raise method.sample or use backbone.detector=dense"
        )
    machine: Any = KMeans(len(words), n_init=1, max_iter=ITERATIONS, random_state=seed)
    with warnings.catch_warnings():  # equal descriptors: words then coincide, and the first one is used
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(descriptors.numpy())
    return torch.from_numpy(machine.cluster_centers_).to(words)


def _learn_filters(training: Training, backbone: BagOfWords, samples: Tensor, seed: int) -> None:
    bits, side, _ = backbone.filters.shape
    try:
        filters, converged = independent_components(samples.double().numpy(), bits, seed)
    except ValueError as error:
        raise ElrError(
            f"backbone.bits={bits}: {error} in the training clips; lower backbone.bits or use backbone.textures=lbp-top"
        ) from error
    if not converged:
        training.note("the independent components of the BSIF filters did not converge")
    backbone.filters.copy_(filters.reshape(bits, side, side))
