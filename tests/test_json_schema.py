"""The published JSON Schemas accept what the code accepts: every published file, and mutated ones alike."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, validators

from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from benchmark_core.records.checksum import read_with_checksum, write_with_checksum
from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import cost_files, run_files
from benchmark_core.records.json_schema import cost_record_schema, run_record_schema
from benchmark_core.strict_yaml import read_yaml
from elrbench_plugins.commands.schema.command import SCHEMAS
from elrbench_plugins.commands.suite.json_schema import suite_schema
from elrbench_plugins.commands.suite.suite import read_suite

ROOT = Path(__file__).parents[1]
BOARD = ROOT / "leaderboards"
SUITES = sorted([*(BOARD / "suites").glob("*.yaml"), *(ROOT / "plugins" / "reported" / "suites").glob("*.yaml")])
RECORDS: dict[str, tuple[Any, dict[str, Any], list[Path]]] = {  # kind -> its type, its schema, published files
    "run": (RunRecord, run_record_schema(), run_files(BOARD)),
    "cost": (CostRecord, cost_record_schema(), cost_files(BOARD)),
}
# JSON Schema takes 1.0 for an integer, and elrbench does not.
strict = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)
VALUES = (
    None, True, False, -1, 0, 1, 3, 2.5, -0.5, 1.0, 2**65, 1e31, "x", "7", "none", "multi-label", [], ["x"], [1, 2],
    [1, 2, 3], [None], {}, {"x": 1}, {"x": "y"}, {"x": None},
)  # fmt: skip


def mutant(original: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy with one change anywhere: a key or an item removed, added or given another value."""
    changed = copy.deepcopy(original)
    inner: Any = changed
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = chance.choice(keys) if keys else None
        if key is not None and isinstance(inner[key], (dict, list)) and chance.random() < 0.7:
            inner = inner[key]
            continue
        deed = chance.choice(("remove", "replace", "replace", "replace", "add"))
        if deed == "add" or key is None:
            value = copy.deepcopy(chance.choice(VALUES))
            if isinstance(inner, dict):
                inner["unknown"] = value
            else:
                inner.append(value)
        elif deed == "remove":
            del inner[key]
        else:
            inner[key] = copy.deepcopy(chance.choice(VALUES))
        return changed


def agree(
    schema: dict[str, Any],
    originals: list[dict[str, Any]],
    accepts: Callable[[dict[str, Any]], bool],
    count: int,
    seed: int,
) -> None:
    """Compare both checks on `count` mutants, of which each check must accept some and refuse some."""
    validator, chance, accepted = strict(schema), random.Random(seed), 0
    for number in range(count):
        made = mutant(originals[number % len(originals)], chance)
        expected = accepts(made)  # first: it seals a record again
        faults = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(made)]
        assert expected == (not faults), f"mutant {number}: {faults or json.dumps(made)[:3000]}"
        accepted += expected
    assert count / 10 < accepted < count * 9 / 10


@pytest.mark.parametrize("kind", RECORDS)
def test_the_schema_and_the_code_agree_on_mutated_records(kind: str, tmp_path: Path) -> None:
    hint, schema, files = RECORDS[kind]
    originals = [json.loads(path.read_text(encoding="utf-8")) for path in files]

    def accepts(record: dict[str, Any]) -> bool:
        path = write_with_checksum(tmp_path / "mutant.json", record)
        record |= {"seal": json.loads(path.read_text(encoding="utf-8"))["seal"]}
        try:
            read_with_checksum(path, kind, hint)
        except ElrError:
            return False
        return True

    agree(schema, originals, accepts, 700 if kind == "run" else 300, seed=1)


def suite_accepted(plain: dict[str, Any]) -> bool:
    name = plain.get("suite", "mine")
    try:
        read_suite(plain, "mine.yaml", name if isinstance(name, str) else "mine")
    except ElrError:
        return False
    return True


