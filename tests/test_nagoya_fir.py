"""Nagoya FIR's annotations and recordings, on days made here, on the real ones, and a run."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tables_of_frames import LABELS, write_nagoya

from benchmark_core.catalog import Catalog
from benchmark_core.clips.decode import decode
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs import defaults
from benchmark_core.specs.index import TableFrames
from elrbench_plugins.nagoya_fir import CLASSES, CLASSES_5, DAYS, NAGOYA_FIR, NAGOYA_FIR_5

OPTIONS = defaults(NAGOYA_FIR)
THREE = tuple(DAYS)[:3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_nagoya(tmp_path_factory.mktemp("nagoya"))


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


def test_annotations_become_clips_and_a_fold_a_subject(made: Path) -> None:
    index = NAGOYA_FIR.read_index(made, "loso", OPTIONS)
    assert list(index.folds) == list("ABCDEFGHI") and len(index.clips) == 9 * 10 + 4
    assert [len(fold.test) for fold in index.folds.values()] == [11, 10, 11, 10, 11, 10, 11, 10, 10]
    for fold in index.folds.values():
        assert set(fold.train) == set(index.by_id) - set(fold.test)
    groups = {name: {index.by_id[key].group for key in fold.test} for name, fold in index.folds.items()}
    assert (groups["A"], groups["F"], groups["I"]) == (
        {"20170203-human1"}, {"20170209-human6"}, {"20170210-human9"},
    )  # fmt: skip
    assert NAGOYA_FIR.protocols["loso"].pooled and NAGOYA_FIR.default_protocol == "loso"


def test_ten_tags_are_seven_actions(made: Path) -> None:
    index = NAGOYA_FIR.read_index(made, "loso", OPTIONS)
    first = [CLASSES[clip.target] for clip in index.clips[: len(LABELS)] if isinstance(clip.target, int)]
    assert first == [
        "walk", "sitdown", "sit", "standup", "stand", "falling", "lie", "falling", "walk", "walk"
    ]  # fmt: skip


def test_five_actions_are_the_same_clips_with_the_three_postures_as_one_class(root: Path) -> None:
    assert CLASSES_5 == ("walk", "sitdown", "standup", "falling", "stopping")
    (root / "20170206" / "raw" / "20170206_p2_dark1.csv").unlink()
    seven, five = (spec.read_index(root, "loso", OPTIONS) for spec in (NAGOYA_FIR, NAGOYA_FIR_5))
    assert five.folds == seven.folds and [clip.id for clip in five.clips] == [clip.id for clip in seven.clips]
    for before, after in zip(seven.clips, five.clips, strict=True):
        assert isinstance(before.target, int) and isinstance(after.target, int)
        name = CLASSES[before.target]
        assert CLASSES_5[after.target] == ("stopping" if name in ("sit", "lie", "stand") else name)
    assert five.missing_targets == {"20170206_p2_dark1/16-20": 4}
    assert (NAGOYA_FIR_5.folder, NAGOYA_FIR_5.natively_low) == ("nagoya-fir", True)


def test_the_published_protocol_has_2520_clips_of_nine_subjects() -> None:
    for spec in (NAGOYA_FIR, NAGOYA_FIR_5):
        assert spec.counts["loso"] == dict.fromkeys("ABCDEFGHI", (2240, 280))
        assert spec.where == "https://github.com/muralab/Low-Resolution-FIR-Action-Dataset"


def test_frame_numbers_are_rows_from_one_with_both_ends(made: Path) -> None:
    """The first action starts in the row after the fifteen of a sensor that warms up, at 3.5 degrees."""
    index = NAGOYA_FIR.read_index(made, "loso", OPTIONS)
    clip = index.by_id["20170203_p1_light1/16-21"]
    source = TableFrames(
        path=made / "20170203" / "raw" / "20170203_p1_light1.csv",
        first=15, last=20, prefix="P", shape=(16, 16), coldest=21.0, hottest=27.0,
    )  # fmt: skip
    assert clip.source == source
    [frames] = decode(clip.source)
    assert (frames.size, len(frames)) == ((16, 16), 6)
    warm = frames.planes[0][0].ravel()[:20]  # 24.5 degrees, give or take 0.2
    assert np.abs(warm.astype(int) - 149).max() <= 9
    assert frames.planes[0].min() > 70  # 22.7 degrees: no row of the warming sensor


def test_the_first_three_days_are_a_protocol_of_their_own(root: Path) -> None:
    shutil.rmtree(root / "20170210")
    (root / "annotation" / "annotation_20170210_human.csv").unlink()
    index = NAGOYA_FIR.read_index(root, "loso-6", OPTIONS)
    assert list(index.folds) == list("ABCDEF") and len(index.clips) == 63
    with pytest.raises(ElrError, match=r"annotation_20170210_human\.csv does not exist; --protocol loso-6"):
        NAGOYA_FIR.read_index(root, "loso", OPTIONS)


def test_absent_recordings_are_missing(root: Path) -> None:
    (root / "20170206" / "raw" / "20170206_p2_dark1.csv").unlink()
    index = NAGOYA_FIR.read_index(root, "loso", OPTIONS)
    assert index.missing == ("20170206_p2_dark1/16-20",)
    assert index.missing_targets == {"20170206_p2_dark1/16-20": CLASSES.index("stand")}
    for day in DAYS:
        shutil.rmtree(root / day)
    with pytest.raises(ElrError, match="no annotated recording "):
        NAGOYA_FIR.read_index(root, "loso", OPTIONS)


@pytest.mark.parametrize(
    "line",
    [
        "20170206_p1_light1.csv,1,9,walk",
        "20170206_p1_light1.csv,0,9,walk,human3",
        "20170206_p1_light1.csv,9,8,walk,human3",
        "20170206_p1_light1.csv,one,9,walk,human3",
        "20170206_p1_light1.csv,1,9,walk,mary",
        "20170203_p1_light1.csv,1,9,walk,human3",
        "../20170206_p1.csv,1,9,walk,human3",
        "20170206_../../p1.csv,1,9,walk,human3",
        "nonsense",
    ],
)
def test_a_line_that_cannot_be_read_is_named(root: Path, line: str) -> None:
    path = root / "annotation" / "annotation_20170206_human.csv"
    path.write_text(f"\n{line}\n")
    with pytest.raises(
        ElrError, match=r"annotation_20170206_human\.csv line 2 is not '20170206_\*\.csv,START"
    ) as caught:
        NAGOYA_FIR.read_index(root, "loso", OPTIONS)
    assert "\n" not in str(caught.value)


def test_other_actions_people_and_repetitions_are_named(root: Path) -> None:
    path = root / "annotation" / "annotation_20170206_human.csv"
    text = path.read_text()
    path.write_text(text + "20170206_p2_dark1.csv,1,9,standing,human3\n")
    with pytest.raises(ElrError, match="line 22: unknown action 'standing'. Did you mean 'stand'"):
        NAGOYA_FIR.read_index(root, "loso", OPTIONS)
    path.write_text(text + "20170206_p2_dark1.csv,16,20,stand,human3\n")
    with pytest.raises(ElrError, match="lists 20170206_p2_dark1/16-20 twice"):
        NAGOYA_FIR.read_index(root, "loso", OPTIONS)
    path.write_text(text + "20170206_p2_dark1.csv,1,9,stand,human12\n")
    with pytest.raises(ElrError, match="human3, human4, human12, but 2 people"):
        NAGOYA_FIR.read_index(root, "loso", OPTIONS)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="--data DIR"):
        NAGOYA_FIR.read_index(None, "loso", OPTIONS)
    with pytest.raises(ElrError, match=r"annotation_20170203_human\.csv does not exist; expected .*DATE/raw"):
        NAGOYA_FIR.read_index(tmp_path, "loso", OPTIONS)
    with pytest.raises(ElrError, match=r"dataset\.coldest=30\.0 is not below dataset\.hottest=27\.0"):
        NAGOYA_FIR.read_index(tmp_path, "loso", OPTIONS | {"coldest": 30.0})


def test_the_real_days(tmp_path: Path) -> None:
    source = Path(os.environ.get("ELRBENCH_DATA", "")) / "nagoya-fir.tar.xz"
    if "ELRBENCH_DATA" not in os.environ or not source.is_file():
        pytest.skip("ELRBENCH_DATA names no folder with Nagoya FIR's recordings")
    seen = "20170206_p10_dark1.csv"
    with tarfile.open(source) as archive:
        for member in archive:
            name = Path(member.name)
            if not member.isfile() or ".." in name.parts or name.suffix != ".csv":
                continue
            path = tmp_path.joinpath(*name.parts[-3:] if "raw" in name.parts else name.parts[-2:])
            path.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None
            path.write_bytes(content.read() if "annotation" in name.parts or name.name == seen else b"")
    index = NAGOYA_FIR.read_index(tmp_path, "loso-6", OPTIONS)
    assert {name: (len(fold.train), len(fold.test)) for name, fold in index.folds.items()} == dict.fromkeys(
        "ABCDEF", (1400, 280)
    )
    assert NAGOYA_FIR.counts["loso-6"] == dict.fromkeys("ABCDEF", (1400, 280))
    assert np.bincount([clip.target for clip in index.clips]).tolist() == [240] * 7
    five = NAGOYA_FIR_5.read_index(tmp_path, "loso-6", OPTIONS)
    assert np.bincount([clip.target for clip in five.clips]).tolist() == [240] * 4 + [720]
    mine = [clip for clip in index.clips if clip.id.startswith(Path(seen).stem)]
    assert len(mine) == 12
    for clip in mine:
        grey = np.concatenate([chunk.planes[0] for chunk in decode(clip.source)])
        assert grey.min() > 30 and grey.max() < 235  # 21.7 to 26.5 degrees: nothing is clipped
        assert len(grey) == clip.source.last - clip.source.first + 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["supervised", "cstat"])
def test_methods_run_on_temperatures(toy_catalog: Catalog, made: Path, tmp_path: Path, method: str) -> None:
    settings = ("method.batch=16", "method.epochs=1", *(("method.joint_epochs=1",) if method == "cstat" else ()))
    request = PlanRequest(
        method=method, dataset="nagoya-fir", fold="I", backbone="toynet", budget="smoke", size="32x32",
        settings=settings,
    )  # fmt: skip
    plan = resolve_plan(toy_catalog, request)
    record = run(
        plan, toy_catalog, RunContext(data=made, out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent())
    ).record
    assert (record["track"]["protocol"], record["track"]["pooled"], record["track"]["degradation"]) == (
        "loso", True, "native",
    )  # fmt: skip
    assert record["primary"] == "top1" and (record["clips"]["train"], record["clips"]["test"]) == (84, 10)
    assert record["clips"]["padded"] == 0
