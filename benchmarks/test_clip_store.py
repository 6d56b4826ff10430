"""Measure the cost of the clip store: `pytest benchmarks/test_clip_store.py`, on an idle machine.

Clips are JHMDB's if ELRBENCH_DATA has a folder `jhmdb/`, otherwise drawn ones of the same size, length and encoding.
Results are printed with their targets, as ratios if possible.
"""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark_core.clips import clipfile
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.clips.views import Views
from benchmark_core.specs.index import Clip, VideoFile
from elrbench_plugins.resnet.resnet import resnet18

COUNT = int(os.environ.get("ELRBENCH_BENCHMARK_CLIPS", "100"))
ROUNDS = int(os.environ.get("ELRBENCH_BENCHMARK_ROUNDS", "3"))
LOW = StoredFormat(
    kind="low",
    size=(12, 16),
    aspect=(3, 4),
    degrade="elrbench_plugins.degradations.average:degrade",
    options={"sigma_blur": 0.25, "sigma_noise": 2.0},
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = Path(os.environ.get("ELRBENCH_DATA", "/nowhere")) / "jhmdb" / "ReCompress_Videos"
    real = sorted(folder.glob("*/*.avi"))
    if real:
        paths = real[:: max(1, len(real) // COUNT)][:COUNT]
    else:
        made = tmp_path_factory.mktemp("clips")
        paths = [_draw(made / f"{number}.avi", number) for number in range(COUNT)]
    return [Clip(id=path.stem, source=VideoFile(path), target=number % 21) for number, path in enumerate(paths)]


def _draw(path: Path, seed: int) -> Path:
    """Write a video of 34 frames: a smooth picture that drifts, with noise."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, 24, 32), np.float32) * 255)
    scene = F.interpolate(coarse, (320, 400), mode="bicubic").clamp(0, 255)[0].permute(1, 2, 0).numpy()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 800_000
        for number in range(34):
            seen = scene[number : number + 240, 2 * number : 2 * number + 320] + rng.normal(0, 4, (240, 320, 1))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(seen.clip(0, 255).astype(np.uint8)), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decode_alone(clips: list[Clip]) -> int:
    """Decode all clips with PyAV only and return the number of frames."""
    count = 0
    for clip in clips:
        with av.open(str(clip.source.path), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            count += sum(1 for _ in container.decode(stream))
    return count


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_first_pass(clips: list[Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Decode, reduce to 12x16 and write, in one process and in two."""
    frames = decode_alone(clips)
    ClipStore(tmp_path / "warm").ensure(clips[:3], [LOW], workers=1)
    plain, passes = [], []
    for number in range(ROUNDS):
        plain.append(seconds(lambda: decode_alone(clips)))
        passes.append(seconds(lambda n=number: ClipStore(tmp_path / str(n)).ensure(clips, [LOW], workers=1)))
    ratio = statistics.median(one / other for one, other in zip(plain, passes, strict=True))
    alone = min(together(clips, tmp_path / f"one-{n}", 1) for n in range(ROUNDS))
    both = min(together(clips, tmp_path / f"two-{n}", 2) for n in range(ROUNDS))
    with capsys.disabled():
        print(f"\nfirst pass of {len(clips)} clips to 12x16: {frames / min(passes):.0f} frames/s,", end=" ")
        print(f"{ratio:.3f} of decoding alone (at least 0.45); two processes {alone / both:.2f} times one (1.7)")


def check_share(clips: list[Clip], stored_format: StoredFormat, root: Path) -> float:
    """Return the processor time of the check of all stored files on their first read, as a share of the first pass."""

    def seconds(work: Callable[[], object]) -> float:
        began = time.process_time()  # other processes and the disk do not count
        work()
        return time.process_time() - began

    built = seconds(lambda: ClipStore(root).ensure(clips, [stored_format], workers=1))
    files = sorted(root.rglob("*.clip"))
    checked, known = [], []
    for _ in range(ROUNDS):
        clipfile._checked.clear()  # as in a new process
        checked.append(seconds(lambda: [clipfile.checked_header(path) for path in files]))
        known.append(seconds(lambda: [clipfile.checked_header(path) for path in files]))
    return (min(checked) - min(known)) / built


def test_checking(clips: list[Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compare the checksum of each file on its first read in a process with the first pass, which made the file."""
    for size in ("12x16", "96x128", "256x340"):
        rows, columns = map(int, size.split("x"))
        low = (rows, columns) == LOW.size
        stored_format = LOW if low else StoredFormat(kind="high", size=(rows, columns), aspect=(rows, columns))
        share = check_share(clips, stored_format, tmp_path / size)
        with capsys.disabled():
            print(f"\nchecking stored {size} clips: {share:.2%} of the first pass (at most 2 %)", end="")


SCRIPT = """
import pickle, sys, time
from pathlib import Path
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
clips, low, warm = pickle.load(open(sys.argv[1], "rb"))
low = StoredFormat(**low)
ClipStore(Path(warm)).ensure(clips[:3], [low], workers=1)
print("ready", flush=True)
sys.stdin.readline()
ClipStore(Path(sys.argv[2])).ensure(clips, [low], workers=1)
print("done", flush=True)
"""


def together(clips: list[Clip], root: Path, count: int) -> float:
    """Return the seconds that `count` processes take to fill one store, after all are ready."""
    root.mkdir()
    low = {name: getattr(LOW, name) for name in ("kind", "size", "aspect", "degrade")} | {"options": dict(LOW.options)}
    (root / "clips.pickle").write_bytes(pickle.dumps((clips, low, str(root / "warm"))))
    command = [sys.executable, "-c", SCRIPT, str(root / "clips.pickle"), str(root / "cache")]
    path = os.pathsep.join(filter(None, sys.path))
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "done\n"
    took = time.perf_counter() - began
    for process in processes:
        process.communicate()
    return took


def test_high_views(clips: list[Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Read 8 frames per clip at 256x340 with one reader thread, as in training."""
    high = StoredFormat(kind="high", size=(256, 340), aspect=(64, 85))
    store = ClipStore(tmp_path)
    built = seconds(lambda: store.ensure(clips, [high], workers=1))
    views = Views(
        clips, store, ViewPlan(crop="after", size=(256, 340), high=high),
        sampling=Sampling.parse("8x1"), classes=21, low=False, high=True,
    )  # fmt: skip
    took = [
        seconds(lambda: [views.read(clips[first : first + 4]) for first in range(0, len(clips), 4)])
        for _ in range(ROUNDS + 1)
    ]
    files = list(tmp_path.rglob("*.clip"))
    frames = sum(store.reader(high).count(clip) for clip in clips)
    share = sum(path.stat().st_size for path in files) / (frames * 3 * 256 * 340)
    with capsys.disabled():
        print(f"\nhigh views, 8x1 at 256x340: {len(clips) / min(took):.0f} clips/s (at least 100);", end=" ")
        print(f"lossless (MagicYUV), {share:.2f} of the raw bytes; made at {len(clips) / built:.1f} clips/s")


def test_waiting_for_views(clips: list[Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Measure the waiting share of a ResNet-18 training step at 96x128: 16 clips of 4 frames, low and high views."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    high = StoredFormat(kind="high", size=(96, 128), aspect=(3, 4))
    store = ClipStore(tmp_path)
    store.ensure(clips, [LOW, high])
    views = Views(
        clips, store, ViewPlan(crop="after", size=(96, 128), low=LOW, high=high),
        sampling=Sampling.parse("4x1"), classes=21, high=True, train=True,
    )  # fmt: skip
    net = resnet18(21).to(device).train()
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    waited, total, size = 0.0, 0.0, min(16, len(clips) // 2)
    for epoch in range(2 if device == "cpu" else 20):
        batches = views.batches(size, epoch=epoch)
        for step in range(views.steps(size)):
            before = time.perf_counter()
            batch = views.to_device(next(batches), device)
            ready = time.perf_counter()
            image = batch.high.flatten(0, 1).squeeze(2)  # (B*K, 3, H, W)
            loss = F.cross_entropy(net(image).reshape(size, 4, -1).mean(1), batch.target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            float(loss.detach())  # the device has finished
            if epoch and step:  # an epoch's first batch has nothing before it to overlap with
                waited += ready - before
                total += time.perf_counter() - before
    with capsys.disabled():
        print(f"\nwaiting for views: {waited / total:.1%} of a ResNet-18 step at 96x128 on {device} (at most 5 %)")
