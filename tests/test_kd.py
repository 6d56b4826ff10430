"""Distillation: eq. 1 and the weighted average by hand, its controls to the bit, what it shares, and whole runs."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_high_source import write_crops
from test_supervised import watch_stages
from tiny_virat import write_first
from torch import Tensor

from benchmark_core.catalog import Catalog
from benchmark_core.networks.losses import soft_loss, task_loss
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.teachers import teacher_name
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.stage_trainer import StageTrainer
from benchmark_core.training.training import Training, build_training
from elrbench import ElrError
from elrbench_plugins.distillation.teacher import weighted

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
DISTILS = ("kd", "strong-kd")


class Killed(BaseException):
    """Stands for a kill: nothing of the project catches it."""


def toy(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    fields = {"dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32", **changes}
    joint = () if method in ("supervised", "teacher") else ("method.joint_epochs=2",)
    numbers = ("method.batch=12", "method.epochs=2", *joint, *settings)
    return resolve_plan(catalog, PlanRequest(method=method, settings=numbers, **fields))


def go(catalog: Catalog, plan: Plan, work: Path, **changes: Any) -> RunResult:
    asked = {"data": None, "cache": work / "cache", **changes}
    return run(plan, catalog, RunContext(out=work / "runs" / plan.digest, reporter=Silent(), **asked))


def scored(result: RunResult) -> dict[str, Tensor]:
    return load_file(result.folder / "recognizer.safetensors")


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def stage_of(training: Training) -> str:
    """The name of the stage that is being trained, or an empty string."""
    runner = training._runner
    assert isinstance(runner, StageTrainer)
    return runner._loop.name if runner._loop else ""


def stages(result: RunResult) -> dict[str, bool]:
    return {stage["name"]: stage["reused"] for stage in result.record["stages"]}


def training_of(catalog: Catalog, plan: Plan, cache: Path, data: Path | None = None) -> Training:
    components = components_of(catalog, plan)
    ready = prepare(plan, components, RunContext(out=cache, data=data, cache=cache))
    return build_training(plan=plan, components=components, inputs=ready.stage_inputs(OWNERS),
                    make_views=ready.training_views,
                    device=torch.device("cpu"), cache=cache, reporter=Silent())  # fmt: skip


# -- numbers


def test_the_paper_budget_is_table_1(catalog: Catalog) -> None:
    plan = resolve_plan(catalog, PlanRequest(method="kd", dataset="hmdb51"))
    assert (plan.backbone, plan.sampling, plan.degradation, plan.size) == (
        "i3d",
        "windows-64",
        "average-12x16",
        (224, 224),
    )
    options = components_of(catalog, plan).options(plan, "method")
    stated = {"temperature": 5.0, "optimiser": "adam", "lr": 1e-4, "joint_epochs": 20, "epochs": 20, "start": "fresh"}
    assert {key: options[key] for key in stated} == stated
    assert (options["beta1"], options["beta2"], options["schedule"], options["warmup_epochs"]) == (
        0.9,
        0.999,
        "constant",
        0,
    )
    open_ones = {key for key, option in catalog.methods["kd"].options.items() if option.unspecified}
    assert open_ones == {"alpha", "start", "batch", "schedule", "warmup_epochs"}


@pytest.mark.parametrize("method", DISTILS)
@pytest.mark.parametrize("budget", ["small", "smoke"])
def test_smaller_budgets_are_supervised_so_that_stages_are_shared(catalog: Catalog, method: str, budget: str) -> None:
    ours, plain = (
        resolve_plan(catalog, PlanRequest(method=name, dataset="puppets", budget=budget))
        for name in (method, "supervised:matched")
    )
    for field in ("backbone", "enhancer", "size", "sampling", "precision", "weights"):
        assert getattr(ours, field) == getattr(plain, field), field
    one, other = (components_of(catalog, plan).options(plan, "method") for plan in (ours, plain))
    assert all(one[key] == other[key] for key in (*RECIPE, "joint_epochs"))
    assert (one["alpha"], one["temperature"]) == (0.5, 5.0)


@pytest.mark.parametrize("name", ["kd", "strong_kd"])
def test_the_specs_import_no_torch(name: str) -> None:
    check = f"import sys, elrbench_plugins.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize("setting", ["method.alpha=1.5", "method.temperature=0", "method.start=later"])
def test_numbers_out_of_bounds_are_refused(toy_catalog: Catalog, setting: str) -> None:
    with pytest.raises(ElrError, match=f"--set {setting.partition('=')[0]}="):
        toy(toy_catalog, "kd", setting)


# -- the loss


def test_the_weighted_average_by_hand() -> None:
    """T = 5: the teacher's 5·log 3 is softened to 3/4 and 1/4, the student's zeros to 1/2 and 1/2."""
    seen = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    shown = torch.tensor([[5 * math.log(3), 0.0]], dtype=torch.float64)
    soft = soft_loss("single-label", seen, shown, 5.0)
    task = task_loss("single-label")(seen, torch.tensor([1]))
    cross_entropy, entropy = math.log(2), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert soft.item() == pytest.approx(25 * (cross_entropy - entropy))
    loss = weighted(soft, task, 0.3)
    assert loss.item() == pytest.approx(0.3 * 25 * (cross_entropy - entropy) + 0.7 * math.log(2))
    loss.backward()
    # T² times the softened cross-entropy has the gradient T (q - p); the label's is q - y
    assert seen.grad is not None
    assert seen.grad[0].tolist() == pytest.approx([0.3 * 5 * (0.5 - 0.75) + 0.7 * 0.5, 0.3 * 5 * 0.25 - 0.7 * 0.5])


def test_the_gradient_is_that_of_the_softened_cross_entropy() -> None:
    """As the paper has it, without the teacher's entropy: a constant."""
    shown = torch.randn(4, 6, dtype=torch.float64)
    ours, theirs = (torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(4, 6).requires_grad_() for _ in range(2))
    soft_loss("single-label", ours, shown, 5.0).backward()
    y = (shown / 5).softmax(1)  # eq. 1
    (25 * torch.nn.functional.cross_entropy(theirs / 5, y)).backward()
    assert ours.grad is not None and torch.allclose(ours.grad, theirs.grad, atol=1e-12)


