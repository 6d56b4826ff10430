"""`--validate N` scores epochs on held-out clips and changes nothing; `--keep best` chooses by them, and says so."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TOY
from listening import Listening
from report_pages import Call, call, catalog_of_tests, needs_extra, read
from torch import nn
from tracked_runs import Memory, go, planned, points, with_trackers

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.plans.keep import check_validate
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import RunResult
from benchmark_core.training.epoch_scores import EpochScores, Validation
from benchmark_core.training.observers import Observers
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.stage_runner import ViewRequest
from benchmark_core.training.training import build_training
from elrbench import ElrError

__all__ = ["call", "catalog_of_tests"]  # fixtures
HELD = {"holdout": "0.25"}


def log(result: RunResult, stage: str = "student") -> list[dict[str, float]]:
    found: list[dict[str, float]] = json.loads((result.folder / "log.json").read_bytes())[stage]
    return found


def curve(result: RunResult, stage: str = "student") -> dict[int, float]:
    """Epoch, from 1 -> top1 on the held-out clips."""
    return {number: row["holdout_top1"] for number, row in enumerate(log(result, stage), 1) if "holdout_top1" in row}


def top1(result: RunResult) -> float:
    return float(result.record["scores"]["top1"]["value"])


def weights(folder: Path) -> dict[str, str]:
    """Digests of the weights of all stages and of the recognizer."""
    files = [*folder.glob("cache/stages/*/module.safetensors"), folder / "out" / "recognizer.safetensors"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def trained_by(train: str, plan: Plan) -> Plan:
    """Return `plan` with the option `train`, which plans from random weights refuse."""
    return plan if train == "all" else dataclasses.replace(plan, settings={**plan.settings, "method.train": train})


# -- it changes nothing

AUGMENTED = (
    "method.mixup_alpha=0.4", "method.cutmix_time=0.5", "method.random_shift=0.1", "method.random_zoom=0.1",
    "method.colour_jitter=0.3", "method.erase_probability=0.5", "method.model_ema_decay=0.9",
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "settings", "train"),
    [
        ("supervised", AUGMENTED, "all"),
        ("supervised", AUGMENTED, "lora"),
        ("cstat:mlp", ("method.joint_epochs=3",), "all"),
        ("strong-kd", ("method.joint_epochs=2",), "all"),
        ("strong-kd", ("method.joint_epochs=2",), "lora"),
        ("teacher", (), "all"),
    ],
)
def test_weights_and_record_are_the_same_with_and_without(
    toy_catalog: Catalog, tmp_path: Path, method: str, settings: tuple[str, ...], train: str
) -> None:
    plan = trained_by(train, planned(toy_catalog, *settings, method=method, **HELD))
    plain = go(plan, toy_catalog, tmp_path / "plain")
    scored = go(plan, toy_catalog, tmp_path / "scored", validate=1)
    assert weights(tmp_path / "plain") == weights(tmp_path / "scored") and len(weights(tmp_path / "plain")) > 1
    for name in ("digest", "plan", "scores", "hits", "updates", "predictions"):
        assert plain.record[name] == scored.record[name]
    assert "notes" not in plain.record and "notes" not in scored.record
    bare = [
        {key: value for key, value in row.items() if not key.startswith("holdout")}
        for rows in json.loads((scored.folder / "log.json").read_bytes()).values()
        for row in rows
    ]
    assert bare == [row for rows in json.loads((plain.folder / "log.json").read_bytes()).values() for row in rows]
    assert bare != [row for rows in json.loads((scored.folder / "log.json").read_bytes()).values() for row in rows]


def test_the_random_numbers_of_the_training_are_restored(toy_catalog: Catalog, tmp_path: Path) -> None:
    """Not only at the next epoch's start, where they are seeded again."""
    from benchmark_core.runs import validation

    states: list[torch.Tensor] = []
    real = validation.seeded

    def seeded(*parts: object) -> Any:
        states.append(torch.get_rng_state())
        return real(*parts)

    class Reading(EpochScores):
        def after_epoch(self, *args: Any, **named: Any) -> str:
            said = super().after_epoch(*args, **named)
            states.append(torch.get_rng_state())
            return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "seeded", seeded)
        patch.setattr("benchmark_core.training.stage_trainer.EpochScores", Reading)
        go(planned(toy_catalog, **HELD), toy_catalog, tmp_path, validate=1)
    assert len(states) == 6 and all(
        torch.equal(one, other) for one, other in zip(states[::2], states[1::2], strict=True)
    )


