"""TenneT and pLRN (Yu et al., Pattern Recognition 85, 2019): filters by PCA, and a low-rank video as a target."""

from elrbench import BackboneSpec, MethodSpec, Published, hookimpl
from elrbench_plugins.plrn_tennet.options import (
    DESCRIPTOR,
    HEAD,
    PLRN,
    PLRN_BUDGETS,
    PLRN_DEFAULTS,
    TARGET,
    TENNET_BUDGETS,
    TENNET_DEFAULTS,
    VARIANTS,
)

CITATION = (
    "Yu et al., Pseudo Low Rank Video Representation, Pattern Recognition 85, 2019; settings of TenneT from the "
    "authors' public code; PCANet: Chan et al., IEEE Transactions on Image Processing 24(12), 2015"
)
TENSOR = "tensor SVD: Kilmer and Martin, Linear Algebra and its Applications 435, 2011"


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the histograms of TenneT, and the network of pLRN."""
    return [
        BackboneSpec(
            name="pca-hash",
            summary="3D PCANet: two stages of 3x3x3 filters, bits of their responses, histograms; no gradient",
            citation=CITATION,
            factory="elrbench_plugins.plrn_tennet.hashing:pca_hash",
            dims=3,
            sampling="clip-16",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            published=(Published(size=(32, 32), sampling="clip-16"),),
            options=DESCRIPTOR,
            unspecified=(
                "filters: eigenvectors of the covariance of all 3x3x3 patches inside the training clips; of the second "
                "stage, of the patches of all maps of the first",
                "responses: views are continued by zeros in space and time; a bit is 1 above 1e-5",
                "temporal mean: of the responses, before they become bits; option `mean` has the other order",
                "blocks: a step of round(5 x 0.5) = 3, halves rounded up; blocks beyond the map's edge are left out",
                "sizes other than 32x32: responses are averaged to 32x32",
                "grey: BT.601 weights",
                "with methods other than tennet: filters are random, and histograms are averaged over blocks",
            ),
        ),
        BackboneSpec(
            name="plrn-net",
            summary="two 3D convolutions of 10 filters on grey clips, and a dense layer; 1.3 M",
            citation=CITATION,
            factory="elrbench_plugins.plrn_tennet.network:plrn_net",
            dims=3,
            sampling="clip-16",
            stages=("conv1", "conv2"),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            published=(Published(size=(32, 32), sampling="clip-16"),),
            unspecified=(
                "layers: two convolutions of 10 filters and a dense layer of 512, as a network in the authors' public "
                "code; whether pLRN has the same is not known",
                "batch normalisation after each convolution, two max-poolings before the dense layer, and dropout of "
                "0.5 after it: chosen here",
                "sizes other than 16 frames of 32x32: the last map is averaged to the 4x8x8 that the dense layer reads",
                "grey: BT.601 weights",
            ),
        ),
    ]


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return TenneT with an SVM, and pLRN, which starts from TenneT's filters."""
    return [
        MethodSpec(
            name="tennet",
            summary="3D PCANet: filters by PCA of the training clips, histograms of hashed maps, linear SVM",
            citation=CITATION,
            fit="elrbench_plugins.plrn_tennet.tennet:fit",
            recognizer="elrbench_plugins.plrn_tennet.tennet:recognizer",
            recognizer_options=("head", "scaling", "pyramid", "vectors"),
            backbones=("pca-hash",),
            check="elrbench_plugins.plrn_tennet.check:check",
            needs=("one-process",),
            options=HEAD,
            defaults=TENNET_DEFAULTS,
            budgets=TENNET_BUDGETS,
            requires=("sklearn",),
            extra="yardsticks",
            unspecified=(
                "C of the SVM: the authors choose it by a search that is not documented; 1 here, one against the rest",
                "frames: 16, spread over the whole clip; low views of 12x16 are enlarged to 32x32",
                "several windows of a clip: their histograms are averaged",
            ),
        ),
        MethodSpec(
            name="plrn-tennet",
            summary="network that also estimates a low-rank version of its clip, and starts from TenneT's filters",
            citation=f"{CITATION}; {TENSOR}",
            fit="elrbench_plugins.plrn_tennet.plrn:fit",
            backbones=("plrn-net",),
            check="elrbench_plugins.plrn_tennet.check:check",
            needs=("one-process",),
            options=PLRN,
            variants=VARIANTS,
            own_controls={"": "plrn-tennet:no-target", "random": "plrn-tennet:random+no-target"},
            idea_options=tuple(TARGET),
            defaults=PLRN_DEFAULTS,
            budgets=PLRN_BUDGETS,
            unspecified=(
                "target: the grey clip at network size with its largest singular values alone, by tensor SVD (Fourier "
                "transform along time, SVD of each frequency) or by the SVD of the matrix of frames; the paper solves "
                "a low-rank representation model, whose terms and weights are not given here",
                "estimate: a 3x3x3 convolution from the second map to a grey clip, for training alone; its loss is the "
                "mean squared error",
                "start: a filter of TenneT's second stage is in all 10 input channels, divided by 10",
                "optimiser, learning rate, batch, epochs, augmentation: this project's choice",
                "frames: 16, spread over the whole clip; low views of 12x16 are enlarged to 32x32",
            ),
        ),
    ]
