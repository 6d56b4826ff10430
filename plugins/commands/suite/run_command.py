"""The command `elrbench suite run`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import (
    bad_clips_flag,
    board_flag,
    cache_flag,
    check_board,
    device_flag,
    json_flag,
    shared_clips_flag,
    track_flag,
    validate_flag,
)
from benchmark_core.errors import ElrError
from elrbench_plugins.commands.suite.flags import out_flag, over_rows, planned_suite

if TYPE_CHECKING:
    from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
    from elrbench_plugins.commands.suite.results import ScoreLine

F = TypeVar("F", bound=Callable[..., Any])


def engine_flags(function: F) -> F:
    """Add the options that run plans as jobs: `--jobs`, `--on`, `--threads`, `--slurm`, `--ray`."""
    ray = "Set address, num_cpus, num_gpus or memory of Ray: address=auto. Repeatable."
    function = click.option("--ray", multiple=True, metavar="KEY=VALUE", help=ray)(function)
    slurm = "Set an option of sbatch: partition=gpu, account=x, time=8:00:00. Repeatable."
    function = click.option("--slurm", multiple=True, metavar="KEY=VALUE", help=slurm)(function)
    threads = "Threads of each job. Default: OMP_NUM_THREADS, else 1 on a CPU and 4 with a GPU."
    function = click.option("--threads", type=click.IntRange(min=1), metavar="N", help=threads)(function)
    on = "Where jobs run. Default: local, processes of this machine."
    function = click.option("--on", type=click.Choice(("local", "slurm", "ray")), help=on)(function)
    jobs = "Run plans as jobs, N at once. Default: one per GPU, or what --on allows."
    return click.option("--jobs", type=click.IntRange(min=1), metavar="N", help=jobs)(function)


@click.command("run", short_help="Run the rows of a suite and compare with printed figures.")
@click.argument("name", metavar="NAME|FILE")
@over_rows
@bad_clips_flag
@shared_clips_flag
@device_flag
@engine_flags
@out_flag
@cache_flag
@validate_flag
@track_flag
@click.option(
    "--publish", "publish_to", is_flag=True, help="Copy records and predictions into the leaderboards folder."
)
@board_flag
@click.option("--dry-run", is_flag=True, help="List the runs and their state, and exit.")
@json_flag
@click.pass_context
def run_command(
    ctx: click.Context,
    /,
    name: str,
    bad_clips: str,
    device: str | None,
    jobs: int | None,
    on: str | None,
    threads: int | None,
    slurm: tuple[str, ...],
    ray: tuple[str, ...],
    out: Path,
    cache: Path | None,
    publish_to: bool,
    folder: Path,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """elrbench suite run cstat-table4 --dataset jhmdb --budget small

    Run every row, one run per seed and fold, and print the paper's figures next to the measured ones.

    Finished runs, in --out or in the leaderboards folder, are not run again. If a row fails, the others still run.

    With --jobs or --on, each plan runs in a process of its own, several at once. Runs that share a stage wait until it
    is trained. Ctrl-C leaves jobs running: see 'elrbench suite status' and 'cancel'.

    Exit code: 1 if a run failed or could not be published, else 0.
    """
    engine = _engine(jobs, on, threads, device, slurm, ray)
    _, planned = planned_suite(name, flags)
    if publish_to:
        check_board(folder)

    from benchmark_core.plans.keep import check_validate
    from benchmark_core.runs.trackers import make_trackers
    from elrbench_plugins.commands.suite.plan_runner import PlanRunner, publish_earlier
    from elrbench_plugins.commands.suite.results import lines_of
    from elrbench_plugins.commands.suite.run_text import run_json, run_text, runs_json, runs_text
    from elrbench_plugins.commands.suite.suite_runs import RunOutcome, failed_runs, finished_runs, run_all, runs_of

    runs = runs_of(planned.rows)
    reporter = ConsoleReporter()
    runner = PlanRunner(planned, flags, bad_clips, device, cache, folder if publish_to else None, reporter)
    done, remarks = runner.on_these_clips(runs, finished_runs(runs, out, folder if folder.is_dir() else None))
    if dry_run:
        if as_json:
            print_json(runs_json(planned, runs, done))
        else:
            click.echo(runs_text(planned, runs, done))
        return
    if not runs:
        row = planned.rows[0]
        raise ElrError(f"suite '{planned.suite.name}' has nothing to run: {row.row.name}: {row.failed or row.left_out}")
    todo = any(one.plan.digest not in done for one in runs)
    if todo:  # one error now, not one for each run
        make_trackers(planned.catalog, flags["track"])
        for one in runs:
            check_validate(one.plan, flags["validate"] or 0)
    start = runner.start(runs, done) if todo and engine is None else None
    for remark in planned.remarks:
        reporter.warn(remark)
    outcome = RunOutcome(records=done, failures={})
    if start is not None:
        outcome = run_all(runs, done, out, start, reporter, remarks)
    elif todo and engine is not None:
        from elrbench_plugins.commands.suite.cluster.run_suite import run_as_jobs

        outcome = run_as_jobs(runner, runs, done, out, engine, flags["plugins"], reporter, remarks)
    earlier = done if engine is None else outcome.records  # jobs do not publish
    unpublished = publish_earlier(runs, earlier, out, folder, reporter) if publish_to else []
    lines = lines_of(planned.rows, outcome)
    plot = _plot(planned.suite.name, lines, out) if flags["sizes"] is not None else None
    if as_json:
        print_json(run_json(planned, lines) | ({"plot": str(plot)} if plot else {}))
    else:
        click.echo(run_text(planned, lines) + (f"\n\nplot: {plot}" if plot else ""))
    for line in (*failed_runs(runs, outcome.failures), *unpublished):
        click.echo(f"elrbench: failed: {line}", err=True)
    for row in planned.rows:
        if row.failed:
            click.echo(f"elrbench: failed: {row.row.name}: {row.failed}", err=True)
    ctx.exit(1 if outcome.failures or unpublished or any(row.failed for row in planned.rows) else 0)


def _plot(suite: str, lines: Sequence[ScoreLine], out: Path) -> Path | None:
    """Write the plot of scores over sizes next to the run folders; None if there is no score yet."""
    from benchmark_core.atomic import write_whole
    from elrbench_plugins.commands.suite.size_picture import size_picture, title_of

    content = size_picture(lines, title_of(lines, suite))
    if content is None:
        return None
    path = out / "suites" / f"{suite}-sizes.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return path


def _engine(
    jobs: int | None,
    on: str | None,
    threads: int | None,
    device: str | None,
    slurm: Sequence[str],
    ray: Sequence[str],
) -> EngineRequest | None:
    """Return what the options ask for; None if plans run in this process. ElrError if they do not go together."""
    for flag, given in (("--threads", threads), ("--slurm", slurm), ("--ray", ray)):
        if given and jobs is None and on is None:
            needed = "add --jobs N" if flag == "--threads" else f"add --on {flag.removeprefix('--')}"
            raise ElrError(f"{flag} has no effect without --jobs or --on; {needed}")
    if jobs is None and on is None:
        return None
    from elrbench_plugins.commands.suite.cluster.executor import EngineRequest, read_pairs

    named = os.environ.get("RAY_ADDRESS") if on == "ray" else None
    return EngineRequest(
        on=on or "local",
        jobs=jobs,
        threads=threads,
        device=device,
        slurm=read_pairs("slurm", slurm),
        ray={**({"address": named} if named else {}), **read_pairs("ray", ray)},
    )
