"""`array:PATH`: clips of sensor arrays as NPY files and as tables of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.decode import decode
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs.index import ArrayFrames

SHAPE = (6, 8)


def write_arrays(root: Path, suffix: str = ".npy") -> Path:
    """Write four clips of two classes, twelve frames each, for training and as many for testing."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for level, name in ((20, "cold"), (30, "warm")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(2):
                values = rng.normal(level, 1, (12, *SHAPE)).astype(np.float32)
                if suffix == ".npy":
                    np.save(folder / f"{number}.npy", values)
                else:
                    np.savetxt(folder / f"{number}.csv", values.reshape(12, -1), delimiter=",", header="degrees")
    if suffix != ".npy":
        (root / "size.txt").write_text("6x8\n")
    return root


def clip(path: Path, shape: tuple[int, int] = (1, 2)) -> ArrayFrames:
    return ArrayFrames(path=path, shape=shape, coldest=10.0, hottest=20.0)


def levels(source: ArrayFrames, chunk: int = 64) -> list[list[int]]:
    return [frame.ravel().tolist() for part in decode(source, chunk) for frame in part.planes[0]]


def test_levels_by_hand(tmp_path: Path) -> None:
    """10 degrees are level 0, 20 are 255; 15 are 127.5, rounded to even; others are clipped."""
    np.save(tmp_path / "a.npy", np.array([[[10.0, 20.0]], [[15.0, 25.0]], [[-3.0, 11.0]]]))
    assert levels(clip(tmp_path / "a.npy"), chunk=2) == [[0, 255], [128, 255], [0, 26]]


def test_lines_end_with_the_frame(tmp_path: Path) -> None:
    """A header and a time are left out; commas, semicolons and blanks separate."""
    (tmp_path / "a.csv").write_text("time;left;right\n0.1;10;20\n0.2, 20, 10,\n\n0.3 10 10\n")
    assert levels(clip(tmp_path / "a.csv"), chunk=2) == [[0, 255], [255, 0], [0, 0]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0,10,20\n0,x,10\n", "line 2 does not end with 2 numbers"),
        ("10,20\nnan,10\n", "frame 2 has a value that is not a number"),
        ("", "it has no frame"),
        ("words\n" * 20, "line 17 does not end with 2 numbers"),
    ],
)
def test_a_damaged_table_is_a_bad_clip(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(BadClip, match=reason):
        levels(clip(tmp_path / "a.csv"), chunk=1)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((3, 4, 5)), "frames of 4x5, not frames of 1x2"),
        (np.zeros((3, 2)), "not an array of numbers"),
        (np.array([[["a", "b"]]]), "not an array of numbers"),
        (np.array([[[1j, 2]]]), "complex128 frames"),
        (np.array([[[None, "x"]]], dtype=object), "cannot be read as NPY"),
        (np.array([[[1, np.inf]]]), "frame 1 has a value that is not a number"),
    ],
)
def test_a_damaged_array_is_a_bad_clip(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(BadClip, match=reason):
        levels(clip(tmp_path / "a.npy"))


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_a_run_on_arrays(catalog: Catalog, tmp_path: Path, suffix: str) -> None:
    """A native backbone takes them at the size at which they were recorded, as one channel if asked."""
    root = write_arrays(tmp_path / "Sensor", suffix)
    catalog, name = catalog.with_folder(f"array:{root}")
    assert name == "array:sensor"
    assert catalog.datasets[name].recorded_size == SHAPE
    plan = resolve_plan(
        catalog,
        PlanRequest(
            method="supervised",
            dataset=name,
            budget="smoke",
            backbone="native3d-xs",
            sampling="clip-8",
            modality="contrast+dev-early",
            settings=("method.batch=2",),
        ),
    )
    assert (plan.size, plan.degradation) == (SHAPE, "native")
    done = run(plan, catalog, RunContext(data=root, out=tmp_path / "o", cache=tmp_path / "c", reporter=Silent()))
    assert (done.record["clips"]["train"], done.record["clips"]["test"]) == (4, 4)


def test_tables_need_their_size(catalog: Catalog, tmp_path: Path) -> None:
    root = write_arrays(tmp_path / "sensor", ".csv")
    (root / "size.txt").unlink()
    with pytest.raises(ElrError, match=r"write the size of a frame, such as 24x32, into size.txt"):
        catalog.with_folder(f"array:{root}")
    (root / "size.txt").write_text("large")
    with pytest.raises(ElrError, match="size.txt holds 'large', not HxW"):
        catalog.with_folder(f"array:{root}")


def test_the_range_of_values_is_checked(catalog: Catalog, tmp_path: Path) -> None:
    root = write_arrays(tmp_path / "sensor")
    catalog, name = catalog.with_folder(f"array:{root}")
    with pytest.raises(ElrError, match=r"dataset.coldest=5.0 is not below dataset.hottest=5.0"):
        catalog.datasets[name].read_index(root, "split", {"coldest": 5.0, "hottest": 5.0})
