"""ResNet-18 and ResNet-34 on single frames."""

from elrbench import BackboneSpec, Published, hookimpl

CITATION = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
STAGES = ("layer1", "layer2", "layer3", "layer4")  # strides 4, 8, 16, 32; 64, 128, 256, 512 channels
PUBLISHED = (
    Published(size=(256, 340), sampling="1x1"),  # STAT's and CSTAT's frames, UCF101
    Published(size=(224, 224), sampling="1x1", classes=1000),  # ImageNet
)


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the two depths with basic blocks, with torchvision's parameter names."""
    return [
        BackboneSpec(
            name="resnet18",
            summary="18-layer residual network for single frames, 11.7 M parameters",
            citation=CITATION,
            factory="elrbench_plugins.resnet.resnet:resnet18",
            stages=STAGES,
            published=PUBLISHED,
        ),
        BackboneSpec(
            name="resnet34",
            summary="34-layer residual network for single frames, 21.8 M parameters",
            citation=CITATION,
            factory="elrbench_plugins.resnet.resnet:resnet34",
            stages=STAGES,
            published=PUBLISHED,
        ),
    ]
