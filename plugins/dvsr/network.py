"""Dense video super-resolution (Demir et al., TinyVIRAT, section IV.A) and its foreground attention branch.

All layers are 3D convolutions. The encoder has one 3D-RRDB per doubling, at low size. Each step of the decoder doubles
height and width; the steps give 4, 8 and 16 frames. Each step has a projection to RGB.

What the paper leaves open follows the authors' public code (UgurDemir/Tiny-VIRAT, `pg2.py` and `locpg2.py`, mode "3D"),
as do the parameter names: widths, one RRDB per step, residuals scaled by 0.2, no normalisation, leaky ReLUs of slope
0.2, the skip from the first convolution, tanh, and the enlarged input added to the output. A checkpoint of `locpg2.py`
holds one `Dvsr` and one `Attention`. `reference.py` is a plain version.
Example::

    network = Dvsr(8)
    network(torch.rand(2, 3, 16, 14, 14) * 2 - 1)          # (2, 3, 16, 112, 112), all steps
    network(torch.rand(2, 3, 16, 14, 14) * 2 - 1, step=1)  # (2, 3, 4, 28, 28), the first
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.checkpoint import checkpoint

WIDTH = 32  # channels throughout
SHARE = 0.2  # factor of residuals
SLOPE = 0.2  # of the leaky ReLUs
STEPS = {4: 2, 8: 3}  # scale -> doublings


class Conv(nn.Module):
    """Interpolation to twice h and w (optional), 3D convolution, BatchNorm (optional), activation (optional)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        act: nn.Module | None,
        *,
        kernel: int = 3,
        halves_time: bool = False,
        doubles: bool = False,
        norm: bool = False,
    ) -> None:
        super().__init__()
        stride = (2 if halves_time else 1, 1, 1)
        self.doubles = doubles
        self.conv_spatial = nn.Conv3d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.norm = nn.BatchNorm3d(outputs) if norm else None
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T or T/2, h or 2h, w or 2w) of (N, inputs, T, h, w)."""
        if self.doubles:
            x = interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="trilinear", align_corners=False)
        x = self.conv_spatial(x)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.act is None else self.act(x)


def leaky() -> nn.Module:
    """Return the activation. It works in place; the backward pass only needs its output."""
    return nn.LeakyReLU(SLOPE, inplace=True)


class DenseBlock(nn.Module):
    """3D-RDB: five densely connected convolutions; 0.2 times the last output is added to x."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.conv4 = (Conv(WIDTH * n, WIDTH, leaky()) for n in range(1, 5))
        self.conv5 = Conv(WIDTH * 5, WIDTH, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, 32, T, h, w)."""
        seen = [x]
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(conv(torch.cat(seen, 1)))
        return x + SHARE * self.conv5(torch.cat(seen, 1))


class ResidualDenseBlocks(nn.Module):
    """3D-RRDB: three 3D-RDBs; 0.2 times their output is added to x."""

    def __init__(self) -> None:
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = DenseBlock(), DenseBlock(), DenseBlock()

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, 32, T, h, w)."""
        return x + SHARE * self.RDB3(self.RDB2(self.RDB1(x)))


class UpBlock(nn.Module):
    """Convolution, linear interpolation to twice h and w, two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = Conv(WIDTH, WIDTH, leaky())
        self.c2 = Conv(WIDTH, WIDTH, leaky(), doubles=True)
        self.c3 = Conv(WIDTH, WIDTH, leaky())

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 32, T, 2h, 2w) of (N, 32, T, h, w)."""
        return self.c3(self.c2(self.c1(x)))


class Projection(nn.Module):
    """Projection to RGB in (-1, 1): 3x3x3 convolution, 1x1x1 convolution, tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = nn.Sequential()
        self.seq.add_module("l0", Conv(WIDTH, WIDTH, leaky()))
        self.seq.add_module("l1", Conv(WIDTH, 3, nn.Tanh(), kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, T, h, w) of (N, 32, T, h, w)."""
        return self.seq(x)


