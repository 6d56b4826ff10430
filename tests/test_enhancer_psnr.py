"""The script that compares an enhancer with bicubic on held-out pairs."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scripts import load_script
from torch.nn.functional import interpolate

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("enhancer_psnr")


@pytest.fixture(autouse=True)
def no_entry_points(toy_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): toy_catalog)


def finished(catalog: Catalog, folder: Path, **fields: Any) -> Path:
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "16x16"}
    settings = ("dataset.train=4", "dataset.test=5", "method.batch=2", "method.epochs=1")
    plan = resolve_plan(catalog, PlanRequest(**{**usual, **fields}, settings=settings))
    run(plan, catalog, RunContext(data=None, out=folder / "run", cache=folder / "cache", reporter=Silent()))
    return folder / "run"


def told(script: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    code = script.main([str(folder), "--cache", str(folder.parent / "cache"), "--device", "cpu", "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def test_psnr_by_hand(script: ModuleType) -> None:
    high = torch.zeros(2, 3, 1, 1, 2)
    view = torch.tensor([[0.1, 0.1], [0.1, 0.3]]).reshape(2, 1, 1, 1, 2).expand(2, 3, 1, 1, 2)
    plain = [20.0, -10 * np.log10(0.05)]
    assert script.psnr(view, high) == pytest.approx(plain, abs=1e-5)
    weights = torch.tensor([0.5, 0.0]).reshape(1, 1, 1, 1, 2).expand(2, 1, 1, 1, 2)
    assert script.psnr(view, high, weights) == pytest.approx([20.0, 20.0], abs=1e-5)
    assert script.psnr(high, high) == [100.0, 100.0]


@pytest.mark.parametrize("degradation", ["average-4x4", "bicubic-4x4"])
def test_bicubic_is_as_good_as_itself_and_pairs_show_the_same(
    script: ModuleType, toy_catalog: Catalog, tmp_path: Path, capsys: Any, degradation: str
) -> None:
    folder = finished(toy_catalog, tmp_path, enhancer="bicubic", degradation=degradation)
    code, found = told(script, folder, capsys)
    assert code == 0 and found["clips"] == 5 and found["better"] == 0
    assert found["enhancer"] == found["bicubic"] and found["enhancer"]["weighted"] is None
    assert found["bicubic"]["psnr"] > 12  # of other clips' frames it would be far less
    assert script.main([str(folder), "--cache", str(tmp_path / "cache"), "--low", "4x4"]) == 2
    assert f"--low is for natively low clips; {degradation} has" in capsys.readouterr().err
    _, one = told(script, folder, capsys, "--clips", "1")
    assert one["clips"] == 1 and one["bicubic"]["psnr"] != found["bicubic"]["psnr"]


def test_of_an_enhancer_with_attention(script: ModuleType, toy_catalog: Catalog, tmp_path: Path, capsys: Any) -> None:
    """Hardly trained, it is below bicubic: exit 1."""
    folder = finished(toy_catalog, tmp_path, enhancer="prog-dvsr-att", degradation="average-4x4")
    code, found = told(script, folder, capsys)
    assert (code, found["name"], found["clips"]) == (1, "prog-dvsr-att", 5)
    assert found["enhancer"]["weighted"] < found["bicubic"]["weighted"]
    script.main([str(folder), "--cache", str(folder.parent / "cache"), "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "toy, average-4x4 to 16x16: 5 held-out pairs" and "by attention" in lines[1]
    assert lines[2].split()[0] == "prog-dvsr-att" and lines[3].split()[0] == "bicubic"
    assert lines[4] == f"above bicubic: {found['better']} of 5 clips"


def test_of_clips_taken_as_recorded(script: ModuleType, toy_catalog: Catalog, tmp_path: Path, capsys: Any) -> None:
    """Those that are large enough alone; of none, one line."""
    fields = {"dataset": "tiny-puppets", "degradation": "native", "enhancer": "dvsr", "sampling": "2x1"}
    folder = finished(toy_catalog, tmp_path, **fields)
    _, found = told(script, folder, capsys, "--least", "0")
    assert found["clips"] == 5
    _, large = told(script, folder, capsys, "--least", "3")  # 48 pixels
    assert 0 < large["clips"] < 5
    _, given = told(script, folder, capsys, "--least", "0", "--low", "4x4")
    _, blank = told(script, folder, capsys, "--least", "0", "--low", "1x1")  # a grey square
    assert given["clips"] == 5 and found["bicubic"]["psnr"] > given["bicubic"]["psnr"] > blank["bicubic"]["psnr"]
    assert script.main([str(folder), "--cache", str(tmp_path / "cache"), "--low", "4", "--device", "cpu"]) == 2
    assert "--low 4 is not HxW in pixels" in capsys.readouterr().err
    assert script.main([str(folder), "--cache", str(tmp_path / "cache"), "--least", "9", "--device", "cpu"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("enhancer_psnr: error: none of the test clips of tiny-puppets is as large as the network's")


def test_frames_at_once(script: ModuleType) -> None:
    class Enlarge(torch.nn.Module):
        def __init__(self, frames: int) -> None:
            super().__init__()
            self.frames = frames

        def forward(self, low: torch.Tensor) -> torch.Tensor:
            assert low.ndim == (5 if self.frames > 1 else 4)
            return interpolate(low, scale_factor=(1, 2, 2) if self.frames > 1 else 2)

    low = torch.rand(2, 3, 16, 4, 5)
    due = interpolate(low, scale_factor=(1, 2, 2))
    assert all(torch.equal(script.frames_of(Enlarge(frames), low, frames), due) for frames in (1, 4, 16))


def test_a_folder_without_a_run_is_one_line(script: ModuleType, tmp_path: Path, capsys: Any) -> None:
    assert script.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("enhancer_psnr: error: ")
