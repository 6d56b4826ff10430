"""IXMAS in both releases: INRIA's pictures with truth files, EPFL's video a clip."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from videos import random_planes, write_planes, write_video

from benchmark_core.catalog import Catalog
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.contents import Contents
from benchmark_core.clips.decode import decode
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan, track_name
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs.index import FrameFolder, FrameFolders, Index, VideoFile
from elrbench_plugins.ixmas import ACTIONS, ACTORS, CAMERAS, IXMAS_11, IXMAS_12, IXMAS_12_JOINT, SUBSETS

TRUTH = [0, 0, 1, 1, 1, 11, 11, 0, 13, 14, 10, 10, 0]  # watch 3 frames, point 2, two throws, kick 2
RECORDINGS = ("alba1", "alba2", "nicolas3", "pao1")
EPFL = {"release": "epfl"}


def picture(number: int) -> np.ndarray:
    """RGB (24, 32, 3): the number is in the grey level."""
    return np.full((24, 32, 3), 10 + number, np.uint8)


def record(root: Path, name: str, *, first: int = 1, cameras: tuple[str, ...] = CAMERAS) -> None:
    """A recording of INRIA's: numbered PNG pictures a camera, and its truth file."""
    for camera in cameras:
        folder = root / f"{name}_png" / camera
        folder.mkdir(parents=True)
        for number in range(len(TRUTH)):
            write_video(folder / f"img{first + number:04d}.png", [picture(number)], "rgb24", codec="png")
    (root / f"{name}_truth.txt").write_text("".join(f"{number}\n" for number in TRUTH))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inria")
    for name in RECORDINGS:
        record(root, name)
    return root


@pytest.fixture
def inria(recorded: Path, tmp_path: Path) -> Path:
    """Four recordings, one of an actor whom papers leave out."""
    return Path(shutil.copytree(recorded, tmp_path / "ixmas"))


@pytest.fixture
def epfl(tmp_path: Path) -> Path:
    """Two actors, two actions, five cameras, and a throw."""
    video = write_planes(tmp_path / "video.avi", random_planes(3, 24, 32), "yuv420p", codec="mpeg4").read_bytes()
    actions = ("01_check-watch", "11_point", "13_throw-over-head")
    for actor, action, camera in product(("alba", "clare"), actions, CAMERAS):
        (tmp_path / f"{actor}1_{action}_{camera}_frames_0053_0097.avi").write_bytes(video)
    (tmp_path / "video.avi").unlink()
    return tmp_path


def of(index: Index, recording: str) -> list[str]:
    return [clip.id for clip in index.clips if clip.id.startswith(f"{recording}_")]


def test_clips_are_runs_of_one_number_before_each_camera(inria: Path) -> None:
    index = IXMAS_12.read_index(inria, "loso-10", {})
    assert of(index, "alba1") == [
        f"alba1_{run}" for run in (
            *(f"01_check-watch_cam{camera}_frames_0003_0005" for camera in range(5)),
            *(f"11_point_cam{camera}_frames_0006_0007" for camera in range(5)),
            *(f"10_kick_cam{camera}_frames_0011_0012" for camera in range(5)),
        )
    ]  # fmt: skip
    assert len(index.clips) == 3 * 15 and index.unlisted == 15  # pao's
    clip = index.by_id["alba1_10_kick_cam4_frames_0011_0012"]
    assert clip.source == FrameFolder(inria / "alba1_png" / "cam4", ("img0011.png", "img0012.png"))
    assert (clip.target, clip.group) == (9, "alba")
    (frames,) = decode(clip.source)
    assert frames.colour == "rgb" and [int(plane[0, 0]) for plane in frames.planes[0]] == [20, 21]


def test_eleven_actions_are_twelve_without_point(inria: Path) -> None:
    eleven, twelve = (spec.read_index(inria, "loso-10", {}) for spec in (IXMAS_11, IXMAS_12))
    assert {clip.id for clip in twelve.clips} - {clip.id for clip in eleven.clips} == {
        clip.id for clip in twelve.clips if clip.target == 10
    }
    assert len(IXMAS_12.classes) == 12 and IXMAS_11.classes == tuple(
        name for name in IXMAS_12.classes if name != "point"
    )
    assert list(ACTIONS.values()).index("pick-up") == 11 and IXMAS_11.classes.index("pick-up") == 10


