"""The script that compares networks on one core, with tiny numbers."""

from __future__ import annotations

import json

import pytest
import torch
from scripts import load_script

TINY = ["--only", "native3d-s,efficientnet-lite0", "--rounds", "1", "--seconds", "0", "--batch", "1"]


def test_it_measures_every_network_by_every_engine(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    script = load_script("cpu_throughput")
    threads = torch.get_num_threads()
    assert script.main([*TINY, "--train-batch", "2", "--engines", "eager,onnxruntime", "--json"]) == 0
    assert torch.get_num_threads() == threads
    found = json.loads(capsys.readouterr().out)
    assert found["device"].endswith("(1 threads)") and 0 <= found["load"] <= 1
    native, image = found["networks"]["native3d-s"], found["networks"]["efficientnet-lite0"]
    assert native["view"] == "1x24 of 12x16" and image["view"] == "4x1 of 96x128"
    assert 1e8 < native["macs"] < image["macs"] < 1e9
    for each in (native, image):
        assert each["clips_per_second"].keys() == {"eager", "onnxruntime"}
        assert min(each["clips_per_second"].values()) > 0 and each["train_ms"] > 0
    assert native["train_memory"] > 4 * 960_000


def test_the_ratio_is_that_of_clips_per_second() -> None:
    script = load_script("cpu_throughput")
    row = {"view": "v", "macs": 2e8, "memory": {"eager": 1 << 20}, "train_ms": 9.0, "train_batch": 4}
    row["train_memory"] = 3 << 20
    found = {
        "native3d-s": {**row, "clips_per_second": {"eager": 300.0}},
        "r2plus1d-18-tv": {**row, "clips_per_second": {"eager": 2.0}},
    }
    text = script.as_text(found, ["eager"], "cpu: C (1 threads)", 0.25)
    assert "times as many clips: eager 150" in text and "load from other processes: 25 %" in text
    assert "9 ms of 4" in text and "1, 3" in text


@pytest.mark.parametrize("flags", [("--only", "resnet1000"), ("--engines", "tensorrt")])
def test_what_is_unknown_is_refused(flags: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load_script("cpu_throughput").main(flags)
    assert f"'{flags[1]}' is unknown" in capsys.readouterr().err
