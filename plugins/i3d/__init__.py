"""I3D: Inception inflated to clips, with the parameter names of piergiaj's public checkpoints, RGB and flow."""

from benchmark_core import BackboneSpec, Option, Published, hookimpl


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Inception's branches over space and time; initialisations are files of the user's (`--weights FILE`)."""
    return [
        BackboneSpec(
            name="i3d",
            summary="Inflated Inception-v1, public checkpoints' names (Kinetics, Charades), 12.7 M parameters",
            citation="Carreira and Zisserman, Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, "
            "CVPR 2017",
            licence="Apache-2.0 (DeepMind's weights and their conversion)",
            factory="elrbench_plugins.i3d.i3d:i3d",
            dims=3,
            sampling="windows-16",
            stages=("Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c"),  # 192, 480, 832, 1024 channels
            mean=(0.5, 0.5, 0.5),  # pixels in [-1, 1]
            std=(0.5, 0.5, 0.5),
            options={
                "dropout": Option(
                    default=0.5,
                    low=0.0,
                    high=0.99,
                    help="dropout before the classifier, on the features' mean over time",
                ),
                "norm_momentum": Option(
                    default=0.01,
                    low=0.001,
                    high=1.0,
                    help="share of a batch in normalisation's running mean and variance; the published 0.01 needs some "
                    "500 updates to forget where they began, so raise it on short runs",
                ),
                "first_pool": Option(
                    default=True,
                    help="the maximum behind the first convolution; TinyVIRAT's code leaves it out, so that 112x112 "
                    "ends in 7x7 as 224x224 does with it",
                ),
            },
            published=(
                Published(size=(224, 224), sampling="1x64", classes=400),  # Kinetics
                Published(size=(112, 112), sampling="1x16", classes=26),  # TinyVIRAT
            ),
            unspecified=(
                "at other sizes than 224x224 the features are averaged over all of space, where the published network "
                "takes the mean of 7x7",
            ),
        ),
    ]
