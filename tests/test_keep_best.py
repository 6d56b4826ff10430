"""`--keep best` ends stages with their best epoch by held-out clips: in a run, by hand, and in the plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from test_validation_curve import HELD, curve, first_best, top1, trained_by
from torch import nn
from tracked_runs import go, planned

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.plans.budgets import at_budget
from benchmark_core.plans.keep import read_keep, scored_every
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import fields_of
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.tables import cells
from benchmark_core.training.average import Average
from benchmark_core.training.epoch_scores import EpochScores, Validation
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import RECIPE
from elrbench import ElrError

# -- the best epoch


@pytest.mark.parametrize("train", ["all", "lora"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_first_best_epoch_is_kept(toy_catalog: Catalog, tmp_path: Path, ema: float, train: str) -> None:
    """Its weights are those of a run that ends there: the learning rate is constant."""
    settings = ("method.schedule=constant", "method.warmup_epochs=0", f"method.model_ema_decay={ema}",
                f"method.lr={0.1 if train == 'all' else 0.5}")  # fmt: skip

    six = trained_by(train, planned(toy_catalog, *settings, "method.epochs=6", keep="best", **HELD))
    kept = go(six, toy_catalog, tmp_path / "kept")
    best = first_best(curve(kept))
    assert len(curve(kept)) == 6 and best < 6, "choose other settings: the last epoch is the best"
    assert top1(kept) == curve(kept)[best]
    few = trained_by(train, planned(toy_catalog, *settings, f"method.epochs={best}", **HELD))
    short = go(few, toy_catalog, tmp_path / "short")
    assert (kept.folder / "recognizer.safetensors").read_bytes() == (
        short.folder / "recognizer.safetensors"
    ).read_bytes()
    notes = kept.record["notes"]
    assert f"student: the weights of epoch {best} of 6 were kept: the best top1 on the held-out clips" in notes
    assert any("too high" in note for note in notes)
    again = go(six, toy_catalog, tmp_path / "kept", out=tmp_path / "again")
    assert again.record["stages"][0]["reused"] and again.record["notes"] == notes and top1(again) == top1(kept)


@pytest.mark.parametrize("train", ["all", "lora"])
def test_a_method_that_averages_by_itself_keeps_its_best_epoch(
    toy_catalog: Catalog, tmp_path: Path, train: str
) -> None:
    settings = ("method.epochs=3", "method.joint_epochs=3", "method.student_lr=0.05", "method.ema_decay=0.5")
    plan = trained_by(train, planned(toy_catalog, *settings, method="strong-kd", keep="best", **HELD))
    result = go(plan, toy_catalog, tmp_path)
    last = result.record["stages"][-1]["name"]
    assert top1(result) == max(curve(result, last).values())


def test_only_stages_that_choose_have_other_keys(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = planned(toy_catalog, "method.joint_epochs=2", method="kd", **HELD)
    plain = go(plan, toy_catalog, tmp_path)
    kept = go(dataclasses.replace(plan, keep="best"), toy_catalog, tmp_path, out=tmp_path / "kept")
    keys = [{stage["name"]: stage["key"] for stage in result.record["stages"]} for result in (plain, kept)]
    same = {name for name in keys[0] if keys[0][name] == keys[1][name]}
    scored = {name for name in keys[0] if curve(kept, name)}
    assert same and scored and same == keys[0].keys() - scored


NO_EPOCHS = """
from elrbench import MethodSpec, hookimpl


@hookimpl
def elr_methods():
    return [MethodSpec(name="idle", summary="", fit="idle:fit", defaults={"enhancer": "bilinear"})]


def fit(training):
    return training.stage("student", lambda network: None, training.recognizer(), needs=("low",))
"""


def test_a_method_without_epochs_has_none_to_choose(toy_catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "idle.py").write_text(NO_EPOCHS)
    catalog = load_catalog([*toy_catalog.extra, str(tmp_path / "idle.py")], entry_points=False)
    request = PlanRequest(method="idle", dataset="toy", backbone="toynet", size="24x32", holdout="0.25", keep="best")
    with pytest.raises(ElrError, match="method 'idle' has no epochs of the recognizer to choose from; remove --keep"):
        go(resolve_plan(catalog, request), catalog, tmp_path)


# -- one stage, by hand


class One(nn.Module):
    """A network that is one number, which is also its score."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


def by_hand(network: nn.Module, *, every: int = 1, keep: bool = False) -> EpochScores:
    def score(scored: nn.Module) -> Mapping[str, float]:
        assert scored is not network and not scored.training
        return {"top1": next(iter(scored.parameters())).item()}

    validation = Validation(score=score, primary="top1", every=every, clips="c", keep=keep)
    return EpochScores(validation, network, lambda line: None)


def run_loop(scores: EpochScores, network: One, values: list[float], state: list[Any], first: int = 1) -> list[str]:
    scores.begin_loop()
    notes = []
    for epoch, value in enumerate(values, 1):
        network.value.data.fill_(value)
        last = epoch == len(values)
        notes.append(scores.after_epoch("", first + epoch - 1, epoch=epoch, last=last, state=state))
    return [note for note in notes if note]


def test_each_loop_keeps_its_own_best_epoch() -> None:
    network = One(0.0)
    scores = by_hand(network, keep=True)
    (first,) = run_loop(scores, network, [0.25, 0.75, 0.75, 0.5], [network])
    assert first.startswith("the weights of epoch 2 of 4 were kept") and network.value.item() == 0.75
    (second,) = run_loop(scores, network, [0.125, 0.5, 0.25], [network], first=5)
    assert second.startswith("the weights of epoch 6 of 7 were kept") and network.value.item() == 0.5
    assert [row["epoch"] for row in scores.rows] == [1, 2, 3, 4, 5, 6, 7]


