"""Enhancers without parameters: interpolation to the network's size."""

from benchmark_core import EnhancerSpec, hookimpl


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Nearest neighbour, bilinear, bicubic."""
    factory = "elrbench_plugins.interpolation.interpolation:"
    return [
        EnhancerSpec(name="nearest", summary="each pixel becomes a block", factory=factory + "nearest"),
        EnhancerSpec(name="bilinear", summary="linear between pixel centres", factory=factory + "bilinear"),
        EnhancerSpec(
            name="bicubic",
            summary="cubic between pixel centres (a = -0.75), clamped to [0, 1]",
            factory=factory + "bicubic",
        ),
    ]
