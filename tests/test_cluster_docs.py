"""The commands of docs/clusters.md run: on few clips, with a Slurm and an ssh of the tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import fake_slurm
import pytest
from cluster_suites import environment, records, states, until

from elrbench_plugins.commands.suite.cluster.job import JobFolder
from elrbench_plugins.commands.suite.cluster.state import Phase
from elrbench_plugins.commands.suite.cluster.worker_check import versions

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[1] / "docs" / "clusters.md").read_text(encoding="utf-8")
SECTIONS = {title: text for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.M | re.S)}
FEW = "--only teacher-resnet34,student-resnet34 --backbone resnet18 --size 24x32"
FEW += " --set dataset.train=12 --set dataset.test=12 --set method.epochs=1"


def block(title: str, number: int = 0) -> str:
    """A block of shell lines of a section, on few clips and two of the rows."""
    text = re.findall(r"^```\n(.*?)^```$", SECTIONS[title], flags=re.M | re.S)[number]
    return re.sub(r"(suite (?:run|missing) cstat-table4 --dataset puppets --budget smoke)", rf"\1 {FEW}", text)


@pytest.fixture
def shell(place: Path):
    """`shell(text)` runs lines with bash in a folder, with `elrbench`, `ssh` and a Slurm on the PATH."""
    programs = place / "bin"
    programs.mkdir()
    (programs / "elrbench").write_text(f'#!/bin/bash\nexec "{sys.executable}" -m elrbench "$@"\n')
    (programs / "ssh").write_text(f'#!/bin/bash\nshift\ncd "{place}"\nexec bash -c "${{*:-bash}}"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    path = os.pathsep.join([str(programs), str(fake_slurm.install(place / "slurm")), os.environ["PATH"]])

    def run(text: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", text], cwd=place, env=environment(place, PATH=path), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_jobs_on_one_machine(shell, place: Path):
    out = shell(block("Jobs on one machine"))
    assert "cstat-table4 on local: 2 done" in out and out.endswith("0 jobs cancelled\n")
    assert len(records(place)) == 2


def test_slurm(shell, place: Path):
    pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")
    shell(block("Slurm"))
    assert [one["account"] for one in fake_slurm.submitted(place / "slurm").values()] == ["x", "x"]
    assert len(records(place)) == 2


def test_ray(shell, place: Path):
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    shell(block("Ray"))
    assert len(records(place)) == 2
    words = block("Ray", 1).splitlines()[-1].split("#")[0]
    assert words.startswith("elrbench suite run") and words.strip().endswith("--on ray --ray address=auto")


def test_plain_ssh_shares_the_runs_out(shell, place: Path):
    """Both commands run here; each run is started by one of them, and both print the whole table."""
    text = block("Plain ssh").replace("cd /shared/work && ", "")
    out = shell(text)
    assert len(records(place)) == 2 and out.count("student-resnet34") == 2
    assert [state["attempt"] for state in states(place)] == [1, 1]
    until(lambda: all(state["phase"] == "done" for state in states(place)))


def test_plain_ssh_divides_the_missing_runs(shell, place: Path):
    out = shell(block("Plain ssh", 1))
    assert "6 of 6 runs" not in out and "2 of 2 runs have no published record" in out
    lines = (place / "queue.txt").read_text().splitlines()
    assert len(lines) == 2 and (place / "part.aa").read_text() == f"{lines[0]}\n"
    assert len(records(place)) == 1


def test_what_the_page_lists_is_complete():
    """States, files of a job, and packages whose versions must agree."""
    phases = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", PAGE, flags=re.M))))
    assert phases == set(Phase.__args__)
    for file in ("job", "state", "output"):
        path = getattr(JobFolder(Path()), file)
        assert f"`{path}`" in PAGE
    assert all(name in SECTIONS["What every engine needs"] for name in versions() if name != "python")
