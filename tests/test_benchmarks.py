"""Each script of benchmarks/ runs with tiny numbers. Scripts that other test modules run are listed here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import find_browser
from scripts import BENCHMARKS, load_script
from tables_of_frames import write_nagoya

IN_OTHER_MODULES = {
    "cpu_throughput": "test_cpu_throughput",
    "damage_detection": "test_suspect_clips",
    "enhancer_psnr": "test_enhancer_psnr",
    "head_memory": "test_head_memory",
    "kill_and_resume": "test_kill",
    "latency_repeat": "test_latency_repeat",
    "loss_shares": "test_loss_shares",
    "processes": "test_processes_kills",
    "training_memory": "test_training_memory",
    "watch_speed": "test_watch",
}
HERE = {"leaderboard_speed", "nagoya_fir_yardstick", "site_speed", "stage_sharing", "suite_jobs"}
PYTEST = {  # each script with pieces of its output
    "test_clip_store": ("first pass of 4 clips", "checking stored 12x16 clips", "high views, 8x1", "waiting for views"),
    "test_channels_last": ("i3d (1 threads): channels-last takes", "native3d-s (1 threads)", "bf16 takes"),
    "test_native_step": ("4 clips a step, one thread, median of 1", "native3d-s", "24 at 12x16", "efficientnet-lite0"),
    "test_startup": ("test_startup[import-torch]", "test_startup[help]", "test_startup[list]"),
    "test_training_step": ("an epoch of 1 steps", "ratio, median of 1 pairs"),
}


def test_every_benchmark_is_run_by_a_test() -> None:
    """A new script must be added to a test module and to the lists above."""
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == {*IN_OTHER_MODULES, *HERE, *PYTEST}
    for script, module in IN_OTHER_MODULES.items():
        assert script in (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(PYTEST))
def test_a_pytest_benchmark_measures(script: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-v", "-s", "-p", "no:cacheprovider", "-p", "no:xdist"]
    words += [f"--rootdir={tmp_path}", "--benchmark-disable", str(BENCHMARKS / f"{script}.py")]
    clips = "2" if script == "test_channels_last" else "4"  # one clip has one value per channel in the last map
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("ELRBENCH_DATA", "PYTEST_XDIST_WORKER")},
        "ELRBENCH_BENCHMARK_CLIPS": clips,
        "ELRBENCH_BENCHMARK_ROUNDS": "1",
        "ELRBENCH_BENCHMARK_SIDE": "32",
    }
    ran = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for piece in PYTEST[script]:
        assert piece in ran.stdout, ran.stdout


def test_the_tables_of_generated_records_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every generated record has a row: none is left out by the checks of `leaderboard`."""
    script = load_script("leaderboard_speed")
    assert script.main(["--sizes", "40", "--keep", str(tmp_path)]) == 0
    assert re.search(r"40 records: +[\d.]+ s CPU.*--check", capsys.readouterr().out)
    for control in (True, False):
        assert list((tmp_path / "40" / "records").rglob(f"{'plain' if control else 'transfer'}-*.json"))
    table = (tmp_path / "40" / "tables" / "feed" / "split1" / "average-6x8.md").read_text(encoding="utf-8")
    assert "transfer-0000:both+rc" in table and "plain:matched" in table


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on the PATH")
def test_a_site_of_generated_records_opens_and_sorts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_script("site_speed").main(["--size", "80", "--keep", str(tmp_path)])  # its exit code depends on the machine
    out = capsys.readouterr().out
    assert "80 records, tracks: eight" in out and "index.html: " in out
    one_track = re.search(r"tracks: one;.*\n  average-12x16.html: (\d+) rows drawn, opens in", out)
    assert one_track is not None and int(one_track[1]) >= 80  # a row for each record, and rows of other tables


@pytest.mark.slow
def test_shared_stages_take_fewer_updates(capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["cstat:sat", "cstat:tat", "cstat:mlp"]  # three stages each alone, five in all if shared
    assert load_script("stage_sharing").main(["--clips", "12", "--size", "24x32", "--rows", *rows]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    shared = re.search(r"shared / alone: ([\d.]+) of the updates", last)
    assert shared is not None and 0.5 <= float(shared[1]) <= 0.6


def test_the_regression_on_frames_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_nagoya(tmp_path / "nagoya-fir")
    flags = ["--data", str(data), "--cache", str(tmp_path / "cache"), "--protocol", "loso"]
    load_script("nagoya_fir_yardstick").main(flags)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "frames in order", "mean and spread over frames", "frames alone, mean of logits"
    ]  # fmt: skip
    assert all(0 <= float(re.search(r": ([\d.]+) % of 94 clips", line)[1]) <= 100 for line in lines)  # type: ignore[index]


@pytest.mark.slow
def test_two_jobs_are_compared_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--backbone", "resnet18", "--size", "24x32", "--only", "teacher-resnet34,student-resnet34"]
    for setting in ("dataset.train=12", "dataset.test=12", "method.epochs=1"):
        few += ["--set", setting]
    assert load_script("suite_jobs").main(["table", "--ignore-targets", *few]) == 0  # the ratio is the machine's
    out = capsys.readouterr().out
    assert "1 at once: " in out and "for 2 runs" in out and "the same predictions" in out
    assert "stages trained: 2, twice: 0; jobs that waited at the lock of a stage: 0" in out


@pytest.mark.slow
def test_the_overhead_of_scheduling_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    few = ["--plans", "3", "--seconds", "0.1", "--workers", "2", "--every", "1", "--ignore-targets"]
    assert load_script("suite_jobs").main(["overhead", *few]) == 0
    out = capsys.readouterr().out
    assert "3 plans that sleep 0.1 s, on 2 workers of Ray" in out and "Overhead: " in out
    assert re.search(r"suite status: [1-9]\d* calls", out)
