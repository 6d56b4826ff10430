"""The suites that put every system on the two tracks in which the field compares itself resolve, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_rows import of

from benchmark_core.papers.collection import Library, load_library
from elrbench import Catalog
from elrbench_plugins.commands.suite.rows import PlannedSuite, SuiteRequest, plan_suite

SUITES = Path(__file__).parents[1] / "leaderboards" / "suites"
TRACKS = {
    "ixmas-all": ("ixmas", "ixmas-12:epfl", "loso-10", 10),
    "hmdb51-12x16-all": ("hmdb51", "hmdb51", "3splits", 3),
}
NOT_SYSTEMS = {"teacher", "st-mhsa", "ensemble-distil", "probe"}  # an oracle, and parts or yardsticks of other rows
OWN = {"tinyvirat": "bicubic-12x16"}
OWN |= dict.fromkeys(("semi-coupled", "tennet", "plrn-tennet"), "grey-cubic-12x16")
OWN |= dict.fromkeys(
    ("isr", "dai", "rahman", "multi-siamese", "fully-coupled", "purwanto", "sosr", "tosr"), "average-12x16:clean"
)  # method -> low views of its own paper, or those of purwanto-table3


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def planned(name: str, catalog: Catalog, library: Library) -> PlannedSuite:
    suite = of((SUITES / f"{name}.yaml").read_text(encoding="utf-8"), name)
    return plan_suite(suite, catalog, library, SuiteRequest())


@pytest.mark.parametrize("name", TRACKS)
def test_every_row_is_a_plan_on_the_fields_track(name: str, catalog: Catalog, library: Library) -> None:
    data, dataset, protocol, folds = TRACKS[name]
    rows = planned(name, catalog, library).rows
    assert not [row.failed for row in rows if row.failed]
    for row in rows:
        for figure in row.printed:
            assert figure.dataset == data and figure.metric == "top1"
            assert figure.protocol in ("", protocol)
        if not row.row.run:
            continue
        assert len(row.plans) == folds
        for plan in row.plans:
            method = plan.method.partition(":")[0]
            assert (plan.dataset, plan.protocol, plan.budget) == (dataset, protocol, "paper")
            if plan.method != "hof-svm:pot":
                assert plan.degradation == OWN.get(method, "average-12x16")
            for figure in row.printed:
                assert figure.backbone in ("", plan.backbone)
                assert figure.degradation in ("", "12x16", plan.degradation)


@pytest.mark.parametrize("name", TRACKS)
def test_no_system_is_missing(name: str, catalog: Catalog, library: Library) -> None:
    rows = planned(name, catalog, library).rows
    run = {plan.method.partition(":")[0] for row in rows for plan in row.plans}
    missing = set(catalog.methods) - NOT_SYSTEMS - run
    assert not missing, f"add rows of {sorted(missing)} to leaderboards/suites/{name}.yaml"


@pytest.mark.parametrize("name", TRACKS)
def test_every_printed_figure_of_the_fields_tables_has_a_row(name: str, catalog: Catalog, library: Library) -> None:
    data = TRACKS[name][0]
    shown = {figure.value for row in planned(name, catalog, library).rows for figure in row.printed}
    tables = (("cstat-2021", "table5"), ("stat-2019", "table4"), ("purwanto-2019", "table3"))
    printed = {
        figure.value
        for paper, table in tables
        for key, figure in library.papers[paper].figures.items()
        if key.startswith(f"{paper}/{table}/") and figure.dataset == data
    }
    assert printed - shown <= {34.57}  # Rahman et al.: the low-quality subset of HMDB51, of no track
