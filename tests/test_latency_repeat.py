"""The script that compares five runs of latency, as far as it can be tested without a GPU."""

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from scripts import BENCHMARKS, load_script


@pytest.fixture(scope="module")
def script():
    return load_script("latency_repeat")


def latency(single, many, **more):
    return {
        "precision": "fp32",
        "compiled": False,
        "single": {"median": single},
        "throughput": {"batch": 32, "median": many},
        **more,
    }


RUNS = [latency(1.0, 50.0), latency(1.02, 50.0), latency(1.01, 53.0)]


def test_the_spread_is_that_of_the_medians(script):
    found = script.spreads(RUNS)
    assert list(found) == ["fp32, one clip", "fp32, 32 clips"]
    assert found["fp32, one clip"] == {"medians": [1.0, 1.02, 1.01], "spread": pytest.approx(0.02 / 1.01)}
    assert found["fp32, 32 clips"]["spread"] == pytest.approx(0.06)


def test_variants_are_compared_where_every_run_has_them(script):
    good = {"precision": "bf16", "compiled": False, **latency(0.5, 20.0)} | {"precision": "bf16"}
    bad = {"precision": "fp32", "compiled": True, "failed": "RuntimeError: no compiler"}
    runs = [latency(1.0, 2.0, variants=[good, bad]), latency(1.0, 2.0, variants=[good, good | {"compiled": True}])]
    found = script.spreads(runs)
    assert list(found) == ["fp32, one clip", "fp32, 32 clips", "bf16, one clip", "bf16, 32 clips"]
    assert "not measured: RuntimeError: no compiler" in script.as_text(found, runs, 0.03)


def test_it_prints_every_median_and_falls_short_above_the_limit(script, monkeypatch, capsys):
    asked = []

    def run(words, **how):
        asked.append(words)
        return types.SimpleNamespace(returncode=0, stdout="chatter\n" + json.dumps(RUNS[len(asked) - 1]) + "\n")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(script.subprocess, "run", run)
    assert script.main(["--backbone", "resnet18", "--runs", "3"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "1.000     1.020     1.010 ms  spread 1.98 %" in out[0] and not out[0].endswith("above 3 %")
    assert out[1].endswith("spread 6.00 %, above 3 %")
    assert all(words[2:] == ["--backbone", "resnet18", "--runs", "3", "--once"] for words in asked) and len(asked) == 3
    asked.clear()
    assert script.main(["--runs", "3", "--within", "0.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spreads"]["fp32, 32 clips"]["medians"] == [50.0, 50.0, 53.0]


def test_a_run_that_fails_ends_it(script, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(script.subprocess, "run", lambda words, **how: types.SimpleNamespace(returncode=3, stdout=""))
    assert script.main([]) == 2
    assert "a run ended with exit code 3" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("flags", [(), ("--device", "cpu")], ids=["default", "cpu"])
def test_without_a_gpu_it_says_so(flags):
    ran = subprocess.run([sys.executable, BENCHMARKS / "latency_repeat.py", *flags], capture_output=True, text=True)
    assert ran.returncode == 2 and "GPU" in ran.stderr and "no latency is measured" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1 and not ran.stdout


def test_one_run_measures_the_backbone_asked_for(script, monkeypatch):
    """On the processor, with a clock in the GPU's place: what is handed on is what is asked for."""
    from benchmark_core.cost import latency as timing

    seen = {}

    def measure(recognizer, low, device, *, variants):
        seen.update(shape=tuple(low.shape), device=device.type, variants=variants)
        return {"classes": recognizer(low).shape[-1]}

    monkeypatch.setattr(timing, "measure_latency", measure)
    plugin = str(Path(__file__).with_name("toy.py"))
    asked = types.SimpleNamespace(
        backbone="toynet", classes=7, size="24x32", sampling=None, device="cpu", plugin=[plugin], variants=True
    )
    assert script.one_run(asked) == {"classes": 7}
    assert seen == {"shape": (1, 2, 3, 1, 24, 32), "device": "cpu", "variants": timing.VARIANTS}
