"""Video super-resolution by dynamic upsampling filters, by 4 (VSR-DUF), and ToSR's siamese training."""

from elrbench import EnhancerSpec, Option, Published, hookimpl
from elrbench_plugins.duf.options import BUDGETS, DEPTH, OPTIONS, SHAPE, SMALL_OPTIONS, VARIANTS

CITATION = (
    "Jo et al., Deep Video Super-Resolution Network Using Dynamic Upsampling Filters Without Explicit Motion "
    "Compensation, CVPR 2018; variant tosr: Zhang et al., ICCV 2019 (arXiv 1903.05577)"
)
OPEN = (
    "training data: random patches of the training clips and of their low views. The authors of ToSR train on 134 "
    "other videos, on the patches with the largest motion, and leave out those on which warping fails",
    "weights of eq. 3 (tosr): 1 and 1, as in the authors' public code; the paper gives none. With both weights 0, the "
    "reconstruction loss of both frames remains",
    "flow of eq. 3 (tosr): iterative Lucas-Kanade on a pyramid, on whole high frames; the authors use TV-L1",
    "initial weights: random unless --enhancer-weights names a file, which replaces the training. The authors of ToSR "
    "train further from the weights of Jo et al.",
    "ends of a window of 16 frames: its first and its last frame are repeated",
    "initial weights of a short training: see start",
    "momentum of batch normalisation: PyTorch's 0.1; the authors' 0.001 suits longer training",
)
PUBLISHED = (Published(low=(12, 16), size=(48, 64)), Published(low=(60, 80), size=(240, 320)))
DEEP = (*PUBLISHED, *(Published(low=(12, 16), size=(48, 64), options={"layers": layers}) for layers in (28, 52)))


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Offer the authors' networks and a small one."""

    def spec(
        name: str, summary: str, factory: str, options: dict[str, Option], published: tuple[Published, ...]
    ) -> EnhancerSpec:
        return EnhancerSpec(
            name=name,
            summary=summary,
            citation=CITATION,
            factory=f"elrbench_plugins.duf.enhancer:{factory}",
            frames=16,
            fit="elrbench_plugins.duf.fit:fit",
            needs_high=True,
            check="elrbench_plugins.duf.scales:check",
            recognizer_options=tuple(key for key in options if key in SHAPE or key in DEPTH),
            flow="bicubic",
            public="elrbench_plugins.duf.enhancer:public_part",
            options=options,
            variants=VARIANTS,
            budgets=BUDGETS,
            published=published,
            unspecified=OPEN,
        )

    small = "dynamic upsampling filters on seven frames, 16 layers of few channels, by 4"
    deep = "dynamic upsampling filters on seven frames, 16, 28 or 52 layers (VSR-DUF), by 4"
    return [
        spec("duf-s", small, "duf_s", dict(SMALL_OPTIONS), PUBLISHED),
        spec("duf", deep, "duf", dict(OPTIONS), DEEP),
    ]
