"""Fully-coupled two-stream spatiotemporal networks (Xu et al., WACV 2018)."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.fully_coupled.options import BUDGETS, COUPLING, DEFAULTS, NETWORK, OPTIONS, VARIANTS

CITATION = (
    "Xu, Sharghi, Chen and Crandall, Fully-Coupled Two-Stream Spatiotemporal Networks for Extremely Low Resolution "
    "Action Recognition, WACV 2018 (arXiv 1801.03983); GRU: Cho et al., EMNLP 2014"
)


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return the coupled training. `spatial` has the stream of pictures alone; `uncoupled` is the control."""
    return [
        MethodSpec(
            name="fully-coupled",
            summary="C3D on pictures and on flow, GRU over a clip's units; one network for low and high views",
            citation=CITATION,
            fit="elrbench_plugins.fully_coupled.fit:fit",
            recognizer="elrbench_plugins.fully_coupled.network:recognizer",
            recognizer_options=tuple(key for key in NETWORK if key not in ("head_dropout", "flow_bound")),
            check="elrbench_plugins.fully_coupled.check:check",
            options=OPTIONS,
            variants=VARIANTS,
            own_controls={
                "": "uncoupled",
                "spatial": "spatial+uncoupled",
                "temporal": "temporal+uncoupled",
            },
            idea_options=tuple(key for key in COUPLING if key != "coupled"),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            needs=("intervals", "single-input", "same-network"),
            no_teacher_when={"coupled": (False,)},
            requires=("cv2",),
            extra="flow",
            unspecified=(
                "sharing: by default, epochs on high and on low views take turns, as in the semi-coupled networks of "
                "Chen et al. (WACV 2017)",
                "units: K equal parts of a clip, with 16 consecutive frames of each (sampling 4x16)",
                "features of a unit: the output of fc7 with ReLU; other backbones: their pooled features",
                "one layer of GRUs that starts from zeros; its width, readout and direction are options",
                "flow: DIS on the frames at network size, right and down; the last frame repeats the field before it",
                "initial weights: random unless --weights names a file. The temporal stream starts with those of the "
                "spatial stream, its first convolution with their mean over colours (Wang et al., ECCV 2016)",
                "optimiser, learning rate, batch, epochs: this project's choice",
                "high views: area averages at network size",
            ),
        )
    ]
