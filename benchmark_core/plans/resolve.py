"""From what a user asked for to a plan: degradation from the dataset, partners from the method, budget, then flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.clips.classes import pick_classes, with_classes
from benchmark_core.clips.modality import MODALITIES
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.validation import read_validation_fraction, with_validation_split
from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import ComponentName
from benchmark_core.plans.combinations import Components, check_combination
from benchmark_core.plans.lookup import expand, fields_of, find
from benchmark_core.plans.plan import Plan, read_size
from benchmark_core.plans.resolve_extra import high_source_name, pool_name
from benchmark_core.specs import DatasetSpec, DegradationSpec, EnhancerSpec, MethodSpec, Spec, Value, defaults

BUDGETS = ("paper", "small", "smoke")
PARTNERS = ("enhancer", "backbone", "weights", "modality", "size", "sampling", "precision")  # what budgets may name


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """The flags of `elrbench run`, as text; None where a flag was not given. classes: "A,B,C", or the names."""

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
    seed: int = 0
    settings: tuple[str, ...] = field(default=())
    unlabelled: str | None = None
    teacher: str | None = None  # METHOD@DIGEST
    high_source: str | None = None
    enhancer_weights: str | None = None  # file:STEM@DIGEST
    holdout: str | float | None = None  # share of the training clips


def components_of(catalog: Catalog, plan: Plan) -> Components:
    """The specs that `plan` names. ElrError with did-you-mean where one is not in the catalog."""
    return _as_set(
        plan,
        Components(
            dataset=with_validation_split(
                with_classes(find(catalog.datasets, plan.dataset)[0], plan.classes),
                plan.holdout,
                plan.protocol,
                plan.fold,
            ),
            degradation=find(catalog.degradations, plan.degradation)[0],
            enhancer=find(catalog.enhancers, plan.enhancer)[0],
            backbone=find(catalog.backbones, plan.backbone)[0],
            method=find(catalog.methods, plan.method)[0],
            enlarges=_enlarges(catalog, find(catalog.enhancers, plan.enhancer)[0]),
        ),
    )


def _enlarges(catalog: Catalog, enhancer: EnhancerSpec) -> EnhancerSpec | None:
    return catalog.enhancers[enhancer.flow] if enhancer.flow else None


def _as_set(plan: Plan, components: Components) -> Components:
    """`chosen`, with method and enhancer as the plan's options make them."""
    return replace(
        components,
        method=components.method.under(components.options(plan, "method")),
        enhancer=components.enhancer.under(components.options(plan, "enhancer")),
    )


def resolve_plan(catalog: Catalog, request: PlanRequest) -> Plan:
    """The plan that `request` stands for. Every name and number is checked here, before data is touched.

    Raises ElrError: an unknown name (did-you-mean), a number out of range, a combination that cannot work.
    """
    plan, components = expanded(catalog, request)
    check_combination(plan, components)
    return plan


