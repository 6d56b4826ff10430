"""3D residual networks for clips, plain and wide, with the parameter names of Hara's public checkpoints."""

from elrbench import BackboneSpec, Option, Published, hookimpl

CITATION = "Hara et al., Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?, CVPR 2018"
STAGES = ("layer1", "layer2", "layer3", "layer4")  # strides 4, 8, 16, 32 in space and 2, 4, 8, 16 in time
GREY_LEVEL = 1 / 255  # the 2018 checkpoints take grey levels minus the mean of ActivityNet
MEAN = (114.7748 / 255, 107.7354 / 255, 99.4750 / 255)
INPUT = (
    "input pixels: grey levels minus a mean, as for the checkpoints of 2018; those of 2020 have the same names but "
    "expect standardised pixels in [0, 1], so they work after fine-tuning but not without it"
)
SHORTCUT = Option(
    default="B",
    choices=("A", "B"),
    help="shortcut of blocks that change the shape: B is a projection; A takes every second element and adds channels "
    "of zeros, as in the 18- and 34-layer checkpoints of 2018",
)


STEM = (
    "stem: 64 channels, as in the code and the checkpoints of 2018. Today's public code widens the stem, too, to 128 "
    "channels; checkpoints that it writes do not fit"
)


def _spec(name: str, factory: str, summary: str, *more: str) -> BackboneSpec:
    return BackboneSpec(
        name=name,
        summary=summary,
        citation=CITATION,
        licence="MIT (the checkpoints)",
        factory=f"elrbench_plugins.resnet3d.resnet3d:{factory}",
        dims=3,
        sampling="windows-16",
        stages=STAGES,
        mean=MEAN,
        std=(GREY_LEVEL, GREY_LEVEL, GREY_LEVEL),
        options={"shortcut": SHORTCUT},
        published=(Published(size=(112, 112), sampling="1x16", classes=400),),  # Kinetics
        unspecified=(INPUT, *more),
    )


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return three depths and a wide network. Their initial weights come from a file (`--weights FILE`)."""
    return [
        _spec("resnet3d-18", "resnet3d18", "18-layer residual network for clips, 33.4 M parameters"),
        _spec("resnet3d-34", "resnet3d34", "34-layer residual network for clips, 63.7 M parameters"),
        _spec("resnet3d-50", "resnet3d50", "50-layer residual network for clips, 47.0 M parameters"),
        _spec(
            "wide-resnet3d-50", "wide_resnet3d50", "wide 50-layer residual network for clips, 158 M parameters", STEM
        ),
    ]
