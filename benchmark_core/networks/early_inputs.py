"""Early fusion: several inputs of one backbone, computed from the pictures inside the recognizer.

They are computed after the enhancer and the augmentation box. They therefore agree with the augmented pictures, the
deployed recognizer takes plain frames, and its MACs include them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from benchmark_core.clips.modality import in_grey
from benchmark_core.clips.pixels import GREY
from benchmark_core.networks.lucas_kanade import LucasKanade

GRID = 12  # pixels of the shorter side on which flow is estimated: motion there is below 2 pixels a frame

# Root mean squares on 25 training clips of JHMDB at 12x16 (24 frames over the clip, noise of 2 grey levels). Each part
# is divided by its own, so that it is about 1, like normalised colours. Deviation and difference are in intensities of
# [0, 1], flow is in pixels of the grid.
# Contrast is in intensities, too. On such clips it is 0.18, rounded here.
SCALE = {"contrast": 0.2, "dev": 0.05, "diff": 0.025, "flow": 0.13}


class EarlyInputs(nn.Module):
    """The inputs of a backbone from its pictures.

    parts: `rgb` or `grey`, normalised by mean and std; `contrast`: the luminance above its mean over all pixels and
        frames, so that clips of a warm and a cold room, or of a bright and a dark one, look the same; `dev`: deviation
        from the clip's temporal mean; `diff`: the next frame minus this one, the last repeats; `flow`: see
        `lucas_kanade`, of the luminance on a grid of at least `GRID` rows and columns. `dev` and `diff` are of the
        luminance if `grey` or `contrast` is a part and `rgb` is not, otherwise of the three colours.
    size: (H, W) of the pictures. mean, std: of red, green and blue, the backbone's.
    """

    mean: Tensor
    std: Tensor
    weights: Tensor

    def __init__(
        self, parts: Sequence[str], size: tuple[int, int], *, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.parts = tuple(parts)
        self.grey = in_grey(parts)
        weights = torch.tensor(GREY)
        for name, values in (("mean", mean), ("std", std)):
            numbers = torch.tensor(values)
            self.register_buffer(name, (weights @ numbers)[None] if self.grey else numbers, persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        self.factor = max(1, min(size) // GRID)
        grid = (-(-size[0] // self.factor), -(-size[1] // self.factor))
        self.flow = LucasKanade(grid) if "flow" in parts else None

    def forward(self, image: Tensor) -> Tensor:
        """Map pictures (N, 3, [T,] H, W) in [0, 1] to the backbone's input (N, C, [T,] H, W), in float32."""
        device = image.device.type
        off = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if off else nullcontext():
            return self._inputs(image.float())  # differences of frames need the precision

    def _inputs(self, image: Tensor) -> Tensor:
        luminance = None
        if self.grey or self.flow is not None or "contrast" in self.parts:
            luminance = (image * self._shaped(self.weights, image)).sum(1, keepdim=True)  # (N, 1, [T,] H, W)
        colour = luminance if self.grey and luminance is not None else image
        found = []
        for part in self.parts:
            if part == "dev":
                found.append((colour - colour.mean(2, keepdim=True)) / SCALE[part])
            elif part == "diff":
                steps = colour[:, :, 1:] - colour[:, :, :-1]
                found.append(torch.cat([steps, steps[:, :, -1:]], 2) / SCALE[part])
            elif part == "contrast":
                assert luminance is not None
                found.append((luminance - luminance.mean(tuple(range(1, luminance.ndim)), keepdim=True)) / SCALE[part])
            elif part == "flow":
                assert luminance is not None
                found.append(self._flow(luminance.squeeze(1)) / SCALE[part])
            else:
                found.append((colour - self._shaped(self.mean, image)) / self._shaped(self.std, image))
        return torch.cat(found, 1)

    def _shaped(self, numbers: Tensor, image: Tensor) -> Tensor:
        """Return one number per channel in a shape that broadcasts over images."""
        return numbers.reshape(1, -1, *[1] * (image.ndim - 2))

    def _flow(self, luminance: Tensor) -> Tensor:
        """Return flow (N, 2, T, H, W) in pixels of the grid, from (N, T, H, W)."""
        assert self.flow is not None
        number, frames, height, width = luminance.shape
        if (factor := self.factor) == 1:
            flow: Tensor = self.flow(luminance)
            return flow
        whole = pad(luminance, (0, -width % factor, 0, -height % factor), mode="replicate")
        found = self.flow(avg_pool2d(whole, factor))  # (N, 2, T, h, w)
        large = interpolate(found.flatten(1, 2), whole.shape[-2:], mode="bilinear", align_corners=False)
        return large.reshape(number, 2, frames, *whole.shape[-2:])[..., :height, :width]
