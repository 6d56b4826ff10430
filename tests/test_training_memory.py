"""The script that measures the peak memory of a run, on a very small run."""

from __future__ import annotations

import re

import pytest
from scripts import load_script

SMALL = ["--method", "supervised", "--backbone", "resnet18", "--size", "32x32", "--sampling", "1x1"]


def test_the_peak_of_a_run_and_a_run_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    memory = load_script("training_memory")
    assert memory.main(["--", *SMALL]) == 0
    (told,) = capfd.readouterr().out.splitlines()
    peak, name = re.fullmatch(r" *([\d.]+) GiB +\d+ s  (.*)", told).groups()  # type: ignore[union-attr]
    assert name == " ".join(SMALL) and 0.1 < float(peak) < 8  # torch alone is the least of it
    assert memory.main(["--", "--method", "supervized"]) == 2
    out, err = capfd.readouterr()
    assert out.split()[:2] == ["exit", "2"] and "Did you mean 'supervised'?" in err


def test_a_case_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    memory = load_script("training_memory")
    with pytest.raises(SystemExit):
        memory.main(["--only", "resnet1000"])
    assert "no case has 'resnet1000' in its name; cases: dvsr x8" in capsys.readouterr().err
