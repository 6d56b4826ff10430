"""I3D: Inception-v1 inflated to clips, RGB or flow, with the parameter names of piergiaj's public checkpoints."""

from elrbench import BackboneSpec, Option, Published, hookimpl


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return I3D. Its initial weights come from a file (`--weights FILE`)."""
    return [
        BackboneSpec(
            name="i3d",
            summary="inflated Inception-v1, 12.7 M parameters, parameter names of public checkpoints (Kinetics, "
            "Charades)",
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
                    help="dropout probability before the classifier, on features averaged over time",
                ),
                "norm_momentum": Option(
                    default=0.01,
                    low=0.001,
                    high=1.0,
                    help="momentum of batch normalisation's running mean and variance; the published 0.01 needs about "
                    "500 updates to replace their initial values, so raise it for short runs",
                ),
                "first_pool": Option(
                    default=True,
                    help="max pooling after the first convolution; TinyVIRAT's code omits it, so that 112x112 ends in "
                    "a 7x7 map, as 224x224 does with it",
                ),
            },
            published=(
                Published(size=(224, 224), sampling="1x64", classes=400),  # Kinetics
                Published(size=(112, 112), sampling="1x16", classes=26),  # TinyVIRAT
            ),
            unspecified=(
                "sizes other than 224x224: features are averaged over the whole last map; the published network "
                "averages 7x7",
                "checkpoints of TinyVIRAT's code: names that begin with `model.` are read, too. That code trains "
                "without the first pooling, which a file does not show: pass --set backbone.first_pool=false",
            ),
        ),
    ]
