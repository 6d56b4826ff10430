"""Degradations that protect people on purpose: rivals of the area average at a dozen pixels."""

from __future__ import annotations

from elrbench import DegradationSpec, Option, hookimpl

BLUR = Option(
    default=0.25,
    low=0.0,
    high=4.0,
    unspecified=True,
    help="standard deviation of the lens blur before averaging, in low pixels; as average-HxW",
)
NOISE = Option(
    default=2.0,
    low=0.0,
    high=64.0,
    unspecified=True,
    help="standard deviation of the Gaussian noise after averaging, in grey levels; as average-HxW",
)
CLEAN = {"sigma_blur": 0.0, "sigma_noise": 0.0}
GUESSES = "lens blur of 0.25 low pixels and noise of 2 grey levels of 255: guesses, as average-HxW"

GREY = DegradationSpec(
    name="grey-HxW",
    summary="luminance only: area average of a grey sensor, with lens blur and Gaussian noise",
    citation="ITU-R BT.601 (weights of luma)",
    on_clip="elrbench_plugins.protecting.grey:degrade",
    from_high="elrbench_plugins.protecting.grey:from_high",
    options={"sigma_blur": BLUR, "sigma_noise": NOISE},
    variants={"clean": CLEAN},
    unspecified=(GUESSES,),
)

LEVELS = DegradationSpec(
    name="levels-HxW",
    summary="area average as average-HxW, then few grey levels per channel",
    citation="Widrow and Kollar, Quantization Noise, Cambridge University Press 2008 (uniform quantiser)",
    on_clip="elrbench_plugins.protecting.levels:degrade",
    from_high="elrbench_plugins.protecting.levels:from_high",
    options={
        "levels": Option(
            default=4, low=2, high=256, help="grey levels per channel, evenly spaced from 0 to 255; 256 is average-HxW"
        ),
        "sigma_blur": BLUR,
        "sigma_noise": NOISE,
    },
    variants={"clean": CLEAN, **{str(levels): {"levels": levels} for levels in (2, 4, 8, 16)}},
    unspecified=(GUESSES, "levels: 4 is this project's choice"),
)

GAUSSIAN = DegradationSpec(
    name="gaussian-HxW",
    summary="strong Gaussian blur instead of few pixels: blurred by optics, then sampled at a larger low size",
    citation="Padilla-Lopez et al., Visual privacy protection methods: a survey, Expert Systems with Applications 2015",
    on_clip="elrbench_plugins.protecting.gaussian:degrade",
    from_high="elrbench_plugins.protecting.gaussian:from_high",
    options={
        "sigma": Option(
            default=0.025,
            low=0.0,
            high=0.5,
            unspecified=True,
            help="standard deviation of the blur, as a part of the view's height; the cells of 12 rows have 0.024",
        ),
        "sigma_noise": NOISE,
    },
    variants={"clean": {"sigma_noise": 0.0}, "strong": {"sigma": 0.05}},
    unspecified=(
        "blur: a standard deviation of 0.025 heights is this project's choice; the box of one cell of 12x16 has "
        "1/12/sqrt(12) = 0.024 heights",
        "noise of 2 grey levels of 255: a guess, as average-HxW",
    ),
)

EXPOSURE = DegradationSpec(
    name="exposure-HxW",
    summary="low frame rate and long exposure: a low frame is the mean of some frames, and is shown for some frames",
    citation="Dai et al., Towards Privacy-Preserving Recognition of Human Activities, ICIP 2015 (frame rate)",
    over_time="elrbench_plugins.protecting.exposure:start",
    options={
        "frames": Option(default=4, low=1, high=256, help="exposure in frames: how many frames a low frame averages"),
        "hold": Option(
            default=4,
            low=1,
            high=256,
            help="frames from one exposure to the next; more than `frames`: the shutter closes in between; fewer: a "
            "moving average",
        ),
        "sigma_blur": BLUR,
        "sigma_noise": NOISE,
    },
    variants={"clean": CLEAN, **{str(frames): {"frames": frames, "hold": frames} for frames in (2, 4, 8, 16)}},
    unspecified=(
        GUESSES,
        "exposure: 4 frames, one after the other, are this project's choice",
        "before the first exposure ends: it is shown from the first frame on, so that no frame is sharper",
        "noise: once per exposure, of the same size for each length",
    ),
)

SILHOUETTE = DegradationSpec(
    name="silhouette-HxW",
    summary="background subtraction at high resolution, white on black, then area average of the silhouette",
    citation="median over time; running median: McFarlane and Schofield, Segmentation and Tracking of Piglets in "
    "Images, 1995; mixture: Stauffer and Grimson, Adaptive Background Mixture Models for Real-Time Tracking, CVPR 1999",
    over_time="elrbench_plugins.protecting.silhouette:start",
    options={
        "background": Option(
            default="median",
            choices=("median", "running", "mixture"),
            help="median: of all frames of the clip; running: approximate median of the frames so far; mixture: of "
            "Gaussians, per pixel, of the frames so far",
        ),
        "detail": Option(
            default=4, low=1, high=16, help="side of the silhouette's pixels: 1/detail of a low pixel, before averaging"
        ),
        "threshold": Option(
            default=24.0,
            low=0.0,
            high=255.0,
            unspecified=True,
            help="median, running: a pixel is foreground if a channel differs by more grey levels than this",
        ),
        "rate": Option(default=0.01, low=1e-4, high=1.0, unspecified=True, help="mixture: learning rate alpha"),
        "gaussians": Option(default=3, low=1, high=8, help="mixture: Gaussians per pixel, K; 3 to 5 in the paper"),
        "share": Option(
            default=0.7, low=0.0, high=1.0, unspecified=True, help="mixture: part of the weight that is background, T"
        ),
        "sigma": Option(
            default=12.0,
            low=1.0,
            high=255.0,
            unspecified=True,
            help="mixture: standard deviation of a new Gaussian, in grey levels",
        ),
    },
    variants={"running": {"background": "running"}, "mixture": {"background": "mixture"}},
    unspecified=(
        "median: it sees the whole clip; a person who stays in one place becomes background, except for what moves",
        "running and mixture begin with the clip, so that a person in its first frame leaves a second silhouette there",
        "numbers of the mixture other than K: guesses; rho = alpha / weight, after Power and Schoonees 2002",
        "no shadow removal, no morphology",
    ),
)


@hookimpl
def elr_degradations() -> list[DegradationSpec]:
    """Return the five degradations."""
    return [GREY, LEVELS, GAUSSIAN, EXPOSURE, SILHOUETTE]
