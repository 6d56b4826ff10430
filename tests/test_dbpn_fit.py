"""How the back-projection networks are fitted: pairs, updates, shared stages, a kill; and public weights instead."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from calling import Call, caller
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.views import Batch
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.training.averaging import step
from benchmark_core.training.training import Training, build_training
from benchmark_core.weights_file import add_enhancer_weights, digest_of_bytes
from elrbench import ElrError
from elrbench_plugins.commands.check.check import check_plugin
from elrbench_plugins.dbpn import fit
from elrbench_plugins.dbpn.enhancer import dbpn_s
from elrbench_plugins.dbpn.network import Dbpn
from elrbench_plugins.interpolation.interpolation import Interpolation

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
SHAPE: dict[str, Any] = {"scale": 0, "resize": False, "residual": False}


def asked(catalog: Catalog, *settings: str, **fields: Any) -> Plan:
    """From 4x4 by 2 to 8x8: 2 updates an epoch."""
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "8x8"}
    clips = ("dataset.train=4", "dataset.test=2", "method.batch=2", "method.epochs=1", "enhancer.batch=2")
    request = {**usual, "enhancer": "dbpn-s", "degradation": "average-4x4", **fields}
    return resolve_plan(catalog, PlanRequest(**request, settings=(*clips, *settings)))


Fitted = Callable[..., tuple[nn.Module, Training]]


def fit_enhancer(
    catalog: Catalog, folder: Path, *settings: str, cache: str = "a", **fields: Any
) -> tuple[nn.Module, Training]:
    """Return the enhancer of a fresh recognizer, and the training that it is from."""
    plan = asked(catalog, *settings, **fields)
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=folder / "clips", cache=folder / "clips"))
    training = build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(OWNERS),
        make_views=data.training_views,
        device=torch.device("cpu"),
        cache=folder / cache,
        reporter=Silent(),
    )
    return training.recognizer().enhancer, training


@pytest.fixture
def fitted(toy_catalog: Catalog, tmp_path: Path) -> Fitted:
    """`fitted(*settings, cache="a")`: see `fit_enhancer`."""

    def make(*settings: str, catalog: Catalog = toy_catalog, **fields: Any) -> tuple[nn.Module, Training]:
        return fit_enhancer(catalog, tmp_path, *settings, **fields)

    return make


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(value, right[name]) for name, value in left.items())


# -- pairs and updates


def batch(low: Any, high: Any, box: Tensor | None = None) -> Batch:
    number = len(low)
    return Batch(
        low=low, high=high, mask=torch.ones(number, 1), box=box, target=torch.arange(number), ids=("",) * number
    )


def test_pairs_are_whole_frames_flipped_alike() -> None:
    module = dbpn_s((4, 6), (8, 12), SHAPE)
    high = torch.rand(2, 3, 3, 1, 8, 12)  # 3 frames a clip
    low = nn.functional.avg_pool2d(high.flatten(0, 3), 2).reshape(2, 3, 3, 1, 4, 6)
    box = torch.tensor([[0.1, 0.1, 0.5, 0.5, 0.0], [0.0, 0.0, 1.0, 1.0, 1.0]])
    seen, due = fit.pairs_of(module, batch(low, high, box), 1.0)
    assert torch.equal(due, torch.cat([high[0, :, :, 0], high[1, :, :, 0].flip(-1)]))
    assert torch.equal(seen, torch.cat([low[0, :, :, 0], low[1, :, :, 0].flip(-1)]))


def test_a_network_that_is_resized_afterwards_learns_its_own_size() -> None:
    module = dbpn_s((4, 6), (20, 30), {**SHAPE, "resize": True, "scale": 4})
    high = torch.rand(2, 1, 3, 1, 20, 30)
    _, due = fit.pairs_of(module, batch(torch.rand(2, 1, 3, 1, 4, 6), high), 1.0)
    assert torch.equal(due, Interpolation((16, 24), "bicubic")(high[:, 0, :, 0]))


def test_natively_low_pairs() -> None:
    module = dbpn_s(None, (16, 16), SHAPE)
    high = [torch.rand(1, 3, 1, side, side) for side in (20, 12, 16)]
    low = [torch.rand(1, 3, 1, side, side) for side in (5, 6, 7)]
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0, 0.0]] * 2 + [[0.0, 0.0, 1.0, 1.0, 1.0]])
    seen, due = fit.pairs_of(module, batch(low, high, box), 1.0)
    to_low, to_high = Interpolation((4, 4), "bicubic"), Interpolation((16, 16), "bicubic")
    assert torch.equal(seen, torch.cat([to_low(low[0][:, :, 0]), to_low(low[2][:, :, 0]).flip(-1)]))
    assert torch.equal(due, torch.cat([to_high(high[0][:, :, 0]), high[2][:, :, 0].flip(-1)]))


@pytest.mark.parametrize(
    ("sizes", "least", "due"),
    [
        (((16, 16), (16, 12), (9, 9)), 1.0, [0]),
        (((16, 16), (16, 12), (9, 9)), 0.7, [0, 1]),
        (((4, 4), (9, 8), (8, 7)), 1.0, [1]),
    ],
)
def test_high_views_smaller_than_what_is_made_are_left_out(sizes: Any, least: float, due: list[int]) -> None:
    assert fit.large([torch.zeros(1, 3, 1, *size) for size in sizes], (16, 16), least) == due


def test_psnr_is_the_mean_over_frames() -> None:
    assert fit.psnr(torch.tensor([0.01, 0.0001])).item() == pytest.approx((20 + 40) / 2)


@pytest.mark.parametrize(("epochs", "rates"), [(4, [1, 1, 0.1, 0.1]), (3, [1, 1, 0.1]), (1, [1])])
def test_a_tenth_of_the_rate_in_the_second_half(epochs: int, rates: list[float]) -> None:
    options = {"lr": 2e-4, "epochs": epochs}
    assert [fit.rate(options, epoch) for epoch in range(epochs)] == pytest.approx([2e-4 * rate for rate in rates])


@pytest.mark.parametrize("micro_batch", [0, 1, 2])
def test_an_update_by_hand(micro_batch: int) -> None:
    """L1 of what is not clamped; PSNR of what is; the same whatever goes through at once."""

    class Grows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by = nn.Parameter(torch.tensor(2.0))

        def made(self, low: Tensor) -> Tensor:
            return self.by * low

    module: Any = Grows()
    training: Any = SimpleNamespace(options={"micro_batch": micro_batch}, autocast=contextlib.nullcontext, step=step)
    low, high = torch.tensor([0.1, 0.2, 0.9]).reshape(3, 1, 1, 1), torch.tensor([0.3, 0.4, 0.9]).reshape(3, 1, 1, 1)
    told = fit.update(training, module, torch.optim.SGD(module.parameters(), lr=1.0), low, high)
    assert told["loss"].item() == pytest.approx((0.1 + 0.0 + 0.9) / 3)
    assert told["psnr"].item() == pytest.approx((20 + 100 + 20) / 3, rel=1e-4)  # of 0.2, 0.4 and 1
    assert module.by.item() == pytest.approx(2 - (-0.1 + 0.0 + 0.9) / 3, abs=1e-6)


def test_it_learns(fitted: Fitted) -> None:
    _, training = fitted("enhancer.epochs=8", "enhancer.lr=0.001", "enhancer.residual=false", "enhancer.frames=2")
    (stage,) = training.stages
    loss = [row["loss"] for row in stage["history"]]
    psnr = [row["psnr"] for row in stage["history"]]
    assert stage["name"] == "dbpn" and stage["updates"] == 16
    assert loss[-1] < loss[0] / 2 and psnr[-1] > psnr[0] + 3


# -- stages


def test_fits_of_one_layout_are_one_stage(fitted: Fitted) -> None:
    small, first = fitted()
    assert not any(parameter.requires_grad for parameter in small.parameters())
    again, second = fitted("enhancer.units=2", enhancer="dbpn")
    assert second.stages[0]["reused"] and second.stages[0]["key"] == first.stages[0]["key"] and same(small, again)
    for settings in (("enhancer.lr=0.5",), ("enhancer.frames=2",), ("enhancer.residual=false",)):
        assert fitted(*settings)[1].stages[0]["key"] != first.stages[0]["key"]
    assert fitted("method.lr=0.5", "enhancer.train=true")[1].stages[0]["reused"]
    deep, third = fitted(enhancer="d-dbpn")
    assert not third.stages[0]["reused"] and len(deep.state_dict()) > len(small.state_dict())


class Killed(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("after", [1, 3, 4])
def test_a_kill_changes_nothing(fitted: Fitted, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """In the first epoch, in the one at whose start the rate falls, and at its end."""
    whole, _ = fitted("enhancer.epochs=3", "enhancer.lr=0.01")
    seen, plain = 0, fit.pairs_of

    def dies(*given: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == after + 1:
            raise Killed
        return plain(*given)

    monkeypatch.setattr(fit, "pairs_of", dies)
    with pytest.raises(Killed):
        fitted("enhancer.epochs=3", "enhancer.lr=0.01", cache="b")
    resumed, training = fitted("enhancer.epochs=3", "enhancer.lr=0.01", cache="b")
    assert same(whole, resumed) and len(training.stages[0]["history"]) == 3
    assert seen == after + 1 + 6 - after // 2 * 2


# -- a public checkpoint instead


def checkpoint(folder: Path, scale: int = 2, units: int = 2, *, dense: bool = False, name: str = "DBPN_x2.pth") -> Path:
    """As the authors' training script leaves it, of DataParallel."""
    torch.manual_seed(7)
    state = {f"module.{key}": value for key, value in Dbpn(scale, units, dense=dense).state_dict().items()}
    torch.save(state, folder / name)
    return folder / name


