"""A yardstick: a frozen pre-trained backbone with an SVM."""

from elrbench import MethodSpec, Option, hookimpl
from elrbench_plugins.svm_head.options import options


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return the probe on low views, and its oracle on high views."""
    return [
        MethodSpec(
            name="probe",
            summary="yardstick: frozen pre-trained backbone, features averaged over time, SVM",
            citation="features: Razavian et al., CNN Features off-the-shelf, CVPR Workshops 2014; SVM: Cortes and "
            "Vapnik, Support-Vector Networks, 1995",
            fit="elrbench_plugins.probe.probe:fit",
            recognizer="elrbench_plugins.probe.probe:recognizer",
            recognizer_options=("head", "scaling", "pyramid", "vectors"),
            needs=("single-input", "one-process"),
            check="elrbench_plugins.probe.check:check",
            options={
                **options(head="rbf-svm", scaling="l2", scalings=("standardise", "l2", "none")),
                "view": Option(default="low", choices=("low", "high"), help="views that it is trained and scored on"),
            },
            variants={
                "high": {"view": "high"},
                "pyramid": {"pyramid": 3},
                "linear": {"head": "linear-svm", "scaling": "standardise", "c": 0.01},
                "logistic": {"head": "logistic", "scaling": "standardise", "c": 0.01},
            },
            oracle_when={"view": ("high",)},
            defaults={"backbone": "efficientnet-lite0", "enhancer": "bilinear", "size": "96x128", "sampling": "8x1"},
            yardstick=True,
            requires=("sklearn",),
            extra="yardsticks",
        )
    ]
