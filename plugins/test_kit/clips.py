"""Small encoded videos for tests: a bright square that moves over noise."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from benchmark_core.errors import ElrError, unknown

STEPS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}  # direction -> (rows, columns)
CLASSES = ("up", "down")
TRAIN, TEST = 4, 2  # clips of each class


def write_clip(
    path: Path, *, direction: str = "left", frames: int = 12, size: tuple[int, int] = (48, 64), seed: int = 0
) -> Path:
    """Encode a video of 25 frames per second with MPEG-4, which every build of FFmpeg has, and return `path`.

    path: file with an extension such as .mp4 or .avi; its folder is made. size: (rows, columns), even numbers from 16.
    Raises ElrError for another size, an unknown direction or no frame.
    """
    if direction not in STEPS:
        raise unknown("direction", direction, STEPS)
    rows, columns = size
    if rows % 2 or columns % 2 or min(size) < 16 or frames < 1:
        raise ElrError(f"a clip of {frames} frames of {rows}x{columns}: use one frame or more, even sides from 16")
    rng = np.random.default_rng(seed)
    side = min(size) // 4
    down, right = STEPS[direction]
    spare = (rows - side, columns - side)  # where the corner of the square may be
    start = [int(rng.integers(0, room + 1)) for room in spare]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.pix_fmt, stream.height, stream.width = "yuv420p", rows, columns
        for number in range(frames):
            image = rng.integers(0, 60, (rows, columns, 3), dtype=np.uint8)
            top, left = (
                _position(room, step, number / max(1, frames - 1)) if step else first
                for room, step, first in zip(spare, (down, right), start, strict=True)
            )
            image[top : top + side, left : left + side] += 160
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _position(room: int, step: int, share: float) -> int:
    """Return the position after `share` of the clip: from 0 to `room` if `step` is 1, back if it is -1."""
    return round(room * (share if step > 0 else 1 - share))


def write_dataset(root: Path) -> Path:
    """Write train/CLASS/*.mp4 and test/CLASS/*.mp4, and return `root`. Every clip has its own noise."""
    for part, count in (("train", TRAIN), ("test", TEST)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                seed = 100 * label + 10 * (part == "test") + number
                write_clip(root / part / name / f"{number}.mp4", direction=name, seed=seed)
    return root
