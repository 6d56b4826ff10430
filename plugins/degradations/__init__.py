"""Built-in degradations: `average-HxW` (CSTAT), `bicubic-HxW` (TinyVIRAT), `native` (as recorded)."""

from __future__ import annotations

from elrbench import DegradationSpec, Option, hookimpl

AVERAGE = DegradationSpec(
    name="average-HxW",
    summary="area average of the centre crop (3:4, or the aspect of the low size), with lens blur and Gaussian noise",
    citation="Bai et al., Extreme Low-Resolution Activity Recognition with Confident Spatial-Temporal Attention "
    "Transfer, 2021",
    on_clip="elrbench_plugins.degradations.average:degrade",
    from_high="elrbench_plugins.degradations.from_high:degrade",
    options={
        "sigma_blur": Option(
            default=0.25,
            low=0.0,
            high=4.0,
            unspecified=True,
            help="standard deviation of the lens blur before averaging, in low pixels; the paper gives no value",
        ),
        "sigma_noise": Option(
            default=2.0,
            low=0.0,
            high=64.0,
            unspecified=True,
            help="standard deviation of the Gaussian noise after averaging, in grey levels; the paper gives no value",
        ),
    },
    variants={"clean": {"sigma_blur": 0.0, "sigma_noise": 0.0}},
    unspecified=(
        "size of the lens blur: a standard deviation of 0.25 low pixels is a guess",
        "size of the noise: a standard deviation of 2 grey levels of 255 is a guess",
    ),
)

BICUBIC = DegradationSpec(
    name="bicubic-HxW",
    summary="bicubic down-sampling of the cropped high view",
    track="{low}-centre{size}",
    citation="Demir et al., TinyVIRAT, ICPR 2020",
    on_device="elrbench_plugins.degradations.bicubic:degrade",
)

NATIVE = DegradationSpec(name="native", summary="clips as recorded, for natively low datasets")


@hookimpl
def elr_degradations() -> list[DegradationSpec]:
    """Return the three built-in degradations."""
    return [AVERAGE, BICUBIC, NATIVE]
