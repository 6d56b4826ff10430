"""Semi-coupled two-stream fusion networks (Chen et al., WACV 2017), with their preprocessing."""

from elrbench import BackboneSpec, DegradationSpec, EnhancerSpec, MethodSpec, Option, Published, hookimpl
from elrbench_plugins.semi_coupled.options import BUDGETS, DEFAULTS, OPTIONS, RATIOS, VARIANTS

CITATION = (
    "Chen et al., Semi-Coupled Two-Stream Fusion ConvNets for Action Recognition at Extremely Low Resolutions, "
    "WACV 2017 (arXiv 1610.03898); numbers from the authors' public MatConvNet code (MIT)"
)


@hookimpl
def elr_degradations() -> list[DegradationSpec]:
    """Return the paper's degradation."""
    return [
        DegradationSpec(
            name="grey-cubic-HxW",
            summary="grey frames, cubic down-sampling as MATLAB's imresize; no blur, no noise",
            citation=CITATION,
            on_clip="elrbench_plugins.semi_coupled.degrade:degrade",
            from_high="elrbench_plugins.semi_coupled.degrade:from_high",
            unspecified=(
                "region: the centre with the aspect of the low size, unless the dataset keeps whole frames; the "
                "authors' code resizes whole frames",
                "grey: the luma plane if a video has one, else BT.601 weights, as rgb2gray",
            ),
        )
    ]


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Return the paper's interpolation."""
    return [
        EnhancerSpec(
            name="cubic",
            summary="cubic interpolation as MATLAB's imresize (a = -0.5), in whole grey levels",
            citation=CITATION,
            factory="elrbench_plugins.semi_coupled.enlarge:cubic",
            published=(Published(low=(12, 16), size=(32, 32)),),
        )
    ]


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the networks."""
    return [
        BackboneSpec(
            name="elr-two-stream",
            summary="grey frames and stacks of colour-coded flow at 32x32, fused; classifies single frames; 0.8 M",
            citation=CITATION,
            factory="elrbench_plugins.semi_coupled.network:two_stream",
            dims=3,
            sampling="windows-40",
            smallest=12,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            published=(Published(size=(32, 32), sampling="windows-40", classes=12),),
            options={
                "streams": Option(
                    default="both", choices=("both", "spatial", "temporal"), help="grey frames, flow, or both"
                ),
                "at": Option(
                    default="conv", choices=("conv", "fc1"), help="layer of the fusion: last convolution, or fc1"
                ),
                "fusion": Option(
                    default="sum",
                    choices=("sum", "concat", "conv"),
                    help="sum, concatenation, or concatenation and a 1x1 convolution",
                ),
            },
            unspecified=(
                "optical flow: DIS; the authors use C. Liu's (alpha 0.012, ratio 0.75, width 20, iterations 7, 1, 30), "
                "for which there is no package. On the grey frames at network size, before their mean is removed",
                "flow at a window's ends: the first and last field repeat; the authors' stacks reach into the clips "
                "that are stored before and after",
                "temporal mean: over the frames of a window; windows-40 holds whole clips of up to 40 frames",
                "grey channels: one, as the authors' preprocessing stores; their networks have three input channels",
                "fusion at fc1: third temporal convolution of 64 filters, no BN after the first, as the authors' code",
                "single streams: fc1 of 256 with ReLU, dropout 0.2; the authors' temporal network does not fit its "
                "own layers",
                "sizes other than 32x32: the last map is averaged to the 4x4 that fc1 reads",
                "several windows: their logits have equal weights, whatever their number of frames",
            ),
        )
    ]


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return the coupled training. Its variants are the fusions; `uncoupled` is the control."""
    return [
        MethodSpec(
            name="semi-coupled",
            summary="two-stream fusion network that shares some filters with a network on high views",
            citation=CITATION,
            fit="elrbench_plugins.semi_coupled.fit:fit",
            check="elrbench_plugins.semi_coupled.check:check",
            backbones=("elr-two-stream",),
            options=OPTIONS,
            variants=VARIANTS,
            own_controls={"": "uncoupled"},
            idea_options=(*RATIOS, "first"),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            no_teacher_when={"coupled": (False,)},
            requires=("cv2",),
            extra="flow",
            unspecified=(
                "an epoch: `passes` passes over the clips with `frames` random frames of each; in the authors' code, "
                "every frame once, in batches of 256 frames",
                "copies: the authors' script calls MatConvNet's cnn_train_dag, which by default continues from its "
                "last checkpoint and would then ignore the copied filters. Here they are kept",
                "last epoch: the authors' code ends with the network on high views and copies its filters, too; "
                "method.first=high ends with the network on low views",
                "learning rate: 0.01, halved after a network's tenth epoch. The third value of the authors' list, "
                "0.0005, begins at a network's 21st epoch, which is not reached. All variants have this schedule; the "
                "authors train low views alone for 25 epochs, and single streams from 0.05 with a tenth after 15, 30 "
                "and 40 epochs",
                "normalisation layers: not shared, as in the authors' code",
                "weight decay: not applied to biases and normalisation layers; MatConvNet applies it to all",
                "fusion at fc1 and by a 1x1 convolution: coupling ratios are those of fc1",
                "high views: area averages at network size; the authors resize by imresize",
                "mirroring: drawn for each clip; the authors' code mirrors a whole batch or none of it",
                "score: the mean of the logits of all frames",
            ),
        )
    ]