def test_one_actor_or_one_camera_is_left_out(inria: Path) -> None:
    index = IXMAS_11.read_index(inria, "loso-10", {})
    assert IXMAS_11.default_protocol == "loso-10" and tuple(index.folds) == ACTORS
    alba = index.folds["alba"]
    assert {index.by_id[key].group for key in alba.test} == {"alba"} and len(alba.test) == 20
    assert {index.by_id[key].group for key in alba.train} == {"nicolas"} and len(alba.train) == 10
    index = IXMAS_11.read_index(inria, "loco-5", {})
    assert tuple(index.folds) == CAMERAS
    assert all("_cam2_" in key for key in index.folds["cam2"].test) and len(index.folds["cam2"].test) == 6
    assert not any("_cam2_" in key for key in index.folds["cam2"].train) and len(index.folds["cam2"].train) == 24
    assert all(protocol.pooled for protocol in IXMAS_11.protocols.values())


def test_official_counts_follow_from_the_recordings() -> None:
    for spec, every in ((IXMAS_11, 1650), (IXMAS_12, 1800)):
        for protocol, folds in spec.counts.items():
            assert tuple(folds) == spec.protocols[protocol].folds
            assert {train + test for train, test in folds.values()} == {every}
            assert sum(test for _, test in folds.values()) == every


def test_what_is_absent_is_missing(inria: Path) -> None:
    shutil.rmtree(inria / "alba1_png" / "cam3")
    (inria / "alba1_png" / "cam0" / "img0004.png").unlink()
    index = IXMAS_11.read_index(inria, "loso-10", {})
    assert len(of(index, "alba1")) == 7
    of_alba1 = [name for name in index.missing if name.startswith("alba1")]
    assert of_alba1 == [
        "alba1_01_check-watch_cam0_frames_0003_0005",
        "alba1_01_check-watch_cam3_frames_0003_0005",
        "alba1_10_kick_cam3_frames_0011_0012",
    ]
    assert "amel1_truth.txt (check-watch, cam0)" in index.missing
    assert len(index.missing) == 3 + 27 * 11 * 5  # 3 of the 30 recordings are there
    assert index.missing_targets["alba1_10_kick_cam3_frames_0011_0012"] == 9


def test_pictures_may_count_from_nought(inria: Path) -> None:
    record(inria, "amel1", first=0)
    index = IXMAS_11.read_index(inria, "loso-10", {})
    clip = index.by_id["amel1_01_check-watch_cam0_frames_0002_0004"]
    assert isinstance(clip.source, FrameFolder) and clip.source.names[0] == "img0002.png"


def test_truth_files_may_lie_with_the_pictures(inria: Path) -> None:
    digest = IXMAS_11.read_index(inria, "loso-10", {}).digest()
    for path in inria.glob("*_truth.txt"):
        path.rename(inria / path.name.replace("_truth.txt", "_png") / path.name)
    assert IXMAS_11.read_index(inria, "loso-10", {}).digest() == digest


def test_a_truth_file_of_another_length_is_noted(inria: Path) -> None:
    path = inria / "alba1_truth.txt"
    path.write_text(path.read_text() + "0\n1\n")
    index = IXMAS_11.read_index(inria, "loso-10", {})
    assert index.notes == ("alba1: 13 pictures, 15 frames in its truth file",)
    assert "alba1_01_check-watch_cam0_frames_0015_0015" in index.missing


@pytest.mark.parametrize("word", ["15", "-1", "1.5", "kick", "²"])
def test_a_truth_file_that_cannot_be_read_is_named(inria: Path, word: str) -> None:
    (inria / "alba1_truth.txt").write_text(f"0\n\n{word}\n")
    with pytest.raises(ElrError, match=r"ixmas-11: alba1_truth\.txt line 3 is not an action number"):
        IXMAS_11.read_index(inria, "loso-10", {})


