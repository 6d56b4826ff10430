"""Frames as data URIs, so that a page needs no other files. Needs Pillow (the extra `report`)."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

Frames = npt.NDArray[np.uint8]  # (F, rows, columns, 3)
Heat = npt.NDArray[np.float32]  # (F, rows, columns) in [0, 1]

WIDEST = 192  # longest side of a picture in pixels; larger ones are reduced
TINY = 48  # longest side in pixels up to which pictures are stored without loss
QUALITY = 82  # WebP quality

# matplotlib's "inferno" at equal steps (CC0): dark is low, yellow is high; lightness increases monotonically.
_INFERNO = np.array(
    [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10],
     [249, 201, 50], [252, 255, 164]],
    dtype=np.float32,
)  # fmt: skip
_OVER = 0.62  # opacity of the heat map over a grey frame


def colours(frames: Tensor) -> Frames:
    """Convert RGB (F, 3, h, w) in [0, 1], or flow (F, 2, h, w) in [-1, 1] (hue: direction, brightness: length)."""
    values = frames.detach().float().cpu().numpy()
    if values.shape[1] == 3:
        return _levels(values.transpose(0, 2, 3, 1))
    across, down = values[:, 0], values[:, 1]
    hue = np.arctan2(down, across) / (2 * np.pi) % 1.0
    light = np.clip(np.hypot(across, down) * 4, 0, 1)  # full brightness at a quarter of the bound: most motion is small
    # Red, green and blue of hue h at full saturation, clamped: |6 h - 3| - 1, 2 - |6 h - 2|, 2 - |6 h - 4|.
    parts = (np.abs(6 * hue - 3) - 1, 2 - np.abs(6 * hue - 2), 2 - np.abs(6 * hue - 4))
    return _levels(np.stack([np.clip(part, 0, 1) * light for part in parts], axis=-1))


def heated(frames: Frames, heat: Heat) -> Frames:
    """Draw `heat`, resized bilinearly, over the frames in grey."""
    from PIL import Image

    grey = (frames @ np.array([0.299, 0.587, 0.114], dtype=np.float32))[..., None].repeat(3, axis=-1)  # BT.601
    size = (frames.shape[2], frames.shape[1])
    large = np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in heat])
    steps = np.linspace(0, 1, len(_INFERNO))
    colour = np.stack([np.interp(large, steps, _INFERNO[:, channel]) for channel in range(3)], axis=-1)
    return _levels(((1 - _OVER) * grey + _OVER * colour) / 255)


def stretched(maps: npt.NDArray[np.float32]) -> Heat:
    """Scale maps (F, rows, columns) from their range to [0, 1]; 0 if all values are equal."""
    low, high = float(maps.min()), float(maps.max())
    return np.zeros_like(maps) if high <= low else ((maps - low) / (high - low)).astype(np.float32)


def data_uri(frame: npt.NDArray[np.uint8]) -> str:
    """Return one picture (rows, columns, 3) as a data URI: PNG if it is tiny, else WebP."""
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
    """Convert [0, 1] to uint8."""
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), dtype=np.uint8)
