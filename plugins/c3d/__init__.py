"""C3D: eight plain convolutions on clips, with the parameter names of its public PyTorch checkpoints."""

from benchmark_core import BackboneSpec, Option, Published, hookimpl

GREY_LEVEL = 1 / 255


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Convolutions over 3x3x3 and three fully connected layers; initialisations are files (`--weights FILE`)."""
    return [
        BackboneSpec(
            name="c3d",
            summary="C3D, public PyTorch checkpoints' names (Sports-1M), 80.0 M parameters, for 16 frames of 112x112",
            citation="Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015",
            licence="MIT (the public PyTorch code; the weights name none)",
            factory="elrbench_plugins.c3d.c3d:c3d",
            dims=3,
            sampling="windows-16",
            stages=("conv2", "conv3b", "conv4b", "conv5b"),  # 128, 256, 512, 512 channels
            mean=(102 / 255, 98 / 255, 90 / 255),  # grey levels less Sports-1M's mean
            std=(GREY_LEVEL, GREY_LEVEL, GREY_LEVEL),
            options={"dropout": Option(default=0.5, low=0.0, high=0.99, help="dropout behind both hidden layers")},
            published=(Published(size=(112, 112), sampling="1x16", classes=487),),  # Sports-1M
            unspecified=(
                "the paper's network takes 16 frames of 112x112 alone; at other sizes its last map is averaged to the "
                "1x4x4 that its fully connected layers read",
                "the order of colours: red first, as in the public PyTorch code of these names, which subtracts no "
                "mean; the mean of Sports-1M that is subtracted here is other public code's, turned to this order",
                "the padding of the last maximum: public PyTorch code's, a pixel on all four sides, where the authors' "
                "own has it on the right and at the bottom",
            ),
        ),
    ]
