"""PA-HMDB51's labels by hand, on generated folders and, if present, on the real one."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attribute_labels import entry, file_name, films, write_attributes, write_labels

from benchmark_core.catalog import Catalog
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs.index import Index, VideoFile
from elrbench_plugins.commands.data.verify import verify
from elrbench_plugins.hmdb51.index import source_video
from elrbench_plugins.pa_hmdb51 import ATTRIBUTES, FOLDS, SPECS, TESTED, TRIMMED, VALUES, WHOLE, classes_of
from elrbench_plugins.pa_hmdb51.index import fold_of
from elrbench_plugins.pa_hmdb51.labels import Labels, read_labels

WAVE = file_name("film", "wave")
WAVE_JSON = Path("PrivacyAttributes/wave.json")


def read(root: Path, target: str = "face", protocol: str = WHOLE) -> Index:
    return SPECS[target].read_index(root, protocol, {})


def labelled(tmp_path: Path, **labels: Any) -> Labels:
    """The labels of one clip."""
    write_labels(tmp_path, {"wave": {WAVE: entry(**labels)}})
    (one,) = (each for each in read_labels(tmp_path, "pa-hmdb51", "") if each.action == "wave")
    return one


def label(tmp_path: Path, attribute: str, ranges: Any) -> str:
    """The single label of a clip with these ranges."""
    return classes_of(attribute)[labelled(tmp_path, **{attribute: ranges}).of_most_frames(attribute)]


# -- labels of a clip


@pytest.mark.parametrize(
    ("attribute", "ranges", "expected"),
    [
        ("face", [[0, 9, 0], [10, 30, 2], [31, 39, 0]], "complete"),  # 21 of 40 frames
        ("face", [[0, 10, 0], [11, 30, 2], [31, 40, 0]], "invisible"),  # 11 + 10 of 41 frames
        ("face", [[0, 9, 1], [10, 19, 2]], "partial"),  # a tie
        ("face", [[8, 8, 0], [12, 14, 1], [14, 15, 2]], "partial"),  # frames are left out; frame 14 is in two ranges
        ("gender", [[0, 9, 2]], "female"),
        ("gender", [[0, 9, [1, 2]], [10, 18, 2]], "coexisting"),
        ("gender", [[0, 9, [1, 2]], [10, 20, 2]], "female"),
        ("gender", [[0, 9, [0, 1]]], "male"),  # another person cannot be identified
        ("skin_color", [[0, 9, [2, 3]]], "coexisting"),
        ("skin_color", [[0, 9, 2]], "brown-yellow"),
        ("nudity", [[0, 9, 2]], "semi"),
        ("relationship", [[0, 9, 0]], "unidentifiable"),
    ],
)
def test_a_clip_has_the_value_of_most_frames(tmp_path: Path, attribute: str, ranges: Any, expected: str) -> None:
    assert label(tmp_path, attribute, ranges) == expected


def test_as_a_set_a_clip_has_every_value_of_its_frames(tmp_path: Path) -> None:
    one = labelled(
        tmp_path, face=[[0, 80, 0], [81, 81, 2]], gender=[[0, 90, [1, 2]]], skin_color=[[0, 9, 1], [10, 90, [1, 3]]]
    )
    assert [VALUES[number] for number in one.of_any_frame()] == [
        "skin-color-white",
        "skin-color-black",
        "face-invisible",
        "face-complete",
        "gender-male",
        "gender-female",
        "nudity-partial",
        "relationship-identifiable",
    ]


# -- clips and folds


def test_clips_have_their_action_and_film(tmp_path: Path) -> None:
    write_labels(tmp_path, {"wave": {WAVE: entry(face=[[0, 9, 2]])}})
    (tmp_path / "hmdb51_org" / "wave").mkdir(parents=True)
    (tmp_path / "hmdb51_org" / "wave" / WAVE).touch()
    index = read(tmp_path)
    (clip,) = index.clips
    assert (clip.id, clip.target, clip.group, clip.action) == (f"wave/{WAVE[:-4]}", 2, "film", "wave")
    assert clip.source == VideoFile(tmp_path / "hmdb51_org" / "wave" / WAVE)
    assert len(index.missing) == 50 and index.missing[0] == f"brush_hair/{file_name('elsewhere', 'brush_hair')}"
    assert set(index.missing_targets) == set(index.missing)
    (note,) = index.notes
    assert "1 of the 51 labelled clips" in note and str(tmp_path / "hmdb51_org") in note
    assert read(tmp_path, "attributes").clips[0].target == tuple(
        map(VALUES.index, ("skin-color-white", "face-complete", "gender-male", "nudity-partial", VALUES[-1]))
    )
    (clip,) = read(tmp_path, "").clips
    assert SPECS[""].classes[clip.target] == "wave" and clip.action == ""


def test_each_film_is_tested_in_one_fold(tmp_path: Path) -> None:
    index = read(write_attributes(tmp_path), "gender", TRIMMED)
    assert list(index.folds) == list(FOLDS)
    tested = [key for fold in index.folds.values() for key in fold.test]
    assert sorted(tested) == sorted(index.by_id) and len(tested) == 10
    for name, fold in index.folds.items():
        assert {*fold.train, *fold.test} == set(index.by_id)
        assert {fold_of(clip.group) for clip in index.split(name, "test")} == {name}
        assert not {clip.group for clip in index.split(name, "test")} & {
            clip.group for clip in index.split(name, "train")
        }


def test_the_fold_of_a_film_does_not_depend_on_punctuation_or_case() -> None:
    assert fold_of("Me_&_you_(2)!") == fold_of("me___you__2__")
    assert [fold_of(name) for name in films("3", 2)] == ["3", "3"]


def test_videos_may_be_next_to_the_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_labels(tmp_path / "pa-hmdb51", {"wave": {file_name("a!", "wave"): entry()}})
    for folder in ("hmdb51/hmdb51_org", "jhmdb/ReCompress_Videos"):
        (tmp_path / folder / "wave").mkdir(parents=True)
    whole = tmp_path / "hmdb51/hmdb51_org/wave" / f"hmdb51_{file_name('a!', 'wave')}"
    trimmed = tmp_path / "jhmdb/ReCompress_Videos/wave" / file_name("a_", "wave")
    whole.touch()
    trimmed.touch()
    assert [clip.source.path for clip in read(root).clips] == [whole]
    assert [clip.source.path for clip in read(root, protocol=TRIMMED).clips] == [trimmed]
    assert read(root).clips[0].id == read(root, protocol=TRIMMED).clips[0].id
    assert "trimmed" in read(root, protocol=TRIMMED).notes[0]
    monkeypatch.chdir(root)
    assert [clip.source.path for clip in read(Path()).clips] == [whole]


def test_of_jhmdb_only_clips_in_its_lists_are_missing(tmp_path: Path) -> None:
    root = write_attributes(tmp_path)
    assert read(root, protocol=TRIMMED).missing == ()
    (root / "splits").mkdir()
    gone = file_name("elsewhere", "golf")
    (root / "splits" / "golf_test_split1.txt").write_text(f"{gone} 0\nof_no_labels.avi 1\n")
    assert read(root, protocol=TRIMMED).missing == (f"golf/{gone}",)


# -- bad input


def write_text(text: str) -> Callable[[Path], None]:
    return lambda root: (root / WAVE_JSON).write_text(text) and None


def labels_of(**labels: Any) -> Callable[[Path], None]:
    return write_text(json.dumps({WAVE: entry(**labels)}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (write_text("{"), "wave.json cannot be read: Expecting property name"),
        (write_text("[" * 100_000), "wave.json cannot be read: "),
        (write_text("[]"), "wave.json are not an object with an entry for each clip"),
        (write_text("{}"), "wave.json are not an object with an entry for each clip"),
        (write_text(json.dumps({WAVE: 3})), f"wave.json, clip '{WAVE}': expected an object of attributes, found '3'"),
        (write_text(json.dumps({WAVE: {}})), "'skin_color' is 'None', not"),
        (labels_of(face=[]), "'face' is '[]', not"),
        (labels_of(face=[[0, 9]]), "'face' has '[0, 9]', expected"),
        (labels_of(face=[[0, True, 1]]), "'face' has '[0, True, 1]', expected"),
        (labels_of(face=[[0, 9, 3]]), "'face' has the unknown value '3'; values: 0 (invisible), 1 (partial), 2"),
        (labels_of(face=[[0, 9, [1, 2]]]), "'face' has the unknown value '[1, 2]'"),
        (labels_of(gender=[[0, 9, []]]), "'gender' has the unknown value '[]'"),
        (labels_of(gender=[[0, 9, [1, 4]]]), "'gender' has the unknown value '4'"),
        (labels_of(gender=[[0, 9, "1"]]), "'gender' has the unknown value '1'; values: 0 (unidentifiable)"),
        (labels_of(nudity=[[9, 0, 1]]), "'nudity' has the range 9 to 0 after frame 0; ranges must be in order"),
        (labels_of(nudity=[[-1, 9, 1]]), "'nudity' has the range -1 to 9"),
        (labels_of(nudity=[[10, 19, 1], [0, 9, 2]]), "'nudity' has the range 0 to 9 after frame 19"),
        (lambda root: (root / WAVE_JSON).unlink(), "wave.json cannot be read: No such file"),
    ],
)
def test_damaged_labels_are_one_line(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    root = write_attributes(tmp_path)
    damage(root)
    with pytest.raises(ElrError) as refused:
        read(root, protocol=TRIMMED)
    assert message in str(refused.value) and str(refused.value).startswith("pa-hmdb51:face: ")
    assert "\n" not in str(refused.value)


def test_labels_of_absent_clips_name_the_place_and_the_other_protocol(tmp_path: Path) -> None:
    root = write_labels(tmp_path / "pa-hmdb51", {})
    with pytest.raises(ElrError, match="protocol 5fold needs the clips of hmdb51 in .*hmdb51_org$"):
        read(root)
    (root / "ReCompress_Videos").mkdir()
    with pytest.raises(ElrError, match="of jhmdb are there: use --protocol jhmdb-5fold$"):
        read(root)
    with pytest.raises(ElrError, match="none of the 51 labelled clips is in .*ReCompress_Videos$"):
        read(root, protocol=TRIMMED)
    (tmp_path / "hmdb51" / "hmdb51_org").mkdir(parents=True)
    with pytest.raises(ElrError, match="none of the 51 .*use --protocol 5fold$"):
        read(root, protocol=TRIMMED)
    with pytest.raises(ElrError, match="PrivacyAttributes does not exist; expected in"):
        read(tmp_path)
    with pytest.raises(ElrError, match="pass --data DIR"):
        SPECS[""].read_index(None, WHOLE, {})


def test_a_run_on_missing_clips_is_refused(tmp_path: Path) -> None:
    root = write_labels(tmp_path, {"wave": {WAVE: entry()}})
    (root / "hmdb51_org" / "wave").mkdir(parents=True)
    (root / "hmdb51_org" / "wave" / WAVE).touch()
    with pytest.raises(ElrError, match="50 of 51 listed clips are not under .*--bad-clips skip"):
        list_clips(SPECS["face"], WHOLE, {}, data=root)


def test_an_unknown_target_is_answered_with_the_targets(catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="unknown dataset 'pa-hmdb51:genders'. Did you mean 'pa-hmdb51:gender'?"):
        resolve_plan(catalog, PlanRequest(method="supervised", dataset="pa-hmdb51:genders"))


def test_verify_reads_the_protocols_whose_clips_are_there(tmp_path: Path) -> None:
    report = verify(
        SPECS["gender"], {}, data=write_attributes(tmp_path), sampling=Sampling.parse("4x1"), reporter=Silent()
    )
    assert report.clips == 10 and not report.broken and list(report.protocols) == [TRIMMED]
    found, skipped = report.notes
    assert "10 of the 59 labelled clips" in found and skipped.startswith(f"not verified: {WHOLE} (")
    assert f"{TRIMMED}, fold 1: 8 train and 2 test clips found; published: 64 and 29" in report.counts


# -- a run


@pytest.mark.parametrize(("target", "metric"), [("gender", "top1"), ("attributes", "map")])
def test_a_run_has_the_guess_from_the_action_in_its_record(
    toy_catalog: Catalog, tmp_path: Path, target: str, metric: str
) -> None:
    request = PlanRequest(
        method="supervised",
        dataset=f"pa-hmdb51:{target}",
        protocol=TRIMMED,
        degradation="average-6x8",
        backbone="toynet",
        size="24x32",
        sampling="2x1",
        budget="smoke",
        settings=("method.batch=4", "method.epochs=1"),
    )
    plan = resolve_plan(toy_catalog, request)
    data = write_attributes(tmp_path / "pa-hmdb51")
    context = RunContext(data=data, out=tmp_path / "run", cache=tmp_path / "cache", reporter=Silent())
    record = run(plan, toy_catalog, context).record
    assert record["track"]["dataset"] == f"pa-hmdb51:{target}" and record["primary"] == metric
    assert record["clips"]["test"] == 2
    if target == "gender":  # the action tells it
        assert record["action_guess"]["scores"]["top1"]["value"] == 1.0
    else:
        assert 0 < record["action_guess"]["scores"]["map"]["value"] <= 1


# -- the real labels


REAL = Path(os.environ.get("ELRBENCH_DATA", "/nowhere")) / "pa-hmdb51"


@pytest.mark.skipif(not REAL.is_dir(), reason="ELRBENCH_DATA has no pa-hmdb51")
def test_the_published_labels() -> None:
    labels = list(read_labels(REAL, "pa-hmdb51", ""))
    tested = Counter(fold_of(source_video(one.file.removesuffix(".avi"), one.action)) for one in labels)
    assert tuple(tested[fold] for fold in FOLDS) == TESTED[WHOLE] and len(labels) == 515
    for attribute in ATTRIBUTES:
        assert {one.of_most_frames(attribute) for one in labels} == set(range(len(classes_of(attribute))))
    frames = sum(one.frames for each in labels for one in each.ranges["gender"])
    assert frames == 52413  # as in the authors' statistics


@pytest.mark.skipif(
    not (REAL.is_dir() and (REAL.parent / "jhmdb").is_dir()), reason="ELRBENCH_DATA has no pa-hmdb51 and jhmdb"
)
def test_jhmdb_has_93_of_the_clips() -> None:
    for target in SPECS:
        index = read(REAL, target, TRIMMED)
        assert len(index.clips) == 93 and not index.missing
        assert tuple(len(fold.test) for fold in index.folds.values()) == TESTED[TRIMMED]
