"""C3D: eight 3x3x3 convolutions on clips, with the parameter names of its public PyTorch checkpoints."""

from elrbench import BackboneSpec, Option, Published, hookimpl

GREY_LEVEL = 1 / 255


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return C3D. Its initial weights come from a file (`--weights FILE`)."""
    return [
        BackboneSpec(
            name="c3d",
            summary="C3D, 80.0 M parameters, for 16 frames of 112x112, parameter names of public checkpoints "
            "(Sports-1M)",
            citation="Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015",
            licence="MIT (public PyTorch code; the weights state no licence)",
            factory="elrbench_plugins.c3d.c3d:c3d",
            dims=3,
            sampling="windows-16",
            stages=("conv2", "conv3b", "conv4b", "conv5b"),  # 128, 256, 512, 512 channels
            mean=(102 / 255, 98 / 255, 90 / 255),  # grey levels minus the mean of Sports-1M
            std=(GREY_LEVEL, GREY_LEVEL, GREY_LEVEL),
            options={
                "dropout": Option(default=0.5, low=0.0, high=0.99, help="dropout probability after each hidden layer")
            },
            published=(Published(size=(112, 112), sampling="1x16", classes=487),),  # Sports-1M
            unspecified=(
                "sizes other than 16 frames of 112x112: the last map is averaged to the 1x4x4 that the fully connected "
                "layers read",
                "order of colours: red first, as in the public PyTorch code with these parameter names; that code "
                "subtracts no mean, so the Sports-1M mean of other public code is used, reordered to red first",
                "padding of the last max pooling: one pixel on all four sides, as in the public PyTorch code; the "
                "authors' own code pads on the right and at the bottom only",
            ),
        ),
    ]
