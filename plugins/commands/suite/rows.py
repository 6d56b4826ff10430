"""Resolve the rows of a suite to plans, one per seed and fold, with the user's overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from benchmark_core.backbone_templates import add_backbone
from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import ComponentName
from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import Figure
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.context import NO_EXTRA_PATHS, ExtraPaths
from benchmark_core.weights_file import PREFIX, add_enhancer_weights, add_weights
from elrbench_plugins.commands.suite.from_scratch import scratch_remarks
from elrbench_plugins.commands.suite.row_errors import refuse_own_error
from elrbench_plugins.commands.suite.suite import Suite, SuiteRow

# Field -> fields of a row that no longer apply if the user overrides it.
DEPENDENT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "dataset": ("classes", "protocol", "fold", "high_source"),
    "backbone": ("sampling", "weights"),
    "enhancer": ("enhancer_weights",),
    "protocol": ("fold",),
}
BACKBONES = ("backbone", "teacher_backbone")  # fields that may name a network of a template
PAPER_BUDGET = "paper"  # the budget that holds the numbers of a paper


@dataclass(frozen=True, kw_only=True)
class SuiteRequest:
    """A user's overrides of a suite.

    fields: fields of a `PlanRequest` except seed and settings. `unlabelled` applies to rows that use unlabelled clips,
        `enhancer_weights` to rows whose enhancer has public checkpoints.
    settings: "KEY=VALUE", for rows that have the option.
    only: names of rows, or patterns such as `*-hmdb51`; empty: all rows.
    data: the dataset's folder. extra: folders of unlabelled clips and of the high-view source.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    only: tuple[str, ...] = ()
    data: Path | None = None
    extra: ExtraPaths = NO_EXTRA_PATHS


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """A row with its printed figures and its plans, ordered by seed, then fold.

    settings: the row's own settings that its plans keep. left_out: why the row is intentionally not run.
    failed: why the row could not be resolved.
    differs: fields in which the plans differ from the row or its printed figures: name -> (row's value, plan's value).
    """

    row: SuiteRow
    printed: tuple[Figure, ...]
    plans: tuple[Plan, ...] = ()
    components: Components | None = None
    settings: tuple[str, ...] = ()
    left_out: str = ""
    failed: str = ""
    differs: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlannedSuite:
    """Rows in the suite's order. catalog: has the folders that rows or options name. remarks: printed for the user."""

    suite: Suite
    rows: tuple[PlannedRow, ...]
    catalog: Catalog
    remarks: tuple[str, ...]


def plan_suite(suite: Suite, catalog: Catalog, library: Library, asked: SuiteRequest) -> PlannedSuite:
    """Resolve every row. A row without plans says why. Raises ElrError if no row has plans, or a row has an error."""
    listed = f"elrbench suite show {suite.argument}"
    for pattern in asked.only:
        if not any(fnmatchcase(row.name, pattern) for row in suite.rows):
            raise unknown(f"row of suite '{suite.name}'", pattern, (row.name for row in suite.rows), listed)
    rows = [row for row in suite.rows if not asked.only or any(fnmatchcase(row.name, word) for word in asked.only)]
    pool = asked.fields.get("unlabelled", asked.extra.unlabelled)
    if pool and not any("unlabelled" in row.fields for row in rows):
        raise ElrError(
            f"suite '{suite.name}': no selected row uses unlabelled clips such as {pool}; remove --unlabelled or "
            "select rows with 'unlabelled: videos:NAME'"
        )
    catalog, names = _placed(catalog, asked, rows)
    if "enhancer_weights" in asked.fields:
        asked = _as_setting(asked, names)
    planned = [_plan_row(row, suite, catalog, library, asked, names) for row in rows]
    applied, remarks = _settings_remarks(planned, asked)
    if asked.settings:
        planned = [
            _plan_row(row.row, suite, catalog, library, asked, names, applied.get(row.row.name, ())) for row in planned
        ]
    broken = [row for row in planned if row.failed]
    if broken and not any(row.plans for row in planned):
        first = broken[0]
        raise ElrError(f"{suite.row_place(first.row.name)}: {first.failed}")
    root = asked.extra.high_source
    if root is not None and not any(plan.hr_source for row in planned for plan in row.plans):
        raise ElrError(
            f"suite '{suite.name}': no row has a high source, but --high-source-data is {root}; pass --high-source NAME"
        )
    remarks += scratch_remarks(planned, catalog)
    return PlannedSuite(suite=suite, rows=tuple(planned), catalog=catalog, remarks=tuple(remarks))


