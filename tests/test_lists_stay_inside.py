"""A list comes from someone else: whatever path it names, no reader leaves the dataset's folder for it.

Links are another matter: who lays one in the folder means what it leads to, as with clips that lie on several disks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from attribute_labels import entry, write_labels

from benchmark_core.errors import ElrError
from benchmark_core.specs import DatasetSpec
from benchmark_core.specs.index import Index
from elrbench_plugins.hmdb51 import HMDB51
from elrbench_plugins.ixmas import IXMAS_11
from elrbench_plugins.jhmdb import JHMDB
from elrbench_plugins.pa_hmdb51 import SPECS as PA_HMDB51
from elrbench_plugins.tinyvirat import TINYVIRAT, TINYVIRAT_V2, VIRAT_CROPS
from elrbench_plugins.ucf101 import UCF101

Lay = Callable[[Path, str], None]  # a folder of the dataset with one clip of its own, and a list that names another


def hmdb_like(spec: DatasetSpec, videos: str, lists: str) -> Lay:
    def lay(root: Path, path: str) -> None:
        (root / lists).mkdir(parents=True)
        for name in spec.classes:
            (root / videos / name).mkdir(parents=True)
            for split in (1, 2, 3):
                (root / lists / f"{name}_test_split{split}.txt").write_text("own.avi 1\n")
        (root / videos / "wave" / "own.avi").touch()
        (root / lists / "wave_test_split1.txt").write_text(f"own.avi 1\n{path} 2\n")

    return lay


def ucf101(root: Path, path: str) -> None:
    (root / "UCF-101" / "YoYo").mkdir(parents=True)
    (root / "UCF-101" / "YoYo" / "own.avi").touch()
    (root / "ucfTrainTestlist").mkdir()
    for split in (1, 2, 3):
        (root / "ucfTrainTestlist" / f"trainlist0{split}.txt").write_text("YoYo/own.avi 101\n")
        (root / "ucfTrainTestlist" / f"testlist0{split}.txt").write_text(f"YoYo/{path}\n")


def ixmas(root: Path, path: str) -> None:
    (root / "alba1_png" / "cam0").mkdir(parents=True)
    (root / "alba1_png" / "cam0" / "img0001.png").touch()
    (root / "alba1_truth.txt").write_text(f"1\n{path}\n")


def tiny(train: str, test: str, folder: str) -> Lay:
    def lay(root: Path, path: str) -> None:
        (root / "videos" / "train").mkdir(parents=True)
        (root / "videos" / folder).mkdir(exist_ok=True)
        (root / "videos" / "train" / "own.mp4").touch()
        for name, listed in ((train, "own.mp4"), (test, path)):
            (root / name).write_text(json.dumps([{"path": listed, "label": ["Misc"]}]))

    return lay


def attributes(root: Path, path: str) -> None:
    (root / "hmdb51_org" / "wave").mkdir(parents=True)
    (root / "hmdb51_org" / "wave" / "own.avi").touch()
    write_labels(root, {"wave": {"own.avi": entry(), path: entry()}})


DATASETS: dict[str, tuple[DatasetSpec, Lay]] = {
    "hmdb51": (HMDB51, hmdb_like(HMDB51, "hmdb51_org", "testTrainMulti_7030_splits")),
    "jhmdb": (JHMDB, hmdb_like(JHMDB, "ReCompress_Videos", "splits")),
    "ucf101": (UCF101, ucf101),
    "ixmas-11": (IXMAS_11, ixmas),
    "pa-hmdb51:face": (PA_HMDB51["face"], attributes),
    "tinyvirat": (TINYVIRAT, tiny("tiny_train.json", "tiny_test.json", "test")),
    "tinyvirat-v2": (TINYVIRAT_V2, tiny("tiny_train_v2.json", "tiny_val_v2.json", "val")),
    "virat-crops": (VIRAT_CROPS, tiny("crops_train.json", "crops_test.json", "test")),
}
OUT = (
    "../secret.avi",
    "../../secret.avi",
    "../../../secret.avi",
    "{outside}/secret.avi",
    "x/../../../secret.avi",
    "..",
    "..\\secret.avi",
    "~/secret.avi",
    "file://{outside}/secret.avi",
)


def read(spec: DatasetSpec, root: Path) -> Index:
    return spec.read_index(root, spec.default_protocol, {})


@pytest.mark.parametrize("path", OUT)
@pytest.mark.parametrize("name", DATASETS)
def test_a_path_out_of_the_folder_is_refused_or_missing(tmp_path: Path, name: str, path: str) -> None:
    spec, lay = DATASETS[name]
    root = tmp_path / "deep" / "data"
    lay(root, path.format(outside=tmp_path))
    for folder in (tmp_path, *(inside for inside in tmp_path.rglob("*") if inside.is_dir())):
        if root not in (folder, *folder.parents):
            (folder / "secret.avi").touch()  # it would be found
    try:
        index = read(spec, root)
    except ElrError as error:
        assert "\n" not in str(error) and str(error).startswith(f"{spec.name}: ") and "cannot be read" not in str(error)
    else:
        assert [clip for clip in index.clips if root not in clip.source.path.resolve().parents] == []
        assert index.missing


@pytest.mark.parametrize("name", ["hmdb51", "jhmdb", "pa-hmdb51:face", "ucf101"])
def test_a_name_does_not_reach_beyond_its_class(tmp_path: Path, name: str) -> None:
    """Nor into another class's folder, where a clip of another label lies."""
    spec, lay = DATASETS[name]
    lay(tmp_path, "elsewhere.avi")
    (folder,) = {path.parent.parent for path in tmp_path.rglob("own.avi")}
    other = folder / next(one for one in spec.classes if one not in ("wave", "YoYo"))
    other.mkdir(exist_ok=True)
    (other / "elsewhere.avi").touch()
    index = read(spec, tmp_path)
    assert [missing for missing in index.missing if missing.endswith("elsewhere.avi")]
    assert not [clip for clip in index.clips if clip.id.endswith("elsewhere")]


@pytest.mark.parametrize("name", ["hmdb51", "jhmdb", "pa-hmdb51:face", "ucf101", "tinyvirat"])
def test_a_clip_that_its_owner_linked_is_the_clip(tmp_path: Path, name: str) -> None:
    spec, lay = DATASETS[name]
    root = tmp_path / "data"
    lay(root, "linked.avi")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "long-name.avi").touch()
    (own,) = (path for path in root.rglob("own.*"))
    place = own.parent if name != "tinyvirat" else root / "videos" / "test"
    (place / "linked.avi").symlink_to(tmp_path / "disk" / "long-name.avi")
    assert [clip.source.path for clip in read(spec, root).clips if clip.id.endswith("linked")] == [place / "linked.avi"]
