"""TinyVIRAT's lists and clips, on releases made here, and runs on them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_virat import FILM, SHAPES, write_first, write_list, write_part, write_second

from benchmark_core.catalog import Catalog
from benchmark_core.clips.decode import decode
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs.index import VideoFile
from elrbench_plugins.commands.check.check import check_plugin
from elrbench_plugins.tinyvirat import CLASSES, TINYVIRAT, TINYVIRAT_V2, VIRAT_CROPS
from elrbench_plugins.tinyvirat.answer import answer

COMPONENTS = ("dataset tinyvirat", "dataset tinyvirat-v2", "dataset virat-crops")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_first(tmp_path_factory.mktemp("tinyvirat"))


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


def read_entries(root: Path, name: str = "tiny_train.json") -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((root / name).read_text())
    return entries


def test_lists_become_clips_and_one_fold(made: Path) -> None:
    index = TINYVIRAT.read_index(made, "train-test", {})
    assert index.folds["1"].train == tuple(f"train/{FILM}/{number:05d}" for number in range(6))
    assert index.folds["1"].test == tuple(f"test/{FILM}/{number:05d}" for number in range(6, 12))
    assert (index.missing, index.unlabelled, len(index.clips)) == ((), (), 12)
    clip = index.by_id[f"train/{FILM}/00001"]
    assert clip.source == VideoFile(made / "videos" / "train" / FILM / "00001.mp4")
    assert (clip.target, clip.group) == ((1, 14), FILM)


def test_clips_have_the_size_of_their_video_whatever_the_list_says(root: Path) -> None:
    write_list(root / "tiny_train.json", [entry | {"dim": [9, 9, 9]} for entry in read_entries(root)])
    index = TINYVIRAT.read_index(root, "train-test", {})
    for number, shape in enumerate(SHAPES):
        chunks = list(decode(index.by_id[f"train/{FILM}/{number:05d}"].source))
        assert (sum(map(len, chunks)), *chunks[0].size) == shape


def test_a_list_may_lie_under_tubes(root: Path) -> None:
    plain = TINYVIRAT.read_index(root, "train-test", {})
    for name in ("tiny_train.json", "tiny_test.json"):
        write_list(root / name, read_entries(root, name), tubes=True)
    assert TINYVIRAT.read_index(root, "train-test", {}) == plain


def test_the_second_release_has_a_pool_without_labels(tmp_path: Path) -> None:
    write_second(tmp_path, train=2, val=3, test=4)
    index = TINYVIRAT_V2.read_index(tmp_path, "train-val", {})
    assert (len(index.folds["1"].train), len(index.folds["1"].test)) == (2, 3)
    assert index.unlabelled == ("test/00000", "test/00001", "test/00002", "test/00003")
    assert {index.by_id[key].target for key in index.unlabelled} == {None}
    whole = index.digest()
    shutil.rmtree(tmp_path / "videos" / "test")  # training does not need them, and its index does not change
    index = TINYVIRAT_V2.read_index(tmp_path, "train-val", {})
    assert index.digest() == whole and index.missing == ()
    (tmp_path / "tiny_test_v2_public.json").unlink()
    assert TINYVIRAT_V2.read_index(tmp_path, "train-val", {}).unlabelled == ()


def test_larger_crops_come_in_the_same_format(tmp_path: Path) -> None:
    write_part(tmp_path, "crops_train.json", "train", 2)
    write_part(tmp_path, "crops_test.json", "test", 1)
    index = VIRAT_CROPS.read_index(tmp_path, "train-test", {})
    assert (len(index.clips), VIRAT_CROPS.natively_low, VIRAT_CROPS.classes) == (3, False, CLASSES)


def test_the_specs_say_what_the_papers_count() -> None:
    assert TINYVIRAT.counts == {"train-test": {"1": (7663, 5166)}}
    assert TINYVIRAT_V2.counts == {"train-val": {"1": (16950, 3308)}} and "6,097" in TINYVIRAT_V2.summary
    assert len(CLASSES) == len(set(CLASSES)) == 26
    assert [CLASSES[number] for number in (0, 9, 14, 25)] == ["Opening", "activity_running", "activity_walking", "Misc"]
    for spec in (TINYVIRAT, TINYVIRAT_V2):
        assert (spec.task, spec.metric, spec.natively_low, spec.degradation) == (
            "multi-label", "f1_macro", True, "native",
        )  # fmt: skip


def test_absent_videos_are_missing(root: Path) -> None:
    (root / "videos" / "train" / FILM / "00003.mp4").unlink()
    entries = read_entries(root, "tiny_test.json")
    write_list(root / "tiny_test.json", [*entries, {"path": f"{'x' * 300}.mp4", "label": ["Misc"]}])
    index = TINYVIRAT.read_index(root, "train-test", {})
    assert index.missing == (f"train/{FILM}/00003", f"test/{'x' * 300}")
    assert index.missing_targets[index.missing[0]] == (3,)
    shutil.rmtree(root / "videos")
    with pytest.raises(ElrError, match=f"none of the 13 listed clips .*first: train/{FILM}/00000"):
        TINYVIRAT.read_index(root, "train-test", {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": ["Jumping"]}, "entry 2 of tiny_train.json: unknown class 'Jumping'"),
        ({"label": []}, r"entry 2 of tiny_train.json has the label \[\]"),
        ({"label": "Opening"}, "has the label 'Opening', but a list"),
        ({"label": [["Opening"]]}, "unknown class"),
        ({"label": None}, "has the label None"),
        ({"path": "/etc/passwd"}, "entry 2 of tiny_train.json has the path '/etc/passwd', which does not lead"),
        ({"path": "../test/00001.mp4"}, "has the path '../test/00001.mp4', which does not lead"),
        ({"path": "a/../../b.mp4"}, "does not lead to a file in videos/"),
        ({"path": "..\\b.mp4"}, "does not lead to a file in videos/"),
        ({"path": ""}, "does not lead"),
        ({"path": "."}, "does not lead"),
        ({"path": 7}, "has the path 7"),
        ({"path": f"{FILM}/00000.mp4"}, f"entry 2 of tiny_train.json lists {FILM}/00000.mp4 a second time"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_entry_that_cannot_be_used_is_named(root: Path, change: dict[str, Any], message: str) -> None:
    entries = read_entries(root)
    entries[1] |= change
    write_list(root / "tiny_train.json", entries)
    with pytest.raises(ElrError, match=message) as caught:
        TINYVIRAT.read_index(root, "train-test", {})
    assert "\n" not in str(caught.value) and str(caught.value).startswith("tinyvirat: ")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"tubes": 3}', "7", '"text"', "[" * 100_000])
def test_a_file_that_holds_no_list_is_named(root: Path, content: str) -> None:
    (root / "tiny_train.json").write_text(content)
    with pytest.raises(ElrError, match=r"tiny_train\.json (cannot be read|has no list of clips)"):
        TINYVIRAT.read_index(root, "train-test", {})


def test_a_missing_list_and_an_entry_of_another_kind_are_named(root: Path) -> None:
    write_list(root / "tiny_train.json", [*read_entries(root), "00012.mp4"])
    with pytest.raises(ElrError, match="entry 7 of tiny_train.json is not an object"):
        TINYVIRAT.read_index(root, "train-test", {})
    (root / "tiny_train.json").unlink()
    with pytest.raises(
        ElrError, match=r"tiny_train\.json cannot be read: No such file or directory; expected: videos/"
    ):
        TINYVIRAT.read_index(root, "train-test", {})
    with pytest.raises(ElrError, match="--data DIR"):
        TINYVIRAT.read_index(None, "train-test", {})


def test_the_answer_is_the_challenges() -> None:
    logits = np.full((2, 26), -3.0, np.float32)
    logits[0, [0, 25]] = 0.01, 4.0
    logits[1, 2] = 0.0  # a sigmoid of 0.5 is not above it
    text = answer(["test/00042", "test/00007"], logits)
    assert text == f"00007 {' '.join('0' * 26)}\n00042 1 {' '.join('0' * 24)} 1\n"
    with pytest.raises(ElrError, match="clip 'test/a7': its file name is not a number"):
        answer(["test/a7"], logits[:1])
    with pytest.raises(ElrError, match="all 26 classes, but this run has 3"):
        answer(["test/00001"], logits[:1, :3])


def test_the_real_list(tmp_path: Path) -> None:
    source = Path(os.environ.get("ELRBENCH_DATA", "")) / "tinyvirat" / "tiny_val_v2_first12.json"
    if "ELRBENCH_DATA" not in os.environ or not source.is_file():
        pytest.skip("ELRBENCH_DATA names no folder with the first entries of TinyVIRAT-v2's validation list")
    write_part(tmp_path, "tiny_train_v2.json", "train", 1)
    shutil.copy(source, tmp_path / "tiny_val_v2.json")
    index = TINYVIRAT_V2.read_index(tmp_path, "train-val", {})
    assert len(index.missing) == 12
    assert index.missing[0] == "val/VIRAT_S_050000_01_000207_000361/00000"
    assert [index.missing_targets[key] for key in index.missing[:2]] == [(14,), (7, 19)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["supervised", "cstat"])
def test_methods_run_on_clips_of_any_size_and_length(
    toy_catalog: Catalog, made: Path, tmp_path: Path, method: str
) -> None:
    settings = ("method.batch=3", "method.epochs=1", *(("method.joint_epochs=1",) if method == "cstat" else ()))
    request = PlanRequest(
        method=method, dataset="tinyvirat", backbone="toynet", budget="smoke", size="32x32", sampling="4x1",
        settings=settings,
    )  # fmt: skip
    plan = resolve_plan(toy_catalog, request)
    record = run(
        plan, toy_catalog, RunContext(data=made, out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent())
    ).record
    assert (record["primary"], record["track"]["degradation"], record["clips"]["padded"]) == ("f1_macro", "native", 6)
    assert (record["plan"]["high_source"], record["clips"]["test"]) == ("self" if method == "cstat" else "", 6)


def test_the_plugin_holds_what_a_plugin_must(catalog: Catalog, tmp_path: Path) -> None:
    roots = {"tinyvirat": write_first(tmp_path / "1"), "tinyvirat-v2": write_second(tmp_path / "2", 1, 1, 1)}
    (tmp_path / "work").mkdir()
    findings = list(check_plugin(catalog, "elrbench_plugins.tinyvirat", work=tmp_path / "work", data=roots))
    outcomes = {component: {f.outcome for f in findings if f.component == component} for component in COMPONENTS}
    assert outcomes == dict(zip(COMPONENTS, ({"ok"}, {"ok"}, {"ok", "skipped"}), strict=True)), findings
