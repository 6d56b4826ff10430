"""`elrbench data`: what it prints, how it ends, and a run on one's own clips by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from built_ins import BUILTINS, Call, built_in_plugins, call
from test_folder import touch
from videos import film, labelled

__all__ = ["built_in_plugins", "call"]  # fixtures


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return labelled(tmp_path / "Mine")


def test_info_tells_what_a_dataset_is(call: Call) -> None:
    code, out, _ = call("data", "info", "jhmdb", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["licence"] == "research use" and len(facts["classes"]) == 21
    assert facts["protocols"]["hmdb51-3splits"]["official"]["2"] == [505, 248]
    assert "natively_low" in facts and facts["where"] and facts["layout"]
    code, out, _ = call("data", "info", "jhmdb")
    assert code == 0 and "fold 2  505 train, 248 test" in out and "brush_hair, catch" in out


@pytest.mark.parametrize("name", ["folder", "videos", "puppets"])
def test_info_of_templates_and_drawn_ones(call: Call, name: str) -> None:
    code, out, _ = call("data", "info", name)
    assert code == 0 and out.startswith(f"{name}: ")


def test_info_of_ones_own_folder_names_its_classes(call: Call, root: Path) -> None:
    code, out, _ = call("data", "info", f"folder:{root}", "--json")
    assert code == 0 and json.loads(out)["classes"] == ["bright & big", "dark!"] and "folder" not in json.loads(out)


def test_info_and_errors_name_a_folder_that_datasets_share(call: Call) -> None:
    code, out, _ = call("data", "info", "ixmas-12", "--json")
    assert code == 0 and json.loads(out)["folder"] == "$ELRBENCH_DATA/ixmas"
    assert "$ELRBENCH_DATA/pa-hmdb51\n" in call("data", "info", "pa-hmdb51:gender")[1].replace(" ", "")
    code, _, err = call("data", "verify", "nagoya-fir-5")
    assert code == 2 and "set ELRBENCH_DATA to the folder that contains 'nagoya-fir'." in err


def test_the_parent_of_a_datasets_folder_is_named(call: Call, tmp_path: Path) -> None:
    (tmp_path / "jhmdb").mkdir()
    code, _, err = call("data", "verify", "jhmdb", "--data", str(tmp_path))
    assert code == 2 and err.endswith(f". Did you mean the folder {tmp_path / 'jhmdb'}?\n") and err.count("\n") == 1
    (tmp_path / "jhmdb").rename(tmp_path / "other")
    assert "Did you mean" not in call("data", "verify", "jhmdb", "--data", str(tmp_path))[2]


def test_verify_of_a_whole_folder(call: Call, root: Path) -> None:
    code, out, err = call("data", "verify", f"folder:{root}")
    assert code == 0 and out.splitlines()[-1] == "no problem: no clip is missing, broken, too short or duplicated"
    assert "split     1     4      4     -" in out and "8/8" in err
    assert out.splitlines()[0] == f"folder:mine at {root}: 8 clips"


def test_verify_names_what_is_amiss_and_exits_1(call: Call, root: Path) -> None:
    touch(root, *(f"train/dark!/text {number}.avi" for number in range(12)))
    code, out, _ = call("data", "verify", f"folder:{root}", "--workers", "2")
    assert code == 1 and out.splitlines()[-1] == "problems: 12 broken"
    assert "  … and 2 more; --json has all" in out and "  train/dark!/text 0.avi: " in out
    code, out, _ = call("data", "verify", f"folder:{root}", "--json")
    report = json.loads(out)
    assert (code, report["kind"], len(report["broken"])) == (1, "data", 12)


def test_verify_of_some_classes(call: Call, tmp_path: Path) -> None:
    root = labelled(tmp_path / "three")
    film(root / "train" / "third" / "a.avi", 60)
    film(root / "test" / "third" / "b.avi", 60, 1)
    code, out, _ = call("data", "verify", f"folder:{root}", "--classes", "third,dark!", "--json")
    report = json.loads(out)
    assert (code, report["clips"]) == (0, 6)
    assert report["protocols"]["split"]["1"]["classes"] == {"dark!": [2, 2], "third": [1, 1]}


def test_prepare_builds_and_then_reuses(call: Call, root: Path, tmp_path: Path) -> None:
    flags = ("data", "prepare", f"folder:{root}", "--size", "24x32", "--cache", str(tmp_path / "cache"))
    code, out, err = call(*flags)
    assert code == 0 and out.startswith("8 clips built, 0 reused in ") and "8/8" in err
    code, out, _ = call(*flags, "--json")
    told = json.loads(out)
    assert (code, told["built"], told["reused"], told["broken"], told["protocol"]) == (0, 0, 8, [], "split")
    code, out, _ = call(*flags, "--degradation", "average-6x8:clean", "--views", "low")
    assert code == 0 and out.startswith("8 clips built")


def test_prepare_leaves_out_what_it_is_told_to(call: Call, root: Path, tmp_path: Path) -> None:
    touch(root, "train/dark!/text.avi")
    flags = ("data", "prepare", f"folder:{root}", "--size", "24x32", "--cache", str(tmp_path / "cache"))
    code, out, err = call(*flags)
    assert (code, out) == (2, "") and "--bad-clips skip" in err.splitlines()[-1]
    code, out, _ = call(*flags, "--bad-clips", "skip")
    assert code == 0 and "left out: train/dark!/text.avi: " in out


def test_a_prepared_folder_is_not_decoded_again_by_a_run(call: Call, root: Path, tmp_path: Path) -> None:
    cache = ("--cache", str(tmp_path / "cache"))
    toy = ("--plugin", str(Path(__file__).with_name("toy.py")))
    call("data", "prepare", f"folder:{root}", "--size", "24x32", *cache)
    before = sorted((tmp_path / "cache").rglob("*.clip"))
    assert len(before) == 16  # low and high of eight clips
    flags = ("--method", "supervised", "--backbone", "toynet", "--budget", "smoke", "--size", "24x32")
    settings = ("--set", "method.batch=4", "--set", "method.epochs=1")
    asked = ("run", "--dataset", f"folder:{root}", *flags, *settings, *cache, *toy)
    code, out, err = call(*asked, "--out", str(tmp_path / "run"))
    assert code == 0 and out.startswith("supervised on folder:mine, budget smoke")
    assert sorted((tmp_path / "cache").rglob("*.clip")) == before


def test_a_dry_run_shows_the_name_alone(call: Call, root: Path, tmp_path: Path) -> None:
    flags = ("--method", "supervised", "--budget", "smoke", "--dry-run", "--json")
    plan = json.loads(call("run", "--dataset", f"folder:{root}", *flags)[1])
    assert plan["plan"]["dataset"] == "folder:mine" and str(tmp_path) not in json.dumps(plan)
    assert json.loads(call("run", "--dataset", "folder:mine", "--data", str(root), *flags)[1]) == plan
    (tmp_path / "plan.yaml").write_text(f"dataset: folder:{root}\nmethod: supervised\nbudget: smoke\n")
    assert json.loads(call("run", "--plan", str(tmp_path / "plan.yaml"), "--dry-run", "--json")[1]) == plan


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["data", "ifno"], "unknown command 'data ifno'. Did you mean 'data info'?"),
        (["data", "info", "jhmbd"], "unknown dataset 'jhmbd'. Did you mean 'jhmdb'?"),
        (["data", "verify", "jhmdb:x"], "unknown variant of dataset 'jhmdb': 'x'. There are none."),
        (["data", "verify", "jhmdb"], "dataset 'jhmdb' needs its files: pass --data DIR"),
        (
            ["data", "verify", "jhmdb", "--data", "/nowhere"],
            "dataset 'jhmdb': the folder /nowhere does not exist",
        ),
        (["data", "verify", "folder"], "dataset 'folder' needs a folder of clips: "),
        (["data", "verify", "folder:/nowhere"], "dataset 'folder:/nowhere': the folder /nowhere does not exist; "),
        (["data", "verify", "puppets", "--protocol", "fxed"], "unknown protocol of dataset 'puppets': 'fxed'. "),
        (["data", "verify", "puppets", "--sampling", "4"], "sampling '4' is not valid; use KxT "),
        (["data", "prepare", "puppets", "--size", "big"], "--size big is not HxW in pixels, e.g. 96x128"),
        (["data", "prepare", "puppets", "--degradation", "avrage-6x8"], "unknown degradation 'avrage-6x8'. "),
        (["data", "prepare", "puppets", "--workers", "0"], "invalid value for '--workers': 0 is not in the range x>=1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(call: Call, argv: list[str], message: str) -> None:
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert err.startswith(f"elrbench: error: {message}") and err.count("\n") == 1


@pytest.mark.parametrize("name", ["info", "verify", "prepare"])
def test_help_begins_with_an_example_and_has_json(call: Call, name: str) -> None:
    code, out, _ = call("data", name, "--help")
    assert code == 0 and "--json" in out
    assert [line.split() for line in out.splitlines() if line.strip()][1][:3] == ["elrbench", "data", name]


def test_neither_info_nor_verify_imports_torch(root: Path) -> None:
    code = f"""
import sys
from benchmark_core import catalog
real = catalog.load_catalog
catalog.load_catalog = lambda extra=(), **_: real({BUILTINS!r}, entry_points=False)
from benchmark_core.cli import main
for argv in (["data", "info", "jhmdb"], ["data", "verify", {f"folder:{root}"!r}]):
    try:
        main(argv)
    except SystemExit as stopped:
        assert stopped.code in (0, None), stopped.code
print("torch" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "False"
