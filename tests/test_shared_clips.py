"""Training clips that are also test clips are named and counted, or refused; so are classes without training clips."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from listening import Listening
from run_records import make_record, put
from videos import film, labelled

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.clips.digests import Digests
from benchmark_core.papers.collection import Library
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.records.consistency import check_record, check_result
from benchmark_core.records.record import find_record, read_record
from benchmark_core.records.verify import verify_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import run
from benchmark_core.specs.index import Fold, Index
from benchmark_core.tables.build import build_tables
from elrbench import DatasetSpec, ElrError
from elrbench_plugins.folder import FOLDER

Call = Callable[..., tuple[int, str]]
NO_PAPERS = Library({}, {})
SUITE = """
common: {dataset: folder, backbone: toynet, budget: smoke, size: 24x32, set: {method.batch: 4, method.epochs: 1}}
rows: [{row: student, method: supervised}]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes; one training clip of each is copied into `test/`, one of them into another class."""
    root = labelled(tmp_path / "data" / "clips")
    for one, other in (("bright & big/clip+0.mp4", "bright & big/copy.mp4"), ("dark!/clip (1).avi", "dark!/b.avi")):
        shutil.copy(root / "train" / one, root / "test" / other)
    return root


@pytest.fixture
def call(
    toy_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Call:
    """`call("run", …)` -> (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog_module, "load_catalog", lambda **_: toy_catalog)

    def elrbench(*argv: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in (*argv, "--cache", tmp_path / "cache")])
        return int(stopped.value.code or 0), capsys.readouterr().err

    return elrbench


def flags(root: Path) -> list[str]:
    words = f"--method supervised --backbone toynet --budget smoke --size 24x32 --dataset folder:{root}"
    return [*words.split(), "--set", "method.batch=4", "--set", "method.epochs=1"]


def planned(toy_catalog: Catalog, root: Path, modality: str = "rgb") -> tuple[Catalog, Plan]:
    catalog, name = toy_catalog.with_folder(f"folder:{root}")
    asked = {"dataset": name, "backbone": "toynet", "budget": "smoke", "size": "24x32", "modality": modality}
    settings = ("method.batch=4", "method.epochs=1")
    return catalog, resolve_plan(catalog, PlanRequest(method="supervised", settings=settings, **asked))


def test_a_folder_with_shared_clips_is_refused_unless_asked(call: Call, root: Path) -> None:
    code, err = call("run", *flags(root))
    last = err.splitlines()[-1]
    assert code == 2 and "2 training clips are also test clips" in last and "pass --shared-clips warn" in last
    assert "train/bright & big/clip+0.mp4 = test/bright & big/copy.mp4" in last
    assert not list(Path().glob("elrbench-runs/*/*.json"))
    code, err = call("run", *flags(root), "--shared-clips", "warn", "--publish")
    assert code == 0 and "warning: 2 training clips are also test clips" in err
    (path,) = Path("leaderboards/records").rglob("supervised-*.json")
    assert read_record(path)["shared_clips"] == 2 and not verify_record(path, Path("leaderboards")).problems
    code, err = call("rerun", path, "--data", root)  # the recorded run was made with `warn`
    assert code == 0 and "2 training clips are also test clips" in err


def test_a_suite_takes_the_same_flag(call: Call, root: Path) -> None:
    Path("mine.yaml").write_text(SUITE)
    words = ("suite", "run", "mine.yaml", "--dataset", f"folder:{root}")
    code, err = call(*words)
    assert code == 1 and "elrbench: failed: student: " in err and "--shared-clips warn" in err
    assert call(*words, "--shared-clips", "warn")[0] == 0
    (folder,) = Path("elrbench-runs").iterdir()
    assert read_record(find_record(folder))["shared_clips"] == 2


def test_both_streams_and_the_fused_run_have_the_count(toy_catalog: Catalog, root: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="optical flow is the extra elrbench[flow]")
    catalog, plan = planned(toy_catalog, root, "rgb+flow")
    context = RunContext(data=root, out=tmp_path / "out", cache=tmp_path / "cache", shared_clips="warn")
    made = run(plan, catalog, context)
    assert [each.record["shared_clips"] for each in (made, *made.streams)] == [2, 2, 2]


