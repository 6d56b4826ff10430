"""Measure how fast `elrbench watch` reads and predicts a video, and whether its memory grows with the stream.

    taskset -c 0 env OMP_NUM_THREADS=1 python benchmarks/watch_speed.py recognizer.onnx clip.mp4 --frames 100000

The video is read again and again, decoded each time, until --frames frames have passed. Printed: frames per second and
their ratio to the video's rate, the delay from a frame to its prediction, and resident memory after a tenth of the
frames and at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from benchmark_core.errors import ElrError
from elrbench_plugins.commands.watch.decisions import Decisions
from elrbench_plugins.commands.watch.frames import Frame, FrameSource
from elrbench_plugins.commands.watch.model import Model, open_model
from elrbench_plugins.commands.watch.shrink import Shrink
from elrbench_plugins.commands.watch.video import VideoSource
from elrbench_plugins.commands.watch.watcher import Watcher
from elrbench_plugins.commands.watch.window import Window, natural_length


class Repeated(FrameSource):
    """A video, read and decoded again and again until `count` frames have passed."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(str(path))
        self.count, self.memory = count, [0.0, 0.0]  # MiB after a tenth of the frames, and at the end

    def frames(self) -> Iterator[Frame]:
        """Yield frames."""
        number = 0
        while True:
            for frame in VideoSource(self.name).frames():
                number += 1
                if number == max(1, self.count // 10):
                    self.memory[0] = resident()
                yield frame
                if number == self.count:
                    self.memory[1] = resident()
                    return


def resident() -> float:
    """Return the memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(model: Model, video: Path, frames: int, every: int | None) -> dict[str, float]:
    """Return frames per second, times real time, median delay in ms, and memory in MiB."""
    with av.open(str(video), metadata_errors="replace") as file:
        rate = float(file.streams.video[0].average_rate or 30)
    length = natural_length(model.sampling)
    assert model.low is not None
    source = Repeated(video, frames)
    watcher = Watcher(
        source=source,
        model=model,
        window=Window(length, model.sampling, model.at_once),
        shrink=Shrink(model.low, degrade=True),
        decisions=Decisions(model.classes, model.multi_label, smooth=0.5, threshold=0.0),
        every=every or max(1, length // 4),
    )
    for _ in watcher.events():
        pass
    pace = watcher.pace
    return {
        "frames": pace.frames,
        "predictions": pace.predictions,
        "frames_per_second": pace.rate,
        "times_real_time": pace.rate / rate,
        "median_delay_ms": pace.delay * 1000,
        "memory_early_mib": source.memory[0],
        "memory_late_mib": source.memory[1],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="file of 'elrbench export', or a run folder")
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--every", type=int, help="frames from prediction to prediction; default: a quarter window")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        found = measure(open_model(asked.model, device="cpu", plugins=()), asked.video, asked.frames, asked.every)
    except ElrError as error:
        print(f"watch_speed: error: {error}", file=sys.stderr)
        return error.exit_code
    if asked.json:
        print(json.dumps(found))
        return 0
    print(
        f"{found['frames']:,} frames, {found['predictions']:,} predictions: {found['frames_per_second']:.0f} frames "
        f"per second, {found['times_real_time']:.1f} times real time, median delay {found['median_delay_ms']:.1f} ms"
    )
    print(f"memory: {found['memory_early_mib']:.0f} MiB early, {found['memory_late_mib']:.0f} MiB at the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
