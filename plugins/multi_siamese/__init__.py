"""Multi-siamese networks (Ryoo et al., AAAI 2018): low views of one scene are mapped to one place."""

from elrbench import BackboneSpec, MethodSpec, Option, Published, hookimpl
from elrbench_plugins.multi_siamese.options import BUDGETS, CONTRAST, DEFAULTS, OPTIONS

CITATION = (
    "Ryoo, Kim and Yang, Extreme Low Resolution Activity Recognition with Multi-Siamese Embedding Learning, AAAI 2018 "
    "(arXiv 1708.00999)"
)


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the two-stream network."""
    return [
        BackboneSpec(
            name="lr-two-stream",
            summary="frames and stacks of optical flow at the low size itself, temporal pyramid, embedding; 1.6 M",
            citation=CITATION,
            factory="elrbench_plugins.multi_siamese.network:lr_two_stream",
            native=True,
            dims=3,
            sampling="clip-32",
            smallest=12,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            published=(Published(size=(12, 16), sampling="clip-32", classes=12),),
            options={
                "width": Option(default=128, low=1, unspecified=True, help="numbers of each stream's descriptor"),
                "levels": Option(
                    default=4,
                    low=1,
                    high=6,
                    unspecified=True,
                    help="levels of the temporal pyramid: 2^levels - 1 parts of the clip; 4 as in PoT",
                ),
                "embedding": Option(default=256, low=2, unspecified=True, help="numbers of the embedding"),
            },
            unspecified=(
                "layers of a stream: three 3x3 convolutions with batch normalisation and a dense layer, chosen here "
                "without the paper's list of layers",
                "temporal stream: 10 fields of DIS flow at the low size, from the frame on",
                "fusion: descriptors of both streams are concatenated before the pyramid, which takes maxima",
                "frames: 32, spread over the whole clip; flow is between neighbouring ones of them",
                "sizes other than 12x16: the last map is averaged to the 3x4 that the dense layer reads",
            ),
        )
    ]


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return the siamese training. Its variant `no-contrast` is the control."""
    return [
        MethodSpec(
            name="multi-siamese",
            summary="n low views of each scene get near embeddings, those of other scenes far ones",
            citation=f"{CITATION}; contrastive loss: Hadsell et al., CVPR 2006; transforms: Ryoo et al., AAAI 2017",
            fit="elrbench_plugins.multi_siamese.fit:fit",
            check="elrbench_plugins.multi_siamese.check:check",
            options=OPTIONS,
            variants={"no-contrast": {"contrast_weight": 0.0}, "other-classes": {"negatives": "classes"}},
            own_controls={"": "multi-siamese:no-contrast"},
            idea_options=tuple(CONTRAST),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            requires=("cv2",),
            extra="flow",
            unspecified=(
                "n, margin, weights of the losses, optimiser, batch, epochs: this project's choice",
                "transforms: a pool of n, drawn once per seed and the same for all clips; the first one leaves the "
                "view as it is. Beyond the view's edges its border is repeated",
                "the other scene of 2n branches: the next clip of the batch, so that each clip is in two pairs",
                "classification loss: the mean over all branches; both losses are trained together from the start",
                "high views: 48x64, from which low views are made in training",
                "initial weights: random",
            ),
        )
    ]
