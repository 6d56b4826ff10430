"""TinyVIRAT's system: its numbers, eq. 4 by hand, stages that it shares, and whole runs on TinyVIRAT as released."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BUILTINS, TOY
from test_high_source import write_crops
from tiny_virat import write_first, write_list

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.prepare import Data, prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.seeds import seed_of
from benchmark_core.training.training import Training, build_training
from elrbench import ElrError
from elrbench_plugins.commands.suite.estimate import Estimator

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
TABLE = {  # variant -> enhancer: the rows of Table V
    "classifier": "bicubic",
    "dvsr": "dvsr",
    "prog-dvsr": "prog-dvsr",
    "prog-dvsr-att": "prog-dvsr-att",
}
F1 = ("f1_macro", "f1_micro", "f1_samples", "map", "f1_macro_logit0.5", "f1_samples_logit0.5")


def plan_of(catalog: Catalog, method: str = "tinyvirat", *settings: str, **changes: Any) -> Plan:
    return resolve_plan(catalog, PlanRequest(method=method, settings=settings, **{"dataset": "tinyvirat", **changes}))


# -- numbers


@pytest.mark.parametrize(("variant", "enhancer"), TABLE.items())
def test_the_paper_budget_is_section_v_b(catalog: Catalog, variant: str, enhancer: str) -> None:
    plan = plan_of(catalog, f"tinyvirat:{variant}")
    assert (plan.enhancer, plan.backbone, plan.size, plan.sampling) == (enhancer, "i3d", (112, 112), "windows-16")
    assert (plan.degradation, plan.precision) == ("native", "fp32")
    assert plan.high_source == ("" if variant == "classifier" else "self")
    options = plan.options("method")
    stated = {"optimiser": "adam", "lr": 2e-4, "beta1": 0.5, "beta2": 0.9, "schedule": "constant", "warmup_epochs": 0}
    assert {key: options[key] for key in stated} == stated


def test_the_bare_name_is_the_whole_system(catalog: Catalog) -> None:
    assert plan_of(catalog) == plan_of(catalog, "tinyvirat:prog-dvsr-att")
    with pytest.raises(ElrError, match="'tinyvirat:dvsr' fixes enhancer dvsr; remove --enhancer bicubic"):
        plan_of(catalog, "tinyvirat:dvsr", enhancer="bicubic")


def test_the_codes_numbers_reach_enhancer_and_classifier(catalog: Catalog) -> None:
    paper, code = plan_of(catalog), plan_of(catalog, "tinyvirat:code")
    assert (code.enhancer, code.backbone, code.size) == ("prog-dvsr-att:code", paper.backbone, paper.size)
    ours, theirs = paper.options("method"), code.options("method")
    differs = {key: (ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]}
    assert differs == {"beta1": (0.5, 0.9), "beta2": (0.9, 0.999)}
    assert [paper.options("enhancer")["fade"], code.options("enhancer")["fade"]] == ["updates", "epochs"]
    for budget in ("small", "smoke"):  # no budget stands over what the variant says of Adam
        options = plan_of(catalog, "tinyvirat:code", budget=budget).options("method")
        assert (options["beta1"], options["beta2"]) == (0.9, 0.999)


@pytest.mark.parametrize(("row", "enhancer"), [("classifier", "bicubic"), ("dvsr", "dvsr"), ("prog-dvsr", "prog-dvsr")])
def test_every_row_has_the_codes_numbers_too(catalog: Catalog, row: str, enhancer: str) -> None:
    paper, code = (plan_of(catalog, f"tinyvirat:{name}") for name in (row, f"{row}-code"))
    assert paper.enhancer == enhancer and code.enhancer == (enhancer if row == "classifier" else f"{enhancer}:code")
    options = code.options("method")
    beta1 = 0.5 if row == "classifier" else 0.9  # interpolated video has a decay of its own there
    assert (options["beta1"], options["beta2"], options["schedule"]) == (beta1, 0.999, "step")
    assert (options["step_epochs"], options["step_factor"]) == (1, 0.999)  # a thousandth less each epoch
    assert options["sees"] == paper.options("method")["sees"] == "low"


@pytest.mark.parametrize(("dataset", "low", "scale"), [("hmdb51", 14, 8), ("ucf101", 28, 4)])
def test_synthetic_low_views_are_cut_from_the_112_centre(catalog: Catalog, dataset: str, low: int, scale: int) -> None:
    plan = plan_of(catalog, dataset=dataset, degradation=f"bicubic-{low}x{low}", protocol="split1")
    components = components_of(catalog, plan)
    assert (plan.size, low * scale, components.degradation.crop, plan.high_source) == ((112, 112), 112, "before", "")
    assert components.degradation.track_at(plan.size) == f"{low}x{low}-centre112"


def test_the_small_budget_is_supervised_small_but_for_adams_decays(catalog: Catalog) -> None:
    asked = {"dataset": "puppets", "degradation": "bicubic-14x14", "budget": "small"}
    ours = plan_of(catalog, "tinyvirat:classifier", **asked)
    plain = plan_of(catalog, "supervised", enhancer="bicubic", **asked)
    assert (ours.backbone, ours.size, ours.precision) == ("resnet3d-18", (56, 56), "fp32")
    one, other = (components_of(catalog, plan).options(plan, "method") for plan in (ours, plain))
    assert {key for key in RECIPE if one[key] != other[key]} == {"beta1", "beta2"}
    grown = plan_of(catalog, "tinyvirat:prog-dvsr", **asked)
    assert (grown.size[0] // 14, grown.options("method")) == (4, ours.options("method"))


def test_the_ceiling_sees_high_views_and_has_none_on_natively_low_clips(catalog: Catalog) -> None:
    plan = plan_of(catalog, "tinyvirat:high", dataset="hmdb51", degradation="bicubic-14x14")
    assert components_of(catalog, plan).method.oracle and not catalog.methods["tinyvirat"].oracle
    with pytest.raises(ElrError, match="'tinyvirat:high' is scored on high views, .* native track has none"):
        plan_of(catalog, "tinyvirat:high")


@pytest.fixture
def call(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`call("show", "tinyvirat")` with the built-ins: what it prints; it has to end well."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda *_, **__: catalog)

    def words(*argv: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        out, err = capsys.readouterr()
        assert not stopped.value.code, err
        return out

    return words


@pytest.mark.parametrize("kind", ["method", "dataset"])
def test_show_says_which_f1_the_tables_hold(call: Callable[..., str], kind: str) -> None:
    (line,) = [line for line in call("show", kind, "tinyvirat").splitlines() if "F1" in line and "tables" in line]
    assert "f1_macro_windows_logit0.5" in line and "f1_macro," in line


def test_the_spec_imports_no_torch() -> None:
    check = "import sys, elrbench_plugins.tinyvirat_method; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


# -- eq. 4


def prepared(catalog: Catalog, plan: Plan, cache: Path) -> tuple[Components, Data, Training]:
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=cache, cache=cache))
    training = build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(OWNERS),
        make_views=data.training_views,
        device=torch.device("cpu"),
        cache=cache,
        reporter=Silent(),
    )
    return components, data, training


@pytest.mark.parametrize(
    ("dataset", "size", "clips"), [("toy", "24x32", 24), ("tiny-puppets", "32x32", 8)], ids=["one-label", "labels"]
)
def test_eq_4_by_hand(toy_catalog: Catalog, tmp_path: Path, dataset: str, size: str, clips: int) -> None:
    """The loss of the first update, of what the enhancer gives: minus the mean log-likelihood of the labels."""
    settings = (f"dataset.train={clips}", "dataset.test=2", f"method.batch={clips}", "method.lr=0", "method.epochs=1")
    plan = plan_of(
        toy_catalog, "tinyvirat:classifier", *settings,
        dataset=dataset, backbone="toynet", size=size, sampling="2x1", budget="smoke",
    )  # fmt: skip
    components, data, training = prepared(toy_catalog, plan, tmp_path)
    model = components.method.load(components.method.fit)(training)  # at a learning rate of 0: as initialised
    (stage,) = training.stages
    views = data.training_views(low=True, high=False, seed=seed_of(0, "student", "views"))
    batch = views.to_device(next(views.batches(clips, epoch=0)), torch.device("cpu"))
    with torch.no_grad():
        logits = model.train()(batch.low, batch.mask, batch.box).double().numpy()  # (B, C)
    target = batch.target.numpy()
    if dataset == "toy":
        likelihood = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        expected = -np.log(likelihood[np.arange(clips), target]).mean()
    else:
        assert target.shape == logits.shape and target.sum() > clips
        sigmoid = 1 / (1 + np.exp(-logits))
        expected = -np.log(np.where(target > 0, sigmoid, 1 - sigmoid)).mean()  # over clips and classes
    assert (stage["name"], stage["updates"]) == ("student", 1)
    assert stage["history"][0]["loss"] == pytest.approx(expected, abs=1e-5)


# -- stages


def go(catalog: Catalog, plan: Plan, work: Path, data: Path | None = None, **asked: Any) -> RunResult:
    out = work / plan.digest
    return run(plan, catalog, RunContext(data=data, out=out, cache=work / "cache", reporter=Silent(), **asked))


def test_the_classifiers_stage_is_supervised_where_numbers_are_equal(toy_catalog: Catalog, tmp_path: Path) -> None:
    asked = {"dataset": "toy", "backbone": "toynet", "size": "24x32", "sampling": "2x1", "budget": "smoke"}
    ours = plan_of(toy_catalog, "tinyvirat:classifier", **asked)
    options = components_of(toy_catalog, ours).options(ours, "method")
    same = tuple(f"method.{key}={options[key]}" for key in RECIPE)
    plain = plan_of(toy_catalog, "supervised", *same, enhancer="bicubic", **asked)
    other = plan_of(toy_catalog, "supervised", *same, "method.beta1=0.9", enhancer="bicubic", **asked)
    first, second, third = (go(toy_catalog, plan, tmp_path).record["stages"][0] for plan in (ours, plain, other))
    assert second["key"] == first["key"] and second["reused"] and not first["reused"]
    assert third["key"] != first["key"] and not third["reused"]  # Adam's decays are part of it


def test_the_ceiling_is_the_plain_teachers_stage(toy_catalog: Catalog, tmp_path: Path) -> None:
    asked = {"dataset": "toy", "backbone": "toynet", "size": "24x32", "sampling": "2x1", "budget": "smoke"}
    ours = plan_of(toy_catalog, "tinyvirat:high", **asked)
    options = components_of(toy_catalog, ours).options(ours, "method")
    plain = plan_of(toy_catalog, "teacher", *(f"method.{key}={options[key]}" for key in RECIPE), **asked)
    first, second = (go(toy_catalog, plan, tmp_path).record for plan in (ours, plain))
    assert first["privileged"] and second["stages"][0]["reused"]
    assert first["scores"] == second["scores"]


def test_an_estimate_counts_the_enhancer_forward_alone_once_it_is_fitted(catalog: Catalog) -> None:
    asked = {"dataset": "puppets", "degradation": "bicubic-14x14", "budget": "smoke", "size": "56x56"}
    estimator, found = Estimator(catalog), {}
    for variant in ("classifier", "dvsr", "prog-dvsr"):
        plan = plan_of(catalog, f"tinyvirat:{variant}", **asked)
        found[variant] = estimator.of(plan, components_of(catalog, plan))
    (alone,) = found["classifier"].stages.values()
    fitted, student = found["dvsr"].stages.values()
    enhancing = found["dvsr"].clip_macs - found["classifier"].clip_macs
    assert enhancing == pytest.approx(51.03e9 / 4, rel=0.01)  # 28 to 112 takes four times as much
    assert student - alone == pytest.approx(48 * enhancing)  # 48 clips, one epoch, no backward pass through it
    assert fitted > 2 * 48 * enhancing
    assert len(set(found["prog-dvsr"].stages) | set(found["dvsr"].stages)) == 4  # two enhancers, a student each


# -- whole runs, on TinyVIRAT as released


@pytest.fixture(scope="module")
def small_catalog() -> Catalog:
    """The built-ins, and a 3D backbone that trains in a second."""
    modules = [f"elrbench_plugins.{name}" for name in BUILTINS]
    return load_catalog([*modules, str(TOY.with_name("toy3d.py"))], entry_points=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """TinyVIRAT, and larger crops."""
    folder = tmp_path_factory.mktemp("data")
    return write_first(folder / "tinyvirat"), write_crops(folder / "virat-crops")


def test_a_smoke_plan_has_the_whole_system(catalog: Catalog) -> None:
    plan = plan_of(catalog, budget="smoke")
    assert (plan.enhancer, plan.backbone, plan.high_source) == ("prog-dvsr-att", "resnet3d-18", "self")


@pytest.mark.slow
def test_elrbench_run_from_the_lists_to_the_record(
    call: Callable[..., str],
    small_catalog: Catalog,
    made: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog_module, "load_catalog", lambda *_, **__: small_catalog)

    def ran(method: str, out: Path) -> dict[str, Any]:
        asked = ["--method", method, "--dataset", "tinyvirat", "--budget", "smoke", "--data", str(made[0])]
        asked += ["--backbone", "toy3d", "--sampling", "windows-16", "--size", "16x16"]
        call("run", *asked, "--out", str(out), "--cache", str(tmp_path / "cache"))
        (path,) = out.glob("tinyvirat-*.json")
        record: dict[str, Any] = json.loads(path.read_text())
        return record

    record = ran("tinyvirat", tmp_path / "one")
    assert [stage["name"] for stage in record["stages"]] == ["prog-dvsr", "prog-dvsr-att", "student"]
    assert all(updates > 0 for updates in record["updates"].values())
    assert (record["plan"]["enhancer"], record["plan"]["high_source"]) == ("prog-dvsr-att", "self")
    assert record["primary"] == "f1_macro" and tuple(record["scores"]) == F1
    assert (record["clips"]["train"], record["clips"]["test"]) == (6, 6)
    other = ran("tinyvirat:prog-dvsr", tmp_path / "two")  # the rows of one table share what they train
    assert [(stage["name"], stage["reused"]) for stage in other["stages"]] == [("prog-dvsr", True), ("student", False)]
    assert other["stages"][0]["key"] == record["stages"][0]["key"]


@pytest.mark.slow
def test_pairs_of_the_high_source_are_learnt_from(
    small_catalog: Catalog, made: tuple[Path, Path], tmp_path: Path
) -> None:
    asked = {"backbone": "toy3d", "sampling": "windows-16", "budget": "smoke", "size": "16x16"}
    plan = plan_of(small_catalog, "tinyvirat:dvsr", "method.batch=3", **asked, high_source="virat-crops")
    record = go(small_catalog, plan, tmp_path, made[0], extra=ExtraPaths(high_source=made[1])).record
    assert [stage["name"] for stage in record["stages"]] == ["dvsr", "student"]
    assert (record["high_source"]["name"], record["high_source"]["clips"]) == ("virat-crops", 4)
    assert record["updates"]["student"] == 2  # of TinyVIRAT's own six clips


# -- bad input


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (["Jumping"], "tinyvirat: entry 2 of tiny_train.json: unknown class 'Jumping'"),
        ([], "tinyvirat: entry 2 of tiny_train.json has the label []"),
    ],
)
def test_a_label_that_is_none_ends_the_run_before_anything_is_made(
    catalog: Catalog, tmp_path: Path, label: list[str], message: str
) -> None:
    root = write_first(tmp_path / "data", train=2, test=1)
    entries = json.loads((root / "tiny_train.json").read_text())
    entries[1]["label"] = label
    write_list(root / "tiny_train.json", entries)
    with pytest.raises(ElrError) as caught:
        go(catalog, plan_of(catalog, budget="smoke"), tmp_path, root)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.clip")) and not (tmp_path / "cache" / "stages").exists()


def test_a_crop_of_the_high_source_with_another_class_ends_it_too(
    catalog: Catalog, made: tuple[Path, Path], tmp_path: Path
) -> None:
    crops = write_crops(tmp_path / "crops")
    entries = json.loads((crops / "crops_train.json").read_text())
    write_list(crops / "crops_train.json", [*entries[:3], {**entries[3], "label": ["Diving"]}])
    plan = plan_of(catalog, budget="smoke", high_source="virat-crops")
    with pytest.raises(ElrError) as caught:
        go(catalog, plan, tmp_path, made[0], extra=ExtraPaths(high_source=crops))
    assert str(caught.value).startswith("virat-crops: entry 4 of crops_train.json: unknown class 'Diving'")
    assert "\n" not in str(caught.value) and not list((tmp_path / "cache").rglob("*.clip"))


@pytest.mark.parametrize(
    ("method", "source", "message"),
    [
        ("tinyvirat", "puppets", "--high-source puppets is single-label; pass a multi-label dataset"),
        (
            "tinyvirat",
            "tiny-puppets",
            "--high-source tiny-puppets: 12 of its 12 classes are not classes of dataset 'tinyvirat'",
        ),
        ("tinyvirat:classifier", "virat-crops", "uses high views of another dataset; remove --high-source"),
    ],
)
def test_a_high_source_of_other_classes_is_refused(catalog: Catalog, method: str, source: str, message: str) -> None:
    with pytest.raises(ElrError) as caught:
        plan_of(catalog, method, high_source=source)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_size_that_no_scale_reaches_is_refused(catalog: Catalog) -> None:
    with pytest.raises(
        ElrError, match="enlarges 12x16 by 4 or 8, which does not give 56x56; use --size 48x64 or 96x128"
    ):
        plan_of(catalog, dataset="puppets", budget="small")