def test_no_file_is_read_twice_for_its_digest(
    toy_catalog: Catalog, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, computed = Digests._keep, list[bytes]()

    def kept(self: Digests, key: bytes, known: bytes, *, settled: bool) -> None:
        computed.append(key)
        keep(self, key, known, settled=settled)

    monkeypatch.setattr(Digests, "_keep", kept)
    catalog, plan = planned(toy_catalog, root)
    context = RunContext(out=tmp_path, data=root, cache=tmp_path / "cache", shared_clips="warn")
    assert prepare(plan, components_of(catalog, plan), context).shared == 2
    assert len(computed) == len(set(computed)) == 10


def test_a_dataset_warns_by_default_and_a_folder_fails() -> None:
    assert FOLDER.shared_clips == "fail"
    assert {field.name: field.default for field in dataclasses.fields(DatasetSpec)}["shared_clips"] == "warn"
    with pytest.raises(ElrError, match="shared_clips of dataset 'folder': 'skip'.*warn"):
        dataclasses.replace(FOLDER, shared_clips="skip")  # type: ignore[arg-type]


# -- folds


def prepared(toy_catalog: Catalog, plan: Plan, tmp_path: Path, index: Index, **spec: Any) -> tuple[int, list[str]]:
    """The number of shared clips of the plan's fold, and warnings."""
    components = components_of(toy_catalog, plan)
    dataset = dataclasses.replace(components.dataset, index=lambda *_: index, **spec)
    heard = Listening()
    context = RunContext(out=tmp_path, cache=tmp_path / "cache", reporter=heard)
    return prepare(plan, dataclasses.replace(components, dataset=dataset), context).shared, heard.warnings


def listed(toy_catalog: Catalog, plan: Plan) -> Index:
    return components_of(toy_catalog, plan).dataset.read_index(None, "one", plan.options("dataset"))


def test_clips_are_compared_within_a_fold(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    """`copy` has the content of clip000, which trains in fold 1 and tests in fold 2, where `copy` tests as well."""
    index = listed(toy_catalog, toy_plan)
    copy = dataclasses.replace(index.by_id["clip000"], id="copy")
    first, *rest = index.folds["1"].train
    folds = {
        "1": Fold(train=(first, *rest), test=("clip024", "copy")),
        "2": Fold(train=tuple(rest), test=(first, "copy")),
    }
    index = dataclasses.replace(index, clips=(*index.clips, copy), folds=folds)
    shared, warnings = prepared(toy_catalog, toy_plan, tmp_path, index)
    assert (
        shared == 1
        and len(warnings) == 1
        and "1 training clip is also" in warnings[0]
        and "clip000 = copy" in warnings[0]
    )
    assert prepared(toy_catalog, dataclasses.replace(toy_plan, fold="2"), tmp_path, index) == (0, [])
    with pytest.raises(ElrError, match="toy: 1 training clip is .*--shared-clips warn"):
        prepared(toy_catalog, toy_plan, tmp_path, index, shared_clips="fail")


def test_many_shared_clips_are_counted_and_the_first_are_named(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path
) -> None:
    index = listed(toy_catalog, toy_plan)
    train = index.folds["1"].train
    copies = tuple(dataclasses.replace(index.by_id[name], id=f"again-{name}") for name in train[:8])
    folds = {"1": Fold(train=train, test=tuple(clip.id for clip in copies))}
    index = dataclasses.replace(index, clips=(*index.clips, *copies), folds=folds)
    shared, (warning,) = prepared(toy_catalog, toy_plan, tmp_path, index)
    assert shared == 8 and "clip002 = again-clip002 and 5 more" in warning and "clip003" not in warning


# -- classes


def test_a_class_without_training_clips_is_named(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    index = listed(toy_catalog, toy_plan)
    train = tuple(name for name in index.folds["1"].train if index.by_id[name].target != 2)
    index = dataclasses.replace(index, folds={"1": Fold(train=train, test=index.folds["1"].test)})
    _, (warning,) = prepared(toy_catalog, toy_plan, tmp_path, index)
    assert "no training clip" in warning and "1 of 3 classes" in warning and "moves" in warning


def test_one_class_alone_is_refused(call: Call, tmp_path: Path) -> None:
    for part in ("train", "test"):
        film(tmp_path / "only" / part / "jump" / f"{part}.avi", 16)
    code, err = call("run", *flags(tmp_path / "only"))
    assert (
        code == 2 and "folder:only: 'jump' is the only class with training clips" in err and len(err.splitlines()) == 1
    )


# -- records and tables


@pytest.mark.parametrize(("count", "message"), [(-1, "0 or more"), (31, "more than the 30"), ("2", "integer")])
def test_the_count_of_a_record_is_checked(count: object, message: str) -> None:
    check_result(check_record(make_record(more={"shared_clips": 30})))
    with pytest.raises(ElrError, match=f"'shared_clips' is .*{message}"):
        check_result(check_record(make_record(more={"shared_clips": count})))


def test_a_table_says_which_rows_have_shared_clips(tmp_path: Path) -> None:
    put(tmp_path, make_record(method="clean"))
    page = build_tables(tmp_path, NO_PAPERS).files[tmp_path / "tables/acts/split1/average-12x16.md"]
    assert "also test clips" not in page
    put(tmp_path, make_record(method="mixed", more={"shared_clips": 7}), make_record(method="mixed", seed=1))
    files = {path.name: text for path, text in build_tables(tmp_path, NO_PAPERS).files.items()}
    (line,) = (line for line in files["average-12x16.md"].splitlines() if "also test clips" in line)
    rows = [line.split("|") for line in files["average-12x16.md"].splitlines() if line.startswith("|")]
    (number,) = {cells[1].strip() for cells in rows if "mixed" in [cell.strip() for cell in cells]}
    assert line.startswith(f"- Row {number}: 7 training clips are")
    assert "7 training clips" in files["average-12x16.csv"]
    put(tmp_path, make_record(method="split", protocol="two", folds=("1", "2"), more={"shared_clips": 7}))
    page = build_tables(tmp_path, NO_PAPERS).files[tmp_path / "tables/acts/two/average-12x16.md"]
    assert "7 training clips of a fold are also test clips" in page