def test_a_video_is_a_clip(epfl: Path) -> None:
    index = IXMAS_12.read_index(epfl, "loso-10", EPFL)
    assert len(index.clips) == 20 and index.unlisted == 10  # the throws
    clip = index.by_id["clare1_11_point_cam2_frames_0053_0097"]
    assert clip.source == VideoFile(epfl / "clare1_11_point_cam2_frames_0053_0097.avi", whole=True)
    assert (clip.target, clip.group) == (10, "clare")
    assert sum(len(frames) for frames in decode(clip.source)) == 3
    assert len(index.missing) == 1800 - 20 and index.missing[0] == "alba1_02_cross-arms_cam0"
    assert len(IXMAS_11.read_index(epfl, "loso-10", EPFL).clips) == 10
    assert index.folds["clare"].test == tuple(key for key in index.by_id if key.startswith("clare"))


def test_a_video_that_is_there_twice(epfl: Path) -> None:
    (epfl / "other").mkdir()
    shutil.copy(epfl / "clare1_11_point_cam2_frames_0053_0097.avi", epfl / "other")
    with pytest.raises(ElrError, match="exists twice, in .*--data"):
        IXMAS_12.read_index(epfl, "loso-10", EPFL)


def test_the_other_release_is_recognised(inria: Path, epfl: Path) -> None:
    shutil.rmtree(inria)
    with pytest.raises(ElrError, match="EPFL's videos, .*--dataset ixmas-11:epfl"):
        IXMAS_11.read_index(epfl, "loso-10", {})
    for path in epfl.glob("*.avi"):
        path.unlink()
    record(epfl, "alba1")
    with pytest.raises(ElrError, match="INRIA's pictures, .*--dataset ixmas-12;"):
        IXMAS_12.read_index(epfl, "loso-10", EPFL)


