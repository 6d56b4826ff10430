"""Resolve a request to a plan: degradation from the dataset, other fields from the method, budget, then flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmark_core.backbone_templates import add_recorded
from benchmark_core.catalog import Catalog
from benchmark_core.clips.classes import pick_classes, with_classes
from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.validation import read_validation_fraction, with_validation_split
from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import ComponentName
from benchmark_core.plans.combinations import Components, check_combination
from benchmark_core.plans.field_values import FieldValues
from benchmark_core.plans.keep import read_keep
from benchmark_core.plans.lookup import expand, find
from benchmark_core.plans.named_recipes import recipe_settings
from benchmark_core.plans.native import native_defaults
from benchmark_core.plans.plan import TEACHER_BACKBONE, Plan, read_size
from benchmark_core.plans.processes import read_batch_norm, read_processes
from benchmark_core.plans.resolve_extra import hr_source_name, unlabelled_name
from benchmark_core.plans.resolve_teacher import TEACHER, Student, teacher_fields
from benchmark_core.plans.settings import resolve_settings, split_budget, weights_setting
from benchmark_core.specs import DatasetSpec, DegradationSpec, EnhancerSpec, MethodSpec, Spec, Value, defaults

BUDGETS = ("paper", "small", "smoke")
# Plan fields that methods and budgets may set.
OVERRIDABLE = ("enhancer", "backbone", "weights", "modality", "size", "sampling", "precision", *TEACHER)


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """The flags of `elrbench run` as text; None if a flag was not given.

    recipe: a set of method options, which `settings` override. classes: "A,B,C", or a tuple of names.
    teacher: METHOD@DIGEST. enhancer_weights: file:STEM@DIGEST.
    holdout: fraction of the training clips. test_views: "3+mirror". processes: number of them. batch_norm: own or sync.
    keep: best or best-every-N.
    """

    method: str
    dataset: str
    classes: str | tuple[str, ...] | None = None
    protocol: str | None = None
    fold: str | None = None
    degradation: str | None = None
    enhancer: str | None = None
    backbone: str | None = None
    weights: str | None = None
    modality: str | None = None
    size: str | None = None
    sampling: str | None = None
    precision: str | None = None
    budget: str = "paper"
    recipe: str | None = None
    seed: int = 0
    settings: tuple[str, ...] = field(default=())
    unlabelled: str | None = None
    teacher: str | None = None
    high_source: str | None = None
    enhancer_weights: str | None = None
    holdout: str | float | None = None
    teacher_backbone: str | None = None
    teacher_weights: str | None = None
    teacher_size: str | None = None
    teacher_frames: str | None = None
    test_views: str | None = None
    processes: str | int | None = None
    batch_norm: str | None = None
    keep: str | None = None


def components_of(catalog: Catalog, plan: Plan) -> Components:
    """Return the specs that `plan` names. ElrError, with a suggestion, if one is not in the catalog.

    A backbone of a template that is not in the catalog is made from the plan's options; it has no weights to load.
    """
    catalog = add_recorded(catalog, plan.backbone, plan.settings, plan.teacher_backbone)
    return _with_options(
        plan,
        Components(
            dataset=dataset_of(catalog, plan),
            degradation=find(catalog.degradations, plan.degradation)[0],
            enhancer=find(catalog.enhancers, plan.enhancer)[0],
            backbone=find(catalog.backbones, plan.backbone)[0],
            teacher_backbone=find(catalog.backbones, plan.teacher_backbone)[0] if plan.teacher_backbone else None,
            method=find(catalog.methods, plan.method)[0],
            enlarges=_enlarges(catalog, find(catalog.enhancers, plan.enhancer)[0]),
        ),
    )


def dataset_of(catalog: Catalog, plan: Plan) -> DatasetSpec:
    """Return the plan's dataset with its classes and its validation split. ElrError if it is not in the catalog."""
    spec = with_classes(find(catalog.datasets, plan.dataset)[0], plan.classes)
    return with_validation_split(spec, plan.holdout, plan.protocol, plan.fold)


def _enlarges(catalog: Catalog, enhancer: EnhancerSpec) -> EnhancerSpec | None:
    """Return the enhancer that enlarges frames for optical flow, if `enhancer` names one."""
    return catalog.enhancers[enhancer.flow] if enhancer.flow else None


