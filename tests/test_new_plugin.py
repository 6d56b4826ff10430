"""`elrbench new-plugin`: every kind is generated, linted, tested, installed, checked and used. Names that are taken."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark_core.cli import main
from elrbench_plugins.commands.new_plugin.kinds import KINDS
from elrbench_plugins.commands.new_plugin.names import LONGEST
from elrbench_plugins.commands.new_plugin.write import TEMPLATES

ROOT = Path(__file__).parents[1]
# Runs commands of elrbench in one process, which imports torch once: [argv, …] -> [[exit code, stdout, stderr], …].
SEVERAL = """
import contextlib, io, json, sys
from benchmark_core.cli import main
done = []
for argv in json.load(sys.stdin):
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(argv)
        except SystemExit as left:
            code = left.code or 0
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


def call(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in argv])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def run(*argv: object, cwd: Path, path: Path | None = None, stdin: str | None = None) -> str:
    """Return the output of a command that ends well, in `cwd`, with PYTHONPATH `path`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ELRBENCH_", "PIP_", "PYTHONPATH"))}
    kept |= {"PIP_CONFIG_FILE": os.devnull, "HOME": str(cwd), **({} if path is None else {"PYTHONPATH": str(path)})}
    argv = tuple(str(word) for word in argv)
    done = subprocess.run(argv, cwd=cwd, env=kept, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def generate(folder: Path, kind: str, name: str) -> Path:
    with pytest.raises(SystemExit) as left:
        main(["new-plugin", name, "--kind", kind, "--out", str(folder)])
    assert not left.value.code
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A generated package of each kind, named my-KIND."""
    top = tmp_path_factory.mktemp("packages")
    return {kind: generate(top / kind, kind, f"my-{kind}") for kind in KINDS}


def test_the_kinds_are_the_components_and_commands():
    assert list(KINDS) == ["method", "backbone", "enhancer", "degradation", "dataset", "command"]


@pytest.mark.parametrize("name", ["x", "y" * LONGEST, f"2{'-n' * (LONGEST // 2 - 1)}"], ids=["short", "long", "dashes"])
def test_ruff_finds_nothing_whatever_the_name(tmp_path: Path, name: str):
    for kind in KINDS:
        generate(tmp_path / kind, kind, name)
    for words in (["check"], ["format", "--check"]):
        run(sys.executable, "-m", "ruff", *words, "--no-cache", ".", cwd=tmp_path)
    assert len(list(tmp_path.rglob("*.py"))) == 2 * len(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(packages: dict[str, Path], kind: str):
    out = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", cwd=packages[kind])
    passed = re.findall(r"^PASSED .*?::(\S+(?: \S+\])?)", out, flags=re.M)
    component = f"{kind} {KINDS[kind].component(f'my-{kind}')}"
    assert {f"test_conformance[plugin elrbench_my_{kind}]", f"test_conformance[{component}]"} <= set(passed)
    assert len(passed) >= 4 and "SKIPPED" not in out


def page_blocks(language: str) -> list[str]:
    """The blocks of the page on plugins in a language."""
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)


