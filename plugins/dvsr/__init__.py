"""Video super-resolution of TinyVIRAT: trained end to end, grown step by step, and with attention to the foreground."""

from benchmark_core import EnhancerSpec, Published, hookimpl
from elrbench_plugins.dvsr.options import END_TO_END, GROWTH, JOINT, RECONSTRUCTION, SHAPE, budgets

CITATION = "Demir et al., TinyVIRAT: Low-resolution Video Action Recognition, ICPR 2020 (arXiv 2007.07355)"
LAYOUT = (
    "widths, dense blocks a step, activations and scaling of residuals: those of the authors' public code (pg2.py, "
    "locpg2.py, mode 3D, without normalisation)"
)
PAIRS = (
    "which high views: the training clips', of the high source where there is one; a clip's low and high view flipped "
    "alike, and not cut"
)
ONE_LAYOUT = (
    "whether the network trained end to end is built as the grown one, which section IV.A.2 calls similar: it is here; "
    "that of the authors' code (g6.py) has four blocks, 16 frames throughout, spectral normalisation and no enlarged "
    "input added, and variant code does not have it"
)
LENGTH = "length of training and batch: see the options"
MODULE = ("scale", "native_input")
PUBLISHED = (Published(low=(14, 14), size=(112, 112)), Published(low=(28, 28), size=(112, 112)))  # by 8, by 4


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """By 4 or by 8, 16 frames at once."""
    code, fit = "elrbench_plugins.dvsr.enhancer:", "elrbench_plugins.dvsr.fit:"
    check = "elrbench_plugins.dvsr.scales:check"
    whole = {**SHAPE, **RECONSTRUCTION, **END_TO_END}
    grown = {**SHAPE, **RECONSTRUCTION, **GROWTH}
    attended = {**grown, **JOINT}
    return [
        EnhancerSpec(
            name="dvsr",
            summary="dense video super-resolution by 4 or 8, trained end to end",
            citation=CITATION,
            factory=code + "super_resolution",
            frames=16,
            fit=fit + "end_to_end",
            needs_high=True,
            check=check,
            flow="bicubic",
            recognizer_options=MODULE,
            published=PUBLISHED,
            options=whole,
            variants={"code": {}},  # its numbers are the same; its layout is another, see ONE_LAYOUT
            budgets=budgets(whole),
            unspecified=(LAYOUT, ONE_LAYOUT, PAIRS, LENGTH),
        ),
        EnhancerSpec(
            name="prog-dvsr",
            summary="dense video super-resolution by 4 or 8, grown step by step",
            citation=CITATION,
            factory=code + "super_resolution",
            frames=16,
            fit=fit + "progressive",
            needs_high=True,
            check=check,
            flow="bicubic",
            recognizer_options=MODULE,
            published=PUBLISHED,
            options=grown,
            variants={"code": {"fade": "epochs"}},
            budgets=budgets(grown),
            unspecified=(LAYOUT, PAIRS, LENGTH),
        ),
        EnhancerSpec(
            name="prog-dvsr-att",
            summary="the same, then trained on with attention to the foreground that a classifier teaches",
            citation=CITATION,
            factory=code + "attended",
            frames=16,
            fit=fit + "with_attention",
            needs_high=True,
            check=check,
            flow="bicubic",
            recognizer_options=MODULE,
            published=PUBLISHED,
            options=attended,
            variants={"code": {"fade": "epochs", "classifier_beta1": 0.9, "classifier_beta2": 0.999}},
            budgets=budgets(attended),
            unspecified=(
                LAYOUT,
                PAIRS,
                LENGTH,
                "the branch's layout: as the network's; it sees the encoder's features before the skip",
                "which coefficient is whose: lambda_att is the classification's, sparsity the attention's mean's",
                "attention in eq. 1: no gradient goes to it there, nor to the reconstruction from eq. 2",
                "how branch and classifier take turns: an update each, the classifier first, on the reconstruction "
                "without attention; it starts from the backbone's own weights and is not deployed",
            ),
        ),
    ]
