"""Dense video super-resolution (Demir et al., TinyVIRAT, section IV.A) and its foreground attention branch.

Everything is a 3D convolution: an encoder of 3D-RRDBs at low size, one for each doubling; a decoder whose steps double
height and width, and give 4, 8 and 16 frames; a projection to RGB for each step. What the paper's text leaves open is
as in its authors' public code (UgurDemir/Tiny-VIRAT, `pg2.py` and `locpg2.py`, mode "3D"), and so are the names of all
parameters: widths, one RRDB a step, residuals scaled by 0.2, no normalisation, leaky ReLUs of slope 0.2, the skip from
the first convolution, tanh plus the input enlarged. A state of `locpg2.py` is one of `Dvsr` and one of `Attention`.
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
SHARE = 0.2  # of a residual
SLOPE = 0.2  # of the leaky ReLUs
STEPS = {4: 2, 8: 3}  # scale -> doublings


class Conv(nn.Module):
    """(Enlarged to twice the sides,) a 3D convolution that keeps them, (normalised,) activated."""

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
        """(N, inputs, T, h, w) to (N, outputs, T or T / 2, h or 2h, w or 2w)."""
        if self.doubles:
            x = interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="trilinear", align_corners=False)
        x = self.conv_spatial(x)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.act is None else self.act(x)


def leaky() -> nn.Module:
    """In place: what it leaves suffices for the backward pass."""
    return nn.LeakyReLU(SLOPE, inplace=True)


class DenseBlock(nn.Module):
    """3D-RDB: five convolutions, each on all that came before; a fifth of the last one's output is added to x."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.conv4 = (Conv(WIDTH * n, WIDTH, leaky()) for n in range(1, 5))
        self.conv5 = Conv(WIDTH * 5, WIDTH, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) to the same."""
        seen = [x]
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(conv(torch.cat(seen, 1)))
        return x + SHARE * self.conv5(torch.cat(seen, 1))


class ResidualDenseBlocks(nn.Module):
    """3D-RRDB: three 3D-RDBs; a fifth of what they make of x is added to x."""

    def __init__(self) -> None:
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = DenseBlock(), DenseBlock(), DenseBlock()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) to the same."""
        return x + SHARE * self.RDB3(self.RDB2(self.RDB1(x)))


class UpBlock(nn.Module):
    """A convolution, one behind linear interpolation to twice the sides, and one more."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = Conv(WIDTH, WIDTH, leaky())
        self.c2 = Conv(WIDTH, WIDTH, leaky(), doubles=True)
        self.c3 = Conv(WIDTH, WIDTH, leaky())

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) to (N, 32, T, 2h, 2w)."""
        return self.c3(self.c2(self.c1(x)))


class Projection(nn.Module):
    """To RGB in (-1, 1): 3x3x3, then 1x1x1 and tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = nn.Sequential()
        self.seq.add_module("l0", Conv(WIDTH, WIDTH, leaky()))
        self.seq.add_module("l1", Conv(WIDTH, 3, nn.Tanh(), kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) to (N, 3, T, h, w)."""
        return self.seq(x)


def _up(halvings: int) -> nn.Module:
    """A decoder's step: the frames halved so many times, the sides doubled."""
    if halvings == 0:
        return UpBlock()
    return nn.Sequential(*(Conv(WIDTH, WIDTH, leaky(), halves_time=True) for _ in range(halvings)), UpBlock())


class Dvsr(nn.Module):
    """float (N, 3, T, h, w) in [-1, 1] to (N, 3, T, scale·h, scale·w), about [-1, 1]; T is 16.

    A network by 4 has the last two of the three steps of one by 8. Its parameters include the projections of all its
    steps, of which a grown network uses the last: 4,152,041 by 8, 2,741,222 by 4.
    checkpointed: blocks compute their insides once more in the backward pass instead of keeping them.
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
        """What step 1, 2, … gives; by default the last.

        alpha: of the fade-in, from 0 to 1, in the encoder and in the decoder apart: the share of what the step's own
        blocks make; the rest is the step's before (section IV.A.2). The first step has none before it.
        """
        return self.with_features(x, step, alpha)[0]

    def with_features(self, x: Tensor, step: int | None = None, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
        """As `forward`, and the encoder's features (N, 32, T, h, w), which the attention branch sees."""
        step = self.steps if step is None else step
        first = self.convin(x)
        features = self.encode(first, step, alpha)
        y = self.decode(first + features, step, alpha)
        return y + _resized(x, y.shape[2:]), features

    def features(self, x: Tensor) -> Tensor:
        """The encoder's (N, 32, T, h, w), all blocks grown."""
        return self.encode(self.convin(x), self.steps, 1.0)

    def encode(self, first: Tensor, step: int, alpha: float) -> Tensor:
        """One RRDB for each step."""
        y = before = first
        for block in self.res_hall[:step]:
            before, y = y, self._run(block, y)
        return torch.lerp(before, y, alpha) if step > 1 and alpha < 1 else y

    def decode(self, x: Tensor, step: int, alpha: float) -> Tensor:
        """RGB in (-1, 1). Each step after the first sees x beside what the step before it gave, both at T frames."""
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
    """The foreground branch: how much each pixel matters, between 0 and 1, by the encoder's features at low size.

    By 8 with 17,569 parameters, by 4 with 7,153.
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
        """(N, 32, T, h, w) to (N, 1, T, scale·h, scale·w)."""
        return self.saliency_dec(features)


def _resized(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(N, C, T, h, w) linearly to `shape`, (T', h', w')."""
    return x if x.shape[2:] == shape else interpolate(x, shape, mode="trilinear", align_corners=False)
