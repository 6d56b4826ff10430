"""Super-resolution by back-projection: up- and down-sampling in turns, each corrected by the projection error."""

from elrbench import EnhancerSpec, Option, Published, hookimpl
from elrbench_plugins.dbpn.options import FITTING, SHAPE, UNITS, USE, budgets

CITATION = "Haris et al., Deep Back-Projection Networks for Super-Resolution, CVPR 2018 (arXiv 1803.02735)"
PAIRS = (
    "training data: whole frames of the training clips and their low views, flipped together; degradations that crop "
    "first (bicubic-HxW) give random crops. The authors use flipped and rotated patches of photographs"
)
NUMBERS = "scale, weights and training in Purwanto et al. (ICCVW 2019): not given there"

SCALES = tuple(Published(low=(12, 16), size=(12 * scale, 16 * scale)) for scale in (2, 4, 8))
LONGEST = Published(low=(12, 16), size=(96, 128), options={"units": 10})  # the authors' DBPN-LL


@hookimpl
def elr_enhancers() -> list[EnhancerSpec]:
    """Offer three networks, by 2, 4 or 8, on single frames."""
    small = {**SHAPE, **FITTING, **USE}
    deep = {**small, "units": UNITS}

    def spec(
        name: str, summary: str, factory: str, options: dict[str, Option], published: tuple[Published, ...] = SCALES
    ) -> EnhancerSpec:
        return EnhancerSpec(
            name=name,
            summary=summary,
            citation=CITATION,
            factory=f"elrbench_plugins.dbpn.enhancer:{factory}",
            fit="elrbench_plugins.dbpn.fit:fit",
            needs_high=True,
            check="elrbench_plugins.dbpn.scales:check",
            recognizer_options=tuple(key for key in options if key in (*SHAPE, "units")),
            flow="bicubic",
            public="elrbench_plugins.dbpn.enhancer:public_part",
            options=options,
            budgets=budgets(options),
            published=published,
            unspecified=(PAIRS, NUMBERS),
        )

    return [
        spec("dbpn-s", "back-projection with two up-projections, by 2, 4 or 8", "dbpn_s", small),
        spec("dbpn", "back-projection with seven up-projections, by 2, 4 or 8", "dbpn", deep),
        spec(
            "d-dbpn",
            "back-projection with seven up-projections, densely connected, by 2, 4 or 8",
            "d_dbpn",
            deep,
            (*SCALES, LONGEST),
        ),
    ]