def test_the_schema_and_the_code_agree_on_mutated_suites() -> None:
    agree(suite_schema(), [read_yaml(path) for path in SUITES], suite_accepted, 1000, seed=2)


ROW = {"row": "one", "method": "kd", "dataset": "puppets"}


@pytest.mark.parametrize(
    "plain",
    [
        {"rows": [ROW, ROW]},
        {"rows": [{"method": "k d", "dataset": "puppets"}]},
        {"common": {"dataset": "puppets"}, "matrix": {"method": "kd", "dataset": ["puppets", "jhmdb"]}},
        {"matrix": {"method": ["a b", "c"], "dataset": "puppets"}},
        {"matrix": {"method": "kd", "dataset": "puppets", "seed": list(range(5001))}},
    ],
    ids=["names repeat", "the default name", "common and matrix", "names made from values", "too many rows"],
)
def test_rules_between_fields_of_a_suite_are_left_to_the_code(plain: dict[str, Any]) -> None:
    assert strict(suite_schema()).is_valid(plain) and not suite_accepted(plain)


@pytest.mark.parametrize(
    "plain",
    [
        {"rows": [{"row": "one", "method": "kd"}]},
        {"rows": [{"row": "one", "figure": [], "run": "none"}]},
        {"rows": [ROW], "matrix": {"method": "kd", "dataset": "puppets"}},
        {"rows": [{**ROW, "teacher": "runs/x"}]},
        {"rows": [{**ROW, "seed": "seven"}]},
        {"rows": [ROW], "title": 2024},
        {"rows": [{**ROW, "classes": [["wave"]]}]},
        {"matrix": {"method": [], "dataset": "puppets"}},
        {"common": {"dataset": "puppets", "set": {"method.epochs": None}}, "matrix": {"method": "kd"}},
    ],
)
def test_what_is_wrong_in_a_suite_is_wrong_for_both(plain: dict[str, Any]) -> None:
    assert not strict(suite_schema()).is_valid(plain) and not suite_accepted(plain)


def test_an_integer_with_a_fraction_is_the_one_difference(tmp_path: Path) -> None:
    hint, schema, files = RECORDS["run"]
    record = json.loads(files[0].read_text(encoding="utf-8"))
    record["clips"]["train"] = float(record["clips"]["train"])
    assert Draft202012Validator(schema).is_valid(record) and not strict(schema).is_valid(record)
    with pytest.raises(ElrError, match="clips.train"):
        read_with_checksum(write_with_checksum(tmp_path / "float.json", record), "run", hint)


@pytest.mark.parametrize("kind", RECORDS)
def test_every_published_record_is_valid(kind: str) -> None:
    _, schema, files = RECORDS[kind]
    validator = Draft202012Validator(schema)
    assert len(files) > 100
    for path in files:
        validator.validate(json.loads(path.read_text(encoding="utf-8")))


def test_every_published_suite_is_valid() -> None:
    validator = Draft202012Validator(suite_schema())
    assert len(SUITES) > 30
    for path in SUITES:
        validator.validate(read_yaml(path))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_file_is_what_the_command_prints(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["schema", name])
    printed = capsys.readouterr().out
    assert not left.value.code
    Draft202012Validator.check_schema(json.loads(printed))
    path = ROOT / "docs" / "schema" / f"{name}.json"
    assert printed == path.read_text(encoding="utf-8"), f"run: elrbench schema {name} > {path}"


def test_fields_are_described() -> None:
    fields = run_record_schema()["properties"]
    assert fields["hits"]["description"] == "packed bits, clips sorted by id; null for multi-label."
    assert fields["schema"] == {"type": "integer", "const": 1, "description": "version of this schema"}
    plan = run_record_schema()["$defs"]["PlanFields"]["properties"]
    assert plan["teacher_size"]["description"].startswith("of the teacher's network")
    assert (plan["size"]["minItems"], plan["size"]["maxItems"]) == (2, 2)
    assert suite_schema()["properties"]["common"]["properties"]["backbone"]["description"]
