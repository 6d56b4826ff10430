"""BDQ (Kumawat and Nagahara, ECCV 2022): blur, difference, quantise, trained against a network that names people."""

from __future__ import annotations

from elrbench import EnhancerSpec, Option, Published, hookimpl

SHAPE = {
    "kernel": Option(default=5, low=1, high=31, help="side of the blur's kernel in low pixels; odd (authors' code: 5)"),
    "bits": Option(default=4, low=1, high=8, help="k: 2^k - 1 learnt thresholds (authors' code: 4)"),
}
START = {
    "sigma": Option(
        default=3.0,
        low=0.1,
        high=16.0,
        help="initial standard deviation of the blur in low pixels (authors' code: 3 pixels of frames of 224x224)",
    ),
    "hardness": Option(default=5.0, low=0.1, high=1000.0, help="H, slope of the steps (authors' code: 5)"),
    "learn_sigma": Option(default=True, help="learn the blur, as the paper describes; the authors' code fixes it"),
}
FITTING = {
    "alpha": Option(default=2.0, low=0.0, help="weight of the privacy network's entropy (authors' code: 2)"),
    "lr": Option(default=0.01, low=0.0, unspecified=True, help="learning rate of SGD, with a cosine schedule"),
    "momentum": Option(default=0.9, low=0.0, high=1.0, help="momentum of SGD (authors' code: 0.9)"),
    "weight_decay": Option(default=1e-5, low=0.0, unspecified=True, help="weight decay of the two networks"),
    "epochs": Option(default=100, low=1, help="epochs over the training clips (authors' code: 100)"),
    "batch": Option(default=16, low=2, unspecified=True, help="clips per update"),
}
WEIGHTS = {
    "weights": Option(
        default="fit",
        choices=("fit",),
        help="fit: train; --enhancer-weights FILE loads an encoder that another run trained",
    )
}


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Return the encoder."""
    return [
        EnhancerSpec(
            name="bdq",
            summary="blur, frame difference and quantisation, trained to keep the action and to hide the person",
            citation="Kumawat and Nagahara, Privacy-Preserving Action Recognition via Motion Difference Quantization, "
            "ECCV 2022 (arXiv 2208.02459); numbers from the authors' public code",
            factory="elrbench_plugins.bdq.encoder:build",
            frames=16,
            fit="elrbench_plugins.bdq.fit:fit",
            check="elrbench_plugins.bdq.check:check",
            recognizer_options=tuple(SHAPE),
            public="elrbench_plugins.bdq.encoder:public_part",
            options={**SHAPE, **START, **FITTING, **WEIGHTS},
            budgets={
                "paper": {},
                "small": {"enhancer.epochs": 10},
                "smoke": {"enhancer.epochs": 1, "enhancer.batch": 8},
            },
            published=(Published(low=(48, 64), size=(96, 128)),),
            unspecified=(
                "resolution: the encoder works on low views, which it then enlarges bilinearly; the paper's frames "
                "have 224x224 pixels, which --degradation average-96x128:clean --size 96x128 comes near to",
                "range before quantisation: of each view's 16 frames; the authors' code takes the range of the batch, "
                "so that a view would depend on the others",
                "first of 16 frames, which has no predecessor: the difference of the second",
                "action and privacy networks: the plan's backbone, on the same views; the authors have an inflated "
                "ResNet for actions, and a ResNet on one random frame for people, both pre-trained",
                "border of the blur: repeated; the authors' code pads with zeros",
                "test: the same soft steps as in training, as in the authors' code",
            ),
        )
    ]
