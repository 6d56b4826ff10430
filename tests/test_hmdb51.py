"""HMDB51's lists, on a generated folder and, if present, on the real lists."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from videos import random_planes, write_planes

from benchmark_core.clips.decode import decode
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import VideoFile
from elrbench_plugins.hmdb51 import CLASSES, COUNTS, HMDB51
from elrbench_plugins.hmdb51.index import SPLITS, listed

LISTS = {  # class -> its lines in each of the three lists; "0" is unused
    "golf": {"Golf_Tips_-_Hit_The_Driver_300+_Yards!!!_golf_f_nm_np1_fr_med_0.avi": "112"},
    "kick": {"Me_&_(you)_kick_f_cm_np1_fr_med_0.avi": "121", "Goal_#_2_kick_f_cm_np1_ba_bad_1.avi": "201"},
    "kick_ball": {"Best_of_kick_ball_f_cm_np2_le_med_6.avi": "112", "Ball_kick_ball_f_cm_np2_le_med_7.avi": "221"},
    "wave": {"Turnk_r_Pippi_wave_f_cm_np2_le_med_6.avi": "112", "Gone_wave_u_cm_np1_fr_med_0.avi": "111"},
}
RENAMED = {  # as some copies hold them
    "Turnk_r_Pippi_wave_f_cm_np2_le_med_6.avi": "hmdb51_Turnk_r_Pippi_wave_f_cm_np2_le_med_6.avi",
    "Goal_#_2_kick_f_cm_np1_ba_bad_1.avi": "Goal___2_kick_f_cm_np1_ba_bad_1.avi",
}
UNUSED = "of_no_split.avi 0 \r\n"
GONE = "Gone_wave_u_cm_np1_fr_med_0.avi"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four classes with clips of MPEG-4 in AVI, the others with empty folders and lists of what is in no part."""
    (tmp_path / "testTrainMulti_7030_splits").mkdir()
    for number, name in enumerate(reversed(CLASSES)):  # folders are not made in the order of their names
        (tmp_path / "hmdb51_org" / name).mkdir(parents=True)
        clips = LISTS.get(name, {})
        for split in range(3):
            lines = "".join(f"{file} {parts[split]} \r\n" for file, parts in clips.items()) or UNUSED
            (tmp_path / SPLITS / f"{name}_test_split{split + 1}.txt").write_text(lines, newline="")
        for file in clips:
            if file != GONE:
                planes = random_planes(3, 24, 32, seed=number)
                write_planes(tmp_path / "hmdb51_org" / name / RENAMED.get(file, file), planes, "yuv420p", codec="mpeg4")
    return tmp_path


def test_lists_become_clips_and_folds(root: Path) -> None:
    index = HMDB51.read_index(root, "split1", {})
    golf = "golf/Golf_Tips_-_Hit_The_Driver_300+_Yards!!!_golf_f_nm_np1_fr_med_0"
    wave = "wave/Turnk_r_Pippi_wave_f_cm_np2_le_med_6"
    assert index.folds["1"].train == (
        golf, "kick/Me_&_(you)_kick_f_cm_np1_fr_med_0", "kick_ball/Best_of_kick_ball_f_cm_np2_le_med_6", wave,
    )  # fmt: skip
    assert index.folds["1"].test == (
        "kick/Goal_#_2_kick_f_cm_np1_ba_bad_1", "kick_ball/Ball_kick_ball_f_cm_np2_le_med_7",
    )  # fmt: skip
    assert index.missing == (f"wave/{GONE}",) and index.missing_targets == {f"wave/{GONE}": 50}
    assert {clip.id.split("/")[0]: clip.target for clip in index.clips} == {
        "golf": 15, "kick": 20, "kick_ball": 21, "wave": 50,
    }  # fmt: skip
    assert index.by_id[golf].group == "Golf_Tips_-_Hit_The_Driver_300+_Yards!!!"


def test_clips_are_named_by_the_lists_and_read_from_what_lies_there(root: Path) -> None:
    index = HMDB51.read_index(root, "3splits", {})
    for name, renamed in RENAMED.items():
        (clip,) = (clip for clip in index.clips if clip.id.endswith(name.removesuffix(".avi")))
        assert isinstance(clip.source, VideoFile) and clip.source.path.name == renamed
    for clip in index.clips:
        assert sum(len(frames) for frames in decode(clip.source)) == 3