def expanded(catalog: Catalog, request: PlanRequest) -> tuple[Plan, Components]:
    """The plan and the specs that it names, which may not go together."""
    method, method_name = find(catalog.methods, request.method)
    dataset, dataset_name = find(catalog.datasets, request.dataset)
    if dataset.unlabelled:
        raise ElrError(
            f"dataset '{dataset_name}' is a pool of clips without labels: nothing can be trained on it alone or scored "
            "on it; it is for methods that also learn from unlabelled clips, beside a labelled --dataset"
        )
    classes = _classes(dataset, request.classes)
    holdout = 0.0 if request.holdout is None else read_validation_fraction(request.holdout)
    whole, dataset = dataset, with_classes(dataset, classes)
    if request.budget not in BUDGETS:
        raise unknown("budget", request.budget, BUDGETS)
    budget = {**dataset.budgets.get(request.budget, {}), **method.budgets.get(request.budget, {})}
    if method.budgets and request.budget not in method.budgets:
        raise ElrError(
            f"method '{method.name}' declares no budget '{request.budget}'; it has {', '.join(method.budgets)}"
        )

    budget, fixed = _of_variants(method, method_name, budget)
    for key in (*budget, *fixed, *method.defaults):
        if "." not in key and key not in PARTNERS:
            raise unknown(
                f"plan field in a budget or the defaults of '{method.name}' or '{dataset.name}':", key, PARTNERS
            )

    def partner(field_name: str, fallback: str = "") -> str:
        asked = getattr(request, field_name)
        usual = fixed.get(field_name, budget.get(field_name, method.defaults.get(field_name, fallback)))
        if asked is not None and asked != fixed.get(field_name, asked):
            raise ElrError(f"method '{method_name}' stands for {field_name} {usual}; leave out --{field_name} {asked}")
        found = str(usual if asked is None else asked)
        if not found:
            raise ElrError(f"method '{method.name}' prefers no {field_name}; give one with --{field_name}")
        return found

    degradation, degradation_name = find(catalog.degradations, request.degradation or dataset.degradation)
    enhancer, enhancer_name = find(catalog.enhancers, partner("enhancer"))
    backbone, backbone_name = find(catalog.backbones, partner("backbone"))
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
    budget = {**own, **budget}

    protocol = request.protocol or dataset.default_protocol
    if protocol not in dataset.protocols:
        raise unknown(f"protocol of dataset '{dataset.name}'", protocol, dataset.protocols)
    folds = dataset.protocols[protocol].folds
    fold = request.fold or folds[0]
    if fold not in folds:
        raise unknown(f"fold of protocol '{protocol}'", fold, folds)
    components = replace(components, dataset=with_validation_split(dataset, holdout, protocol, fold))
    weights = partner("weights", backbone.default_weights)
    if weights not in ("scratch", *backbone.weights):
        raise unknown(f"initialisation of backbone '{backbone.name}'", weights, ("scratch", *backbone.weights))
    modality = partner("modality", "rgb")
    if modality not in MODALITIES:
        raise unknown("modality", modality, MODALITIES)
    sampling = partner("sampling", backbone.sampling)
    if request.sampling is None and backbone.dims == 3 and Sampling.parse(sampling).t == 1:
        sampling = backbone.sampling  # methods and budgets name single frames for the 2D backbones that they name
    precision = partner("precision", "fp32")
    if precision not in ("fp32", "bf16"):
        raise unknown("precision", precision, ("fp32", "bf16"))
    if request.seed < 0:
        raise ElrError(f"--seed {request.seed} is negative; seeds are whole numbers from 0")
    names = {
        "dataset": dataset_name,
        "degradation": degradation_name,
        "enhancer": enhancer_name,
        "backbone": backbone_name,
        "method": method_name,
    }
    settings = _settings(components, names, budget, (*request.settings, *_of_file(enhancer, request.enhancer_weights)))
    own = {key.partition(".")[2]: value for key, value in settings.items() if key.startswith("enhancer.")}
    components = replace(components, enhancer=enhancer.under(defaults(enhancer) | own))
    plan = Plan(
        method=str(method_name),
        dataset=str(dataset_name),
        protocol=protocol,
        fold=fold,
        degradation=str(degradation_name),
        high_source=high_source_name(catalog, request.high_source, (whole, dataset_name), components),
        enhancer=str(enhancer_name),
        backbone=str(backbone_name),
        weights=weights,
        modality=modality,
        size=read_size("--size", partner("size", "256x340"), smallest=8),
        sampling=str(Sampling.parse(sampling)),
        precision=precision,
        budget=request.budget,
        seed=request.seed,
        settings=settings,
        classes=classes,
        unlabelled=pool_name(catalog, request.unlabelled, degradation),
        teacher=request.teacher or "",
        holdout=holdout,
    )
    return plan, _as_set(plan, components)


def with_options(catalog: Catalog, kind: str, text: str) -> tuple[Spec, dict[str, Value]]:
    """The spec behind a name with variants, and its options: defaults, then the variants'."""
    spec, name = find(catalog.sections[kind], text)
    return spec, expand(spec, name)


