"""Small videos and clips, written or drawn for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import Frames
from benchmark_core.specs.index import Clip, Drawn, VideoFile

LOW = StoredFormat(
    kind="low",
    size=(3, 4),
    aspect=(3, 4),
    degrade="elrbench_plugins.degradations.average:degrade",
    options={"sigma_blur": 0.25, "sigma_noise": 2.0},
)
HIGH = StoredFormat(kind="high", size=(12, 16), aspect=(3, 4))


def write_video(path: Path, frames: list[np.ndarray], pixels: str, codec: str = "ffv1") -> Path:
    """`frames` uint8 (rows, columns, channels) for `rgb24`, (rows, columns) for `gray`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.pix_fmt = pixels
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=pixels)))
        container.mux(stream.encode(None))
    return path


def write_planes(path: Path, planes: tuple[np.ndarray, ...], pixels: str, codec: str = "ffv1", **tags: int) -> Path:
    """Planar video of uint8 planes (T, rows, columns); `tags` are set on the codec's context and on each frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.pix_fmt = pixels
        stream.height, stream.width = planes[0].shape[1:]
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for number in range(len(planes[0])):
            frame = av.VideoFrame(stream.width, stream.height, pixels)
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                rows[:, : plane.width] = values[number]
                plane.update(rows.tobytes())
            for name, value in tags.items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def random_planes(count: int, rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Y, U, V of a 4:2:0 picture; chroma of odd sizes is rounded up."""
    rng = np.random.default_rng(seed)
    half = (rows + 1) // 2, (columns + 1) // 2
    return tuple(rng.integers(0, 256, (count, *size), np.uint8) for size in ((rows, columns), half, half))


def drawn(number: int, *, frames: int = 6, size: tuple[int, int] = (24, 32), target: int = 0, group: str = "") -> Clip:
    """A drawn clip: every frame has its own random pixels."""
    key = f"{number},{frames},{size[0]},{size[1]}"
    return Clip(id=f"clip-{number}", source=Drawn(render=render, key=key), target=target, group=group)


def render(key: str) -> Iterator[Frames]:
    """In chunks of 4 frames."""
    number, frames, rows, columns = (int(part) for part in key.split(","))
    pixels = np.random.default_rng(number).integers(0, 256, (3, frames, rows, columns), np.uint8)
    for first in range(0, frames, 4):
        yield Frames(planes=tuple(pixels[:, first : first + 4]), colour="rgb")


def on_disk(path: Path, target: int = 0) -> Clip:
    """A clip of a file."""
    return Clip(id=path.stem, source=VideoFile(path), target=target)


def film(path: Path, level: int, seed: int = 0) -> Path:
    """Six frames of 24x32, MPEG-4 in AVI or H.264 in MP4, as bright as `level`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y, u, v = random_planes(6, 24, 32, seed)
    planes = (y // 4 + level, u // 8 + 112, v // 8 + 112)
    return write_planes(path, planes, "yuv420p", "mpeg4" if path.suffix == ".avi" else "libx264")


def labelled(root: Path) -> Path:
    """Two classes, two clips of each that train and two that test, as `folder` reads them; returns `root`."""
    for number, part in enumerate(("train", "train", "test", "test")):
        film(root / part / "dark!" / f"clip ({number}).avi", 16, number)
        film(root / part / "bright & big" / f"clip+{number}.mp4", 160, 10 + number)
    return root
