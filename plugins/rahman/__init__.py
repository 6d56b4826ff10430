"""A yardstick of visual words and textures: HOG and HOF at interest points, LBP-TOP and BSIF, with an SVM."""

from elrbench import BackboneSpec, MethodSpec, Published, hookimpl
from elrbench_plugins.rahman.options import BUDGETS, DEFAULTS, DESCRIPTOR, METHOD

CITATION = (
    "Rahman, See and Ho, Exploiting Textures for Better Action Recognition in Low-Quality Videos, EURASIP Journal on "
    "Image and Video Processing 2017:74; interest points: Laptev, IJCV 64, 2005; HOG, HOF: Laptev et al., CVPR 2008; "
    "LBP-TOP: Zhao and Pietikainen, TPAMI 29(6), 2007; BSIF: Kannala and Rahtu, ICPR 2012"
)


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the descriptor, whose words and filters the method learns without labels."""
    return [
        BackboneSpec(
            name="bag-of-words",
            summary="visual words of HOG and HOF at space-time interest points, LBP-TOP and BSIF textures",
            citation=CITATION,
            factory="elrbench_plugins.rahman.words:bag_of_words",
            dims=3,
            sampling="windows-40",
            smallest=12,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            published=(Published(size=(48, 64)),),
            options=DESCRIPTOR,
            unspecified=(
                "interest points: one scale, the strongest ones; the authors' detector has several scales",
                "cuboids: 3x3x2 cells of 4 directions (HOG) and 4 directions and no motion (HOF) as Laptev et al., "
                "scaled to length 1; their side does not depend on the scale of the point",
                "optical flow: DIS at network size",
                "BSIF filters: independent components of patches of the training clips, the same for the three planes; "
                "the authors of BSIF learn them from other pictures",
                "textures: one histogram of each plane over the whole window, at network size",
                "with methods other than rahman: words and filters are random",
            ),
        )
    ]


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return words and textures with an SVM."""
    return [
        MethodSpec(
            name="rahman",
            summary="yardstick: visual words of HOG and HOF, LBP-TOP and BSIF textures, SVM; no network",
            citation=CITATION,
            fit="elrbench_plugins.rahman.fit:fit",
            recognizer="elrbench_plugins.rahman.fit:recognizer",
            recognizer_options=("head", "scaling", "pyramid", "vectors"),
            backbones=("bag-of-words",),
            check="elrbench_plugins.rahman.check:check",
            needs=("one-process",),
            options=METHOD,
            variants={
                "dense": {"backbone.detector": "dense"},
                "lbp-top": {"backbone.textures": "lbp-top"},
                "bsif": {"backbone.textures": "bsif"},
                "no-textures": {"backbone.textures": "none"},
            },
            defaults=DEFAULTS,
            budgets=BUDGETS,
            yardstick=True,
            requires=("sklearn", "cv2"),
            extra="yardsticks",
            unspecified=(
                "protocol: the printed 34.57 on HMDB51 is of its low-quality subset at its own size, not of low views",
                "kernel: chi-square distances of HOG, HOF, LBP-TOP and BSIF, each divided by its mean and added, times "
                "method.gamma: 0.1, as the public code of PoT",
                "words: k-means from one random start; words of a clip with several windows are averaged",
            ),
        )
    ]
