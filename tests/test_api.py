"""The package `elrbench`: what it exports is frozen, typed, documented, and does what `elrbench run` does."""

import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import elrbench

ROOT = Path(__file__).parents[1]
EXPORTS = """
RECIPE ArrayFrames BackboneSpec Batch Catalog Clip CommandSpec Components DatasetSpec DegradationSpec Drawn ElrError
EnhancerSpec ExportedModel Fold FrameFolder FrameFolders Frames Index LoadedRun MethodSpec Option Parts Plan Protocol
Published Recognizer RunFailed RunResult TableFrames Trace TrackedRun Tracker TrackerSpec Training VideoFile __version__
hookimpl load_catalog load_records load_run read_exported resolve run stage_function
""".split()  # noqa: SIM905
PLAN = {"method": "supervised", "dataset": "puppets", "budget": "smoke", "size": "32x48"}


def test_the_exports_are_these():
    assert sorted(elrbench.__all__) == sorted(EXPORTS) == dir(elrbench)
    for name in EXPORTS:
        assert getattr(elrbench, name) is not None


def test_the_parameters_are_these():
    names = {fn: list(inspect.signature(getattr(elrbench, fn)).parameters) for fn in ("run", "resolve", "load_run")}
    plan = ["method", "dataset", "budget", "seed"]
    assert names["resolve"] == [*plan, "settings", "data", "plugins", "fields"]
    places = ["data", "unlabelled_data", "high_source_data"]
    switches = ["bad_clips", "shared_clips", "device", "refit", "quiet", "track", "validate"]
    assert names["run"] == [*plan, "out", "cache", "settings", *places, *switches, "plugins", "fields"]
    assert names["load_run"] == ["folder", "dataset", "plugins"]


def test_every_export_has_a_docstring_and_the_package_is_typed():
    for name in set(EXPORTS) - {"RECIPE", "__version__"}:
        assert inspect.getdoc(getattr(elrbench, name)), name
    assert (ROOT / "elrbench" / "py.typed").is_file()
    assert elrbench.__version__ == importlib.metadata.version("elrbench")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'cstat'"):
        elrbench.cstat  # noqa: B018


def test_importing_it_and_reading_records_loads_no_torch():
    code = (
        "import sys, elrbench; assert 'numpy' not in sys.modules;"
        "elrbench.load_records('leaderboards'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "elrbench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["elrbench", elrbench.__version__]


def test_a_plan_is_that_of_the_command_line():
    plan = elrbench.resolve(**PLAN, seed=3, settings={"method.epochs": 2})
    assert (plan.seed, plan.size, plan.settings["method.epochs"]) == (3, (32, 48), 2)
    argv = [word for key, value in PLAN.items() for word in (f"--{key}", value)]
    argv += ["--seed", "3", "--set", "method.epochs=2", "--dry-run"]
    done = subprocess.run([sys.executable, "-m", "elrbench", "run", *argv], capture_output=True, text=True, check=True)
    assert plan.digest in done.stdout


def test_mistakes_are_elr_errors_that_name_the_field():
    with pytest.raises(elrbench.ElrError, match="unknown method 'cstatt'"):
        elrbench.resolve(method="cstatt", dataset="puppets")
    with pytest.raises(elrbench.ElrError, match="unknown field of a plan 'epochs'"):
        elrbench.resolve(method="cstat", dataset="puppets", epochs=3)


def test_a_run_leaves_a_recognizer_that_can_be_loaded(tmp_path: Path):
    out = tmp_path / "run"
    few = {"dataset.train": 12, "dataset.test": 12}
    result = elrbench.run(**PLAN, settings=few, out=out, cache=tmp_path / "cache", quiet=True)
    assert result.folder == out and 0 <= result.record["scores"]["top1"]["value"] <= 1
    loaded = elrbench.load_run(out)
    assert len(loaded.classes) == 12 and loaded.low_size == (12, 16) and loaded.task == "single-label"
    intervals, frames = loaded.sampling
    low = torch.rand(2, intervals, 3, frames, 12, 16)
    assert loaded.recognizer(low, torch.ones(2, intervals)).shape == (2, 12)
    assert not loaded.recognizer.training


def test_records_are_rows_with_their_scores():
    frame = elrbench.load_records(ROOT / "leaderboards")
    assert len(frame) > 100 and {"digest", "method", "dataset", "seed", "score", "low", "high", "n"} <= set(frame)
    assert frame["digest"].is_unique and frame["score"].between(0, 1).all()
    with pytest.raises(elrbench.ElrError, match="nowhere does not exist"):
        elrbench.load_records("nowhere")