def test_only_every_nth_epoch_is_compared() -> None:
    network = One(0.0)
    scores = by_hand(network, every=2, keep=True)
    run_loop(scores, network, [1.0, 0.25, 0.75, 0.5, 0.125], [network])
    assert [(row["epoch"], row["top1"]) for row in scores.rows] == [(2, 0.25), (4, 0.5), (5, 0.125)]
    assert network.value.item() == 0.5


def test_a_loop_that_trains_something_else_is_not_scored() -> None:
    network = One(0.0)
    scores = by_hand(network, keep=True)
    assert run_loop(scores, network, [0.25, 0.5], [One(1.0)]) == [] and scores.rows == []


def test_an_average_is_scored_and_gets_the_kept_weights() -> None:
    """The average at decay 0.5 after weights 0, 1, 0: d = 0.1, 2/11, 0.25; a = 0, 9/11, 0.25 * 9/11."""
    network = One(0.0)
    average = Average(network, 0.5)
    scores = by_hand(network, keep=True)
    for epoch, value in enumerate((0.0, 1.0, 0.0), 1):
        network.value.data.fill_(value)
        average.update(network)
        scores.after_epoch("", epoch, epoch=epoch, last=epoch == 3, state=[network, average])
    assert [row["top1"] for row in scores.rows] == pytest.approx([0.0, 9 / 11, 9 / 44])
    assert network.value.item() == average.network.value.item() == pytest.approx(9 / 11)


def test_an_average_of_something_else_cannot_be_scored() -> None:
    """Scores would be those of weights that the stage does not return."""
    network, other = nn.Sequential(nn.Linear(1, 1)), nn.Linear(1, 1)
    scores, options = by_hand(network), {key: option.default for key, option in RECIPE.items()}
    for average in (
        Average(network[0], 0.5),
        Recipe([nn.ModuleList([network, other])], {**options, "model_ema_decay": 0.5}, epochs=1, steps=1),
    ):
        with pytest.raises(ElrError, match="averages a (Linear|ModuleList), and not the recognizer"):
            scores.after_epoch("", 1, epoch=1, last=True, state=[network, average])
    both = Recipe([network, other], {**options, "model_ema_decay": 0.5}, epochs=1, steps=1)
    scores.after_epoch("", 1, epoch=1, last=True, state=[network, both])
    assert len(scores.rows) == 1


def test_a_checkpoint_of_other_clips_is_not_continued() -> None:
    network = One(0.0)
    scores = by_hand(network, keep=True)
    scores.begin_loop()
    network.value.data.fill_(0.5)
    scores.after_epoch("", 1, epoch=1, last=False, state=[network])
    state = scores.state_dict()
    other = by_hand(network, keep=True)
    other.load_state_dict({**state, "clips": "others"})
    assert other.rows == []
    other.load_state_dict(state)
    network.value.data.fill_(0.25)
    note = other.after_epoch("", 2, epoch=2, last=True, state=[network])
    assert "epoch 1 of 2" in note and network.value.item() == 0.5


def test_layers_that_know_other_processes_are_copied_without_them() -> None:
    """A group of processes cannot be copied: SyncBatchNorm has it as an attribute."""

    class Group:
        def __deepcopy__(self, memo: object) -> None:
            raise TypeError("cannot copy")

    network = nn.Sequential(nn.Linear(1, 1), nn.SyncBatchNorm(1))
    network[1].process_group = Group()
    by_hand(network).after_epoch("", 1, epoch=1, last=True, state=[network])


# -- plans


def test_a_plan_names_what_is_kept_and_others_are_what_they_were(toy_catalog: Catalog) -> None:
    plain, kept = planned(toy_catalog, **HELD), planned(toy_catalog, keep="best", **HELD)
    assert "keep" not in plain.to_json() and kept.to_json()["keep"] == "best" and plain.digest != kept.digest
    assert (
        planned(toy_catalog, keep="last", **HELD) == plain and planned(toy_catalog, keep="best-every-1", **HELD) == kept
    )
    assert Plan.from_json(kept.to_json()) == kept
    assert resolve_plan(toy_catalog, PlanRequest(**fields_of(kept.to_json(), {}))) == kept
    assert at_budget(toy_catalog, planned(toy_catalog, keep="best-every-3", **HELD), "small").keep == "best-every-3"
    assert cells.kept(kept.to_json()) == ["keep=best"] and cells.kept(plain.to_json()) == []


@pytest.mark.parametrize(
    ("keep", "holdout", "said"),
    [
        ("worst", 0.2, "--keep worst is not last, best or best-every-N"),
        ("best-every-0", 0.2, "--keep best-every-0 is not"),
        ("best-every-x", 0.2, "--keep best-every-x is not"),
        ("best", 0.0, "--keep best chooses an epoch by clips that are held out of training; pass --holdout FRACTION"),
    ],
)
def test_what_cannot_be_kept_is_refused(keep: str, holdout: float, said: str) -> None:
    with pytest.raises(ElrError, match=said):
        read_keep(keep, holdout)


def test_values_of_keep() -> None:
    assert [read_keep(text, 0.2) for text in (None, "last", "best", "best-every-1", "best-every-12")] == [
        "", "", "best", "best", "best-every-12"
    ]  # fmt: skip
    assert [scored_every(keep) for keep in ("", "best", "best-every-12")] == [0, 1, 12]