# -- the curve


def test_every_nth_epoch_and_the_last_are_scored(toy_catalog: Catalog, tmp_path: Path) -> None:
    heard = Listening()
    plan = planned(toy_catalog, "method.epochs=5", **HELD)
    result = go(plan, toy_catalog, tmp_path, validate=2, reporter=heard)
    assert list(curve(result)) == [2, 4, 5] and curve(result)[5] == top1(result)
    said = [line for line in heard.lines if "held-out" in line]
    assert [line.partition(":")[0] for line in said] == [f"student, epoch {epoch}/5" for epoch in (2, 4, 5)]
    assert f"top1 {100 * top1(result):.1f} %" in said[-1]
    assert all("holdout_top5" not in row for row in log(result))  # three classes


def test_an_oracle_is_scored_on_high_views_and_a_teacher_is_not(toy_catalog: Catalog, tmp_path: Path) -> None:
    oracle = go(planned(toy_catalog, method="teacher", **HELD), toy_catalog, tmp_path / "oracle", validate=3)
    assert curve(oracle, "teacher") == {3: top1(oracle)}
    kd = go(
        planned(toy_catalog, "method.joint_epochs=2", method="kd", **HELD), toy_catalog, tmp_path / "kd", validate=1
    )
    stages = [stage["name"] for stage in kd.record["stages"]]
    scored = [stage for stage in stages if curve(kd, stage)]
    assert "t-net" not in scored and stages[0] not in scored and scored and curve(kd, stages[-1])[2] == top1(kd)


def test_averaged_weights_are_what_is_scored(toy_catalog: Catalog, tmp_path: Path) -> None:
    """In the middle of a run, too: a constant learning rate makes a run of two epochs the start of one of three."""
    settings = ("method.model_ema_decay=0.9", "method.schedule=constant", "method.warmup_epochs=0", "method.lr=0.05")
    short = go(planned(toy_catalog, *settings, "method.epochs=2", **HELD), toy_catalog, tmp_path / "short", validate=1)
    long = go(planned(toy_catalog, *settings, **HELD), toy_catalog, tmp_path / "long", validate=1)
    assert curve(short) == {number: curve(long)[number] for number in (1, 2)} and curve(short)[2] == top1(short)


@pytest.mark.parametrize("keep", [None, "best"])
def test_a_run_that_was_interrupted_has_the_same_curve(toy_catalog: Catalog, tmp_path: Path, keep: str | None) -> None:
    catalog, Memory.made = with_trackers(toy_catalog), []
    plan = planned(catalog, "method.epochs=4", "method.batch=6", "method.lr=0.05", keep=keep, **HELD)
    asked = {} if keep else {"validate": 1}
    whole = go(plan, catalog, tmp_path / "whole", **asked)
    Memory.interrupt_at = 8
    with pytest.raises(KeyboardInterrupt):
        go(plan, catalog, tmp_path, "memory", **asked)
    Memory.interrupt_at = None
    heard = Listening()
    again = go(plan, catalog, tmp_path, "memory", reporter=heard, **asked)
    assert any("resuming" in line for line in heard.lines)
    assert (again.folder / "log.json").read_bytes() == (whole.folder / "log.json").read_bytes()
    assert set(weights(tmp_path).values()) == set(weights(tmp_path / "whole").values())
    assert again.record.get("notes") == whole.record.get("notes")
    tracked = [
        value for _, value in points(*[one for one in Memory.made if hasattr(one, "run")])["student/holdout/top1"]
    ]
    assert tracked == list(curve(whole).values())