def _up(halvings: int) -> nn.Module:
    """Build a decoder step: halve the frames `halvings` times, then double h and w."""
    if halvings == 0:
        return UpBlock()
    return nn.Sequential(*(Conv(WIDTH, WIDTH, leaky(), halves_time=True) for _ in range(halvings)), UpBlock())


class Dvsr(nn.Module):
    """Enlarge float (N, 3, T, h, w) in [-1, 1] to (N, 3, T, scale*h, scale*w), about [-1, 1]; T is 16.

    A network by 4 has the last two steps of a network by 8. Its parameters include the projections of all steps, of
    which a grown network uses the last: 4,152,041 parameters by 8, 2,741,222 by 4.
    checkpointed: recompute activations within blocks in the backward pass instead of storing them.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.steps = STEPS[scale]
        self.checkpointed = False
        self.convin = Conv(3, WIDTH, act=None)
        self.res_hall = nn.ModuleList(ResidualDenseBlocks() for _ in range(self.steps))
        self.up_layers = nn.ModuleList(_up(halvings) for halvings in reversed(range(self.steps)))
        self.rgb_proj = nn.ModuleList(Projection() for _ in range(self.steps))

    def forward(self, x: Tensor, step: int | None = None, alpha: float = 1.0) -> Tensor:
        """Return the output of step 1, 2, ...; by default of the last.

        alpha: fade-in parameter from 0 to 1 (section IV.A.2), the share of the step's new blocks. The rest is the
        previous step's output. Encoder and decoder fade separately. The first step has no previous one.
        """
        return self.with_features(x, step, alpha)[0]

    def with_features(self, x: Tensor, step: int | None = None, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
        """As `forward`; also return the encoder's features (N, 32, T, h, w), the input of the attention branch."""
        step = self.steps if step is None else step
        first = self.convin(x)
        features = self.encode(first, step, alpha)
        y = self.decode(first + features, step, alpha)
        return y + _resized(x, y.shape[2:]), features

    def features(self, x: Tensor) -> Tensor:
        """Return the encoder's features (N, 32, T, h, w) of the fully grown network."""
        return self.encode(self.convin(x), self.steps, 1.0)

    def encode(self, first: Tensor, step: int, alpha: float) -> Tensor:
        """Apply one RRDB per step to (N, 32, T, h, w)."""
        y = before = first
        for block in self.res_hall[:step]:
            before, y = y, self._run(block, y)
        return torch.lerp(before, y, alpha) if step > 1 and alpha < 1 else y

    def decode(self, x: Tensor, step: int, alpha: float) -> Tensor:
        """Return RGB in (-1, 1). Each step after the first gets the previous step's output plus x, both at T frames."""
        y = before = x
        for number, up in enumerate(self.up_layers[:step]):
            before = y
            if number:
                shape = (x.shape[2], *y.shape[3:])
                y = _resized(y, shape) + _resized(x, shape)
            y = self._run(up, y)
        rgb = self._run(self.rgb_proj[step - 1], y)
        if step > 1 and alpha < 1:
            rgb = torch.lerp(_resized(self.rgb_proj[step - 2](before), rgb.shape[2:]), rgb, alpha)
        return rgb

    def _run(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.checkpointed and torch.is_grad_enabled():
            kept: Tensor = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
            return kept
        return block(x)


class Attention(nn.Module):
    """The foreground attention branch: the importance of each pixel, in (0, 1), from the encoder's features.

    It has 17,569 parameters by 8 and 7,153 by 4.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        widths = {4: (WIDTH, WIDTH // 4), 8: (WIDTH, WIDTH // 2, WIDTH // 4)}[scale]
        inner = [
            Conv(inputs, outputs, leaky(), doubles=True, norm=True)
            for inputs, outputs in zip(widths[:-1], widths[1:], strict=True)
        ]
        self.saliency_dec = nn.Sequential(*inner, Conv(widths[-1], 1, nn.Sigmoid(), doubles=True))

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, 1, T, scale*h, scale*w) of (N, 32, T, h, w)."""
        return self.saliency_dec(features)


def _resized(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Resize (N, C, T, h, w) linearly to `shape`, (T', h', w')."""
    return x if x.shape[2:] == shape else interpolate(x, shape, mode="trilinear", align_corners=False)