def test_a_copy_with_the_lists_own_names_lists_equal_data(root: Path) -> None:
    digest = HMDB51.read_index(root, "3splits", {}).digest()
    for name, renamed in RENAMED.items():
        (path,) = (root / "hmdb51_org").rglob(renamed)
        path.rename(path.with_name(name))
    assert HMDB51.read_index(root, "3splits", {}).digest() == digest


def test_zero_is_unused_and_each_split_is_a_fold(root: Path) -> None:
    index = HMDB51.read_index(root, "3splits", {})
    unused = "kick/Goal_#_2_kick_f_cm_np1_ba_bad_1"
    assert [unused in fold.train + fold.test for fold in index.folds.values()] == [True, False, True]
    assert HMDB51.read_index(root, "split2", {}).unlisted == 1
    assert HMDB51.default_protocol == "3splits" and HMDB51.protocols["3splits"].folds == ("1", "2", "3")
    assert not HMDB51.protocols["3splits"].pooled  # the splits overlap: their scores are averaged


def test_classes_are_numbered_by_their_sorted_names() -> None:
    assert len(CLASSES) == 51 and list(CLASSES) == sorted(CLASSES)
    assert HMDB51.counts["3splits"] == COUNTS and HMDB51.counts["split2"] == {"2": (3570, 1530)}


@pytest.mark.parametrize("text", ["", "\r\n \n"])
def test_an_empty_list_is_named(root: Path, text: str) -> None:
    (root / SPLITS / "run_test_split1.txt").write_text(text)
    with pytest.raises(ElrError, match=r"^hmdb51: the list \S*run_test_split1\.txt is empty; .*'FILE 0"):
        HMDB51.read_index(root, "split1", {})


@pytest.mark.parametrize("line", ["clip.avi 3", "clip.avi", "../../clip.avi 1", "a\\clip.avi 1", " 1"])
def test_a_line_that_cannot_be_read_is_named(root: Path, line: str) -> None:
    (root / SPLITS / "run_test_split1.txt").write_text(f"\n{line}\n")
    with pytest.raises(ElrError, match=r"hmdb51: run_test_split1\.txt line 2 is not 'FILE 0\|1\|2'"):
        HMDB51.read_index(root, "split1", {})


def test_a_list_that_is_absent_or_no_text_is_named(root: Path) -> None:
    path = root / SPLITS / "run_test_split1.txt"
    path.write_bytes(b"\xff\xfe\xff 1\n")
    with pytest.raises(
        ElrError, match=r"hmdb51: the list .*run_test_split1\.txt cannot be read: .*expected: hmdb51_org/"
    ):
        HMDB51.read_index(root, "split1", {})
    path.unlink()
    with pytest.raises(ElrError, match=r"run_test_split1\.txt cannot be read: No such file"):
        HMDB51.read_index(root, "split1", {})


def test_a_folder_that_is_absent_is_named_with_the_layout(root: Path) -> None:
    shutil.rmtree(root / SPLITS)
    with pytest.raises(ElrError, match=r"hmdb51: the folder .*_7030_splits does not exist; .*CLASS/\*\.avi"):
        HMDB51.read_index(root, "split1", {})


def real() -> Path:
    if "ELRBENCH_DATA" not in os.environ:
        pytest.skip("ELRBENCH_DATA names no folder of real clips")
    return Path(os.environ["ELRBENCH_DATA"]) / "hmdb51"


def test_the_real_lists_have_the_official_counts() -> None:
    folder = real() / SPLITS
    for number, (train, test) in COUNTS.items():
        parts = {
            name: Counter(p for _, p in listed(folder / f"{name}_test_split{number}.txt", HMDB51)) for name in CLASSES
        }
        assert {(counts["1"], counts["2"]) for counts in parts.values()} == {(70, 30)}
        assert (sum(c["1"] for c in parts.values()), sum(c["2"] for c in parts.values())) == (train, test)
        assert sum(c.total() for c in parts.values()) == 6766


def test_the_real_clips() -> None:
    index = HMDB51.read_index(real(), "split1", {})
    assert len(index.clips) + len(index.missing) == 5100 and index.unlisted == 1
    assert (len(index.folds["1"].train), len(index.folds["1"].test)) == (6, 2)
    pippi = index.by_id["cartwheel/Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6"]
    assert isinstance(pippi.source, VideoFile) and pippi.source.path.name.startswith("hmdb51_Turnk")
    for clip in index.clips:
        assert next(iter(decode(clip.source))).size[0] == 240


def test_the_licence_is_what_the_authors_page_says_with_a_date() -> None:
    assert HMDB51.licence.startswith("CC BY 4.0") and "serre-lab" in HMDB51.licence and "2026-11-28" in HMDB51.licence