def track_name(catalog: Catalog, plan: Plan, kind: str) -> str:
    """The dataset's or degradation's name as tables use it: changed numbers change the name.

    `puppets,test=48,train=48`, `average-12x16,sigma_noise=4.0`, `14x14-centre112`.
    """
    spec, name = find(catalog.sections[kind], getattr(plan, kind))
    shown = ComponentName(spec.track_at(plan.size), name.variants) if isinstance(spec, DegradationSpec) else name
    usual = expand(spec, name)
    numbers = [f"{key}={value}" for key, value in sorted(plan.options(kind).items()) if usual[key] != value]
    return ",".join([str(shown), *numbers])


def _settings(
    components: Components, names: Mapping[str, ComponentName], budget: Mapping[str, Value], asked: tuple[str, ...]
) -> dict[str, Value]:
    """Every option of every chosen component as "KIND.KEY": defaults, variants, budget, then `--set`."""
    specs: dict[str, Spec] = {kind: getattr(components, kind) for kind in names}
    settings = {
        f"{kind}.{key}": value for kind, spec in specs.items() for key, value in expand(spec, names[kind]).items()
    }
    overrides: dict[str, tuple[str, Any]] = {
        key: (f"budget: {key}", value) for key, value in budget.items() if "." in key
    }
    for key in overrides.keys() - settings.keys():
        owners = " or ".join(specs[kind].name for kind in ("method", "dataset", "enhancer"))
        raise ElrError(f"a budget of {owners} sets '{key}', which none of them has")
    for text in asked:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not value.strip():
            raise ElrError(f"--set {text!r} is not KEY=VALUE, e.g. --set method.epochs=3")
        if key not in settings:
            raise unknown("setting", key, settings)
        overrides[key] = (f"--set {key}", _read(value.strip(), settings[key]))
    for key, (where, value) in overrides.items():
        kind, _, option = key.partition(".")
        settings[key] = specs[kind].options[option].check(where, value)
    return {key: value for key, value in sorted(settings.items()) if not _left_out(specs, key, value)}


def _of_variants(
    method: MethodSpec, name: ComponentName, budget: Mapping[str, Value]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """What goes for every variant of a method at a budget, its partners' options set by variants among it; and the plan
    fields that the variants of `name` stand for, which the budget may change: `VARIANT:FIELD`.
    """
    stands = fields_of(method, name)
    for key, value in budget.items():
        variant, colon, of = key.partition(":")
        if colon and variant not in method.variants:
            raise unknown(f"variant in a budget of method '{method.name}':", variant, method.variants)
        if colon and variant in name.variants:
            stands[of] = value
    usual = {key: value for key, value in budget.items() if ":" not in key}
    dotted = {key: value for key, value in stands.items() if "." in key}
    return {**usual, **dotted}, {key: value for key, value in stands.items() if "." not in key}


def _of_file(enhancer: EnhancerSpec, name: str | None) -> tuple[str, ...]:
    """The setting by which a plan takes the file `name` instead of fitting its enhancer."""
    if not name:
        return ()
    if enhancer.public is None:
        raise ElrError(f"enhancer '{enhancer.name}' is not of those that take --enhancer-weights; leave it out")
    return (f"enhancer.weights={name}",)


def _left_out(specs: Mapping[str, Spec], key: str, value: Value) -> bool:
    """Whether a plan does without it: an added option at its default."""
    kind, _, name = key.partition(".")
    option = specs[kind].options[name]
    return option.added and value == option.default


def _read(text: str, like: Value) -> Value:
    """`text` as the type of `like`; left as text where it does not read as that, so that the check can say so."""
    if isinstance(like, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    kinds: tuple[Callable[[str], Value], ...] = (int, float, _fraction) if isinstance(like, float) else (int, float)
    if isinstance(like, (int, float)):
        for kind in kinds:
            try:
                return kind(text)
            except (ValueError, ZeroDivisionError):
                continue
    return text


def _fraction(text: str) -> float:
    """`4/7` as the float nearest to it."""
    return float(Fraction(text))


def _classes(dataset: DatasetSpec, asked: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if asked is None or asked == ():
        return ()
    names = asked.split(",") if isinstance(asked, str) else asked
    return pick_classes(dataset, [name.strip() for name in names])
