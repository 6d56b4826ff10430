"""A yardstick without a learnt feature: grey levels of each pixel over time, and the nearest training clip."""

from elrbench import BackboneSpec, MethodSpec, Option, Published, hookimpl
from elrbench_plugins.dai.options import DEFAULTS, OPTIONS, VARIANTS

CITATION = (
    "Dai, Wu, Saghafi, Konrad and Ishwar, Towards Privacy-Preserving Activity Recognition Using Extremely Low Temporal "
    "and Spatial Resolution Cameras, CVPR Workshops 2015"
)


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the series, which has no weights."""
    return [
        BackboneSpec(
            name="pixel-series",
            summary="grey level of each pixel of the low view over time; no weights",
            citation=CITATION,
            factory="elrbench_plugins.dai.series:pixel_series",
            native=True,
            dims=3,
            sampling="clip-32",
            smallest=1,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            published=(Published(size=(12, 16), sampling="clip-32", classes=12),),
            options={
                "centre": Option(
                    default="time",
                    choices=("time", "clip", "none"),
                    unspecified=True,
                    help="what is subtracted from a pixel: its mean over the frames of an interval, so that a still "
                    "background is 0; the mean of all pixels and frames of an interval; or nothing",
                ),
                "scale": Option(
                    default="none",
                    choices=("none", "unit"),
                    unspecified=True,
                    help="unit: a clip's values are divided by their root mean square",
                ),
            },
            unspecified=(
                "length: all clips are stretched to 32 frames (sampling clip-32)",
                "grey: BT.601 weights",
                "features for methods other than dai: averages of 8 parts of the clip in 6x8 cells",
            ),
        )
    ]


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return the nearest neighbour on the series."""
    return [
        MethodSpec(
            name="dai",
            summary="yardstick: grey level of each pixel over time, nearest training clip; no learnt feature",
            citation=CITATION,
            fit="elrbench_plugins.dai.fit:fit",
            recognizer="elrbench_plugins.dai.head:recognizer",
            recognizer_options=tuple(OPTIONS),
            backbones=("pixel-series",),
            check="elrbench_plugins.dai.check:check",
            options=OPTIONS,
            variants=VARIANTS,
            needs=("intervals", "one-process"),
            defaults=DEFAULTS,
            unspecified=(
                "several cameras: their pictures side by side in one clip (option `cameras` of the dataset), so that a "
                "clip's series holds the pixels of all cameras",
                "logits: votes of the nearest training clips, minus a number from 0 to 1 that grows with the distance "
                "of a class's nearest clip. Several labels: votes for minus votes against a label",
            ),
            yardstick=True,
        )
    ]
