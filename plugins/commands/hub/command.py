"""The commands `elrbench hub push` and `pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark_core.cli.app import Group
from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import json_flag, plugin_flag

PATH = click.Path(path_type=Path)


@click.group("hub", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """elrbench hub push RUN hf://OWNER/NAME --license cc-by-nc-4.0

    Share a trained recognizer with a model card on Hugging Face, in an object store or in a folder, or fetch one that
    was shared. 'predict', 'watch' and 'export' take what is fetched like a run of your own.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command("push", short_help="Share a run or an exported file, with a model card.")
@click.argument("source", metavar="RUN|FILE.onnx")
@click.argument("target", metavar="TARGET")
@click.option("--license", "license_", metavar="NAME", help="Licence of the weights: apache-2.0, cc-by-nc-4.0, other.")
@click.option("--public", is_flag=True, help="Create a public repository. Default: private.")
@click.option("--message", metavar="TEXT", help="Commit message. Default: names the run.")
@click.option("--replace", is_flag=True, help="Replace another model at TARGET.")
@click.option("--dry-run", is_flag=True, help="Print the model card; upload nothing.")
@plugin_flag
@json_flag
def push(
    source: str,
    target: str,
    license_: str | None,
    public: bool,
    message: str | None,
    replace: bool,
    dry_run: bool,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """elrbench hub push runs/tiny hf://OWNER/NAME --license apache-2.0 --public

    Share the recognizer of a finished run, or a file that 'elrbench export' wrote. RUN is a run folder, or the first
    digits of the digest of a run in ./elrbench-runs. TARGET is hf://OWNER/NAME or hf://OWNER/NAME@BRANCH (Hugging
    Face), a folder, or a URL of fsspec, such as s3://bucket/folder.

    Weights, record and predictions of a run are shared, or FILE.onnx and export.json; and README.md, a model card with
    scores, intervals, data, cost and licences. --license is needed if the licence of the training data restricts what
    may be done with it.
    """
    from benchmark_core.catalog import load_catalog
    from benchmark_core.runs.folder import find_run
    from elrbench_plugins.commands.hub.licences import check_license
    from elrbench_plugins.commands.hub.model import model_of
    from elrbench_plugins.commands.hub.places import open_place
    from elrbench_plugins.commands.hub.push import push as share
    from elrbench_plugins.commands.hub.text import pushed_text
    from elrbench_plugins.storage.remote_folder import without_password

    path = Path(source)
    catalog = load_catalog(extra=plugins)
    model = model_of(path if path.suffix == ".onnx" else find_run(source), catalog)
    license_name = check_license(license_, model.facts.data)
    place = None if dry_run else open_place(target, upload=True, public=public, message=message)
    done = share(
        model,
        place,
        without_password(target),
        license=license_name,
        replace=replace,
        message=message,
        reporter=ConsoleReporter(),
    )
    if as_json:
        result: dict[str, Any] = done.to_json()
        print_json({**result, "card": done.card} if dry_run else result)
    else:
        click.echo(done.card if dry_run else pushed_text(done))


@command.command("pull", short_help="Fetch a shared recognizer, and check every file.")
@click.argument("source", metavar="SOURCE")
@click.option("--out", type=PATH, metavar="DIR", required=True, help="Folder to create.")
@json_flag
def pull(source: str, out: Path, as_json: bool) -> None:
    """elrbench hub pull hf://OWNER/NAME --out model

    Fetch what 'elrbench hub push' wrote into a new folder. SOURCE is hf://OWNER/NAME or hf://OWNER/NAME@REVISION (a
    branch, tag or commit), a folder, or a URL of fsspec.

    Size and digest of each file are checked. Other files, formats that can hold code, and names outside the folder are
    refused. The digests do not show who made a model: use sources that you trust.
    """
    from elrbench_plugins.commands.hub.places import open_place
    from elrbench_plugins.commands.hub.pull import pull as fetch
    from elrbench_plugins.commands.hub.text import pulled_text

    done = fetch(open_place(source, upload=False), out, ConsoleReporter())
    if as_json:
        print_json(done.to_json())
    else:
        click.echo(pulled_text(done))
