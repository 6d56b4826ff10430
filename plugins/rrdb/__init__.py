"""Super-resolution of single frames by residual-in-residual dense blocks, by 4 (ESRGAN), and SoSR's losses."""

from elrbench import EnhancerSpec, Option, Published, hookimpl
from elrbench_plugins.rrdb.options import DEPTH, OPTIONS, SHAPE, SMALL_OPTIONS, VARIANTS, budgets

CITATION = (
    "Wang et al., ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, ECCV Workshops 2018 (arXiv "
    "1809.00219); variants sosr: Zhang et al., ICCV 2019 (arXiv 1903.05577)"
)
OPEN = (
    "training data: patches of the training clips and of their low views. The authors of ESRGAN and SoSR train on "
    "other pictures and videos",
    "flow of the weights (sosr): iterative Lucas-Kanade on a pyramid, from a frame of the high view to the next one, "
    "in pixels of the network's output. The authors use FlowNet 2.0",
    "weights of eq. 1 (sosr): the length of the flow, not normalised, as a public summary of the paper describes them. "
    "The authors' code multiplies both images by a weight map, which squares it: see weight_power and weight_base",
    "second phase (sosr-adversarial, sosr-perceptual): starts from the first, as ESRGAN's. Weights of the "
    "three losses: ESRGAN's, in its public code 0.01, 1 and 0.005; SoSR gives none",
    "network of the feature loss (sosr-perceptual): the last maps of the plan's backbone with the weights that "
    "--weights names, and mean absolute difference. The authors of ESRGAN use VGG-19 before its last activation, for "
    "which there is no backbone here",
    "discriminator: ESRGAN's, whose number of levels follows the size of the patches; it is not deployed",
)
PUBLISHED = (Published(low=(12, 16), size=(48, 64)), Published(low=(60, 80), size=(240, 320)))


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Offer ESRGAN's network and a small one."""

    def spec(name: str, summary: str, factory: str, options: dict[str, Option]) -> EnhancerSpec:
        return EnhancerSpec(
            name=name,
            summary=summary,
            citation=CITATION,
            factory=f"elrbench_plugins.rrdb.enhancer:{factory}",
            fit="elrbench_plugins.rrdb.fit:fit",
            needs_high=True,
            check="elrbench_plugins.rrdb.scales:check",
            recognizer_options=tuple(key for key in options if key in SHAPE or key in DEPTH),
            flow="bicubic",
            public="elrbench_plugins.rrdb.enhancer:public_part",
            options=options,
            variants=VARIANTS,
            budgets=budgets(options),
            published=PUBLISHED,
            unspecified=OPEN,
        )

    return [
        spec("rrdb-s", "residual-in-residual dense blocks, 3 of 32 channels, by 4", "rrdb_s", dict(SMALL_OPTIONS)),
        spec("rrdb", "residual-in-residual dense blocks, 23 of 64 channels (ESRGAN), by 4", "rrdb", dict(OPTIONS)),
    ]