# -- controls


def test_without_the_teachers_answer_it_is_supervised_matched_to_the_bit(toy_catalog: Catalog, tmp_path: Path) -> None:
    control = go(toy_catalog, toy(toy_catalog, "supervised:matched"), tmp_path)
    ours = go(toy_catalog, toy(toy_catalog, "kd", "method.alpha=0.0"), tmp_path)
    taught = go(toy_catalog, toy(toy_catalog, "kd"), tmp_path)
    assert same(scored(ours), scored(control)) and not same(scored(taught), scored(control))
    assert stages(ours) == {"teacher": False, "student": True, "joint": False}
    assert stages(taught) == {"teacher": True, "student": True, "joint": False}
    assert ours.record["updates"]["joint"] == control.record["updates"]["joint"] == 4


def test_from_a_fresh_start_it_is_supervised_to_the_bit(toy_catalog: Catalog, tmp_path: Path) -> None:
    control = go(toy_catalog, toy(toy_catalog, "supervised"), tmp_path)
    ours = go(toy_catalog, toy(toy_catalog, "kd", "method.alpha=0.0", "method.start=fresh"), tmp_path)
    assert same(scored(ours), scored(control))
    assert stages(ours) == {"teacher": False, "student": False}  # a stage of its own, for all that


def test_its_teacher_is_the_method_teachers_stage(toy_catalog: Catalog, tmp_path: Path) -> None:
    ceiling = go(toy_catalog, toy(toy_catalog, "teacher"), tmp_path)
    for method in DISTILS:
        result = go(toy_catalog, toy(toy_catalog, method), tmp_path)
        assert stages(result)["teacher"] is True
        assert result.record["stages"][0]["key"] == ceiling.record["stages"][0]["key"]


@pytest.mark.parametrize(("alpha", "labels_matter"), [("1.0", False), ("0.5", True)])
def test_alone_the_teachers_answer_has_no_use_for_labels(
    toy_catalog: Catalog, tmp_path: Path, alpha: str, labels_matter: bool
) -> None:
    plan = toy(toy_catalog, "kd", f"method.alpha={alpha}")
    plain = go(toy_catalog, plan, tmp_path / "plain")
    task = Training.task_loss

    def turned(self: Training, logits: Tensor, target: Tensor) -> Tensor:
        joint = stage_of(self) == "joint"
        return task(self, logits, (target + 1) % 3 if joint else target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "task_loss", turned)
        other = go(toy_catalog, plan, tmp_path / "turned")
    assert same(scored(plain), scored(other)) != labels_matter


@pytest.mark.parametrize("method", DISTILS)
def test_gradients_reach_the_student_alone(toy_catalog: Catalog, tmp_path: Path, method: str) -> None:
    plan = toy(toy_catalog, method)
    training = training_of(toy_catalog, plan, tmp_path)
    kept = watch_stages(training)
    student = training.components.method.load(training.components.method.fit)(training)
    teacher, before = kept["teacher"]
    assert not teacher.training and same(teacher.state_dict(), before)  # running statistics too
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in student.parameters())


# -- several labels, native clips, and what comes from elsewhere


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """TinyVIRAT, and larger crops."""
    folder = tmp_path_factory.mktemp("data")
    return write_first(folder / "tinyvirat"), write_crops(folder / "virat-crops")


