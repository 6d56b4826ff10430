"""What `data verify` finds in a folder, and what `data prepare` leaves in the store."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from test_folder import touch
from videos import film, random_planes, write_planes

from benchmark_core.catalog import Catalog
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.errors import ElrError
from benchmark_core.progress import Silent
from benchmark_core.specs import defaults
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile
from elrbench import DatasetSpec, Protocol
from elrbench_plugins.commands.data.fill import Filled, fill
from elrbench_plugins.commands.data.verify import DataReport, DecodedClip, decode_clip, parallel_map, verify


def dataset_of(catalog: Catalog, root: Path) -> DatasetSpec:
    placed, name = catalog.with_folder(f"folder:{root}")
    return placed.datasets[name]


def hold(spec: DatasetSpec, root: Path, sampling: str = "4x1", workers: int = 1) -> DataReport:
    return verify(spec, {}, data=root, sampling=Sampling.parse(sampling), reporter=Silent(), workers=workers)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes: three clips train and two test."""
    folder = tmp_path / "mine"
    for number in range(2):
        film(folder / "train" / "dark" / f"{number}.avi", 16, number)
    film(folder / "train" / "bright" / "0.mp4", 160, 2)
    film(folder / "test" / "dark" / "0.avi", 16, 3)
    film(folder / "test" / "bright" / "0.avi", 160, 4)
    return folder


def test_a_whole_folder_is_clean(catalog: Catalog, root: Path) -> None:
    report = hold(dataset_of(catalog, root), root)
    assert report.clean
    plain = report.to_json()
    assert (plain["clips"], plain["frames"]) == (5, {"total": 30, "fewest": 6, "median": 6, "most": 6})
    assert plain["sizes"] == [[24, 32, 5]] and plain["protocols"]["split"]["1"] == {
        "train": 3, "test": 2, "official": None, "classes": {"bright": [1, 1], "dark": [2, 1]},
    }  # fmt: skip


