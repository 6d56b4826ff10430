"""`elrbench run`, `publish` and `leaderboard`: from the flags of a plan to the tables."""

import io
import json
import re
import sys
from pathlib import Path

import pytest
from built_ins import built_in_plugins, built_ins, call

from benchmark_core import catalog as catalog_module
from benchmark_core.cli import main
from benchmark_core.errors import ElrError

__all__ = ["built_in_plugins", "call"]  # fixtures

TOY = str(Path(__file__).with_name("toy.py"))
SMALL_RUN = ("run", "--plugin", TOY, "--dataset", "toy", "--budget", "smoke", "--method", "supervised",
             "--set", "method.epochs=1", "--set", "method.batch=12")  # fmt: skip


def test_dry_run_prints_the_plan(call, catalog):
    from benchmark_core.plans.resolve import PlanRequest, resolve_plan

    flags = ("--method", "cstat", "--dataset", "puppets", "--budget", "small", "--seed", "2", "--size", "48x64")
    code, out, _ = call("run", *flags, "--set", "method.epochs=3", "--dry-run", "--json")
    request = PlanRequest(
        method="cstat", dataset="puppets", budget="small", seed=2, size="48x64", settings=("method.epochs=3",)
    )
    plan = resolve_plan(catalog, request)
    assert code == 0
    assert json.loads(out) == {"digest": plan.digest, "plan": plan.to_json()}
    assert call("run", *flags, "--dry-run")[1].splitlines()[1].split() == ["method", "cstat:mlp+rc"]


def test_a_plan_comes_from_a_file_and_flags_come_on_top(call, tmp_path):
    (tmp_path / "plan.yaml").write_text(
        "method: cstat\ndataset: puppets\nbudget: small\nseed: 1\nset:\n  method.epochs: 5\n  method.batch: 4\n"
    )
    from_file = ("--plan", str(tmp_path / "plan.yaml"), "--seed", "2", "--set", "method.epochs=3")
    plan = ("--method", "cstat", "--dataset", "puppets", "--budget", "small", "--seed", "2")
    flags = (*plan, "--set", "method.epochs=3", "--set", "method.batch=4")
    assert call("run", *from_file, "--dry-run") == call("run", *flags, "--dry-run")
    assert call("run", "--plan", str(tmp_path / "none.yaml"))[0] == 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of one epoch: its folder, what it printed, and the cache."""
    folder = tmp_path_factory.mktemp("run")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_module, "load_catalog", built_ins)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.chdir(folder)
        with pytest.raises(SystemExit) as stopped:
            main([*SMALL_RUN, "--cache", "cache", "--json"])
    assert not stopped.value.code, err.getvalue()
    return folder, json.loads(out.getvalue()), err.getvalue()


def test_a_run_leaves_a_record(finished):
    folder, told, progress = finished
    record = told["record"]
    assert told["folder"] == f"elrbench-runs/{record['digest']}"
    files = {path.name for path in (folder / told["folder"]).iterdir()}
    assert {f"supervised-{record['digest']}.json", "recognizer.safetensors", record["predictions"]["file"]} <= files
    assert record["scores"]["top1"]["n"] == 12
    assert record["plan"]["settings"]["method.epochs"] == 1
    assert "student" in progress and "\x1b" not in progress  # plain lines, not a bar


def test_a_run_writes_nowhere_else(finished):
    folder, _, _ = finished
    assert {path.name for path in folder.iterdir()} == {"elrbench-runs", "cache"}


def test_a_second_run_reuses_the_stage(finished, call, monkeypatch, tmp_path):
    folder, told, progress = finished
    monkeypatch.chdir(folder)
    code, out, err = call(*SMALL_RUN, "--cache", "cache", "--out", str(tmp_path))
    value = told["record"]["scores"]["top1"]["value"]
    assert code == 0
    assert out.splitlines()[1].split()[:2] == ["top1", f"{100 * value:.1f}"]
    assert out.splitlines()[-2:] == [f"digest: {told['record']['digest']}", f"run folder: {tmp_path}"]
    (spent,) = re.findall(r"^student: trained in (.+)$", progress, re.MULTILINE)
    assert f"student: reused from the cache, where it was trained in {spent}\n" in err


def test_publish_and_leaderboard(finished, call, monkeypatch, tmp_path):
    folder, told, _ = finished
    monkeypatch.chdir(folder)
    digest, board = told["record"]["digest"], tmp_path / "board"
    board.write_text("")
    code, _, err = call("publish", digest, "--folder", str(board))
    assert code == 2 and f"--folder {board} is a file" in err
    board.unlink()
    code, out, _ = call("publish", digest[:8], "--folder", str(board), "--json")
    assert code == 0 and board.is_dir()  # the folder is created
    written = [Path(path) for path in json.loads(out)["written"]]
    assert all(path.is_file() and board in path.parents for path in written)
    assert json.loads(written[-1].read_text()) == told["record"]
    [run] = (folder / "elrbench-runs").iterdir()
    assert call("publish", str(run), "--folder", str(board), "--json")[0] == 0
    again = run.with_name(f"{run.name}-again")  # as 'elrbench rerun' names it: the digest does not lead there
    again.mkdir()
    assert call("publish", digest, "--folder", str(board), "--json")[0] == 0
    again.rmdir()

    stale, diff, _ = call("leaderboard", "--check", "--folder", str(board))
    assert stale == 1 and "supervised" in diff
    code, out, _ = call("leaderboard", "--folder", str(board))
    assert code == 0 and all(Path(line).is_file() for line in out.splitlines())
    assert any("supervised" in Path(line).read_text() for line in out.splitlines() if line.endswith(".md"))
    assert call("leaderboard", "--check", "--folder", str(board))[0] == 0


def test_a_run_folder_is_for_one_plan(finished, call, monkeypatch):
    folder, told, _ = finished
    monkeypatch.chdir(folder)
    code, _, err = call(*SMALL_RUN, "--seed", "1", "--cache", "cache", "--out", told["folder"])
    digest = told["record"]["digest"]
    what = f"{told['folder']} holds the run {digest} of another plan (supervised-{digest}.json); pass another --out"
    assert (code, err) == (2, f"elrbench: error: {what}\n")


def test_an_unwritable_place_is_a_mistake(call, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call(*SMALL_RUN, "--out", str(tmp_path / "file" / "run"), "--cache", str(tmp_path / "cache"))
    assert code == 2 and err.startswith("elrbench: error: ") and str(tmp_path / "file" / "run") in err


def test_data_root_comes_from_the_environment(catalog, monkeypatch, tmp_path):
    from benchmark_core.runs.request import data_root

    (tmp_path / "jhmdb").mkdir()
    monkeypatch.setenv("ELRBENCH_DATA", str(tmp_path))
    assert data_root(catalog, "jhmdb", None) == tmp_path / "jhmdb"
    assert data_root(catalog, "jhmdb", tmp_path) == tmp_path
    assert data_root(catalog, "puppets", None) is None
    monkeypatch.setenv("ELRBENCH_DATA", str(tmp_path / "other"))
    with pytest.raises(ElrError, match="does not exist"):
        data_root(catalog, "jhmdb", None)
