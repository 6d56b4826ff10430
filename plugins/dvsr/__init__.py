"""TinyVIRAT's video super-resolution: trained end to end, grown progressively, or with foreground attention."""

from elrbench import EnhancerSpec, Published, hookimpl
from elrbench_plugins.dvsr.options import END_TO_END, GROWTH, JOINT, RECONSTRUCTION, SHAPE, USE, budgets

CITATION = "Demir et al., TinyVIRAT: Low-resolution Video Action Recognition, ICPR 2020 (arXiv 2007.07355)"
LAYOUT = (
    "widths, dense blocks per step, activations and scaling of residuals: as in the authors' public code (pg2.py, "
    "locpg2.py, mode 3D, without normalisation)"
)
PAIRS = (
    "high views of the pairs: those of the training clips, or of --high-source if it is given. A clip's low and high "
    "view are flipped together. They are not cropped, except by degradations that crop first (bicubic-HxW)"
)
ONE_LAYOUT = (
    "structure of the network trained end to end: as the grown one; section IV.A.2 calls them similar. The "
    "authors' code (g6.py) has four blocks, 16 frames throughout, spectral normalisation and does not add the enlarged "
    "input; variant code does not copy this"
)
LENGTH = "epochs and batch: see the options"
CHECKPOINTS = (
    "checkpoints: the authors published none. --enhancer-weights takes a file that their code writes with pg2.py or "
    "locpg2.py, mode 3D, without normalisation (key G, model). The attention branch of a file is used by prog-dvsr-att "
    "only and may be missing. Files of g6.py and files with spectral normalisation do not fit"
)
BRANCH = ("saliency_dec",)  # the attention branch in locpg2.py; not used by the deployed network
MODULE = ("scale", "native_input")
PUBLISHED = (Published(low=(14, 14), size=(112, 112)), Published(low=(28, 28), size=(112, 112)))  # by 8, by 4


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Offer three enhancers by 4 or 8, on 16 frames at once."""
    code, fit = "elrbench_plugins.dvsr.enhancer:", "elrbench_plugins.dvsr.fit:"
    check = "elrbench_plugins.dvsr.scales:check"
    whole = {**SHAPE, **RECONSTRUCTION, **END_TO_END, **USE}
    grown = {**SHAPE, **RECONSTRUCTION, **GROWTH, **USE}
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
            public=code + "public_part",
            public_optional=BRANCH,
            published=PUBLISHED,
            options=whole,
            variants={"code": {}},  # the same numbers; the code's structure differs, see ONE_LAYOUT
            budgets=budgets(whole),
            unspecified=(LAYOUT, ONE_LAYOUT, PAIRS, LENGTH, CHECKPOINTS),
        ),
        EnhancerSpec(
            name="prog-dvsr",
            summary="dense video super-resolution by 4 or 8, grown progressively",
            citation=CITATION,
            factory=code + "super_resolution",
            frames=16,
            fit=fit + "progressive",
            needs_high=True,
            check=check,
            flow="bicubic",
            recognizer_options=MODULE,
            public=code + "public_part",
            public_optional=BRANCH,
            published=PUBLISHED,
            options=grown,
            variants={"code": {"fade": "epochs"}},
            budgets=budgets(grown),
            unspecified=(LAYOUT, PAIRS, LENGTH, CHECKPOINTS),
        ),
        EnhancerSpec(
            name="prog-dvsr-att",
            summary="prog-dvsr, then trained further with foreground attention, which a classifier supervises",
            citation=CITATION,
            factory=code + "attended",
            frames=16,
            fit=fit + "with_attention",
            needs_high=True,
            check=check,
            flow="bicubic",
            recognizer_options=MODULE,
            public=code + "public_part",
            public_optional=BRANCH,
            published=PUBLISHED,
            options=attended,
            variants={"code": {"fade": "epochs", "classifier_beta1": 0.9, "classifier_beta2": 0.999}},
            budgets=budgets(attended),
            unspecified=(
                LAYOUT,
                PAIRS,
                LENGTH,
                CHECKPOINTS,
                "structure of the attention branch: from the authors' code. Its input is the encoder's features "
                "before the skip",
                "coefficients of eq. 2 and 3: lambda_att weights the classification, option sparsity the mean "
                "attention",
                "gradients: attention gets none from eq. 1, and the reconstruction none from eq. 2",
                "alternation of attention branch and classifier: one update each. The classifier comes first and sees "
                "the reconstruction without attention. It starts from the backbone's own weights and is not deployed",
            ),
        ),
    ]
