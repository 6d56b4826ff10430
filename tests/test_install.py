"""The wheel, installed outside the checkout with a third-party package. No package index is used."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
OFFLINE = ("--no-build-isolation", "--no-deps", "--no-index")


def run(*argv: object, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """In a folder of its own, without this process's PYTHONPATH."""
    unset = ("PYTHONPATH", "ELRBENCH_", "PIP_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(unset)}
    environment = {**kept, "HOME": str(cwd), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run([str(word) for word in argv], cwd=cwd, env=environment, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Of elrbench."""
    source = tmp_path_factory.mktemp("source")
    for top in ("benchmark_core", "elrbench", "plugins"):
        shutil.copytree(ROOT / top, source / top, ignore=NOT_SOURCE)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return build(source)


def build(source: Path) -> Path:
    """The wheel of a copy, so that nothing is left in the checkout and nothing stale is packed."""
    folder = source / "wheels"
    run(sys.executable, *PIP, "wheel", *OFFLINE, "--wheel-dir", folder, source, cwd=source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory) -> Path:
    """A virtual environment with the wheel and the example package; torch and the rest come from the running one."""
    folder = tmp_path_factory.mktemp("outside")
    run(sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    paths = sysconfig.get_paths(vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
    shared = [path for path in sys.path if path.endswith("site-packages")]  # of the running environment
    Path(paths["purelib"], "running.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    source = tmp_path_factory.mktemp("example")
    shutil.copytree(ROOT / "tests" / "example_plugin", source, ignore=NOT_SOURCE, dirs_exist_ok=True)
    for what in (wheel, build(source)):
        run(sys.executable, *PIP, "--python", python, "install", *OFFLINE, "--ignore-installed", what, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def elrbench(place: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda *argv, check=True: run(place / "venv" / "bin" / "elrbench", *argv, cwd=place, check=check)


def test_the_wheel_holds_every_file(wheel: Path):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    core = {
        path.relative_to(ROOT).as_posix()
        for top in ("benchmark_core", "elrbench")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files = (path for path in (ROOT / "plugins").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    plugins = {path.relative_to(ROOT / "plugins").as_posix() for path in files}
    assert packed == core | {f"elrbench_plugins/{name}" for name in plugins}


def test_the_wheel_holds_the_licence_and_names_the_project(wheel: Path):
    archive = zipfile.ZipFile(wheel)
    (licence,) = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    (metadata,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    header = metadata.partition("\n\n")[0]
    for line in ("License: Apache-2.0", "Author: The elrbench authors", "Requires-Python: >=3.11"):
        assert line in header
    assert "https://github.com/elrbench/elrbench" in header


def test_it_is_the_installed_one(place: Path):
    code = "import benchmark_core, elrbench_plugins; print(benchmark_core.__file__); print(elrbench_plugins.__file__)"
    done = run(place / "venv" / "bin" / "python", "-c", code, cwd=place)
    assert all(Path(line).is_relative_to(place / "venv") for line in done.stdout.splitlines())


def test_everything_is_listed(elrbench, catalog):
    rows = json.loads(elrbench("list", "--json").stdout)
    by_owner = {(row["kind"], row["name"]): row["distribution"] for row in rows}
    own = {name for name, distribution in by_owner.items() if distribution == "elrbench"}
    components = {(kind, name) for kind, section in catalog.sections.items() for name in section}
    folders = (path.parent.name for path in (ROOT / "plugins" / "commands").glob("*/__init__.py"))
    assert own == components | {("command", name.replace("_", "-")) for name in folders}
    assert by_owner["method", "soft-labels"] == by_owner["enhancer", "sharpen"] == "elrbench-example"


def test_the_example_passes_its_check(elrbench):
    report = json.loads(elrbench("check", "example", "--json").stdout)
    assert report["failed"] == 0
    assert {finding["outcome"] for finding in report["findings"]} == {"ok"}
    trained = [finding["component"] for finding in report["findings"] if finding["check"] == "trains in a smoke run"]
    assert trained == ["enhancer sharpen", "method soft-labels"]
    named = {finding["component"] for finding in report["findings"]}
    assert named == {"plugin example", "enhancer sharpen", "method soft-labels", "command cite"}
    again = elrbench("check", ROOT / "tests" / "example_plugin" / "elrbench_example.py", "--json")  # also installed
    assert json.loads(again.stdout)["failed"] == 0


def test_the_example_adds_a_command(elrbench, catalog):
    assert "cite" in elrbench("--help").stdout
    assert elrbench("cite", "--help").stdout.splitlines()[0].startswith("Usage: elrbench cite")
    done = elrbench("cite", "cstat", "soft-labels")
    assert done.stdout.splitlines()[0] == f"method cstat: {catalog.methods['cstat'].citation}"
    assert "Hinton" in done.stdout.splitlines()[1]
    failed = elrbench("cite", "cstatt", check=False)
    assert failed.returncode == 2 and failed.stderr.startswith("elrbench: error: ") and "cstatt" in failed.stderr


def test_a_blocked_plugin_is_left_out(place: Path):
    code = "import os; os.environ['ELRBENCH_BLOCK'] = 'example'; from benchmark_core.cli import main; main(['list'])"
    done = run(place / "venv" / "bin" / "python", "-c", code, cwd=place)
    assert "soft-labels" not in done.stdout and "cstat" in done.stdout


def test_the_demos_run(elrbench, place: Path):
    flags = ("--dataset", "puppets", "--budget", "smoke", "--cache", "cache", "--json")
    own = json.loads(elrbench("run", "--method", "supervised", *flags).stdout)
    few = ("--set", "dataset.train=12", "--set", "dataset.test=12")
    theirs = json.loads(elrbench("run", "--method", "soft-labels", "--enhancer", "sharpen", *few, *flags).stdout)
    assert own["record"]["plugins"]["method"]["distribution"] == "elrbench"
    assert theirs["record"]["plugins"]["method"] == {
        "name": "soft-labels", "plugin": "example", "distribution": "elrbench-example", "version": "0.1.0"
    }  # fmt: skip
    assert own["record"]["scores"]["top1"]["n"] == 48 and theirs["record"]["scores"]["top1"]["n"] == 12
    for told in (own, theirs):
        assert (place / told["folder"] / "recognizer.safetensors").is_file()
        assert 0 <= told["record"]["scores"]["top1"]["value"] <= 1


def test_a_run_from_python(place: Path):
    code = (
        "import elrbench\n"
        "few = {'dataset.train': 12, 'dataset.test': 12}\n"
        "result = elrbench.run(method='supervised', dataset='puppets', budget='smoke', cache='cache', settings=few)\n"
        "print(result.record['scores']['top1']['n'], elrbench.load_run(result.folder).low_size)"
    )
    done = run(place / "venv" / "bin" / "python", "-c", code, cwd=place)
    assert done.stdout == "12 (12, 16)\n"


def test_make_demo_ends_with_its_places(place: Path, tmp_path: Path):
    """On fewer clips and a smaller budget; make does not build `.venv`."""
    board, binaries = tmp_path / "leaderboards", place / "venv" / "bin"
    few = "--set dataset.train=12 --set dataset.test=12 --budget smoke"
    run_few = f"{binaries}/elrbench run --dataset puppets {few} --cache {place}/cache --publish --folder {board}"
    variables = (f"BIN={binaries}", f"DEMO={tmp_path}", f"RUN={run_few}")
    done = run(
        "make", "--no-print-directory", "-o", ".venv/installed", "demo", *variables, cwd=Path(__file__).parents[1]
    )
    assert "A guess is right in 8.3 % of the clips" in done.stdout
    (table,) = (board / "tables").glob("puppets*/subjects/*.md")
    assert "| supervised" in table.read_text(encoding="utf-8")
    assert (tmp_path / "site" / "index.html").is_file()
    assert done.stdout.splitlines()[-1].endswith(f"{tmp_path}/site/index.html")
