"""R(2+1)D on short clips: in mmaction2's layout, which fits the figures of STAT and CSTAT, and in torchvision's."""

from benchmark_core import BackboneSpec, Option, Published, hookimpl

CITATION = "Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018"
STAGES = ("layer1", "layer2", "layer3", "layer4")  # 64, 128, 256, 512 channels; strides in time 1, 2, 4, 8
INFERRED = (
    "STAT and CSTAT name the network and not its layout; this one gives CSTAT's 33.43 M parameters with a classifier "
    "for 400 classes, and its 28.99 G multiply-adds but for what activations and pooling are counted as"
)
STAT = Published(size=(256, 340), sampling="4x5")  # STAT's and CSTAT's intervals, UCF101
AS_COUNTED = Published(size=(256, 340), sampling="4x5", classes=400)  # which gives CSTAT's number of parameters
DROPOUT = Option(default=0.5, low=0.0, high=0.99, help="dropout before the classifier")


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Convolutions over space and over time in turn; the initialisations are files of the user's (`--weights FILE`)."""
    return [
        BackboneSpec(
            name="r2plus1d-18",
            summary="18-layer R(2+1)D, mmaction2's layout, 33.4 M parameters",
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
            summary="34-layer R(2+1)D, mmaction2's layout and its public checkpoints' names, 63.8 M parameters",
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
            summary="18-layer R(2+1)D, torchvision's layout and its public checkpoints' names, 31.5 M parameters",
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
