"""Rules for combinations of components that cannot work, checked before data are read. The docs list every rule."""

from __future__ import annotations

from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.modality import TEMPORAL, early_parts, kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.plans.components import Components, Rule
from benchmark_core.plans.native import NATIVE_RULES, rule_words
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.processes import PROCESS_RULES, uneven_text
from benchmark_core.plans.teacher_rules import TEACHER_RULES
from benchmark_core.plans.trained_part import trains_part
from benchmark_core.specs import Spec

__all__ = ["RULES", "Components", "Rule", "check_combination", "check_extras", "reads_unlabelled"]


RULES: tuple[Rule, ...] = (
    Rule(
        "backbone-of-method",
        lambda plan, components: (
            bool(components.method.backbones) and components.backbone.name not in components.method.backbones
        ),
        "method '{plan.method}' does not work with backbone '{plan.backbone}'; use --backbone {backbones}",
    ),
    Rule(
        "native-needs-native",
        lambda plan, components: components.degradation.crop == "none" and not components.dataset.natively_low,
        "degradation '{plan.degradation}' takes clips as recorded, but dataset '{plan.dataset}' is not natively low; "
        "use e.g. --degradation average-12x16, or --dataset low-folder:PATH for your own clips of low size",
    ),
    *NATIVE_RULES,
    Rule(
        "2d-needs-one-frame",
        lambda plan, components: components.backbone.dims == 2 and Sampling.parse(plan.sampling).t != 1,
        "backbone '{plan.backbone}' is 2D and takes one frame per interval, but sampling is {plan.sampling}; "
        "use e.g. --sampling 4x1, or a 3D --backbone",
    ),
    Rule(
        "stages-needed",
        lambda plan, components: "stages" in components.method.needs and not components.backbone.stages,
        "method '{plan.method}' reads stage maps, but backbone '{plan.backbone}' has none; use another --backbone",
    ),
    Rule(
        "modality",
        lambda plan, components: components.backbone.modality not in ("rgb", kind(plan.modality)),
        "backbone '{plan.backbone}' takes {components.backbone.modality}, not {plan.modality}; use another --backbone",
    ),
    Rule(
        "early-needs-frames",
        lambda plan, components: (
            bool(set(early_parts(plan.modality)) & set(TEMPORAL))
            and (components.backbone.dims == 2 or Sampling.parse(plan.sampling).t == 1)
        ),
        "modality {plan.modality} compares frames, which backbone '{plan.backbone}' with sampling {plan.sampling} sees "
        "one by one; use a 3D --backbone and e.g. --sampling clip-16",
    ),
    Rule(
        "early-unread",
        lambda plan, components: bool(early_parts(plan.modality)) and "single-input" in components.method.needs,
        "method '{plan.method}' reads one input, pictures or flow, and not the parts of {plan.modality}; "
        "use --modality rgb",
    ),
    Rule(
        "no-oracle-on-native",
        lambda plan, components: components.method.oracle and components.degradation.crop == "none",
        "method '{plan.method}' is scored on high views, but a native track has none; choose a --method "
        "that is scored on low views",
    ),
    Rule(
        "fixed-intervals",
        lambda plan, components: (
            "intervals" in components.method.needs and Sampling.parse(plan.sampling).kind == "windows"
        ),
        "method '{plan.method}' needs a fixed number of intervals, but with {plan.sampling} long clips have more; "
        "use e.g. --sampling 4x{frames}",
    ),
    Rule(
        "views-need-clip",
        lambda plan, components: (
            bool(plan.test_views)
            and Sampling.parse(plan.sampling).kind
            not in (("clip",) if ClipViews.parse(plan.test_views).crops > 1 else ("clip", "intervals"))
        ),
        "test views {plan.test_views} do not fit sampling {plan.sampling}: crops in time need clip-T, and mirror needs "
        "clip-T or KxT; use e.g. --sampling clip-16, with a 3D --backbone",
    ),
    Rule(
        "too-small",
        lambda plan, components: min(plan.size) < components.backbone.smallest,
        "backbone '{plan.backbone}' needs sides of {components.backbone.smallest} pixels or more; raise --size",
    ),
    Rule(
        "one-value-a-batch",
        lambda plan, components: plan.settings.get("method.batch") == 1 and Sampling.parse(plan.sampling).k == 1,
        "batch normalisation cannot average over one clip with one interval; set method.batch to 2 or more",
    ),
    Rule(
        "part-of-random-weights",
        lambda plan, components: trains_part(plan) and bool(_begins_random(plan, components)),
        "method.train={plan.settings[method.train]} trains a part of a backbone, but the weights of backbone "
        "'{random}' are random (scratch) and would stay so; pass --weights or remove method.train",
    ),
    Rule(
        "flow-of-stored-views",
        lambda plan, components: kind(plan.modality) == "flow" and _low_views_change(plan, components),
        "optical flow is computed once, but '{plan.method}' with degradation '{plan.degradation}' makes new low views "
        "in each epoch; use e.g. --degradation average-12x16",
    ),
    Rule(
        "flow-enhancer",
        lambda plan, components: (
            kind(plan.modality) == "flow" and components.enlarges is None and _learns(plan, components)
        ),
        "optical flow of low views is computed from enlarged frames before training, but enhancer '{plan.enhancer}' "
        "has parameters to train; choose an --enhancer without any",
    ),
    Rule(
        "one-teacher",
        lambda plan, components: bool(plan.teacher) and len(plan.streams) > 1,
        "--teacher gives one network, but {plan.modality} needs two; run each modality with its own --teacher or "
        "remove --teacher",
    ),
    Rule(
        "unlabelled-needed",
        lambda plan, components: not plan.unlabelled and bool(reads_unlabelled(plan, components)),
        "method '{plan.method}' with {reading} also learns from unlabelled clips, but the plan has none; pass e.g. "
        "--unlabelled videos:PATH",
    ),
    Rule(
        "unlabelled-unused",
        lambda plan, components: bool(plan.unlabelled) and not reads_unlabelled(plan, components),
        "method '{plan.method}' with these options does not use the unlabelled clips '{plan.unlabelled}'; "
        "remove --unlabelled",
    ),
    Rule(
        "teacher-unused",
        lambda plan, components: bool(plan.teacher) and "teacher" not in components.method.takes,
        "method '{plan.method}' does not use a trained teacher; remove --teacher",
    ),
    Rule(
        "source-unused",
        lambda plan, components: bool(plan.hr_source) and not components.takes_hr_source,
        "neither method '{plan.method}' nor enhancer '{plan.enhancer}' uses high views of another dataset; remove "
        "--high-source",
    ),
    Rule(
        "source-for-native",
        lambda plan, components: bool(plan.hr_source) and components.degradation.crop != "none",
        "degradation '{plan.degradation}' makes low views from the dataset's own high views; remove --high-source "
        "or pass --degradation native",
    ),
    *TEACHER_RULES,
    *PROCESS_RULES,
)


