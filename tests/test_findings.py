"""What docs/findings.md says is what the records say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark_core.cli import main

ROOT = Path(__file__).parents[1]
SHOWN = re.findall(
    r"^elrbench (compare .*)\n(A − B .*)$", (ROOT / "docs" / "findings.md").read_text(encoding="utf-8"), re.M
)


@pytest.mark.parametrize(("command", "line"), SHOWN, ids=[command for command, _ in SHOWN])
def test_every_difference_is_what_the_records_make_of_it(
    command: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--folder", str(ROOT / "leaderboards")])
    assert not stopped.value.code
    assert line in capsys.readouterr().out.splitlines()


def test_they_are_there() -> None:
    assert len(SHOWN) >= 6
