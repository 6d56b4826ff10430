"""The project's files agree on its version, licence, supported Pythons and checks."""

from __future__ import annotations

import configparser
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark_core.extras import how_to_install, install_command

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
TEXTS = {".cfg", ".cff", ".html", ".md", ".py", ".toml", ".txt", ".yaml", ".yml", ""}
LEFT_OUT = {".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "elrbench-runs", "records"}


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def matrix() -> list[str]:
    """The Pythons of the workflow, lowest first."""
    versions: list[str] = read_yaml(GITHUB / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    return versions


def test_the_citation_file_is_valid_and_of_this_version(setup_cfg: configparser.ConfigParser) -> None:
    citation = read_yaml(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what CFF 1.2.0 requires
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    metadata = setup_cfg["metadata"]
    assert citation["version"] == metadata["version"] and citation["title"] == metadata["name"]
    assert citation["license"] == metadata["license"] == "Apache-2.0"
    assert citation["repository-code"] == metadata["url"]
    assert citation["authors"] == [{"name": metadata["author"]}]


def test_the_licence_is_the_whole_apache_licence(setup_cfg: configparser.ConfigParser) -> None:
    assert setup_cfg["metadata"]["license_files"].split() == ["LICENSE"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    assert re.findall(r"^   (\d)\. ", text, flags=re.M) == list("123456789")


def test_the_same_pythons_are_required_listed_linted_for_and_tested(setup_cfg: configparser.ConfigParser) -> None:
    versions = matrix()
    assert versions == ["3.11", "3.12", "3.13"]
    assert setup_cfg["options"]["python_requires"] == f">={versions[0]}"
    assert setup_cfg["mypy"]["python_version"] == versions[0]
    listed = re.findall(r"Programming Language :: Python :: (3\.\d+)", setup_cfg["metadata"]["classifiers"])
    assert listed == versions
    ruff = tomllib.loads((ROOT / "ruff.toml").read_text(encoding="utf-8"))
    assert ruff["target-version"] == "py" + versions[0].replace(".", "")


def test_the_workflow_runs_the_checks_with_each_python() -> None:
    steps = read_yaml(GITHUB / "workflows" / "ci.yml")["jobs"]["test"]["steps"]
    (checks,) = [step for step in steps if ".ci/run" in step.get("run", "")]
    assert checks["env"]["PYTHON"] == "python${{ matrix.python }}"
    assert "PYTHON ?=" in (ROOT / "Makefile").read_text(encoding="utf-8")  # which takes it from the environment


def test_issue_forms_are_complete() -> None:
    forms = {path.stem: read_yaml(path) for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"}
    assert set(forms) == {"bug", "feature", "new_component"}
    for form in forms.values():
        assert {"name", "description", "body"} <= set(form)
        identifiers = [field["id"] for field in form["body"]]
        assert len(set(identifiers)) == len(identifiers) and all(field["attributes"]["label"] for field in form["body"])
    assert any("elrbench doctor" in field["attributes"]["label"] for field in forms["bug"]["body"])


def test_a_pull_request_with_a_record_is_verified() -> None:
    assert ".ci/run" in (GITHUB / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    record = (GITHUB / "PULL_REQUEST_TEMPLATE" / "add_record.md").read_text(encoding="utf-8")
    assert "`elrbench verify`" in record and "`elrbench leaderboard --check`" in record


def test_nothing_asks_an_index_for_elrbench() -> None:
    """It is on no index: a checkout, a wheel or a git address is installed."""
    asked = re.compile(r"pip install (?:-\S+ )*[\"'`]?elrbench(?![-\w])(?!\S* @ )")
    paths = [path for path in ROOT.rglob("*") if not LEFT_OUT & set(path.relative_to(ROOT).parts)]
    texts = [path for path in paths if path.suffix in TEXTS and path.is_file()]
    assert len(texts) > 300
    assert not [str(path) for path in texts if asked.search(path.read_text(encoding="utf-8", errors="replace"))]


def test_an_extra_is_installed_in_a_checkout_and_for_a_wheel() -> None:
    command = install_command("report")
    assert "pip install -e '.[report]' in a checkout" in command
    assert "pip install jinja2 'pillow>=10.1' scikit-learn" in command  # what setup.cfg lists under `report`
    assert install_command("absent") == "pip install -e '.[absent]' in a checkout"
    assert command in how_to_install("jinja2", "report") and "'report'" in how_to_install("jinja2", "report")
    assert how_to_install("cv2", "mine[video]").endswith("pip install 'mine[video]'")


def test_the_demo_says_what_it_does_first_and_where_its_pages_are_last() -> None:
    argv = ["make", "--dry-run", "--no-print-directory", "-o", ".venv/installed", "demo"]
    lines = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    first_run = next(number for number, line in enumerate(lines) if "elrbench run" in line)
    announced = " ".join(lines[:first_run])
    assert all(words in announced for words in ("480 clips", "12x16 pixels", "minutes"))
    formats, values = lines[-2:]
    assert formats.split("\\n")[-2].endswith("%s") and values.split("'")[-2] == "elrbench-runs/demo/site/index.html"