def _with_options(plan: Plan, components: Components) -> Components:
    """Apply the plan's options to method and enhancer, whose specs may depend on them."""
    return replace(
        components,
        method=components.method.under(components.options(plan, "method")),
        enhancer=components.enhancer.under(components.options(plan, "enhancer")),
    )


def resolve_plan(catalog: Catalog, request: PlanRequest) -> Plan:
    """Return the plan that `request` stands for. Every name and number is checked before data is read.

    Raises ElrError if a name is unknown (with a suggestion), a number is out of range, or a combination cannot work.
    """
    plan, components = expanded(catalog, request)
    check_combination(plan, components)
    return plan


def expanded(catalog: Catalog, request: PlanRequest) -> tuple[Plan, Components]:
    """Return the plan and the specs that it names, without checking that they can be combined."""
    method, method_name = find(catalog.methods, request.method)
    dataset, dataset_name = find(catalog.datasets, request.dataset)
    if dataset.unlabelled:
        raise ElrError(
            f"dataset '{dataset_name}' has no labels, so nothing can be trained or scored on it alone; pass a labelled "
            f"--dataset, and --unlabelled {dataset_name} if the method learns from unlabelled clips"
        )
    classes = _classes(dataset, request.classes)
    holdout = 0.0 if request.holdout is None else read_validation_fraction(request.holdout)
    whole, dataset = dataset, with_classes(dataset, classes)
    budget, fixed = _budget_and_fixed(method, method_name, dataset, request.budget)
    values = FieldValues(method=method, name=method_name, asked=vars(request), fixed=fixed, budget=budget)

    degradation, degradation_name = find(catalog.degradations, request.degradation or dataset.degradation)
    backbone, backbone_name = find(catalog.backbones, values.pick("backbone"))
    if backbone.native:
        values = replace(values, native=native_defaults(dataset, degradation))
        if dataset.natively_low and not values.native.get("size", request.size):  # else a rule refuses the plan
            raise ElrError(
                f"backbone '{backbone_name}' works at the low size, but clips of '{dataset_name}' may differ in size; "
                "pass the size that all are resized to, e.g. --size 16x16"
            )
    enhancer, enhancer_name = find(catalog.enhancers, values.pick("enhancer"))
    components = Components(
        dataset=dataset,
        degradation=degradation,
        enhancer=enhancer,
        backbone=backbone,
        method=method,
        enlarges=_enlarges(catalog, enhancer),
    )
    for key in (own := enhancer.budgets.get(request.budget, {})):
        if not key.startswith("enhancer."):
            raise unknown(f"option in a budget of enhancer '{enhancer.name}'", key, enhancer.options)
    budget = {**own, **budget, **recipe_settings(method, method_name, request.recipe)}
    if method.backbones and backbone.name not in method.backbones:  # a rule refuses the plan, and names the others
        budget = {key: value for key, value in budget.items() if not key.startswith("backbone.")}

    protocol, fold = _protocol_and_fold(dataset, request)
    components = replace(components, dataset=with_validation_split(dataset, holdout, protocol, fold))
    network = values.of_network(backbone)
    ClipViews.parse(request.test_views or "")
    if not 0 <= request.seed < 2**64:  # what a record can hold
        raise ElrError(f"--seed {request.seed} is not a whole number from 0 to {2**64 - 1}")
    names = {
        "dataset": dataset_name,
        "degradation": degradation_name,
        "enhancer": enhancer_name,
        "backbone": backbone_name,
        "method": method_name,
    }
    settings = resolve_settings(
        components, names, budget, (*request.settings, *weights_setting(enhancer, request.enhancer_weights))
    )
    components = replace(components, enhancer=enhancer.under(defaults(enhancer) | _of(settings, "enhancer")))
    size = read_size("--size", values.pick("size", "256x340"), smallest=1 if backbone.native else 8)
    student = Student(
        name=str(backbone_name),
        spec=backbone,
        weights=network["weights"],
        size=size,
        sampling=Sampling.parse(network["sampling"]),
    )
    teacher, teacher_backbone = teacher_fields(
        catalog,
        student,
        {field: getattr(request, field) for field in TEACHER},
        values.usual,
        trains=method.has_teacher(expand(method, method_name) | _of(settings, "method")),
        same="same-network" in method.needs,
    )
    components = replace(components, teacher_backbone=teacher_backbone)
    if teacher_backbone is not None and ":" in teacher_backbone.name:  # a template's: the plan must suffice to build it
        settings |= {f"{TEACHER_BACKBONE}.{key}": value for key, value in defaults(teacher_backbone).items()}
        settings = dict(sorted(settings.items()))
    plan = Plan(
        method=str(method_name),
        dataset=str(dataset_name),
        protocol=protocol,
        fold=fold,
        degradation=str(degradation_name),
        high_source=hr_source_name(catalog, request.high_source, (whole, dataset_name), components),
        enhancer=str(enhancer_name),
        backbone=str(backbone_name),
        weights=network["weights"],
        modality=network["modality"],
        size=size,
        sampling=network["sampling"],
        precision=network["precision"],
        budget=request.budget,
        seed=request.seed,
        settings=settings,
        classes=classes,
        unlabelled=unlabelled_name(catalog, request.unlabelled, degradation),
        teacher=request.teacher or "",
        holdout=holdout,
        **teacher,
        test_views=request.test_views or "",
        processes=(processes := read_processes(request.processes)),
        batch_norm=read_batch_norm(request.batch_norm, processes),
        keep=read_keep(request.keep, holdout),
    )
    return plan, _with_options(plan, components)


