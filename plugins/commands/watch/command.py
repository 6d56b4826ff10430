"""`elrbench watch SOURCE`: the command, and what it prints."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.flags import device_flag, plugin_flag
from benchmark_core.errors import ElrError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elrbench_plugins.commands.watch.pace import Pace
    from elrbench_plugins.commands.watch.watcher import Event

SHOWN = 3  # classes of a printed line


@click.command("watch")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--model",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.onnx|RUN",
    help="File of 'elrbench export', a run folder, or the first digits of a run's digest.",
)
@click.option(
    "--degrade", metavar="HxW", help="Crop larger frames to the aspect of the model's low size, and average them to it."
)
@click.option(
    "--window",
    "length",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Frames of a window. Default: as many as the model's sampling takes without gaps.",
)
@click.option("--every", type=click.IntRange(1), metavar="N", help="Predict every N frames. Default: window / 4.")
@click.option(
    "--smooth", type=click.FloatRange(0, 0.999), default=0.5, show_default=True, help="Weight of earlier windows."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Print a label only at this probability or above. Default: 0, or 0.5 if a clip may have several classes.",
)
@click.option("--changes", is_flag=True, help="Print a line only when the label changes.")
@click.option("--raw", metavar="HxWxC", help="Frames on stdin are bytes: H rows, W columns, C = 1 or 3 channels.")
@click.option("--thermal", metavar="HxW", help="The source is lines of numbers, H*W at the end of each line: a CSV.")
@click.option("--coldest", type=float, metavar="T", help="Value of grey level 0, for --thermal and NPY.")
@click.option("--hottest", type=float, metavar="T", help="Value of grey level 255, for --thermal and NPY.")
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 10_000),
    metavar="HZ",
    help="Frames per second of stdin, --thermal and NPY: only for the times that are printed. Default: 30.",
)
@click.option("--frames", "limit", type=click.IntRange(1), metavar="N", help="Stop after N frames.")
@device_flag
@plugin_flag
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def command(
    source: str,
    path: Path,
    degrade: str | None,
    length: int | None,
    every: int | None,
    smooth: float,
    threshold: float | None,
    changes: bool,
    raw: str | None,
    thermal: str | None,
    coldest: float | None,
    hottest: float | None,
    rate: float | None,
    limit: int | None,
    device: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """elrbench watch /dev/video0 --model recognizer.onnx --degrade 12x16

    Classify a stream with a sliding window. Print time, label and probabilities of each window, and at the end frames
    per second and delay. SOURCE is a video file, a V4L2 camera (/dev/video0), a URL (rtsp, tcp, udp, http), an NPY
    file, a CSV of a thermal array (--thermal), or - for frames on stdin (--raw or --thermal).

    A file is read as fast as it can be predicted. A camera or stream is followed: if the recognizer is too slow,
    windows are missed, and counted. Ctrl-C ends with the summary.
    """
    from benchmark_core.plans.plan import read_size
    from elrbench_plugins.commands.watch.decisions import Decisions
    from elrbench_plugins.commands.watch.model import open_model
    from elrbench_plugins.commands.watch.open_source import open_source
    from elrbench_plugins.commands.watch.shrink import Shrink
    from elrbench_plugins.commands.watch.start import start_line
    from elrbench_plugins.commands.watch.watcher import Watcher
    from elrbench_plugins.commands.watch.window import Window, natural_length

    frames = open_source(source, raw=raw, thermal=thermal, coldest=coldest, hottest=hottest, rate=rate)
    model = open_model(path, device=device, plugins=plugins)
    size = read_size("--degrade", degrade, example="12x16") if degrade else None
    if model.low is None and size is None:
        raise ElrError(f"{path} takes frames of any size; pass --degrade HxW with the size of its training clips")
    low = model.low or size
    assert low is not None
    if size not in (None, low):
        raise ElrError(f"--degrade {degrade}: the model takes {low[0]}x{low[1]}; pass --degrade {low[0]}x{low[1]}")
    length = length or natural_length(model.sampling)
    step = every or max(1, length // 4)
    if threshold is None:
        threshold = 0.5 if model.multi_label else 0.0
    window = Window(length, model.sampling, model.at_once)
    shrink = Shrink(low, degrade=size is not None)

    def begin() -> None:
        line = start_line(model, length=window.length, every=step, rate=frames.rate, degrade=shrink.degrade)
        click.echo(line, err=True)

    watcher = Watcher(
        source=frames,
        model=model,
        window=window,
        shrink=shrink,
        decisions=Decisions(model.classes, model.multi_label, smooth, threshold),
        every=step,
        limit=limit,
        begin=begin,
    )
    failure: ElrError | None = None
    with _until_interrupted():
        try:
            _print(watcher.events(), model.classes, changes=changes, as_json=as_json)
        except ElrError as error:
            failure = error
    if watcher.pace.frames or failure is None:
        _print_summary(watcher.pace, frames.damaged, as_json=as_json)
    if failure is not None:
        raise failure


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """End the block at Ctrl-C or SIGTERM without an error."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _print(events: Iterator[Event], classes: Sequence[str], *, changes: bool, as_json: bool) -> None:
    last: set[str] | None = None  # several labels are listed by probability, and their order alone is no change
    for event in events:
        if changes and set(event.labels) == last:
            continue
        last = set(event.labels)
        click.echo(json.dumps(_payload(event, classes)) if as_json else _line(event, classes))
        sys.stdout.flush()


def _line(event: Event, classes: Sequence[str]) -> str:
    """Return `12.43 s  walk  walk 0.83  sit 0.10  fall 0.02`; the label is `-` below the threshold."""
    best = sorted(range(len(classes)), key=lambda index: -event.probabilities[index])[:SHOWN]
    scores = "  ".join(f"{classes[index]} {event.probabilities[index]:.2f}" for index in best)
    return f"{event.seconds:8.2f} s  {', '.join(event.labels) or '-'}  [{scores}]"


def _payload(event: Event, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "frame": event.frame,
        "seconds": round(event.seconds, 4),
        "labels": list(event.labels),
        "probabilities": {name: round(float(p), 6) for name, p in zip(classes, event.probabilities, strict=True)},
        "delay_ms": round(event.delay * 1000, 3),
    }


def _print_summary(pace: Pace, damaged: int, *, as_json: bool) -> None:
    """Print counts, frames per second and delay: the last JSON line, or a line on stderr."""
    if as_json:
        summary = {
            "frames": pace.frames,
            "predictions": pace.predictions,
            "missed_windows": pace.missed,
            "damaged_frames": damaged,
            "frames_per_second": round(pace.rate, 2),
            "median_delay_ms": round(pace.delay * 1000, 3),
        }
        click.echo(json.dumps({"summary": summary}))
        return
    parts = [f"{pace.frames} frames", f"{pace.predictions} predictions", f"{pace.rate:.1f} frames per second"]
    if pace.predictions:
        parts.append(f"median delay {pace.delay * 1000:.1f} ms")
    if pace.missed:
        parts.append(f"{pace.missed} windows missed")
    if damaged:
        parts.append(f"{damaged} damaged frames left out")
    click.echo(", ".join(parts), err=True)
