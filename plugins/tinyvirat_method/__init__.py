"""TinyVIRAT's system: a classifier of clips on super-resolved video (Demir et al., ICPR 2020; arXiv 2007.07355)."""

from benchmark_core import MethodSpec, hookimpl
from elrbench_plugins.tinyvirat_method.budgets import BUDGETS, CODE, DEFAULTS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """One method; the paper's rows are variants of it, and differ in the enhancer."""
    return [
        MethodSpec(
            name="tinyvirat",
            summary="an enhancer learnt from pairs of low and high video, then a classifier on what it gives",
            citation="Demir et al., TinyVIRAT: Low-resolution Video Action Recognition, ICPR 2020 (arXiv 2007.07355)",
            fit="elrbench_plugins.tinyvirat_method.fit:fit",
            options=OPTIONS,
            variants={  # Tables II to V
                "classifier": {"enhancer": "bicubic"},
                "dvsr": {"enhancer": "dvsr"},
                "prog-dvsr": {"enhancer": "prog-dvsr"},
                "prog-dvsr-att": {"enhancer": "prog-dvsr-att"},
                "high": {"sees": "high", "enhancer": "bicubic"},  # "I3D, 112x112" of Tables III and IV
                "code": {"enhancer": "prog-dvsr-att:code", **CODE, "schedule": "constant"},
                "classifier-code": {"enhancer": "bicubic", **CODE, "beta1": 0.5},
                "dvsr-code": {"enhancer": "dvsr:code", **CODE},
                "prog-dvsr-code": {"enhancer": "prog-dvsr:code", **CODE},
            },
            default_variants=("prog-dvsr-att",),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            oracle_when={"sees": ("high",)},
            unspecified=(
                "batch and length of the classifier's training: 32 clips and 50 epochs; the authors' code takes 14 to "
                "64 clips, ends after 500 epochs and keeps the best one by its test clips, which is not done here",
                "how the learning rate runs: it stands still, also in the code where attention was trained (variant "
                "code); elsewhere in the code (variants …-code) it is multiplied by 0.999 each epoch",
                "Adam's decays of the classifier: 0.5 and 0.9, as of the enhancer; in the code torch's, 0.9 and 0.999, "
                "where it is trained on super-resolved video, and 0.5 and 0.999 on interpolated video",
                "what these variants leave as the paper has it, since it is of one backbone or of how clips are read: "
                "I3D's first pooling and the skipping of frames, both below",
                "weight decay, label smoothing and clipping: none",
                "which frames: 16 consecutive ones from anywhere in the clip; the code skips every second frame in "
                "half of its draws. Testing takes all consecutive windows of 16 and the mean of their logits, as the "
                "code does on UCF101 and HMDB51",
                "which F1 the tables of TinyVIRAT hold: the code's test script has f1_macro_logit0.5, the mean over "
                "classes, a class being predicted where its logit, not its sigmoid, is above 0.5; while it trains it "
                "looks at f1_samples_logit0.5. Records hold both, beside f1_macro, by which tables rank",
                "initial weights: the paper starts I3D from Charades and the ResNets from Kinetics; such files are the "
                "user's (--weights FILE), and without one the backbone is trained from scratch",
                "I3D at 112x112: as published; the code's leaves out the first pooling (backbone.first_pool)",
                "what becomes of the classifier that teaches the attention: it is thrown away, and the one that is "
                "deployed starts from the same initial weights as without super-resolution (section V.C)",
                "whether the enhancer stands still while the classifier is trained: it does, unless enhancer.train is "
                "set; the code trains the enhancer on in most of its configurations of super-resolution without "
                "attention, by reconstruction and classification together; variants dvsr-code and prog-dvsr-code do "
                "not",
            ),
        )
    ]