def test_a_stage_of_the_cache_has_its_curve_or_a_warning(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan, heard = planned(toy_catalog, **HELD), Listening()
    go(plan, toy_catalog, tmp_path, out=tmp_path / "plain")
    without = go(plan, toy_catalog, tmp_path, out=tmp_path / "without", validate=1, reporter=heard)
    (warning,) = heard.warnings
    assert "stage 'student' comes from the cache" in warning and "--refit" in warning and curve(without) == {}
    scored = go(plan, toy_catalog, tmp_path, out=tmp_path / "scored", validate=1, refit=True, reporter=heard)
    reused = go(plan, toy_catalog, tmp_path, out=tmp_path / "reused", validate=1, reporter=heard)
    assert reused.record["stages"][0]["reused"] and curve(reused) == curve(scored) and len(curve(scored)) == 3
    assert len(heard.warnings) == 1
    plain = go(plan, toy_catalog, tmp_path, out=tmp_path / "again")  # does not ask for the curve
    assert curve(plain) == {}


def test_two_processes_have_the_curve_of_one(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    catalog = load_catalog([*toy_catalog.extra, str(TOY.with_name("frozen.py"))], entry_points=False)
    asked: dict[str, Any] = {"method": "frozen", "enhancer": "bilinear", **HELD}
    one = go(planned(catalog, **asked), catalog, tmp_path / "one", validate=1)
    two = go(planned(catalog, **asked, processes="2"), catalog, tmp_path / "two", validate=1)
    assert list(curve(two)) == [1, 2, 3] and curve(two)[3] == top1(two)
    assert curve(two) == pytest.approx(curve(one), abs=0.17)  # one of six clips


def test_loops_over_clips_without_labels_are_not_scored(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = planned(toy_catalog, **HELD)
    components = components_of(toy_catalog, plan)
    data = prepare(plan, components, RunContext(out=tmp_path, cache=tmp_path))
    validation = Validation(score=lambda network: {"top1": 0.5}, primary="top1", every=1, clips="c")
    training = build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "")),
        make_views=lambda *, unlabelled=False, **asked: data.training_views(**asked),  # the same clips
        device=torch.device("cpu"),
        cache=tmp_path,
        reporter=Silent(),
        observers=Observers(validation=validation),
    )

    def fit(network: nn.Module) -> None:
        for unlabelled in (True, False):
            views = training._runner.views(ViewRequest(low=True, high=False, unlabelled=unlabelled))
            recipe = training.recipe(network, views, 2)
            for batch in training.epochs(views, 2, state=[network, recipe]):
                recipe.step(training.task_loss(network(batch.low, batch.mask, batch.box), batch.target))

    training.stage("student", fit, training.recognizer(), needs=("low", *RECIPE))
    assert [row["epoch"] for row in training.stages[0]["scores"]] == [3, 4]


def first_best(found: Mapping[int, float]) -> int:
    return max(found, key=lambda epoch: (found[epoch], -epoch))


# -- the report


@needs_extra
@pytest.mark.parametrize("keep", [None, "best-every-2"])
def test_the_report_has_the_curve(call: Call, toy_catalog: Catalog, tmp_path: Path, keep: str | None) -> None:
    plan = planned(toy_catalog, "method.epochs=4", keep=keep, **HELD)
    result = go(plan, toy_catalog, tmp_path, **({} if keep else {"validate": 2}))
    code, _, err = call(result.folder, tmp_path / "cache", "--clips", "0", "--out", tmp_path / "page.html")
    assert code == 0, err
    page = read(tmp_path / "page.html")
    (plot,) = [plot for plot in page.plots["curves"] if plot["title"] == "holdout_top1"]
    assert {point["epoch"]: point["value"] for point in plot["points"]} == curve(result)
    assert f"They chose {'the epochs that were kept' if keep else 'nothing'}." in page.words
    best = first_best(curve(result))
    cells_of_row = ["student", "2", f"{100 * curve(result)[best]:.1f}", str(best), f"{100 * curve(result)[4]:.1f}"]
    assert "".join(cells_of_row) in page.words.replace(" ", "")


# -- mistakes


def test_validate_needs_clips_that_are_held_out(toy_catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="never on test clips; pass --holdout FRACTION, too"):
        go(planned(toy_catalog), toy_catalog, tmp_path, validate=1)
    with pytest.raises(ElrError, match="remove --validate, or pass --keep best-every-5"):
        check_validate(planned(toy_catalog, keep="best", **HELD), 5)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("command", [["run"], ["suite", "run", "mine.yaml"]], ids=["run", "suite"])
def test_a_mistake_is_one_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = {"method": "supervised", "dataset": "puppets", "budget": "smoke"}
    Path("mine.yaml").write_text(json.dumps({"common": {"budget": "smoke"}, "rows": [{"row": "a", **plan}]}))
    flags = [word for key, value in plan.items() for word in (f"--{key}", value)] if command == ["run"] else []
    for more, said in (("--validate 2", "pass --holdout"), ("--holdout 0.2 --validate 0", "'--validate'")):
        with pytest.raises(SystemExit) as left:
            main([*command, *flags, *more.split(), "--cache", "cache"])
        err = capsys.readouterr().err
        assert left.value.code == 2 and said in err and err.count("\n") == 1
    assert not Path("cache").exists()