def test_a_folder_of_neither(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    with pytest.raises(ElrError, match=r"no clip of its 10 actors .*img%04d\.png"):
        IXMAS_11.read_index(tmp_path, "loso-10", {})


def test_the_releases_are_two_tracks(catalog: Catalog) -> None:
    plans = [
        resolve_plan(catalog, PlanRequest(method="supervised", dataset=name)) for name in ("ixmas-11", "ixmas-11:epfl")
    ]
    assert [track_name(catalog, plan, "dataset") for plan in plans] == ["ixmas-11", "ixmas-11:epfl"]
    assert [plan.options("dataset") for plan in plans] == [{"release": "inria"}, EPFL]


def test_a_run_on_pictures(toy_catalog: Catalog, inria: Path, tmp_path: Path) -> None:
    request = PlanRequest(
        method="supervised",
        dataset="ixmas-12",
        backbone="toynet",
        budget="smoke",
        size="24x32",
        settings=("method.batch=4", "method.epochs=1"),
    )
    folders = {"data": inria, "out": tmp_path / "out", "cache": tmp_path / "cache"}
    result = run(
        resolve_plan(toy_catalog, request), toy_catalog, RunContext(**folders, reporter=Silent(), bad_clips="skip")
    )
    assert result.record["track"]["pooled"] is True and result.record["track"]["folds"] == list(ACTORS)
    assert (result.record["clips"]["train"], result.record["clips"]["test"]) == (15, 30)
    assert result.record["clips"]["padded"] == 0


# -- several cameras in a clip


def joint(root: Path, cameras: str = "01234") -> Index:
    return IXMAS_12_JOINT.read_index(root, "loso-10", {"cameras": cameras})


def test_a_clip_shows_the_chosen_cameras_side_by_side(inria: Path) -> None:
    for number in range(len(TRUTH)):  # camera 2 is brighter and wider
        path = inria / "alba1_png" / "cam2" / f"img{1 + number:04d}.png"
        path.unlink()
        write_video(path, [np.full((24, 40, 3), 100 + number, np.uint8)], "rgb24", codec="png")
    index = joint(inria, "02")
    assert of(index, "alba1") == [
        "alba1_01_check-watch_cam02_frames_0003_0005",
        "alba1_11_point_cam02_frames_0006_0007",
        "alba1_10_kick_cam02_frames_0011_0012",
    ]
    assert len(index.clips) == 3 * 3 and index.unlisted == 3  # pao's
    clip = index.by_id["alba1_10_kick_cam02_frames_0011_0012"]
    names = ("img0011.png", "img0012.png")
    folders = tuple(FrameFolder(inria / "alba1_png" / camera, names) for camera in ("cam0", "cam2"))
    assert clip.source == FrameFolders(folders) and (clip.target, clip.group) == (9, "alba")
    (frames,) = decode(clip.source)
    assert frames.size == (24, 32 + 40)
    assert [plane[0, [0, 31, 32, 71]].tolist() for plane in frames.planes[0]] == [
        [20, 20, 110, 110],
        [21, 21, 111, 111],
    ]


def test_subsets_of_cameras(inria: Path) -> None:
    assert len(SUBSETS) == 2**5 - 1 and IXMAS_12_JOINT.options["cameras"].default == "01234"
    assert len(joint(inria).clips) == len(joint(inria, "3").clips) == 9
    assert {train + test for train, test in IXMAS_12_JOINT.counts["loso-10"].values()} == {360}
    fold = joint(inria).folds["alba"]
    assert len(fold.test) == 6 and all(key.startswith("alba") for key in fold.test)
    assert joint(inria, "01").digest() != joint(inria, "02").digest()


def test_a_performance_without_one_of_its_cameras_is_missing(inria: Path) -> None:
    shutil.rmtree(inria / "alba1_png" / "cam3")
    assert not of(joint(inria), "alba1") and len(of(joint(inria, "012"), "alba1")) == 3
    assert "alba1_10_kick_cam01234_frames_0011_0012" in joint(inria).missing
    assert "amel1_truth.txt (check-watch, cam01234)" in joint(inria).missing
    assert len(joint(inria).clips) + len(joint(inria).missing) == 9 + 27 * 12


def test_the_content_is_that_of_all_cameras_in_their_order(inria: Path, tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    source = joint(inria).by_id["alba1_10_kick_cam01234_frames_0011_0012"].source
    assert isinstance(source, FrameFolders)
    keys = {contents.key(source), contents.key(FrameFolders(source.parts[::-1])), contents.key(source.parts[0])}
    assert len(keys) == 2  # all cameras have equal pictures here
    path = inria / "alba1_png" / "cam4" / "img0011.png"
    path.unlink()
    write_video(path, [picture(99)], "rgb24", codec="png")
    assert Contents(tmp_path / "other").key(source) not in keys


def test_pictures_that_cannot_be_joined_are_named(inria: Path) -> None:
    path = inria / "alba1_png" / "cam1" / "img0012.png"
    path.unlink()
    write_video(path, [np.zeros((20, 32, 3), np.uint8)], "rgb24", codec="png")
    source = joint(inria, "01").by_id["alba1_10_kick_cam01_frames_0011_0012"].source
    with pytest.raises(BadClip, match="cam0/img0012.png, cam1/img0012.png differ in height"):
        list(decode(source))


def test_epfls_videos_show_one_camera(epfl: Path) -> None:
    with pytest.raises(ElrError, match="EPFL's videos, .*--dataset ixmas-12:epfl, whose clips show one camera"):
        joint(epfl)


def test_cameras_are_an_option_of_datasets_that_have_several(catalog: Catalog) -> None:
    plan = resolve_plan(
        catalog,
        PlanRequest(
            method="dai", dataset="ixmas-12-joint", degradation="average-12x32", settings=("dataset.cameras=02",)
        ),
    )
    assert plan.size == (12, 32) and track_name(catalog, plan, "dataset") == "ixmas-12-joint,cameras=02"
    for dataset, setting in (("jhmdb", "dataset.cameras=2"), ("ixmas-12-joint", "dataset.cameras=07")):
        with pytest.raises(ElrError, match="dataset.cameras") as caught:
            resolve_plan(catalog, PlanRequest(method="dai", dataset=dataset, settings=(setting,)))
        assert "\n" not in str(caught.value)


def test_a_run_on_several_cameras(toy_catalog: Catalog, inria: Path, tmp_path: Path) -> None:
    request = PlanRequest(
        method="dai",
        dataset="ixmas-12-joint",
        degradation="average-12x32:clean",
        sampling="clip-4",
        settings=("dataset.cameras=13",),
    )
    folders = {"data": inria, "out": tmp_path / "out", "cache": tmp_path / "cache"}
    result = run(
        resolve_plan(toy_catalog, request), toy_catalog, RunContext(**folders, reporter=Silent(), bad_clips="skip")
    )
    assert (result.record["clips"]["train"], result.record["clips"]["test"]) == (3, 6)
