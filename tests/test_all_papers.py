"""Every paper's method on every dataset, a few clips of each: it trains, is scored, and its record is whole."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from attribute_labels import write_attributes
from tables_of_frames import write_nagoya
from test_ixmas import record as write_recording
from tiny_virat import write_first, write_second
from videos import film, random_planes, write_planes

from benchmark_core.catalog import Catalog
from benchmark_core.plans.lookup import find
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench_plugins.hmdb51 import CLASSES as HMDB51
from elrbench_plugins.jhmdb import CLASSES as JHMDB
from elrbench_plugins.ucf101 import CLASSES as UCF101

TINY = ("method.batch=2", "method.epochs=1")
METHODS: Mapping[str, tuple[str, tuple[str, ...]]] = {  # method -> its enhancer, and what makes it quick
    "stat": ("bilinear", ("method.joint_epochs=1",)),
    "cstat": ("bilinear", ("method.joint_epochs=1",)),
    "tinyvirat": ("prog-dvsr-att", ()),
    "purwanto": ("dbpn-s", ("method.head_epochs=1",)),
}


def write_clip(path: Path, seed: int) -> None:
    """Five frames of 24x32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_planes(path, random_planes(5, 24, 32, seed), "yuv420p", codec="mpeg4")


def write_splits(root: Path, videos: str, splits: str, classes: tuple[str, ...]) -> Path:
    """Two clips that train and one that tests, of each of two classes, in HMDB51's lists."""
    (root / splits).mkdir(parents=True)
    for number, name in enumerate(classes):
        (root / videos / name).mkdir(parents=True)
        files = [f"film{clip}_{name}_f_cm_np1_fr_med_0.avi" for clip in range(3)] if number < 2 else []
        for clip, file in enumerate(files):
            write_clip(root / videos / name / file, 10 * number + clip)
        lines = [f"{file} {part} \n" for file, part in zip(files, "112", strict=False)] or ["of_no_split.avi 0 \n"]
        for split in (1, 2, 3):
            (root / splits / f"{name}_test_split{split}.txt").write_text("".join(lines))
    return root


def write_ucf101(root: Path) -> Path:
    """Two clips that train and one that tests, of each of two classes."""
    lists: dict[str, list[str]] = {"trainlist01.txt": [], "testlist01.txt": [], "classInd.txt": []}
    for number, name in enumerate(("ApplyEyeMakeup", "ApplyLipstick"), start=1):
        files = [f"{name}/v_{name}_g{group:02d}_c01.avi" for group in (1, 8, 9)]
        for seed, file in enumerate(files):
            write_clip(root / "UCF-101" / file, 10 * number + seed)
        lists["testlist01.txt"].append(files[0])
        lists["trainlist01.txt"] += [f"{file} {number}" for file in files[1:]]
    lists["classInd.txt"] = [f"{number} {name}" for number, name in enumerate(UCF101, start=1)]
    (root / "ucfTrainTestlist").mkdir(parents=True)
    lists |= {f"{part}list0{number}.txt": lists[f"{part}list01.txt"] for part in ("train", "test") for number in (2, 3)}
    for name, lines in lists.items():
        (root / "ucfTrainTestlist" / name).write_text("".join(f"{line}\n" for line in lines))
    return root


def write_inria(root: Path) -> Path:
    """Two actors before one camera."""
    for name in ("alba1", "clare1"):
        write_recording(root, name, cameras=("cam0",))
    return root


def write_epfl(root: Path) -> Path:
    """Two actors, two actions, two cameras."""
    root.mkdir()
    actions = ("01_check-watch", "11_point")
    for seed, (actor, action, camera) in enumerate(itertools.product(("alba", "clare"), actions, ("cam0", "cam1"))):
        write_clip(root / f"{actor}1_{action}_{camera}_frames_0053_0097.avi", seed)
    return root


def write_folder(root: Path) -> Path:
    """A folder a class, under train and test."""
    for number, (part, label, name) in enumerate(itertools.product(("train", "test"), ("run", "walk"), "ab")):
        film(root / part / label / f"{part}-{name}.avi", 20 * number, number)
    return root


DATASETS: Mapping[str, tuple[Callable[[Path], Path] | None, tuple[str, ...]]] = {  # how it is written; its numbers
    "toy": (None, ("dataset.train=6", "dataset.test=3")),
    "puppets": (None, ("dataset.train=4", "dataset.test=2", "dataset.frames=8")),
    "tiny-puppets": (None, ("dataset.train=4", "dataset.test=2", "dataset.frames=8")),
    "motions": (None, ("dataset.train=4", "dataset.test=2", "dataset.frames=8")),
    "hmdb51": (lambda root: write_splits(root, "hmdb51_org", "testTrainMulti_7030_splits", HMDB51), ()),
    "jhmdb": (lambda root: write_splits(root, "ReCompress_Videos", "splits", JHMDB), ()),
    "ucf101": (write_ucf101, ()),
    "ixmas-11": (write_inria, ()),
    "ixmas-12:epfl": (write_epfl, ()),
    "tinyvirat": (lambda root: write_first(root, train=3, test=2), ()),
    "tinyvirat-v2": (lambda root: write_second(root, train=3, val=2, test=1), ()),
    "nagoya-fir": (write_nagoya, ()),
    "pa-hmdb51:gender": (write_attributes, ()),
    "folder": (write_folder, ()),
}


FEWER = {
    "nagoya-fir": {"protocol": "loso-6", "classes": "sit,lie"},
    "pa-hmdb51:gender": {"protocol": "jhmdb-5fold"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where datasets, one cache and the runs lie."""
    return tmp_path_factory.mktemp("papers")


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("method", METHODS)
def test_it_runs(toy_catalog: Catalog, place: Path, method: str, dataset: str) -> None:
    write, numbers = DATASETS[dataset]
    data = place / "data" / dataset.replace(":", "-")
    if write is not None and not data.exists():
        data.parent.mkdir(exist_ok=True)
        write(data)
    catalog, name = toy_catalog.with_folder(f"folder:{data}") if dataset == "folder" else (toy_catalog, dataset)
    enhancer, quick = METHODS[method]
    natively_low = find(catalog.datasets, name)[0].natively_low
    request = PlanRequest(
        method=method,
        dataset=name,
        **FEWER.get(dataset, {}),
        degradation="native" if natively_low else "average-6x8",
        backbone="toynet",
        size="24x32",
        sampling="2x1",
        budget="smoke",
        settings=(*TINY, *quick, *numbers),
    )
    plan = resolve_plan(catalog, request)
    result = run(
        plan,
        catalog,
        RunContext(
            data=None if write is None else data,
            out=place / "runs" / plan.digest,
            cache=place / "cache",
            reporter=Silent(),
            bad_clips="skip",  # IXMAS has absent clips by design, and only a few clips are written here
        ),
    )
    record = result.record
    assert record["plan"]["enhancer"] == enhancer
    assert record["updates"] and all(count > 0 for count in record["updates"].values())
    assert all(0 <= score["value"] <= 1 for score in record["scores"].values())
    assert record["clips"]["test"] > 0 and (dataset.startswith("ixmas") or not record["clips"]["bad"])
    (cost,) = (json.loads(path.read_text()) for path in result.folder.glob("toynet-*.json"))
    assert cost["macs"]["clip"] > 0 and not cost["understated"]
