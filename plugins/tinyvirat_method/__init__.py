"""TinyVIRAT's system: a video classifier on super-resolved video (Demir et al., ICPR 2020; arXiv 2007.07355)."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.tinyvirat_method.budgets import BUDGETS, CODE, DEFAULTS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer one method. The paper's rows are its variants and differ in the enhancer."""
    return [
        MethodSpec(
            name="tinyvirat",
            summary="super-resolution trained on pairs of low and high video, then a classifier on its output",
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
                "batch and epochs of the classifier: 32 clips and 50 epochs. The authors' code has 14 to 64 clips and "
                "500 epochs, and keeps the epoch that is best on its test clips; elrbench does not",
                "learning rate schedule: constant, as in the code for training with attention (variant code). "
                "Elsewhere the code multiplies the rate by 0.999 each epoch (variants ...-code)",
                "Adam's betas of the classifier: 0.5 and 0.9, as for the enhancer. The code has 0.9 and 0.999 on "
                "super-resolved video, and 0.5 and 0.999 on interpolated video",
                "differences that the code variants do not copy, because they belong to a backbone or to sampling: "
                "I3D's first pooling and skipped frames (both below)",
                "bicubic enlargement without super-resolution: PyTorch's kernel with a = -0.75; PIL's in the code and "
                "that of dvsr have a = -0.5",
                "training crops of bicubic-HxW: of the centre with the aspect of the low size, 16 pixels of shift for "
                "112 of 128; the code also moves along the longer side of the frame",
                "weight decay, label smoothing and clipping: none",
                "frames: 16 consecutive frames from a random position. The code skips every second frame in half of "
                "its draws. Testing averages the logits of all consecutive windows of 16, the last one padded. The "
                "code averages them on UCF101 and HMDB51, too, but leaves out the frames after the last whole window",
                "F1 in the tables of TinyVIRAT: the code's test script scores each whole window of 16 frames on its "
                "own. It takes the mean over classes with a threshold of 0.5 on the logit, not on its sigmoid: "
                "f1_macro_windows_logit0.5 in records, next to f1_macro_windows. f1_macro_logit0.5 is the same per "
                "clip. During training the code logs f1_samples_logit0.5. Tables rank by f1_macro, per clip",
                "initial weights: the paper starts I3D from Charades and the ResNets from Kinetics. Pass such files "
                "with --weights FILE; otherwise the backbone is trained from scratch",
                "I3D at 112x112: as published. The code leaves out the first pooling (backbone.first_pool)",
                "the classifier that trains the attention branch: discarded. The deployed classifier starts from the "
                "same initial weights as without super-resolution (section V.C)",
                "state of the enhancer while the classifier is trained: frozen, unless enhancer.train is set. The code "
                "mostly trains an enhancer without attention further, by reconstruction and classification together; "
                "variants dvsr-code and prog-dvsr-code do not",
            ),
        )
    ]
