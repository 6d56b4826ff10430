"""A transformer over tubelets of a few pixels, which takes low views at the size at which they are recorded."""

from elrbench import BackboneSpec, Option, Published, hookimpl

SAMPLING = "clip-24"


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the network with six blocks of 128 channels."""
    return [
        BackboneSpec(
            name="native-vit",
            summary="attention over space and time at the low size itself, 1.2 M parameters",
            citation="Arnab et al., ViViT: A Video Vision Transformer, ICCV 2021 (model 1); "
            "Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021",
            licence="Apache-2.0",
            factory="elrbench_plugins.native_vit.native_vit:native_vit",
            native=True,
            dims=3,
            sampling=SAMPLING,
            stages=("block2", "block4", "block6"),  # 128 channels each
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            smallest=4,
            published=(Published(size=(12, 16), sampling="1x24"), Published(size=(16, 16), sampling="1x24", classes=7)),
            options={
                "tubelet": Option(
                    default="2x2x2",
                    choices=("2x2x2", "2x3x4", "1x2x2", "2x4x4"),
                    help="frames x rows x columns of a token; attention costs the square of the number of tokens",
                ),
                "dropout": Option(default=0.2, low=0.0, high=0.99, help="dropout probability before the classifier"),
                "drop_path": Option(
                    default=0.1,
                    low=0.0,
                    high=0.99,
                    help="probability of skipping each residual branch of the last block in training; those of earlier "
                    "blocks are skipped less often (Huang et al., ECCV 2016)",
                ),
            },
            unspecified=(
                "layout: ViViT is published for 224x224; 6 blocks, 128 channels, 4 heads and small tubelets are "
                "elrbench's own",
                "positions: learnt for a grid of 12x6x8 tokens, one table for time and one for rows and columns; for "
                "other grids they are interpolated linearly",
            ),
        )
    ]