@pytest.mark.parametrize("method", DISTILS)
def test_several_labels_and_clips_of_mixed_sizes(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path, method: str
) -> None:
    numbers = ("method.batch=2", "method.epochs=1", "method.joint_epochs=1")
    names: dict[str | None, list[str]] = {}
    for source in (None, "virat-crops"):
        plan = toy(toy_catalog, method, *numbers, dataset="tinyvirat", size="32x32", high_source=source)
        result = go(
            toy_catalog, plan, tmp_path, data=roots[0], extra=ExtraPaths(high_source=roots[1] if source else None)
        )
        names[source] = list(stages(result))
        assert 0 <= result.record["scores"]["f1_macro"]["value"] <= 1
        assert result.record["plan"]["high_source"] == (source or "self")
    own = ["teacher", "student", "joint"] if method == "kd" else ["teacher", "student"]
    assert names == {None: own, "virat-crops": [*own, "target"]}
    # batches of two: four crops for teacher and pairs, six target clips for what sees low views alone
    pairs = {"kd": {"joint": 2, "student": 3}, "strong-kd": {"student": 4}}[method]
    assert result.record["updates"] == {"teacher": 2, **pairs, "target": 3}


def test_the_multi_label_loss_is_what_a_stage_logs(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    """T² times the mean over 26 classes of the divergence of two yes-or-no answers; one batch of all clips."""
    numbers = ("method.batch=6", "method.epochs=1", "method.joint_epochs=1", "method.lr=0.0", "method.alpha=0.25")
    plan = toy(toy_catalog, "kd", *numbers, dataset="tinyvirat", size="32x32")
    training = training_of(toy_catalog, plan, tmp_path, roots[0])
    kept = watch_stages(training)
    seen: list[tuple[Tensor, Tensor]] = []
    soft = training.soft_loss
    training.soft_loss = lambda *asked: (seen.append(asked[:2]), soft(*asked))[1]
    training.components.method.load(training.components.method.fit)(training)
    assert list(kept) == ["teacher", "student", "joint"]
    (student, teacher), row = seen[0], training.stages[-1]["history"][-1]
    assert student.shape == teacher.shape == (6, 26)
    p, q = ((logits.detach() / 5).sigmoid().double() for logits in (teacher, student))
    divergence = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert row["soft"] == pytest.approx(25 * divergence.mean().item(), abs=2e-5)
    assert row["loss"] == pytest.approx(0.25 * row["soft"] + 0.75 * row["task"], abs=2e-6)


@pytest.mark.parametrize("method", DISTILS)
@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        ("puppets", ("dataset.rows=48", "dataset.columns=64")),
        ("tiny-puppets", ("dataset.largest=48",)),  # recorded low, several labels
    ],
)
def test_the_drawn_datasets(
    catalog: Catalog, tmp_path: Path, method: str, dataset: str, settings: tuple[str, ...]
) -> None:
    numbers = ("dataset.train=16", "dataset.test=12", "dataset.frames=8", "method.epochs=1", "method.joint_epochs=1",
               "method.batch=8")  # fmt: skip
    request = PlanRequest(method=method, dataset=dataset, budget="smoke", settings=(*numbers, *settings))
    record = go(catalog, resolve_plan(catalog, request), tmp_path).record
    assert 0 <= record["scores"][catalog.datasets[dataset].metric]["value"] <= 1


@pytest.mark.parametrize("method", DISTILS)
def test_a_fitted_teacher_takes_the_t_nets_place(toy_catalog: Catalog, tmp_path: Path, method: str) -> None:
    folder = go(toy_catalog, toy(toy_catalog, "teacher", "method.lr=0.002"), tmp_path).folder
    plan = toy(toy_catalog, method, teacher=teacher_name(folder))
    result = go(toy_catalog, plan, tmp_path, extra=ExtraPaths(teacher=folder))
    assert "teacher" not in stages(result) and result.record["teacher"]["name"] == plan.teacher
    assert not same(scored(result), scored(go(toy_catalog, toy(toy_catalog, method), tmp_path)))


# -- killed


@pytest.mark.parametrize("method", DISTILS)
@pytest.mark.parametrize("die_at", [1, 2])
def test_a_killed_run_ends_as_one_that_was_not(toy_catalog: Catalog, tmp_path: Path, method: str, die_at: int) -> None:
    """Optimiser, order of clips, augmentation, and the average go on where they were."""
    phase = "joint" if method == "kd" else "student"
    plan = toy(toy_catalog, method, "method.joint_epochs=3")
    straight = go(toy_catalog, plan, tmp_path / "straight")
    epochs = Training.epochs

    def dying(self: Training, *asked: Any, **named: Any) -> Any:
        for batch in epochs(self, *asked, **named):
            if stage_of(self) == phase and batch.epoch == die_at:
                raise Killed
            yield batch

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Training, "epochs", dying)
        go(toy_catalog, plan, tmp_path / "killed")
    went_on = go(toy_catalog, plan, tmp_path / "killed")
    assert same(scored(straight), scored(went_on))
    assert straight.record["updates"] == went_on.record["updates"]
