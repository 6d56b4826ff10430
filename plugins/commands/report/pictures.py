"""Frames as data URIs: what a page shows without asking anybody for a file. Needs Pillow, of the extra `report`."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

Frames = npt.NDArray[np.uint8]  # (F, rows, columns, 3)
Heat = npt.NDArray[np.float32]  # (F, rows, columns) in [0, 1]

WIDEST = 192  # pixels of a picture's longer side; larger ones are brought to it
TINY = 48  # up to which the pixels are kept as they are, without loss
QUALITY = 82  # of WebP

# matplotlib's "inferno" at equal steps (CC0): dark is little, yellow is much; lightness rises throughout.
_INFERNO = np.array(
    [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10],
     [249, 201, 50], [252, 255, 164]],
    dtype=np.float32,
)  # fmt: skip
_OVER = 0.62  # of the heat over a grey frame


def colours(frames: Tensor) -> Frames:
    """Pictures float (F, 3, h, w) in [0, 1]; flow (F, 2, h, w) in [-1, 1]: its direction is hue, its length light."""
    values = frames.detach().float().cpu().numpy()
    if values.shape[1] == 3:
        return _levels(values.transpose(0, 2, 3, 1))
    across, down = values[:, 0], values[:, 1]
    hue = np.arctan2(down, across) / (2 * np.pi) % 1.0
    light = np.clip(np.hypot(across, down) * 4, 0, 1)  # full at a quarter of the bound: most motion is small
    # Red, green and blue of a hue at full saturation: |6 h - 3| - 1 and its like, clamped.
    parts = (np.abs(6 * hue - 3) - 1, 2 - np.abs(6 * hue - 2), 2 - np.abs(6 * hue - 4))
    return _levels(np.stack([np.clip(part, 0, 1) * light for part in parts], axis=-1))


def heated(frames: Frames, heat: Heat) -> Frames:
    """`heat`, brought bilinearly to the frames' size, over the frames in grey."""
    from PIL import Image

    grey = (frames @ np.array([0.299, 0.587, 0.114], dtype=np.float32))[..., None].repeat(3, axis=-1)  # BT.601
    size = (frames.shape[2], frames.shape[1])
    large = np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in heat])
    steps = np.linspace(0, 1, len(_INFERNO))
    colour = np.stack([np.interp(large, steps, _INFERNO[:, channel]) for channel in range(3)], axis=-1)
    return _levels(((1 - _OVER) * grey + _OVER * colour) / 255)


def stretched(maps: npt.NDArray[np.float32]) -> Heat:
    """(F, rows, columns) from their smallest to their largest value: 0 to 1, 0 where all are equal."""
    low, high = float(maps.min()), float(maps.max())
    return np.zeros_like(maps) if high <= low else ((maps - low) / (high - low)).astype(np.float32)


def data_uri(frame: npt.NDArray[np.uint8]) -> str:
    """One picture (rows, columns, 3): PNG where it is tiny, WebP otherwise."""
    from PIL import Image

    image: Any = Image.fromarray(frame)
    if max(image.size) > WIDEST:
        scale = WIDEST / max(image.size)
        image = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    stream = BytesIO()
    tiny = max(image.size) <= TINY
    if tiny:
        image.save(stream, "PNG", optimize=True)
    else:
        image.save(stream, "WEBP", quality=QUALITY, method=4)
    return f"data:image/{'png' if tiny else 'webp'};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _levels(values: npt.NDArray[Any]) -> Frames:
    """[0, 1] to grey levels."""
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), dtype=np.uint8)
