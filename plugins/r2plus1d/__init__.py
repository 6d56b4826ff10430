"""R(2+1)D for short clips, in the layouts of mmaction2 (matches the figures of STAT and CSTAT) and torchvision."""

from elrbench import BackboneSpec, Option, Published, hookimpl

CITATION = "Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018"
STAGES = ("layer1", "layer2", "layer3", "layer4")  # 64, 128, 256, 512 channels; strides in time 1, 2, 4, 8
INFERRED = (
    "layout: STAT and CSTAT name the network only; this layout has CSTAT's 33.43 M parameters with 400 classes, and "
    "its 28.99 G MACs except for the share of activations and pooling"
)
STAT = Published(size=(256, 340), sampling="4x5")  # intervals of STAT and CSTAT, UCF101
AS_COUNTED = Published(size=(256, 340), sampling="4x5", classes=400)  # has CSTAT's number of parameters
DROPOUT = Option(default=0.5, low=0.0, high=0.99, help="dropout probability before the classifier")


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return R(2+1)D in two layouts. Initial weights come from a file (`--weights FILE`)."""
    return [
        BackboneSpec(
            name="r2plus1d-18",
            summary="18-layer R(2+1)D in mmaction2's layout, 33.4 M parameters",
            citation=CITATION,
            licence="Apache-2.0 (mmaction2)",
            factory="elrbench_plugins.r2plus1d.r2plus1d:r2plus1d18",
            published=(STAT, AS_COUNTED),
            dims=3,
            sampling="4x5",
            stages=STAGES,
            options={"dropout": DROPOUT},
            unspecified=(INFERRED,),
        ),
        BackboneSpec(
            name="r2plus1d-34",
            summary="34-layer R(2+1)D in mmaction2's layout, 63.8 M parameters, parameter names of its checkpoints",
            citation=CITATION,
            licence="Apache-2.0 (mmaction2's checkpoints)",
            factory="elrbench_plugins.r2plus1d.r2plus1d:r2plus1d34",
            published=(STAT, Published(size=(256, 256), sampling="1x8", classes=400)),  # mmaction2's, Kinetics
            dims=3,
            sampling="4x5",
            stages=STAGES,
            options={"dropout": DROPOUT},
            unspecified=(INFERRED,),
        ),
        BackboneSpec(
            name="r2plus1d-18-tv",
            summary="18-layer R(2+1)D in torchvision's layout, 31.5 M parameters, parameter names of its checkpoints",
            citation=CITATION,
            licence="BSD-3-Clause (torchvision's checkpoints)",
            factory="elrbench_plugins.r2plus1d.torchvision_layout:r2plus1d18",
            published=(STAT, Published(size=(112, 112), sampling="1x16", classes=400)),  # torchvision's, Kinetics
            dims=3,
            sampling="4x5",
            stages=STAGES,
            mean=(0.43216, 0.394666, 0.37645),
            std=(0.22803, 0.22145, 0.216989),
        ),
    ]