def check_combination(plan: Plan, components: Components) -> None:
    """Raise ElrError if a rule, or the check of the enhancer or method, refuses `plan` or one of its streams."""
    for one in (plan, *(plan.streams if len(plan.streams) > 1 else ())):
        for rule in RULES:
            if rule.refuses(one, components):
                reading = ", ".join(reads_unlabelled(one, components))
                frames = Sampling.parse(one.sampling).t
                backbones = " or ".join(components.method.backbones)
                words = {
                    "reading": reading,
                    "frames": frames,
                    "backbones": backbones,
                    "random": _begins_random(one, components),
                    "uneven": uneven_text(one.settings, one.processes),
                    **rule_words(one, components),
                }
                raise ElrError(rule.why.format(plan=one, components=components, **words))
    for spec in (components.enhancer, components.method):
        if spec.check is not None:
            spec.code(spec.check)(plan, components)


def check_extras(plan: Plan, components: Components) -> None:
    """Raise ElrError if a component needs an extra that is not installed. Backbones need one only for their weights."""
    specs: list[Spec] = [components.dataset, components.degradation, components.enhancer, components.method]
    for one, backbone in ((plan, components.backbone), (plan.of_teacher, components.of_teacher.backbone)):
        if isinstance(backbone.weights.get(one.weights), str):
            specs.append(backbone)
    for spec in specs:
        spec.check_extra()


def _low_views_change(plan: Plan, components: Components) -> bool:
    """Return whether low views are made during training instead of being read from the store."""
    crop = components.degradation.crop
    return crop == "before" or (crop == "none" and (components.needs_high or bool(plan.hr_source)))


def _begins_random(plan: Plan, components: Components) -> str:
    """Return the name of a backbone that is trained from random weights, the student's or the teacher's; else ""."""
    teacher = [plan.of_teacher] if components.has_teacher(plan) and not plan.teacher else []
    student = [] if components.method.oracle else [plan]
    return next((each.backbone for each in (*student, *teacher) if each.weights == "scratch"), "")


def _learns(plan: Plan, components: Components) -> bool:
    """Return whether the enhancer has parameters to train."""
    spec = components.enhancer
    if spec.fit is not None:
        return True
    return any(True for _ in spec.build(components.degradation.low, plan.size, plan.options("enhancer")).parameters())


def reads_unlabelled(plan: Plan, components: Components) -> list[str]:
    """Return `method.KEY=VALUE` of each option that makes the method learn from unlabelled clips."""
    options = components.options(plan, "method")
    asking = components.method.unlabelled.items()
    return [f"method.{key}={options[key]}" for key, values in asking if options[key] in values]
