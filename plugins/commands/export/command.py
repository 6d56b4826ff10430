"""The command `elrbench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import bad_clips_flag, cache_flag, data_flag, json_flag, plugin_flag
from benchmark_core.errors import ElrError
from benchmark_core.runs.request import cache_folder

PATH = click.Path(path_type=Path)
NAME = "recognizer.onnx"
CLIPS = 100  # for calibration


@click.command("export")
@click.argument("run", metavar="RUN")
@click.option("--onnx", type=PATH, metavar="FILE", help=f"File to write. Default: {NAME} in the run folder.")
@click.option("--pt2", is_flag=True, help="Also write FILE.pt2, the graph for torch (torch.export).")
@click.option("--int8", is_flag=True, help="Also write FILE.int8.onnx, with weights and activations of 8 bits.")
@click.option(
    "--calibration",
    type=click.IntRange(1),
    default=CLIPS,
    show_default=True,
    metavar="N",
    help="Training clips that give the ranges of activations for --int8.",
)
@click.option("--check", is_flag=True, help="Exit with code 1 if a file does not give the predictions of the run.")
@data_flag
@bad_clips_flag
@cache_flag
@plugin_flag
@json_flag
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: str,
    onnx: Path | None,
    pt2: bool,
    int8: bool,
    calibration: int,
    check: bool,
    data: Path | None,
    bad_clips: str,
    cache: Path | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """elrbench export 098902fa --int8 --check

    Write the recognizer of a finished run as an ONNX file, and score the file on the run's test clips. RUN is a run
    folder, or the first digits of the digest of a run in ./elrbench-runs.

    The file takes uint8 frames and returns probabilities; enhancer and normalisation are inside. Its metadata name the
    classes, and the number and size of frames. 'elrbench predict --model FILE' runs it without torch. Scores of run and
    file are printed, and kept in export.json next to the file. A run of two streams gives two files; average their
    probabilities.

    If the test clips are not here, the file is written and not scored, and the command says so.

    --int8 also writes a quantised file, a quarter to a half of the size. Its scores differ; the difference is printed
    with its 95 % interval. --int8 needs the run's training clips.

    Exit code: 1 with --check if a file gives a clip another class, or a probability that differs by more than 1e-4, or
    if there are no test clips. The limit is 1e-2 if clips are resized, or cropped before they are degraded: only the
    file gets whole grey levels. The int8 file is not checked.
    """
    from benchmark_core.atomic import check_cache, check_writable
    from benchmark_core.catalog import load_catalog
    from benchmark_core.provenance import refuse_absent
    from benchmark_core.records.record import find_record, read_record
    from benchmark_core.runs.folder import find_run
    from elrbench_plugins.commands.export.clips_at_hand import clips_at_hand

    folder = find_run(run)
    record = read_record(find_record(folder))
    path = onnx or folder / NAME
    if path.is_dir() or path.suffix != ".onnx":
        raise ElrError(f"--onnx {path} is not the name of an ONNX file; pass FILE.onnx")
    check_writable(path.parent, "--onnx")
    check_cache(cache_folder(cache))
    if not int8 and ctx.get_parameter_source("calibration") is ParameterSource.COMMANDLINE:
        raise ElrError(f"--calibration {calibration} has no effect without --int8; add --int8 or remove it")
    catalog = load_catalog(extra=plugins)
    refuse_absent(record["plugins"], catalog)
    clips = clips_at_hand(record, catalog, data)
    if int8 and clips.missing:
        raise ElrError(f"--int8 needs the run's clips to calibrate on, and they are not here: {clips.missing}")

    from benchmark_core.networks.onnx_file import check_export_extra
    from elrbench_plugins.commands.export.export import Asked, agrees, export_run
    from elrbench_plugins.commands.export.text import text

    check_export_extra()
    asked = Asked(
        onnx=path,
        calibration=calibration if int8 else 0,
        pt2=pt2,
        data=clips.data,
        missing=clips.missing,
        cache=cache_folder(cache),
        bad_clips=bad_clips,
        reporter=ConsoleReporter(),
    )
    done = export_run(folder, record, clips.catalog, asked)
    result: dict[str, Any] = done.to_json()
    if as_json:
        print_json({**result, "folder": str(path.parent)})
    else:
        click.echo(text(result, path.parent))
    ctx.exit(1 if check and not agrees(result) else 0)
