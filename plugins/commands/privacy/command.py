"""The command `elrbench privacy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import (
    bad_clips_flag,
    board_flag,
    cache_flag,
    data_flag,
    device_flag,
    json_flag,
    plugin_flag,
    shared_clips_flag,
)
from benchmark_core.errors import ElrError

if TYPE_CHECKING:
    from elrbench_plugins.commands.privacy.findings import Findings
    from elrbench_plugins.commands.privacy.run_attacks import PlannedAttacks

OUT = Path("elrbench-runs")
_NAMES = "Repeatable, or with commas."


@click.command("privacy")
@click.option("--dataset", metavar="NAME", help="Dataset of actions: puppets. Its target puppets:identity is attacked.")
@click.option("--target", metavar="NAME", default="identity", show_default=True, help="What attackers predict.")
@click.option("--protocol", metavar="NAME", help="Protocol of the target. Default: the first.")
@click.option("--action-protocol", metavar="NAME", help="Protocol of the actions. Default: the first.")
@click.option("--degradation", multiple=True, metavar="NAME", help=f"Views to attack. {_NAMES} Default: the dataset's.")
@click.option("--sizes", metavar="HxW,HxW", help="Attack each degradation at these sizes of the low view: 6x8,12x16.")
@click.option("--enhancer", multiple=True, metavar="NAME", help=f"Enhancers in front of attackers. {_NAMES}")
@click.option(
    "--attacker",
    multiple=True,
    metavar="METHOD[/BACKBONE]",
    help=f"Attackers. {_NAMES} Default: supervised, probe, and teacher on high views.",
)
@click.option("--action/--no-action", default=True, help="Also train the same networks on actions. Default: yes.")
@click.option("--budget", metavar="NAME", help="paper, small or smoke. Default: paper.")
@click.option("--recipe", metavar="NAME", help="Named set of training options of all attackers: modern.")
@click.option("--modality", metavar="NAME", help="Input of all attackers: rgb+dev+flow-early. Default: rgb.")
@click.option("--sampling", metavar="KxT", help="Frames of a view: 4x5, clip-24. Default: the backbone's.")
@click.option("--size", metavar="HxW", help="Size of networks that do not work at the low size: 96x128.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set an option where it exists. Repeatable."
)
@click.option("--seeds", metavar="N,N,N", help="Seeds, one run each. Default: 0.")
@plugin_flag
@data_flag
@bad_clips_flag
@shared_clips_flag
@device_flag
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help=f"Parent of run folders. Default: {OUT}.")
@cache_flag
@click.option("--publish", is_flag=True, help="Copy records and predictions into the leaderboards folder.")
@click.option("--from-records", is_flag=True, help="Run nothing: read published records. Writes files only with --out.")
@board_flag
@click.option("--dry-run", is_flag=True, help="List the runs and their state, and exit.")
@json_flag
@click.pass_context
def command(
    ctx: click.Context, /, from_records: bool, out: Path | None, folder: Path, as_json: bool, **flags: Any
) -> None:
    """elrbench privacy --dataset puppets --sizes 6x8,12x16,24x32 --budget small

    Train attackers on low views to predict who is in them, or another target of the dataset. Print their scores next to
    a guess from the action alone, to the score of the same network on actions, and to cost; then verification (same
    person or not) and paired differences of views. Write a picture and a page into --out. See docs/privacy.md.

    Every attack is an ordinary run: finished runs, in --out or in the leaderboards folder, are not run again.

    Exit code: 1 if a run failed or could not be published, else 0.
    """
    if from_records:
        _refuse_flags(ctx)
        _show(_published(folder, flags), out, as_json)
        return
    if flags["dataset"] is None:
        raise ElrError("pass --dataset NAME, e.g. --dataset puppets, or --from-records")
    from elrbench_plugins.commands.privacy.run_attacks import plan_attacks, run_attacks
    from elrbench_plugins.commands.privacy.stored import Places, findings_of

    attacks = plan_attacks(flags, out or OUT, folder, ConsoleReporter())
    if flags["dry_run"]:
        _show_runs(attacks, as_json)
        return
    records, failed = run_attacks(attacks)
    places = Places(out or OUT, folder if folder.is_dir() else None)
    found = findings_of(records, places, target=flags["target"])
    if found or as_json:
        _show(found, out or OUT, as_json)
    for line in failed:
        click.echo(f"elrbench: failed: {line}", err=True)
    ctx.exit(1 if failed else 0)


def _published(folder: Path, flags: Mapping[str, Any]) -> list[Findings]:
    """Return the findings of published records."""
    from benchmark_core.tables.load import load_leaderboard
    from elrbench_plugins.commands.privacy.stored import Places, findings_of

    if not folder.is_dir():
        raise ElrError(f"the folder {folder} does not exist; pass --folder DIR or run in the checkout")
    loaded = load_leaderboard(folder, whole=True)
    for problem in loaded.problems:
        click.echo(f"elrbench: left out: {problem}", err=True)
    names = ("target", "dataset", "protocol", "action_protocol")
    found = findings_of(loaded.runs, Places(None, folder), **{name: flags[name] for name in names})
    if not found:
        of = f"{flags['dataset'] or 'DATASET'}:{flags['target']}" + (f"/{flags['protocol']}" * bool(flags["protocol"]))
        raise ElrError(f"{folder} has no record of an attack on {of}; run 'elrbench privacy … --publish' first")
    return found


def _show_runs(attacks: PlannedAttacks, as_json: bool) -> None:
    """Print the runs and their state."""
    from elrbench_plugins.commands.suite.run_text import runs_json, runs_text

    listing = (attacks.planned, attacks.runs, attacks.done)
    if as_json:
        print_json(runs_json(*listing))
    else:
        click.echo(runs_text(*listing))


def _show(found: Sequence[Findings], out: Path | None, as_json: bool) -> None:
    """Print the findings, and write a picture and a page of each into `out`."""
    from benchmark_core.names import file_name
    from elrbench_plugins.commands.privacy.payload import findings_json, findings_text

    shown = []
    for findings in found:
        stem = f"privacy-{file_name(f'{findings.track}-{findings.protocol}')}"
        shown.append((findings, {} if out is None else _write(findings, out, stem)))
    if as_json:
        print_json([findings_json(findings) | written for findings, written in shown])
        return
    files = ["\n".join(f"{kind}: {path}" for kind, path in written.items()) for _, written in shown]
    texts = [findings_text(findings) for findings, _ in shown]
    click.echo("\n\n".join(block for pair in zip(texts, files, strict=True) for block in pair if block))


def _write(findings: Findings, out: Path, stem: str) -> dict[str, str]:
    """Write pictures and page, and return their paths by kind."""
    from benchmark_core.atomic import write_whole
    from elrbench_plugins.commands.privacy.payload import findings_markdown
    from elrbench_plugins.commands.privacy.picture import privacy_picture
    from elrbench_plugins.commands.privacy.size_curves import curves_picture

    files = {"picture": (f"{stem}.svg", privacy_picture(findings))}
    files["curves"] = (f"{stem}-sizes.svg", curves_picture(findings))
    pictures = [name for name, content in files.values() if content is not None]
    files["page"] = (f"{stem}.md", findings_markdown(findings, pictures).encode())
    out.mkdir(parents=True, exist_ok=True)
    return {kind: str(write_whole(out / name, content)) for kind, (name, content) in files.items() if content}


def _refuse_flags(ctx: click.Context) -> None:
    """Raise ElrError if an option was given that changes runs."""
    allowed = {"from_records", "dataset", "target", "protocol", "action_protocol", "out", "folder", "as_json"}
    for option in ctx.command.params:
        source = ctx.get_parameter_source(option.name or "")
        if option.name not in allowed and source is click.core.ParameterSource.COMMANDLINE:
            raise ElrError(f"{option.opts[0]} has no effect with --from-records, which runs nothing; remove it")