def _placed(catalog: Catalog, asked: SuiteRequest, rows: Sequence[SuiteRow]) -> tuple[Catalog, dict[str, str]]:
    """Return the catalog with all named folders in it, and a map from names as written to names in plans."""
    datasets = {str(asked.fields.get("dataset", row.fields["dataset"])) for row in rows if row.run}
    if asked.data is not None and len(datasets) > 1:
        raise ElrError(
            f"--data {asked.data} is the folder of one dataset, but the rows use {', '.join(sorted(datasets))}; set "
            "ELRBENCH_DATA, select rows with --only, or pass --dataset"
        )
    names: dict[str, str] = {}
    for text in sorted(datasets):
        catalog, names[text] = catalog.with_folder(text, asked.data)
    pools = {
        str(asked.fields.get("unlabelled", row.fields["unlabelled"])) for row in rows if "unlabelled" in row.fields
    }
    for text in sorted(pools):
        if asked.extra.unlabelled is not None or "unlabelled" in asked.fields or not _without_folder(catalog, text):
            catalog, names[text] = catalog.with_folder(text, asked.extra.unlabelled, "--unlabelled-data")
    sources = {str({**row.fields, **asked.fields}.get("high_source", "self")) for row in rows}
    for text in sorted(sources - {"self"}):
        catalog, names[text] = catalog.with_folder(text, asked.extra.high_source, "--high-source-data")
    named = [{**row.fields, **asked.fields} for row in rows if row.run]
    for text in sorted({str(each[key]) for each in named for key in BACKBONES if key in each}):
        catalog, names[text] = add_backbone(catalog, text)
    for text in sorted({str({**row.fields, **asked.fields}.get("weights", "scratch")) for row in rows}):
        catalog, names[text] = add_weights(catalog, text)
    fields = [asked.fields, *({**row.fields, **asked.fields} for row in rows if not _other_weights(asked))]
    files = {each["enhancer_weights"] for each in fields if "enhancer_weights" in each}
    for text in sorted(map(str, files)):
        catalog, names[text] = add_enhancer_weights(catalog, text)
    return catalog, names


def _as_setting(asked: SuiteRequest, names: Mapping[str, str]) -> SuiteRequest:
    """Return the request with `enhancer_weights` as a setting, which applies only to rows with that option."""
    fields = {key: value for key, value in asked.fields.items() if key != "enhancer_weights"}
    setting = f"enhancer.weights={names[str(asked.fields['enhancer_weights'])]}"
    return replace(asked, fields=fields, settings=(*asked.settings, setting))


def _other_weights(asked: SuiteRequest) -> bool:
    """Whether the settings name enhancer weights, which override those of the rows."""
    return any(text.partition("=")[0].strip() == "enhancer.weights" for text in asked.settings)


def _without_folder(catalog: Catalog, name: str) -> bool:
    """Whether `name` is a template whose folder is not known yet: `videos:kinetics`."""
    base = ComponentName.parse(name).base
    return name not in catalog.datasets and base in catalog.datasets and catalog.datasets[base].at is not None


def _plan_row(
    row: SuiteRow,
    suite: Suite,
    catalog: Catalog,
    library: Library,
    asked: SuiteRequest,
    names: Mapping[str, str],
    settings: tuple[str, ...] = (),
) -> PlannedRow:
    try:
        printed = tuple(library.figure(key) for key in row.figures)
    except ElrError as error:
        raise ElrError(f"{suite.row_place(row.name)}: {error}") from error
    if not row.run:
        return PlannedRow(row=row, printed=printed, left_out="printed only: it has no plan")
    own = dict(row.fields)
    fields = {**own, **{name: value for name, value in asked.fields.items() if name != "unlabelled" or name in own}}
    for name in asked.fields.keys() & DEPENDENT_FIELDS.keys():
        if asked.fields[name] != own.get(name):
            for other in DEPENDENT_FIELDS[name]:
                if other not in asked.fields:
                    fields.pop(other, None)
    if _other_weights(asked):
        fields.pop("enhancer_weights", None)
    kept = tuple(text for text in row.settings if _still_applies(text, own, asked, settings))
    for each in (own, fields):
        placed = {"dataset", "high_source", "unlabelled", "weights", "enhancer_weights", *BACKBONES}
        for name in each.keys() & placed:
            each[name] = names.get(str(each[name]), each[name])
    try:
        plans = _plans(catalog, fields, (*kept, *settings), asked.seeds or row.seeds or suite.seeds)
        differs = {**_differs(catalog, own, row.settings, plans[0]), **_differs_from_print(printed, plans[0])}
    except ElrError as error:
        refuse_own_error(error, row, suite, own, catalog)
        return PlannedRow(row=row, printed=printed, failed=str(error))
    pool = plans[0].unlabelled
    return PlannedRow(
        row=row,
        printed=printed,
        plans=plans,
        components=components_of(catalog, plans[0]),
        settings=kept,
        left_out=f"needs --unlabelled videos:PATH, the folder of '{pool}' or of other unlabelled clips"
        if pool and _without_folder(catalog, pool)
        else "",
        differs=differs,
    )


