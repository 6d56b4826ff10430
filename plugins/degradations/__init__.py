"""How low views are made: `average-HxW` (CSTAT), `bicubic-HxW` (TinyVIRAT), `native` (as recorded)."""

from __future__ import annotations

from benchmark_core import DegradationSpec, Option, hookimpl

AVERAGE = DegradationSpec(
    name="average-HxW",
    summary="Area average of the 3:4 centre (or the low view's own aspect), with lens blur and Gaussian noise",
    citation="Bai et al., Extreme Low-Resolution Activity Recognition with Confident Spatial-Temporal Attention "
    "Transfer, 2021",
    on_clip="elrbench_plugins.degradations.average:degrade",
    options={
        "sigma_blur": Option(
            default=0.25,
            low=0.0,
            high=4.0,
            unspecified=True,
            help="lens blur in low pixels, before averaging; the paper names a lens blur and gives no size",
        ),
        "sigma_noise": Option(
            default=2.0,
            low=0.0,
            high=64.0,
            unspecified=True,
            help="Gaussian noise in grey levels of 255, after averaging; the paper names the noise and gives no size",
        ),
    },
    variants={"clean": {"sigma_blur": 0.0, "sigma_noise": 0.0}},
    unspecified=("size of the lens blur", "size of the noise"),
)

BICUBIC = DegradationSpec(
    name="bicubic-HxW",
    summary="Bicubic down-sampling of the high view after it has been cropped",
    track="{low}-centre{size}",
    citation="Demir et al., TinyVIRAT, ICPR 2020",
    on_device="elrbench_plugins.degradations.bicubic:degrade",
)

NATIVE = DegradationSpec(name="native", summary="Clips as recorded: for data that is extreme-low-resolution by nature")


@hookimpl
def elr_degradations() -> list[DegradationSpec]:
    """The three built-in degradations."""
    return [AVERAGE, BICUBIC, NATIVE]
