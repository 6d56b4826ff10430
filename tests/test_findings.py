"""What docs/findings.md and docs/privacy.md say is what the records say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark_core.cli import main
from elrbench_plugins.commands.privacy.command import command

ROOT = Path(__file__).parents[1]
SHOWN = re.findall(
    r"^elrbench ((?:compare|fuse) .*)\n((?:A − B|mean|scaled mean) .*)$",
    (ROOT / "docs" / "findings.md").read_text(encoding="utf-8"),
    re.M,
)


@pytest.mark.parametrize(("command", "line"), SHOWN, ids=[command for command, _ in SHOWN])
def test_every_difference_is_what_the_records_make_of_it(
    command: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--folder", str(ROOT / "leaderboards")])
    assert not stopped.value.code
    assert line in capsys.readouterr().out.splitlines()


def test_every_command_has_its_line() -> None:
    text = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert len(SHOWN) == len(re.findall(r"^elrbench (?:compare|fuse) ", text, re.M)) >= 6


# -- docs/privacy.md: a heading "### `TRACK`, PROTOCOL" and a table with the columns that `attack_cells` returns

SECTIONS = re.findall(
    r"^### `(\S+)`, (\S+)\n(.*?)(?=^#|\Z)", (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8"), re.M | re.S
)


def attack_cells(row: dict[str, Any]) -> dict[str, str]:
    area = (row["verification"] or {}).get("roc_area")
    scores = {row["metric"]: row["attack"], "ROC area": area, "action": row["action"]}
    shown = {name: "-" if score is None else f"{100 * score['value']:.1f}" for name, score in scores.items()}
    for name, score in scores.items():
        if score is not None and score["std"] is not None:
            shown[name] += f" ± {100 * score['std']:.1f}"
    seeds = {"seeds": str(len(row["runs"]["seeds"]))}
    return {"view": row["view"], "enhancer": row["enhancer"], "attacker": f"`{row['attacker']}`", **shown, **seeds}


@pytest.fixture(scope="module")
def attacks() -> dict[tuple[str, str], list[dict[str, str]]]:
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for target in ("identity", "verification", "gender", "skin-color", "face"):
        run = CliRunner().invoke(
            command, ["--from-records", "--target", target, "--folder", str(ROOT / "leaderboards"), "--json"]
        )
        if run.exit_code == 0:
            for each in json.loads(run.stdout):
                found[each["dataset"], each["protocol"]] = [attack_cells(row) for row in each["rows"]]
    return found


@pytest.mark.parametrize(
    ("track", "protocol", "body"), SECTIONS, ids=[f"{track} {name}" for track, name, _ in SECTIONS]
)
def test_every_row_on_privacy_is_a_published_attack(
    track: str, protocol: str, body: str, attacks: dict[tuple[str, str], list[dict[str, str]]]
) -> None:
    lines = [line for line in body.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    published = [[cells.get(name, "?") for name in header] for cells in attacks[track, protocol]]
    assert rows and [row for row in rows if row not in published] == [], published


def test_privacy_has_findings() -> None:
    assert len(SECTIONS) >= 2