def _plans(
    catalog: Catalog, fields: Mapping[str, Any], settings: tuple[str, ...], seeds: Sequence[int]
) -> tuple[Plan, ...]:
    first = resolve_plan(catalog, PlanRequest(**fields, settings=settings, seed=seeds[0]))
    protocol = components_of(catalog, first).dataset.protocols[first.protocol]
    folds = (first.fold,) if "fold" in fields else protocol.folds
    return tuple(
        resolve_plan(catalog, PlanRequest(**{**fields, "fold": fold}, settings=settings, seed=seed))
        for seed in seeds
        for fold in folds
    )


def _differs(
    catalog: Catalog, own: Mapping[str, Any], settings: tuple[str, ...], plan: Plan
) -> dict[str, tuple[str, str]]:
    """Return the fields in which `plan` differs from the row without overrides; empty if that row is no valid plan."""
    try:
        plain = resolve_plan(catalog, PlanRequest(**own, settings=settings)).to_json()
    except ElrError:
        return {}
    made = plan.to_json()
    one, other = ({**each.pop("settings"), **each} for each in (plain, made))
    left = ("seed", "fold")
    keys = [key for key in {**one, **other} if key not in left and one.get(key) != other.get(key)]
    return {key: (_text(one.get(key)), _text(other.get(key))) for key in keys}


def _still_applies(text: str, own: Mapping[str, Any], asked: SuiteRequest, settings: Sequence[str]) -> bool:
    """Whether a row's setting still applies: no option overrides it, and its component is still the row's."""
    key = text.partition("=")[0]
    kind = key.partition(".")[0]
    other = kind in asked.fields and asked.fields[kind] != own.get(kind)
    return not other and key not in {setting.partition("=")[0].strip() for setting in settings}


def _differs_from_print(printed: Sequence[Figure], plan: Plan) -> dict[str, tuple[str, str]]:
    """Return fields in which `plan` differs from the printed figures. `ixmas-11` counts as `ixmas`."""
    found = {}
    for figure in printed:
        for name in ("dataset", "protocol", "degradation", "backbone", "modality"):
            theirs, ours = getattr(figure, name), getattr(plan, name)
            if theirs and theirs != ours and not (name == "dataset" and ours.startswith(f"{theirs}-")):
                found[name] = (theirs, ours)
        if plan.budget != PAPER_BUDGET:
            found["budget"] = (PAPER_BUDGET, plan.budget)
        if plan.holdout:
            found["holdout"] = ("-", str(plan.holdout))
    return found


def _text(value: object) -> str:
    return "-" if value is None else "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _settings_remarks(rows: Sequence[PlannedRow], asked: SuiteRequest) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return row -> the settings that apply to it, and a remark per setting that some rows do not have.

    Raises ElrError if no row has the option.
    """
    applied: dict[str, tuple[str, ...]] = {}
    remarks = []
    able = [row for row in rows if row.plans and row.components is not None]
    for text in asked.settings:
        key = text.partition("=")[0].strip()
        have = [row for row in able if row.components is not None and key in _options(row.components)]
        said = "--enhancer-weights" if text.startswith(f"enhancer.weights={PREFIX}") else f"--set {text}"
        if able and not have and said == "--enhancer-weights":
            raise ElrError("no row has an enhancer with a public checkpoint; remove --enhancer-weights")
        if able and not have:
            known = {option for row in able if row.components is not None for option in _options(row.components)}
            raise unknown("setting", key, known)
        for row in have:
            applied[row.row.name] = (*applied.get(row.row.name, ()), text)
        if without := [row.row.name for row in able if row not in have]:
            remarks.append(f"{said} is not applied to {', '.join(without)}: no such option")
    return applied, remarks


def _options(components: Components) -> list[str]:
    specs = (components.dataset, components.degradation, components.enhancer, components.backbone, components.method)
    return [f"{spec.kind}.{key}" for spec in specs for key in spec.options]
