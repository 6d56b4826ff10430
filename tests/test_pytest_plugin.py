"""The pytest plugin for authors of plugins: its fixtures, conformance tests, and no cost in other sessions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from elrbench import Catalog, ElrError, RunResult

PLUGIN = """
from elrbench import BackboneSpec, DatasetSpec, Protocol, hookimpl


@hookimpl
def elr_backbones():
    common = {"summary": "", "stages": ("only",), "sampling": "2x1"}
    return [
        BackboneSpec(name="sound-net", factory="mine:build", **common),
        BackboneSpec(name="broken-net", factory="mine:build_broken", **common),
    ]


@hookimpl
def elr_datasets():
    protocols = {"one": Protocol(summary="", folds=("1",))}
    return [DatasetSpec(name="far-away", summary="", classes=("a", "b"), protocols=protocols, index="mine:index",
                        layout="videos")]


def index(root, protocol, options):
    raise NotImplementedError


def build(classes, options):
    from torch import nn

    class Net(nn.Module):
        num_features = 8

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, stride=4)
            self.fc = nn.Linear(8, classes)

        def forward_features(self, x):
            return [self.conv(x)]

        def pool(self, stage):
            return stage.mean((2, 3))

        def get_classifier(self):
            return self.fc

    return Net()


def build_broken(classes, options):
    net = build(classes, options)
    net.pool = lambda stage: stage.mean(2)
    return net
"""
TESTS = """
def test_conformance(elrbench_component, elrbench_conformance):
    assert elrbench_conformance(elrbench_component)


def test_the_catalog_has_nothing_else(elrbench_catalog):
    catalog = elrbench_catalog()
    assert set(catalog.backbones) == {"sound-net", "broken-net"} and not len(catalog.methods)
    assert set(elrbench_catalog("supervised").methods) == {"supervised", "teacher"}
"""
# At the end of a session: which of the modules that take long to import were imported.
WATCH = """
import sys

def pytest_sessionfinish():
    heavy = ("torch", "numpy", "av", "pluggy", "benchmark_core", "elrbench")
    print("\\nimported:", *(name for name in heavy if name in sys.modules and name != "pluggy"))
