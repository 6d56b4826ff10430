"""The command `elrbench schema`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import json_flag
from benchmark_core.records.json_schema import cost_record_schema, run_record_schema
from elrbench_plugins.commands.suite.json_schema import suite_schema

SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "record": run_record_schema,
    "cost": cost_record_schema,
    "suite": suite_schema,
}


@click.command("schema")
@click.argument("name", type=click.Choice(tuple(SCHEMAS)), metavar="record|cost|suite")
@json_flag
def command(name: str, as_json: bool) -> None:
    """elrbench schema record

    Print the JSON Schema (draft 2020-12) of run records, of cost records, or of suites. The same files are in
    docs/schema. The output is JSON with or without --json.

    elrbench checks more than a schema can say: checksums, digests, and that the fields of a record agree. `elrbench
    verify` makes these checks.
    """
    print_json(SCHEMAS[name]())