def test_every_trouble_is_named(catalog: Catalog, root: Path) -> None:
    spec = dataset_of(catalog, root)
    spec = dataclasses.replace(spec, counts={"split": {"1": (8, 3)}})
    shutil.copy(root / "train" / "dark" / "0.avi", root / "test" / "dark" / "copy of 0.avi")
    touch(root, "train/dark/text.avi")
    (root / "train" / "dark" / "empty.mp4").touch()
    whole = (root / "train" / "bright" / "0.mp4").read_bytes()
    (root / "train" / "bright" / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    y, u, v = random_planes(3, 24, 32, 9)
    write_planes(root / "test" / "bright" / "brief.avi", (y, u, v), "yuv420p", "mpeg4")
    report = hold(spec, root)
    assert set(report.broken) == {"train/dark/text.avi", "train/dark/empty.mp4", "train/bright/cut.mp4"}
    assert all(reason and "\n" not in reason for reason in report.broken.values())
    assert report.short == {"test/bright/brief.avi": 3}
    assert report.double == [["train/dark/0.avi", "test/dark/copy of 0.avi"]]
    assert report.counts == ["split, fold 1: 6 train and 4 test clips found; published: 8 and 3"]
    assert not report.clean and report.to_json()["clean"] is False
    assert len(report.frames) == report.clips - 3


def test_what_is_short_depends_on_the_sampling(catalog: Catalog, root: Path) -> None:
    spec = dataset_of(catalog, root)
    assert hold(spec, root, "1x6").short == {} and len(hold(spec, root, "windows-7").short) == 5


def test_missing_files_are_listed_and_the_rest_is_opened(catalog: Catalog, tmp_path: Path) -> None:
    film(tmp_path / "walk" / "a.avi", 100)
    (tmp_path / "split.txt").write_text("walk/a.avi train\nwalk/gone.avi test\nrun/gone.avi test\n")
    report = hold(dataset_of(catalog, tmp_path), tmp_path)
    assert report.missing == ["walk/gone.avi", "run/gone.avi"] and report.frames == [6]
    assert report.counts == ["split, fold 1: no test clips found"]


def test_threads_find_the_same(catalog: Catalog, root: Path) -> None:
    spec = dataset_of(catalog, root)
    assert hold(spec, root, workers=4).to_json() == hold(spec, root).to_json()


def test_a_pool_is_opened_too(catalog: Catalog, root: Path) -> None:
    placed, name = catalog.with_folder(f"videos:{root}")
    touch(root, "bad.mkv")
    report = hold(placed.datasets[name], root)
    assert (report.clips, report.pool, list(report.broken), report.counts) == (6, 6, ["bad.mkv"], [])


def test_one_protocol_that_cannot_be_read_hides_no_other(root: Path) -> None:
    def index(folder: Path, protocol: str, options: object) -> Index:
        if protocol == "second":
            raise ElrError("the list second.txt cannot be read")
        paths = sorted(folder.rglob("*.avi"))
        clips = [Clip(id=str(number), source=VideoFile(path), target=0) for number, path in enumerate(paths)]
        return Index(clips=tuple(clips), folds={"1": Fold(train=("0",), test=("1",))}, unlisted=7)

    protocols = {name: Protocol(summary="", folds=("1",)) for name in ("first", "second")}
    spec = DatasetSpec(name="two", summary="", classes=("a",), protocols=protocols, index=index, layout="*.avi")
    report = hold(spec, root)
    assert report.counts == ["second: the list second.txt cannot be read"] and report.clips == 4
    assert report.unlisted == 7
    with pytest.raises(ElrError, match=r"second\.txt"):
        verify(spec, {}, data=root, sampling=Sampling.parse("4x1"), reporter=Silent(), protocols=("second",))


def test_a_clip_of_several_labels_counts_for_each() -> None:
    from elrbench_plugins.commands.data.verify import _by_class

    clips = tuple(
        Clip(id=str(number), source=VideoFile(Path("x")), target=target)
        for number, target in enumerate(((0, 2), (2,), None))
    )
    assert _by_class(("a", "b", "c"), clips, ()) == {"a": (1, 0), "b": (0, 0), "c": (2, 0)}


def test_the_content_is_that_of_the_pictures(root: Path, tmp_path: Path) -> None:
    """The same pictures in another container are the same content; one grey level less is another."""
    planes = random_planes(5, 24, 32)
    avi = write_planes(tmp_path / "a.avi", planes, "yuv420p")
    mkv = write_planes(tmp_path / "b.mkv", planes, "yuv420p")
    planes[0][4, 3, 2] ^= 1
    other = write_planes(tmp_path / "c.avi", planes, "yuv420p")
    seen = [decode_clip(VideoFile(path)) for path in (avi, mkv, other)]
    assert all(isinstance(one, DecodedClip) for one in seen)
    assert seen[0] == seen[1] != seen[2]


def test_work_in_turn_keeps_order_and_raises_where_it_failed() -> None:
    assert list(parallel_map(lambda number: number**2, range(20), 3)) == [(number, number**2) for number in range(20)]
    done = []
    with pytest.raises(ZeroDivisionError):
        for number, _ in parallel_map(lambda number: 1 // (5 - number), range(20), 2):
            done.append(number)
    assert done == [0, 1, 2, 3, 4]


# -- prepare


def filled(catalog: Catalog, root: Path, cache: Path, **asked: object) -> Filled:
    degradation = catalog.degradations["average-6x8"]
    usual = {
        "protocol": "split", "size": (24, 32), "views": "both", "data": root, "cache": cache, "bad_clips": "fail",
        "workers": 1, "reporter": Silent(),
    }  # fmt: skip
    spec = asked.pop("spec", None) or dataset_of(catalog, root)
    return fill(spec, {}, degradation, defaults(degradation), **{**usual, **asked})  # type: ignore[arg-type]


def test_the_store_is_filled_and_then_reused(catalog: Catalog, root: Path, tmp_path: Path) -> None:
    first = filled(catalog, root, tmp_path / "cache")
    assert (first.report.built, first.report.reused, len(first.formats)) == (5, 0, 2)
    again = filled(catalog, root, tmp_path / "cache")
    assert (again.report.built, again.report.reused, again.formats) == (0, 5, first.formats)
    degradation = catalog.degradations["average-6x8"]
    planned = view_plan(degradation, defaults(degradation), size=(24, 32))
    index = dataset_of(catalog, root).read_index(root, "split", {})
    for stored_format in planned.formats(low=True, high=True):
        reader = ClipStore(tmp_path / "cache").reader(stored_format)
        assert {reader.count(clip) for clip in index.clips} == {6} and stored_format.key in first.formats


def test_one_kind_of_view_alone(catalog: Catalog, root: Path, tmp_path: Path) -> None:
    assert len(filled(catalog, root, tmp_path / "cache", views="low").formats) == 1
    both = filled(catalog, root, tmp_path / "cache")
    assert both.report.built == 5  # the high views were not there yet


def test_a_fill_that_broke_off_goes_on(catalog: Catalog, root: Path, tmp_path: Path) -> None:
    touch(root, "train/dark/text.avi")
    with pytest.raises(ElrError, match=r"'train/dark/text.avi'.*--bad-clips skip"):
        filled(catalog, root, tmp_path / "cache")
    done = filled(catalog, root, tmp_path / "cache", bad_clips="skip")
    assert [clip for clip, _ in done.report.bad] == ["train/dark/text.avi"]
    assert done.report.built + done.report.reused == 5 and done.report.reused >= 1


def test_a_pool_is_filled(catalog: Catalog, root: Path, tmp_path: Path) -> None:
    placed, name = catalog.with_folder(f"videos:{root}")
    spec = placed.datasets[name]
    assert filled(catalog, root, tmp_path / "cache", spec=spec, protocol="pool").report.built == 5


def test_missing_files_stop_a_fill(catalog: Catalog, tmp_path: Path) -> None:
    film(tmp_path / "walk" / "a.avi", 100)
    (tmp_path / "split.txt").write_text("walk/a.avi train\nwalk/gone.avi test\n")
    with pytest.raises(ElrError, match="1 of 2 listed clips are not under"):
        filled(catalog, tmp_path, tmp_path / "cache")
    done = filled(catalog, tmp_path, tmp_path / "cache", bad_clips="skip")
    assert (done.missing, done.report.built) == (("walk/gone.avi",), 1)


def test_as_recorded_is_for_natively_low_clips(catalog: Catalog, root: Path, tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="'folder:mine' is not natively low"):
        fill(
            dataset_of(catalog, root), {}, catalog.degradations["native"], {}, protocol="split", size=(24, 32),
            views="both", data=root, cache=tmp_path / "cache", bad_clips="fail", workers=1, reporter=Silent(),
        )  # fmt: skip
