"""Published records keep their rows: what their flags stand for today is the plan that they were run by."""

import dataclasses
import json
from pathlib import Path

import pytest

from benchmark_core.catalog import Section
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import fields_of
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from elrbench import Catalog, MethodSpec, Option

RECORDS = sorted((Path(__file__).parents[1] / "leaderboards" / "records").rglob("*.json"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_record_resolves_to_its_own_plan(path: Path, catalog: Catalog):
    record = json.loads(path.read_text())
    # Files are not published: their names and digests are taken as they are. Such a teacher starts as its student does.
    files = {
        field: text
        for field in ("weights", "teacher_weights")
        if (text := record["plan"].get(field, "")).startswith("file:")
    }
    scratch = {"weights": "scratch"} if files else {}
    plan = resolve_plan(catalog, PlanRequest(**fields_of(record["plan"] | scratch, {})))
    plan = dataclasses.replace(plan, **files)
    assert plan.digest == Plan.from_json(record["plan"]).digest == record["digest"]


def with_option(catalog: Catalog, method: str, **options: Option) -> Catalog:
    spec: MethodSpec = catalog.methods[method]
    later = dataclasses.replace(spec, options={**spec.options, **options})
    return dataclasses.replace(catalog, methods=Section("method", {**catalog.methods, method: later}))


def test_added_option_at_its_default_changes_no_plan(catalog: Catalog):
    request = PlanRequest(method="supervised", dataset="puppets", budget="smoke")
    before = resolve_plan(catalog, request)
    later = with_option(catalog, "supervised", extra=Option(default=0.0, help="came later", added=True))
    plan = resolve_plan(later, request)
    assert plan.digest == before.digest
    components: Components = components_of(later, plan)
    assert components.options(plan, "method")["extra"] == 0.0  # but a method reads it as any other


def test_added_option_off_its_default_is_part_of_the_plan(catalog: Catalog):
    later = with_option(catalog, "supervised", extra=Option(default=0.0, help="came later", added=True))
    plan = resolve_plan(
        later, PlanRequest(method="supervised", dataset="puppets", budget="smoke", settings=("method.extra=0.5",))
    )
    assert plan.settings["method.extra"] == 0.5
    assert components_of(later, plan).options(plan, "method")["extra"] == 0.5
    assert Plan.from_json(plan.to_json()) == plan


def test_ordinary_option_is_part_of_every_plan(catalog: Catalog):
    later = with_option(catalog, "supervised", extra=Option(default=0.0, help="came later"))
    plan = resolve_plan(later, PlanRequest(method="supervised", dataset="puppets", budget="smoke"))
    assert plan.settings["method.extra"] == 0.0