"""


def session(folder: Path, *argv: str, code: int = 0) -> str:
    """Run pytest in a new process in `folder`, and return its output."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ELRBENCH_", "PYTEST_"))}
    argv = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *argv)
    done = subprocess.run(argv, cwd=folder, env=kept, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def author(tmp_path: Path) -> Path:
    """A folder with a plugin in a file, its tests, and the configuration of pytest."""
    (tmp_path / "mine.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "test_mine.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(WATCH, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nelrbench_plugins = mine.py\n", encoding="utf-8")
    return tmp_path


def test_each_component_passes_fails_or_is_skipped_for_itself(author: Path) -> None:
    out = session(author, code=1)
    lines = [line.split(" - ")[0] for line in out.splitlines()]
    name = "test_mine.py::test_conformance"
    for outcome, component in (
        ("PASSED", "plugin mine"),
        ("PASSED", "backbone sound-net"),
        ("FAILED", "backbone broken-net"),
    ):
        assert f"{outcome} {name}[{component}]" in lines, out
    assert "PASSED test_mine.py::test_the_catalog_has_nothing_else" in lines
    (skipped,) = [line for line in out.splitlines() if line.startswith("SKIPPED")]
    assert "dataset far-away" in skipped
    failed = next(line for line in out.splitlines() if line.startswith("failed "))
    assert "returns the right shapes: it returns (2, 8, 24); expected (2, 8)" in failed
    line = PLUGIN.splitlines().index("def build_broken(classes, options):") + 1
    assert failed.endswith(f"mine.py:{line})")


def test_collecting_conformance_tests_imports_no_torch(author: Path) -> None:
    out = session(author, "--collect-only", "-q")
    assert "test_mine.py::test_conformance[backbone sound-net]" in out
    (imported,) = [line for line in out.splitlines() if line.startswith("imported:")]
    assert "benchmark_core" in imported and "torch" not in imported


def test_other_sessions_import_nothing(author: Path) -> None:
    (author / "test_mine.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
    (author / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    out = session(author, "--strict-markers", "--strict-config")
    assert "1 passed" in out and "imported:\n" in out.replace("imported: \n", "imported:\n")


@pytest.mark.parametrize(
    ("given", "plugin", "expected"),
    [
        ("", PLUGIN, "no plugin under test: add elrbench_plugins"),
        ("elrbench_plugins = absent_module", PLUGIN, "absent_module cannot be imported"),
        ("elrbench_plugins = absent.py", PLUGIN, "absent.py: the file does not exist"),
        ("elrbench_plugins = mine.py", "x = 1\n", "offers no component"),
    ],
)
def test_a_mistake_is_one_line(author: Path, given: str, plugin: str, expected: str) -> None:
    (author / "mine.py").write_text(plugin, encoding="utf-8")
    (author / "pytest.ini").write_text(f"[pytest]\n{given}\n", encoding="utf-8")
    out = session(author, "-k", "conformance", code=2)
    (line,) = [line for line in out.splitlines() if line.startswith("elrbench: error: ")]
    assert expected in line and "Traceback" not in out


# -- fixtures, here without a plugin under test


def test_built_in_plugins_are_added_by_name(elrbench_catalog: Callable[..., Catalog], catalog: Catalog) -> None:
    few = elrbench_catalog("supervised", "resnet")
    assert set(few.methods) == {"supervised", "teacher"} and "resnet18" in few.backbones
    assert not len(few.datasets) and not len(few.enhancers)
    every = elrbench_catalog("*")
    for kind, section in catalog.sections.items():
        assert set(section) <= set(every.sections[kind])
    assert elrbench_catalog("*") is every
    with pytest.raises(ElrError, match="unknown built-in plugin 'supervized'. Did you mean 'supervised'"):
        elrbench_catalog("supervized")


def positions(path: Path) -> np.ndarray:
    """(row, column) of the centre of what is bright, for each frame."""
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return np.array([[axis.mean() for axis in np.nonzero(frame > 130)] for frame in frames])


@pytest.mark.parametrize("direction", ["left", "right", "up", "down"])
def test_a_clip_moves_in_its_direction(elrbench_clip: Callable[..., Path], tmp_path: Path, direction: str) -> None:
    path = elrbench_clip(tmp_path / "new" / "clip.avi", direction=direction, frames=7, size=(32, 64), seed=3)
    found = positions(path)
    assert len(found) == 7
    moved = found[-1] - found[0]
    along, across = (0, 1) if direction in ("up", "down") else (1, 0)
    assert moved[along] * (1 if direction in ("down", "right") else -1) > 15 and abs(moved[across]) < 2


@pytest.mark.parametrize(
    "wrong", [{"direction": "back"}, {"size": (15, 64)}, {"size": (48, 12)}, {"frames": 0}], ids=str
)
def test_a_clip_that_cannot_be_is_refused(
    elrbench_clip: Callable[..., Path], tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(ElrError):
        elrbench_clip(tmp_path / "clip.mp4", **wrong)
    assert not list(tmp_path.iterdir())


def test_the_tiny_dataset_is_small_and_trains(
    elrbench_tiny_dataset: Path, elrbench_smoke_run: Callable[..., RunResult]
) -> None:
    files = [path for path in elrbench_tiny_dataset.rglob("*") if path.is_file()]
    assert len(files) == 12 and sum(path.stat().st_size for path in files) < 500_000
    result = elrbench_smoke_run(settings={"method.epochs": 1})
    record = result.record
    assert (record["clips"]["train"], record["clips"]["test"], record["clips"]["bad"]) == (8, 4, [])
    assert record["per_class"]["classes"] == ["down", "up"] and "method.epochs" in record["changed"]
    assert (result.folder / "recognizer.safetensors").is_file()
    with pytest.raises(ElrError, match="unknown method 'supervized'"):
        elrbench_smoke_run(method="supervized")