def test_a_file_stands_in_for_fitting(fitted: Fitted, toy_catalog: Catalog, tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    catalog, name = add_enhancer_weights(toy_catalog, str(path))
    assert name == f"file:DBPN_x2@{digest_of_bytes(path.read_bytes())}"
    module, training = fitted(catalog=catalog, enhancer_weights=name)
    state = torch.load(path, weights_only=True)
    assert all(torch.equal(value, state[f"module.{key}"]) for key, value in module.network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert training.plan.settings["enhancer.weights"] == name and str(tmp_path) not in json.dumps(
        training.plan.to_json()
    )
    (note,) = training.notes
    assert training.stages == [] and f"enhancer 'dbpn-s' has the weights {name} (35 of 35 tensors)" in note
    assert asked(catalog).digest != training.plan.digest == asked(catalog, f"enhancer.weights={name}").digest


def test_a_run_with_a_file(toy_catalog: Catalog, tmp_path: Path) -> None:
    """No high views are read, no stage is fitted but the student's; the run folder has all that predicts."""
    path = checkpoint(tmp_path)
    catalog, name = add_enhancer_weights(toy_catalog, str(path))
    plan = asked(catalog, enhancer_weights=name)
    assert components_of(catalog, asked(catalog)).needs_high and not components_of(catalog, plan).needs_high

    def go(catalog: Catalog, plan: Plan, out: str) -> RunResult:
        return run(
            plan, catalog, RunContext(data=None, out=tmp_path / out, cache=tmp_path / "cache", reporter=Silent())
        )

    record = go(catalog, plan, "out").record
    assert list(record["updates"]) == ["student"] and name in record["notes"][0]
    plain = go(catalog, asked(catalog), "plain").record
    keys = [next(stage["key"] for stage in told["stages"] if stage["name"] == "student") for told in (record, plain)]
    assert keys[0] != keys[1]
    path.unlink()
    deployed = load_run(tmp_path / "out", read_record(find_record(tmp_path / "out")), toy_catalog)
    held = load_file(tmp_path / "out" / "recognizer.safetensors")
    assert all(torch.equal(value, held[key]) for key, value in deployed.recognizer.state_dict().items())


@pytest.mark.parametrize(
    ("enhancer", "made", "says"),
    [
        (
            "dbpn-s", {"scale": 4},
            r"enhancer 'dbpn-s' from 4x4 to 8x8: 9 tensors differ \(first: "
            r"up1.up_conv1.deconv.weight, 64x64x8x8, expected 64x64x6x6\); pass another --enhancer",
        ),
        ("d-dbpn", {"units": 3}, r"enhancer 'd-dbpn' .* 6 of 59 tensors are missing .first: down2.conv"),
        ("dbpn", {"units": 3, "dense": True}, r"6 tensors are not in the network \(first: down2.conv.conv.weight\)"),
    ],
)  # fmt: skip
def test_another_networks_file_stops_a_run_before_data_is_touched(
    toy_catalog: Catalog, tmp_path: Path, enhancer: str, made: Any, says: str
) -> None:
    catalog, name = add_enhancer_weights(toy_catalog, str(checkpoint(tmp_path, **made)))
    plan = asked(catalog, enhancer=enhancer, enhancer_weights=name)
    with pytest.raises(ElrError, match=says):
        run(plan, catalog, RunContext(data=None, out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent()))
    assert not list((tmp_path / "cache" / "clips").glob("*")) and not list((tmp_path / "out").glob("*.json"))


def test_weights_that_are_not_finite_are_refused(toy_catalog: Catalog, tmp_path: Path) -> None:
    state = Dbpn(2, 2).state_dict()
    state["feat0.conv.bias"][0] = float("nan")
    save_file(state, tmp_path / "x.safetensors")
    catalog, name = add_enhancer_weights(toy_catalog, str(tmp_path / "x.safetensors"))
    plan = asked(catalog, enhancer_weights=name)
    with pytest.raises(ElrError, match=r"1 tensors are not finite \(first: feat0.conv.bias\)"):
        run(plan, catalog, RunContext(data=None, out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent()))


@pytest.fixture
def call(toy_catalog: Catalog, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call("run", …)` -> (exit code, stdout, stderr)."""
    return caller(toy_catalog, capsys, monkeypatch)


PLANNED = ("--method", "supervised", "--dataset", "toy", "--backbone", "toynet", "--budget", "smoke", "--size", "24x32")


def test_the_flag(call: Call, tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    given = (*PLANNED, "--degradation", "average-12x16", "--enhancer", "dbpn-s", "--enhancer-weights", str(path))
    code, out, _ = call("run", *given, "--dry-run", "--json")
    name = f"file:DBPN_x2@{digest_of_bytes(path.read_bytes())}"
    assert code == 0 and json.loads(out)["plan"]["settings"]["enhancer.weights"] == name and str(tmp_path) not in out
    code, out, err = call("cost", *given, "--no-latency", "--json")
    assert code == 0 and f"enhancer weights: {name} (35 of 35 tensors)" in err
    assert json.loads(out)["params"]["enhancer"] == 1_354_766


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ("--enhancer", "dbpn-s", "--enhancer-weights", "absent.pth"),
            "--enhancer-weights absent.pth: the file does not exist",
        ),
        (
            ("--enhancer", "dbpn-s", "--enhancer-weights", "file:a@0123"),
            "--enhancer-weights file:a@0123 is a file name from a plan; pass the path of the file: "
            "--enhancer-weights PATH",
        ),
        (
            ("--enhancer", "dbpn-s", "--set", "enhancer.weights=a/b.pth"),
            "--set enhancer.weights='a/b.pth' is not one of fit",
        ),
        (
            ("--enhancer", "bicubic", "--enhancer-weights", "{}"),
            "enhancer 'bicubic' has no public checkpoint; remove --enhancer-weights",
        ),
    ],
)
def test_a_mistake_is_one_line(flags: tuple[str, ...], says: str, call: Call, tmp_path: Path) -> None:
    path = str(checkpoint(tmp_path))
    degradation = ("--degradation", "average-12x16")
    code, out, err = call("run", *PLANNED, *degradation, *(flag.format(path) for flag in flags), "--dry-run")
    assert (code, out, err) == (2, "", f"elrbench: error: {says}\n")


@pytest.mark.slow
def test_conforms(catalog: Catalog, tmp_path: Path) -> None:
    findings = list(check_plugin(catalog, "elrbench_plugins.dbpn", work=tmp_path))
    assert {finding.outcome for finding in findings} == {"ok"}, findings
