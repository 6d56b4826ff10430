"""`elrbench verify [RECORD…]`: check records against their predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import board_flag, json_flag

if TYPE_CHECKING:
    from benchmark_core.records.verify import VerifiedRecord

PATH = click.Path(path_type=Path)


@click.command("verify")
@click.argument("records", nargs=-1, type=PATH, metavar="[RECORD]...")
@board_flag
@json_flag
@click.pass_context
def command(ctx: click.Context, records: tuple[Path, ...], folder: Path, as_json: bool) -> None:
    """elrbench verify leaderboards/records

    Verify records. Score each record's predictions again, and compare every score, interval, per-class score and
    per-clip result. Also check checksums, the digests of plans and predictions, and the location of each file. RECORD
    is a record file, or a folder of records or runs. Default: all published records.

    Exit code: 1 if a record fails, else 0.
    """
    from benchmark_core.records.verify import record_files, verify_record

    paths = list(record_files(records, folder))
    found = []
    with ConsoleReporter().steps("verify", len(paths), "records") as advance:
        for path in paths:
            found.append(verify_record(path, folder))
            advance()
    failed = [one for one in found if one.problems]
    if as_json:
        print_json({"records": len(found), "failed": len(failed), "results": [_result(one) for one in found]})
    else:
        click.echo(_text(found, len(failed)))
    ctx.exit(1 if failed else 0)


def _result(one: VerifiedRecord) -> dict[str, object]:
    return {
        "path": str(one.path),
        "digest": one.record["digest"] if one.record else None,
        "ok": not one.problems,
        "problems": list(one.problems),
        "notes": list(one.notes),
    }


def _text(found: list[VerifiedRecord], failed: int) -> str:
    lines = [f"{one.path}: {problem}" for one in found for problem in one.problems]
    lines += [f"{one.path}: note: {note}" for one in found for note in one.notes]
    count = f"{len(found) - failed} of {len(found)} records are valid"
    if not failed:
        count += ": checksums, digests, locations and all results match their predictions"
    return "\n".join([*lines, count])
