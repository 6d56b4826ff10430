"""TinyVIRAT's super-resolution in plain PyTorch, to read next to the paper (Demir et al., ICPR 2020; arXiv 2007.07355).

Section IV.A: the DVSR network, its growth, the foreground attention branch, and eq. 1 to 3. The file imports torch
alone. `tests/test_dvsr_reference.py` checks that the plugin gives the same numbers.

Shapes: N clips, T = 16 frames, h x w low, H x W high, 32 channels c. Views are (N, 3, T, h, w) in [-1, 1].
"Code" marks what only the authors' public code says (UgurDemir/Tiny-VIRAT: pg2.py and locpg2.py, mode "3D").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

C = 32  # code: channels, growth of a dense block


def conv(inputs: int, outputs: int = C, kernel: int = 3, stride: int = 1) -> nn.Conv3d:
    """A 3D convolution that keeps h and w; stride 2 halves T."""
    return nn.Conv3d(inputs, outputs, kernel, (stride, 1, 1), kernel // 2)


def lrelu(x: Tensor) -> Tensor:
    """Code: slope 0.2."""
    return torch.where(x > 0, x, 0.2 * x)


def resize(x: Tensor, t: int, h: int, w: int) -> Tensor:
    """Linear interpolation, (N, c, T, h, w) -> (N, c, t, h', w')."""
    return functional.interpolate(x, (t, h, w), mode="trilinear", align_corners=False)


class DenseBlock(nn.Module):
    """IV.A.1, 3D-RDB: five densely connected convolutions and a residual (code: a fifth of it)."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(C * n) for n in range(1, 6))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) -> the same."""
        y = x
        for layer in self.convs[:4]:
            y = torch.cat([y, lrelu(layer(y))], 1)  # (N, 64 ... 160, T, h, w)
        return x + 0.2 * self.convs[4](y)


class RRDB(nn.Module):
    """IV.A.1, 3D-RRDB: three dense blocks and a skip connection (code: a fifth of what they give)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(DenseBlock(), DenseBlock(), DenseBlock())

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) -> the same."""
        return x + 0.2 * self.blocks(x)


class Up(nn.Module):
    """One step of the decoder: halve the frames `halvings` times, then double h and w by interpolation."""

    def __init__(self, halvings: int) -> None:
        super().__init__()
        self.fewer = nn.ModuleList(conv(C, stride=2) for _ in range(halvings))
        self.c1, self.c2, self.c3 = conv(C), conv(C), conv(C)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) -> (N, 32, T / 2^halvings, 2h, 2w)."""
        for layer in self.fewer:
            x = lrelu(layer(x))
        x = lrelu(self.c1(x))
        x = resize(x, x.shape[2], 2 * x.shape[3], 2 * x.shape[4])
        return lrelu(self.c3(lrelu(self.c2(x))))


class Projection(nn.Module):
    """IV.A.1: 3x3x3 and 1x1x1 convolutions to RGB (code: tanh)."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = conv(C), conv(C, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) -> (N, 3, T, h, w)."""
        return self.c2(lrelu(self.c1(x))).tanh()


class DVSR(nn.Module):
    """IV.A.2: by 8 in three steps (14x14 -> 4x28x28, 8x56x56, 16x112x112); by 4 it has the last two of them."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.steps = {4: 2, 8: 3}[scale]
        self.first = conv(3)
        self.encoder = nn.ModuleList(RRDB() for _ in range(self.steps))
        self.decoder = nn.ModuleList(Up(self.steps - step) for step in range(1, self.steps + 1))
        self.projections = nn.ModuleList(Projection() for _ in range(self.steps))

    def forward(self, low: Tensor, step: int, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
        """low (N, 3, T, h, w) -> RGB of `step`, and the encoder's features (N, 32, T, h, w).

        alpha: IV.A.2's fade-in, in the encoder on features and in the decoder on RGB; new * alpha + old * (1 - alpha).
        """
        x0 = new = self.first(low)
        for block in self.encoder[:step]:
            old, new = new, block(new)
        features = alpha * new + (1 - alpha) * old if step > 1 else new
        x = x0 + features  # code
        y = self.decoder[0](x)
        for up in self.decoder[1:step]:
            before = y  # what the step before gives
            size = (x.shape[2], *y.shape[3:])  # T frames at the size reached so far
            y = up(resize(y, *size) + resize(x, *size))  # code: each step sees the encoder's features again
        rgb = self.projections[step - 1](y)
        if step > 1:
            rgb = alpha * rgb + (1 - alpha) * resize(self.projections[step - 2](before), *rgb.shape[2:])
        return rgb + resize(low, *rgb.shape[2:]), features  # code: the enlarged input is added


class ForegroundAttention(nn.Module):
    """IV.A.3, fig. 6: the encoder's features -> importance of each pixel, (N, 1, T, H, W) in (0, 1)."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        widths = {4: (32, 8, 1), 8: (32, 16, 8, 1)}[scale]  # code
        self.convs = nn.ModuleList(conv(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.norms = nn.ModuleList(nn.BatchNorm3d(width) for width in widths[1:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, 32, T, h, w) -> (N, 1, T, scale*h, scale*w)."""
        for number, layer in enumerate(self.convs):
            x = layer(resize(x, x.shape[2], 2 * x.shape[3], 2 * x.shape[4]))
            x = lrelu(self.norms[number](x)) if number < len(self.norms) else x.sigmoid()
        return x


def alpha_after(updates: int) -> float:
    """V.B: alpha starts at 0 and rises by 5e-3 per update, to 1."""
    return min(1.0, 5e-3 * updates)


def reconstruction_loss(made: Tensor, high: Tensor, attention: Tensor | None = None) -> Tensor:
    """Eq. 1: 1/N sum_i 1/(CTHW) ||V'_i - V_i||_1 * F_att. (N, 3, T, H, W) both; F_att (N, 1, T, H, W), 1 at first.

    Code: no gradient goes to F_att.
    """
    f_att = torch.ones_like(made[:, :1]) if attention is None else attention.detach()
    return torch.stack(
        [((m - v).abs() * f).sum() / m.numel() for m, v, f in zip(made, high, f_att, strict=True)]
    ).mean()


def attention_losses(made: Tensor, attention: Tensor, target: Tensor, classifier: nn.Module) -> tuple[Tensor, Tensor]:
    """Eq. 2's two terms: classification of V' * F_att, and the L1 norm of F_att (code: a mean).

    classifier: (N, 3, T, H, W) in [0, 1] -> logits (N, classes). target: int64 (N,), or float (N, classes) if
    multi-label. Code: no gradient goes to V'; the product is taken in [-1, 1], so F_att = 0 is grey.
    """
    logits = classifier((made.detach().clamp(-1, 1) * attention + 1) / 2)
    if target.is_floating_point():
        p = logits.sigmoid()
        classification = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    else:
        classification = -logits.log_softmax(1)[range(len(target)), target].mean()
    return classification, attention.abs().mean()


def total_loss(l_rec: Tensor, classification: Tensor, sparsity: Tensor) -> Tensor:
    """Eq. 3 with lambda_rec 1 and lambda_att 0.5. Code: lambda_att is the classification's; the norm has 5e-4."""
    return 1.0 * l_rec + 0.5 * classification + 5e-4 * sparsity