def _budget_and_fixed(
    method: MethodSpec, name: ComponentName, dataset: DatasetSpec, budget_name: str
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return fields and options of a budget, and the fields that variants of `name` fix. Raises ElrError if unknown."""
    if budget_name not in BUDGETS:
        raise unknown("budget", budget_name, BUDGETS)
    if method.budgets and budget_name not in method.budgets:
        raise ElrError(f"method '{method.name}' has no budget '{budget_name}'; use one of {', '.join(method.budgets)}")
    both = {**dataset.budgets.get(budget_name, {}), **method.budgets.get(budget_name, {})}
    budget, fixed = split_budget(method, name, both)
    for key in (*budget, *fixed, *method.defaults):
        if "." not in key and key not in OVERRIDABLE:
            raise unknown(
                f"plan field in a budget or the defaults of '{method.name}' or '{dataset.name}':", key, OVERRIDABLE
            )
    return budget, fixed


def _protocol_and_fold(dataset: DatasetSpec, request: PlanRequest) -> tuple[str, str]:
    protocol = request.protocol or dataset.default_protocol
    if protocol not in dataset.protocols:
        raise unknown(f"protocol of dataset '{dataset.name}'", protocol, dataset.protocols)
    folds = dataset.protocols[protocol].folds
    fold = request.fold or folds[0]
    if fold not in folds:
        raise unknown(f"fold of protocol '{protocol}'", fold, folds)
    return protocol, fold


def _of(settings: Mapping[str, Value], kind: str) -> dict[str, Value]:
    """Return the settings of one kind of component, without the prefix."""
    return {key.partition(".")[2]: value for key, value in settings.items() if key.startswith(f"{kind}.")}


def with_options(catalog: Catalog, kind: str, text: str) -> tuple[Spec, dict[str, Value]]:
    """Return the spec of a name with variants, and its options: defaults, then those of the variants."""
    spec, name = find(catalog.sections[kind], text)
    return spec, expand(spec, name)


def track_name(catalog: Catalog, plan: Plan, kind: str) -> str:
    """Return the dataset's or degradation's name in tables. It lists options that differ from their defaults.

    Examples: `puppets,test=48,train=48`, `average-12x16,sigma_noise=4.0`, `14x14-centre112`.
    """
    spec, name = find(catalog.sections[kind], getattr(plan, kind))
    shown = ComponentName(spec.track_at(plan.size), name.variants) if isinstance(spec, DegradationSpec) else name
    usual = expand(spec, name)
    numbers = [f"{key}={value}" for key, value in sorted(plan.options(kind).items()) if usual[key] != value]
    return ",".join([str(shown), *numbers])


def _classes(dataset: DatasetSpec, asked: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the classes asked for in the dataset's order; () for all."""
    if asked is None or asked == ():
        return ()
    names = asked.split(",") if isinstance(asked, str) else asked
    return pick_classes(dataset, [name.strip() for name in names])
