"""JHMDB's lists, on a generated folder and, if present, on the real one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmark_core.errors import ElrError
from benchmark_core.specs.index import VideoFile
from elrbench_plugins.hmdb51.index import source_video
from elrbench_plugins.jhmdb import CLASSES, JHMDB

WAVE = "Me_&_you_(2)!_wave_u_cm_np1_fr_med_{}.avi"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes with clips: empty files, for nothing is decoded."""
    lists = {
        "wave": [f"{WAVE.format(0)} 1", f"{WAVE.format(1)} 2", f"{WAVE.format(2)} 0"],
        "jump": ["Big_jump_f_nm_np1_le_bad_0.avi 1", "Gone_jump_f_nm_np1_le_bad_0.avi 2"],
    }
    for name in CLASSES:
        (tmp_path / "ReCompress_Videos" / name).mkdir(parents=True)
        for split in (1, 2, 3):
            path = tmp_path / "splits" / f"{name}_test_split{split}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{line} \n" for line in lists.get(name, ["of_no_split.avi 0"])))
    for number in range(3):
        (tmp_path / "ReCompress_Videos" / "wave" / WAVE.format(number)).touch()
    (tmp_path / "ReCompress_Videos" / "jump" / "Big_jump_f_nm_np1_le_bad_0.avi").touch()
    return tmp_path


def test_lists_become_clips_and_folds(root: Path) -> None:
    index = JHMDB.read_index(root, "hmdb51-split1", {})
    wave, jump = "wave/Me_&_you_(2)!_wave_u_cm_np1_fr_med_{}", "jump/Big_jump_f_nm_np1_le_bad_0"
    assert list(index.folds) == ["1"]
    assert index.folds["1"].train == (jump, wave.format(0))
    assert index.folds["1"].test == (wave.format(1),)
    assert index.missing == ("jump/Gone_jump_f_nm_np1_le_bad_0.avi",)
    assert index.unlisted == 1
    clip = index.by_id[wave.format(0)]
    assert clip.source == VideoFile(root / "ReCompress_Videos" / "wave" / WAVE.format(0))
    assert (clip.target, clip.group) == (20, "Me_&_you_(2)!")


def test_three_splits_are_three_folds(root: Path) -> None:
    index = JHMDB.read_index(root, "hmdb51-3splits", {})
    assert list(index.folds) == ["1", "2", "3"] and len(index.clips) == 3
    assert index.missing == ("jump/Gone_jump_f_nm_np1_le_bad_0.avi",)


def test_where_names_the_lists_of_the_default_protocol() -> None:
    assert "HMDB51's lists" in JHMDB.where and "splits/" in JHMDB.where


def test_the_protocols_and_classes() -> None:
    assert JHMDB.default_protocol == "hmdb51-split1"
    assert {name: protocol.folds for name, protocol in JHMDB.protocols.items()} == {
        "hmdb51-split1": ("1",),
        "hmdb51-split2": ("2",),
        "hmdb51-split3": ("3",),
        "hmdb51-3splits": ("1", "2", "3"),
        "split1": ("1",),
        "split2": ("2",),
        "split3": ("3",),
        "3splits": ("1", "2", "3"),
    }
    assert len(CLASSES) == 21 and list(CLASSES) == sorted(CLASSES)


def test_punctuation_that_was_levelled_is_recognised(root: Path) -> None:
    path = root / "splits" / "wave_test_split1.txt"
    path.write_text("Me___you__2___wave_u_cm_np1_fr_med_0.avi 2\n")
    index = JHMDB.read_index(root, "hmdb51-split1", {})
    assert index.folds["1"].test == ("wave/Me_&_you_(2)!_wave_u_cm_np1_fr_med_0",)


def test_a_source_video_is_the_name_before_the_class_and_six_tags() -> None:
    stem = "Torwarttraining_2_(_sterreich)_catch_f_cm_np1_ba_goo_0"
    assert source_video(stem, "catch") == "Torwarttraining_2_(_sterreich)"
    assert source_video("Clap_clap_clap_u_nm_np1_fr_med_12", "clap") == "Clap_clap"
    assert source_video("another-name", "clap") == "another-name"


@pytest.mark.parametrize("folder", ["ReCompress_Videos", "splits"])
def test_a_missing_folder_is_named_with_the_layout(root: Path, folder: str) -> None:
    shutil.rmtree(root / folder)
    with pytest.raises(ElrError, match=rf"folder .*{folder} does not exist; .*CLASS/\*\.avi"):
        JHMDB.read_index(root, "hmdb51-split1", {})


def test_folders_without_a_listed_clip(root: Path) -> None:
    with pytest.raises(ElrError, match="--data DIR"):
        JHMDB.read_index(None, "hmdb51-split1", {})
    for path in (root / "ReCompress_Videos" / "wave").iterdir():
        path.rename(path.with_name(f"other-{path.name}"))
    (root / "ReCompress_Videos" / "jump" / "Big_jump_f_nm_np1_le_bad_0.avi").unlink()
    with pytest.raises(ElrError, match="none of the 4 listed clips "):
        JHMDB.read_index(root, "hmdb51-split1", {})
    shutil.rmtree(root / "ReCompress_Videos" / "wave")
    with pytest.raises(ElrError, match="no .avi file "):
        JHMDB.read_index(root, "hmdb51-split1", {})


@pytest.mark.parametrize("line", ["clip.avi 3", "clip.avi", "../../etc/clip.avi 1", " 1"])
def test_a_line_that_cannot_be_read_is_named(root: Path, line: str) -> None:
    (root / "splits" / "run_test_split1.txt").write_text(f"\n{line}\n")
    with pytest.raises(ElrError, match=r"run_test_split1\.txt line 2 is not 'FILE 0\|1\|2'"):
        JHMDB.read_index(root, "hmdb51-split1", {})


def test_a_missing_list_is_named(root: Path) -> None:
    (root / "splits" / "run_test_split1.txt").unlink()
    with pytest.raises(ElrError, match=r"run_test_split1\.txt cannot be read"):
        JHMDB.read_index(root, "hmdb51-split1", {})


def test_the_real_lists() -> None:
    if "ELRBENCH_DATA" not in os.environ:
        pytest.skip("ELRBENCH_DATA names no folder of real clips")
    root = Path(os.environ["ELRBENCH_DATA"]) / "jhmdb"
    index = JHMDB.read_index(root, "hmdb51-split1", {})
    assert (len(index.folds["1"].train), len(index.folds["1"].test)) == (665, 257)
    assert (index.missing, index.unlisted, len(index.clips)) == ((), 6, 922)
    splits = JHMDB.read_index(root, "hmdb51-3splits", {})
    assert {name: (len(fold.train), len(fold.test)) for name, fold in splits.folds.items()} == {
        "1": (665, 257),
        "2": (505, 248),
        "3": (511, 241),
    }