@pytest.mark.slow
def test_the_page_on_plugins_shows_tests_that_pass(packages: dict[str, Path], tmp_path: Path):
    (tests,) = [block for block in page_blocks("python") if "elrbench_conformance" in block]
    folder = packages["method"]
    (tmp_path / "test_page.py").write_text(tests, encoding="utf-8")
    words = ("-p", "no:cacheprovider", "-c", folder / "pyproject.toml", "--rootdir", folder)
    out = run(sys.executable, "-m", "pytest", *words, tmp_path / "test_page.py", cwd=folder)
    assert "4 passed" in out
    (workflow,) = page_blocks("yaml")
    written = (folder / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    commands = re.findall("run: (.*)", written)
    assert set(re.findall("run: (.*)", workflow)) <= set(commands)
    settings = next(block for block in page_blocks("toml") if "elrbench_plugins" in block)
    project = (folder / "pyproject.toml").read_text(encoding="utf-8")
    assert all(line in project for line in settings.splitlines())


# -- installed


@pytest.fixture(scope="module")
def site(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where pip installed all packages, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "install", *options, "--target", folder, *packages.values(), cwd=folder)
    return folder


def several(site: Path, commands: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    out = run(sys.executable, "-c", SEVERAL, cwd=site, path=site, stdin=json.dumps(commands))
    return [(code, out, err) for code, out, err in json.loads(out.splitlines()[-1])]


@pytest.mark.slow
def test_installed_packages_pass_elrbench_check(site: Path):
    commands = [["check", f"my-{kind}", "--json"] for kind in KINDS]
    for kind, (code, out, err) in zip(KINDS, several(site, commands), strict=True):
        assert code == 0, out + err
        report = json.loads(out)
        assert report["plugin"] == f"my-{kind}" and report["failed"] == 0
        outcomes = {finding["outcome"] for finding in report["findings"]}
        assert outcomes == ({"ok", "skipped"} if kind == "dataset" else {"ok"})  # its files are not here


@pytest.mark.slow
def test_installed_components_are_listed_and_can_be_used(site: Path):
    examples = {kind: KINDS[kind].example(f"my-{kind}").split()[1:] for kind in KINDS}
    runs = [[*words, "--dry-run", "--json"] for words in examples.values() if words[0] == "run"]
    assert len(runs) == 4
    commands = [["list", "--json"], ["my-command", "--help"], ["data", "info", "my-dataset"], *runs]
    listed, helped, described, *planned = several(site, commands)
    rows = {(row["kind"], row["name"]): row["distribution"] for row in json.loads(listed[1])}
    for kind in KINDS:
        component = (kind, KINDS[kind].component(f"my-{kind}"))
        assert rows[component] == f"elrbench-my-{kind}"
    assert helped[0] == 0 and "elrbench my-command RUN" in helped[1]
    assert described[0] == 0 and "lists/train1.txt" in described[1]
    for code, out, err in planned:
        assert code == 0 and json.loads(out)["plan"], err


@pytest.mark.slow
def test_the_name_of_an_installed_plugin_is_taken(site: Path):
    commands = [["new-plugin", "my-method", "--kind", kind] for kind in ("method", "backbone")]
    for code, _, err in several(site, commands):
        assert code == 2 and "elrbench-my-method 0.1.0" in err and err.count("\n") == 1
    assert not (site / "elrbench-my-method").exists()


# -- what is written


def test_it_says_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "new-plugin", "grey-levels", "--kind", "degradation", "--json")
    folder = tmp_path / "elrbench-grey-levels"
    report = json.loads(out)
    assert code == 0
    assert (report["folder"], report["component"]) == ("elrbench-grey-levels", "grey-levels-HxW")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == set(report["files"]) == {
        ".github/workflows/ci.yml", ".gitignore", "README.md", "elrbench_grey_levels.py", "pyproject.toml",
        "tests/test_elrbench_grey_levels.py",
    }  # fmt: skip
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "degradation `grey-levels-HxW`" in readme and "--degradation grey-levels-12x16" in readme
    code, out, _ = call(capsys, "new-plugin", "mine")
    assert code == 0 and "method 'mine'" in out and "cd elrbench-mine" in out


def test_no_word_of_a_template_is_left(packages: dict[str, Path]):
    for folder in packages.values():
        for path in (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            assert not re.search("component.name|COMPONENT", path.read_text(encoding="utf-8")), path
    assert {path.name for path in TEMPLATES.iterdir()} >= {f"{kind}.py.txt" for kind in KINDS}


def test_its_files_agree_with_elrbench(packages: dict[str, Path]):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    for kind, folder in packages.items():
        project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        assert project["project"]["requires-python"] == setup["options"]["python_requires"]
        assert project["project"]["entry-points"]["elrbench"] == {f"my-{kind}": f"elrbench_my_{kind}"}
        workflow = yaml.safe_load((folder / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
        commands = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
        assert f'pip install "elrbench @ git+{setup["metadata"]["url"]}"' in commands
        assert commands[-4:] == ["ruff check .", "ruff format --check .", f"elrbench check my-{kind}", "pytest"]
        assert set(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) <= {"3.11", "3.12", "3.13"}
        assert setup["metadata"]["url"] in (folder / "README.md").read_text(encoding="utf-8")


# -- bad input


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["stat"], "method 'stat' exists: plugin 'stat' (elrbench"),
        (["resnet18", "--kind", "backbone"], "backbone 'resnet18' exists: plugin 'resnet' (elrbench"),
        (["average", "--kind", "degradation"], "degradation 'average-HxW' exists: plugin 'degradations'"),
        (["resnet"], "plugin 'resnet' is installed (elrbench"),
        (["doctor", "--kind", "command"], "command 'doctor' exists: plugin 'doctor'"),
        (["run", "--kind", "command"], "'run' is a core command"),
        (["plugins"], "the module elrbench_plugins exists"),
        (["elrbench-mine"], "leave out 'elrbench-': elrbench new-plugin mine"),
        (["My Method"], "'My Method' cannot name a plugin and its module"),
        (["my_method"], "'my_method' cannot name a plugin and its module"),
        (["my--method"], "cannot name a plugin"),
        (["method-"], "cannot name a plugin"),
        (["../up"], "cannot name a plugin"),
        (["méthode"], "cannot name a plugin"),
        (["x" * (LONGEST + 1)], f"{LONGEST} characters at most"),
        (["mine", "--kind", "loss"], "'loss' is not one of"),
    ],
    ids=lambda value: value[0][:12] if isinstance(value, list) else "",
)
def test_a_name_that_cannot_be_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "new-plugin", *words)
    assert code == 2 and not out
    assert err.startswith("elrbench: error: ") and expected in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("is_file", [False, True], ids=["folder", "file"])
def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], is_file: bool):
    target = tmp_path / "mine"
    target.write_text("own") if is_file else target.mkdir()
    code, _, err = call(capsys, "new-plugin", "mine", "--out", target)
    assert code == 2 and f"{target} exists" in err and "--out" in err and err.count("\n") == 1
    assert target.read_text() == "own" if is_file else not list(target.iterdir())


def test_a_package_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write = Path.write_text

    def full(self: Path, *words: Any, **more: Any) -> int:
        if self.name == "README.md":
            raise OSError(28, "No space left on device", str(self))
        return write(self, *words, **more)

    monkeypatch.setattr(Path, "write_text", full)
    code, _, err = call(capsys, "new-plugin", "mine", "--out", tmp_path / "mine")
    assert code == 1 and "No space left" in err and not list(tmp_path.iterdir())
