"""Enhancers without parameters: interpolation to network size."""

from elrbench import EnhancerSpec, Published, hookimpl

PUBLISHED = (
    Published(low=(12, 16), size=(256, 340)),  # STAT, CSTAT
    Published(low=(14, 14), size=(112, 112)),  # TinyVIRAT
)


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Return nearest-neighbour, bilinear and bicubic interpolation, and none."""
    factory = "elrbench_plugins.interpolation.interpolation:"
    return [
        EnhancerSpec(
            name="nearest",
            summary="nearest neighbour: each pixel becomes a block",
            factory=factory + "nearest",
            published=PUBLISHED,
        ),
        EnhancerSpec(
            name="bilinear",
            summary="linear interpolation between pixel centres",
            factory=factory + "bilinear",
            published=PUBLISHED,
        ),
        EnhancerSpec(
            name="bicubic",
            summary="cubic interpolation between pixel centres (a = -0.75), clamped to [0, 1]",
            factory=factory + "bicubic",
            published=PUBLISHED,
        ),
        EnhancerSpec(
            name="none",
            summary="views as they are, for native backbones; clips that differ in size are resized bilinearly",
            factory=factory + "none",
            published=(Published(low=(12, 16), size=(12, 16)),),
        ),
    ]
