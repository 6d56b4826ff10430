"""A temporal denoiser, then interpolation: sensor noise is independent from frame to frame, the scene is not."""

from elrbench import EnhancerSpec, Option, Published, hookimpl

FRAMES = 16
OPTIONS = {
    "filter": Option(
        default="nlm",
        choices=("nlm", "box"),
        help="nlm: weight other frames by how much their patch resembles (non-local means over time); box: plain mean",
    ),
    "radius": Option(default=2, low=1, high=FRAMES - 1, help="frames before and after that a pixel is averaged with"),
    "patch": Option(default=3, low=1, high=15, help="side of the compared patches in low pixels; odd"),
    "sigma": Option(
        default=0.0,
        low=0.0,
        high=255.0,
        help="standard deviation of the noise in grey levels; 0: estimated from differences of frames, per 16 frames",
    ),
    "strength": Option(default=1.0, low=1e-3, help="s: a patch that differs by s sigma more than noise gets exp(-1/2)"),
}


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Return the denoiser with bilinear and with bicubic interpolation."""
    return [
        EnhancerSpec(
            name=f"denoise-{mode}",
            summary=f"non-local means over 16 frames against sensor noise, then {mode} interpolation; no parameters",
            citation="Buades, Coll and Morel, Denoising Image Sequences Does Not Require Motion Estimation, AVSS 2005",
            factory=f"elrbench_plugins.temporal_denoise.denoise:{mode}",
            frames=FRAMES,
            check="elrbench_plugins.temporal_denoise.check:check",
            options=OPTIONS,
            published=(Published(low=(12, 16), size=(48, 64)),),
        )
        for mode in ("bilinear", "bicubic")
    ]
