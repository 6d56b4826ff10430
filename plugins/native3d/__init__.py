"""(2+1)D residual networks for views of a dozen pixels, which they take at the size at which they are recorded."""

from elrbench import BackboneSpec, Option, Published, hookimpl

CITATION = (
    "Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018; "
    "Huang et al., Deep Networks with Stochastic Depth, ECCV 2016"
)
SAMPLING = "clip-24"
OPTIONS = {
    "dropout": Option(default=0.2, low=0.0, high=0.99, help="dropout probability before the classifier"),
    "drop_path": Option(
        default=0.1,
        low=0.0,
        high=0.99,
        help="probability of skipping the last residual branch in training; earlier branches are skipped less often",
    ),
    "stem_stride": Option(default=2, low=1, high=2, help="stride of the stem in time; 2 almost halves the cost"),
    "init": Option(
        default="uniform",
        choices=("uniform", "he-fan-out"),
        help="initial weights. uniform: PyTorch's default; he-fan-out: normal weights about 2.4 times as large, which "
        "AdamW changes more slowly relative to their size",
    ),
}
UNSPECIFIED = (
    "layout: Tran et al. publish networks for 112x112; widths, number of stages and strides for a dozen pixels are "
    "elrbench's own",
    "filters between space and time: as many as the block has outputs, fewer than the paper's M",
)
SIZES = {"xs": "0.2 M parameters", "s": "1.0 M parameters", "m": "2.2 M parameters", "l": "3.8 M parameters"}


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the family in four widths."""
    return [
        BackboneSpec(
            name=f"native3d-{size}",
            summary=f"(2+1)D residual network at the low size itself, {parameters}",
            citation=CITATION,
            licence="Apache-2.0",
            factory=f"elrbench_plugins.native3d.native3d:native3d_{size}",
            native=True,
            dims=3,
            sampling=SAMPLING,
            stages=("stage1", "stage2", "stage3"),  # strides 1, 2, 4 in space; 2, 4, 8 in time
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            smallest=6,
            published=(
                Published(size=(12, 16), sampling=SAMPLING),
                Published(size=(16, 16), sampling=SAMPLING, classes=7),
            ),
            options=OPTIONS,
            unspecified=UNSPECIFIED,
        )
        for size, parameters in SIZES.items()
    ]
