"""Plans that several processes cannot share: each mistake is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from frozen_runs import frozen_catalog, go, one_thread, planned

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.places import Place, device_of
from benchmark_core.runs.runner import run
from elrbench import ElrError, RunFailed

__all__ = ["frozen_catalog", "one_thread"]  # fixtures


@pytest.mark.parametrize(
    ("loop", "kind", "text"),
    [
        ("alone", ElrError, "^method 'frozen' steps an optimizer by itself"),
        ("nothing", ElrError, "^stage 'student' uses no optimizer"),
        ("fails", RunFailed, "^process 1: TypeError: a bug of the method; its traceback is above"),
    ],
)
def test_a_method_that_cannot_be_shared_or_fails(
    frozen_catalog: Catalog, loop: str, kind: type[ElrError], text: str, tmp_path: Path
) -> None:
    plan = planned(frozen_catalog, "method.batch=12", "method.epochs=1", f"method.loop={loop}", processes="2")
    with pytest.raises(kind, match=text) as caught:
        go(plan, frozen_catalog, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("stages/*/stage.json"))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"processes": "5"},
            "method.batch: 5 processes cannot share a batch of 12 clips equally; use e.g. a batch of 10",
        ),
        ({"processes": "none"}, "--processes none is not a whole number from 1 to 1024"),
        ({"processes": "0"}, "--processes 0 is not a whole number"),
        ({"batch_norm": "sync"}, "--batch-norm sync has no effect on one process"),
        ({"batch_norm": "all", "processes": "2"}, "--batch-norm all is not one of own, sync"),
        ({"processes": "12", "sampling": "1x1"}, "cannot average over one clip with one interval"),
    ],
)
def test_mistakes_in_a_plan(frozen_catalog: Catalog, fields: dict[str, str], text: str) -> None:
    with pytest.raises(ElrError, match=text) as caught:
        planned(frozen_catalog, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["probe", "hof-svm"])
def test_methods_without_a_network_to_train_are_refused(catalog: Catalog, method: str) -> None:
    pytest.importorskip("sklearn", reason="the extra 'yardsticks' is not installed")
    asked = {"weights": "imagenet"} if method == "probe" else {}
    request = PlanRequest(method=method, dataset="puppets", budget="small", processes=2, **asked)
    with pytest.raises(ElrError, match=f"method '{method}' is trained by one process, not by 2"):
        resolve_plan(catalog, request)


def test_other_batches_of_a_method_are_checked_too(catalog: Catalog) -> None:
    request = PlanRequest(
        method="purwanto", dataset="puppets", budget="smoke", processes=4, settings=("method.head_batch=6",)
    )
    with pytest.raises(ElrError, match="method.head_batch: 4 processes cannot share a batch of 6 clips equally"):
        resolve_plan(catalog, request)


def test_one_process_is_the_plan_without_the_option(frozen_catalog: Catalog) -> None:
    assert planned(frozen_catalog, processes="1") == planned(frozen_catalog, batch_norm="own")
    assert planned(frozen_catalog, processes="1").digest == planned(frozen_catalog).digest
    assert "processes" not in planned(frozen_catalog).to_json()
    two, sync = planned(frozen_catalog, processes="2"), planned(frozen_catalog, processes="2", batch_norm="sync")
    assert len({two.digest, sync.digest, planned(frozen_catalog).digest}) == 3


def test_devices_that_processes_cannot_have(
    frozen_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(plan: Plan, device: str | None) -> str:
        with pytest.raises(ElrError) as caught:
            run(plan, frozen_catalog, RunContext(out=tmp_path / "out", cache=tmp_path / "cache", device=device))
        assert "\n" not in str(caught.value) and not (tmp_path / "cache").exists()
        return str(caught.value)

    plan = planned(frozen_catalog, processes="2")
    assert refused(plan, "cuda:1").startswith("--device cuda:1 is one device, but each of several processes")
    assert "--batch-norm sync needs a GPU" in refused(planned(frozen_catalog, processes="2", batch_norm="sync"), "cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert refused(plan, None) == (
        "2 processes need as many GPUs, but 1 is visible; pass --processes 1 or --device cpu"
    )
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    with pytest.raises(ElrError, match="process 7 would be number 4 on a machine with 3 GPUs"):
        device_of("cuda", Place(rank=7, size=8, local=3))
