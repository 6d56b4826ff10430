"""UCF101's lists, on a generated folder and, if present, on the real lists."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from videos import random_planes, write_planes

from benchmark_core.clips.decode import decode
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import VideoFile
from elrbench_plugins.ucf101 import CLASSES, COUNTS, UCF101
from elrbench_plugins.ucf101.index import LISTS, VIDEOS, listed, name_of

UP = CLASSES.index("HandstandPushups")
TRAIN = ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1", f"HandstandPushups/v_HandStandPushups_g08_c01.avi {UP + 1}")
TEST = ("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "HandstandPushups/v_HandStandPushups_g01_c02.avi")


def write_lists(root: Path, train: tuple[str, ...] = TRAIN, test: tuple[str, ...] = TEST) -> None:
    """As the authors write them, with Windows' line ends; lists 2 and 3 have the parts in turn."""
    (root / LISTS).mkdir(exist_ok=True)
    for number, (one, other) in {"1": (train, test), "2": (test, train), "3": (train, test)}.items():
        for part, lines in (("train", one), ("test", other)):
            text = "".join(f"{line}\r\n" for line in lines)
            (root / LISTS / f"{part}list0{number}.txt").write_text(text, newline="")
    text = "".join(f"{number} {name}\r\n" for number, name in enumerate(CLASSES, start=1))
    (root / LISTS / "classInd.txt").write_text(text, newline="")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, one clip of each in each part, and one that no list has."""
    write_lists(tmp_path)
    files = [line.split(" ")[0] for line in (*TRAIN, *TEST, "ApplyEyeMakeup/v_ApplyEyeMakeup_g02_c01.avi")]
    for seed, file in enumerate(files):
        path = tmp_path / VIDEOS / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_planes(path, random_planes(3, 24, 32, seed=seed), "yuv420p", codec="mpeg4")
    return tmp_path


def test_lists_become_clips_and_folds(root: Path) -> None:
    index = UCF101.read_index(root, "3splits", {})
    make_up, hand_stand = "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01", "HandstandPushups/v_HandstandPushups_g08_c01"
    assert list(index.folds) == ["1", "2", "3"] and index.folds["1"] == index.folds["3"]
    assert index.folds["1"].train == index.folds["2"].test == (make_up, hand_stand)
    assert index.folds["1"].test == (
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01",
        "HandstandPushups/v_HandstandPushups_g01_c02",
    )
    clip = index.by_id[hand_stand]
    assert (clip.target, clip.group) == (UP, "HandstandPushups/g08")
    assert (index.missing, index.unlisted) == ((), 1)
    assert [sum(len(frames) for frames in decode(clip.source)) for clip in index.clips] == [3] * 4


@pytest.mark.parametrize("folder", ["HandstandPushups", "HandStandPushups"])
@pytest.mark.parametrize("file", ["v_HandstandPushups_g08_c01.avi", "v_HandStandPushups_g08_c01.avi"])
@pytest.mark.parametrize("list_has", ["HandstandPushups/v_HandstandPushups", "HandStandPushups/v_HandStandPushups"])
def test_both_spellings_meet(root: Path, folder: str, file: str, list_has: str) -> None:
    digest = UCF101.read_index(root, "split1", {}).digest()
    held = root / VIDEOS / "HandstandPushups"
    (held / "v_HandStandPushups_g08_c01.avi").rename(held / file)
    held.rename(root / VIDEOS / folder)
    write_lists(root, (TRAIN[0], f"{list_has}_g08_c01.avi {UP + 1}"))
    index = UCF101.read_index(root, "split1", {})
    assert index.digest() == digest and not index.missing
    clip = index.by_id["HandstandPushups/v_HandstandPushups_g08_c01"]
    assert clip.source == VideoFile(root / VIDEOS / folder / file)


def test_a_class_in_two_folders_is_one(root: Path) -> None:
    other = root / VIDEOS / "HandStandPushups"
    other.mkdir()
    shutil.move(root / VIDEOS / "HandstandPushups" / "v_HandStandPushups_g01_c02.avi", other)
    assert not UCF101.read_index(root, "split1", {}).missing


def test_listed_clips_that_are_absent_are_missing(root: Path) -> None:
    shutil.rmtree(root / VIDEOS / "HandstandPushups")
    index = UCF101.read_index(root, "split1", {})
    assert index.missing == (
        "HandstandPushups/v_HandStandPushups_g08_c01.avi",
        "HandstandPushups/v_HandStandPushups_g01_c02.avi",
    )
    assert set(index.missing_targets.values()) == {UP} and len(index.clips) == 2
    shutil.rmtree(root / VIDEOS / "ApplyEyeMakeup")
    with pytest.raises(ElrError, match=r"ucf101: .*no \.avi file .*UCF-101; expected "):
        UCF101.read_index(root, "split1", {})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("v_YoYo_g08_c01.avi 101", "is not 'CLASS/FILE.avi' or"),
        ("YoYo/../../v_YoYo_g08_c01.avi 101", "is not 'CLASS/FILE.avi' or"),
        ("YoYo/v_YoYo_g08_c01.avi one", "is not 'CLASS/FILE.avi' or"),
        ("YoYoo/v_YoYo_g08_c01.avi 101", "unknown class 'YoYoo'. Did you mean 'YoYo'?"),
        ("YoYo/v_YoYo_g08_c01.avi 100", "class YoYo the number 100, but it is 101 in classInd.txt"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(root: Path, line: str, message: str) -> None:
    write_lists(root, (TRAIN[0], line))
    with pytest.raises(ElrError) as caught:
        UCF101.read_index(root, "split1", {})
    assert str(caught.value).startswith("ucf101: trainlist01.txt line 2") and message in str(caught.value)


def test_names_of_another_form_stay() -> None:
    assert name_of("v_YoYo_g08_c01", "YoYo") == ("v_YoYo_g08_c01", "g08")
    assert name_of("my yo-yo", "YoYo") == ("my yo-yo", "my yo-yo")


def real() -> Path:
    if "ELRBENCH_DATA" not in os.environ:
        pytest.skip("ELRBENCH_DATA names no folder of real clips")
    return Path(os.environ["ELRBENCH_DATA"]) / "ucf101"


def test_the_real_lists_have_the_official_counts() -> None:
    folder = real() / LISTS
    for number, counts in COUNTS.items():
        parts = [list(listed(folder / f"{part}list0{number}.txt")) for part in ("train", "test")]
        assert tuple(map(len, parts)) == counts == UCF101.counts[f"split{number}"][number]
        assert [len({target for target, _ in part}) for part in parts] == [101, 101]
        assert len({file for part in parts for _, file in part}) == 13320
    numbered = [line.split() for line in (folder / "classInd.txt").read_text().splitlines()]
    assert numbered == [[str(number), name] for number, name in enumerate(CLASSES, start=1)]


def test_the_real_clips() -> None:
    index = UCF101.read_index(real(), "split1", {})
    assert (len(index.folds["1"].train), len(index.folds["1"].test), len(index.missing)) == (2, 6, 13312)
    for clip in index.clips:
        assert next(iter(decode(clip.source))).size == (240, 320)
