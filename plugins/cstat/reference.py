"""CSTAT in plain PyTorch, to read next to the paper (Bai et al., IJCV 2023; arXiv 1909.03580).

The file follows the paper's order and imports torch alone. `tests/test_cstat_reference.py` checks that the plugin gives
the same numbers. Clips are handled one by one, so this code is slow.

Shapes: B clips, K intervals, F features, C channels of a stage map, h x w its size, H x W the images' size.
A 3D backbone adds a time axis: stage maps (C, T, h, w) and images (3, T, H, W). `real` is bool (B, K): False for
intervals that pad a short clip. "Not in the paper" marks what this project chose.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-4  # not in the paper: a difference below this is a flat image

# III.A  Attention


def spatial_attention(o: Tensor) -> Tensor:
    """Eq. 1: F_xy(O) = sum_i |O_xyi|. Stage map (C, [T,] h, w) -> (T*h*w,), already vectorised."""
    return o.abs().sum(0).flatten()


class TemporalAttentionModule(nn.Module):
    """Fig. 4: K features -> FC 64 -> FC K -> softmax -> weighted sum of the features."""

    def __init__(self, intervals: int, features: int, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(intervals * features, width)
        self.fc2 = nn.Linear(width, intervals)

    def forward(self, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x (B, K, F) -> video feature (B, F), FC outputs (B, 64) and (B, K), weights (B, K)."""
        x = torch.where(real[..., None], x, torch.zeros_like(x))  # (B, K, F)
        hidden = self.fc1(x.reshape(len(x), -1))  # (B, 64)
        scores = self.fc2(hidden.relu())  # (B, K); not in the paper: the ReLU
        weights = scores.exp() * real  # (B, K)
        weights = weights / weights.sum(1, keepdim=True)  # softmax over the real intervals
        return torch.einsum("bk,bkf->bf", weights, x), hidden, scores, weights


# III.B  Losses


def distance(q_s: Tensor, q_t: Tensor) -> Tensor:
    """One term of eq. 2 and 3: ||1 - Q_S.Q_T / (|Q_S| |Q_T|)||, of vectors (D,). The norm of a number is its size."""
    if q_s.norm() == 0 or q_t.norm() == 0:
        return q_s.new_zeros(())  # not in the paper: nothing to transfer
    return (1 - torch.dot(q_s, q_t) / (q_s.norm() * q_t.norm())).abs()


def sat(student: list[Tensor], teacher: list[Tensor], real: Tensor, c: Tensor | None = None) -> Tensor:
    """Eq. 2, one term per ResNet stage i: stage maps (B, K, C_i, [T_i,] h_i, w_i) -> (stages,).

    c: confidence (B, K, [T,] H, W). III.C.2 then makes Q^i = vec(F(A^i * C^i)).
    Not in the paper: Q spans one interval; the terms are averaged over a clip's real intervals, then over clips.
    """
    terms = []
    for a_s, a_t in zip(student, teacher, strict=True):
        clips = []
        for b in range(len(real)):
            intervals = []
            for k in real[b].nonzero().flatten().tolist():
                c_i = 1.0 if c is None else functional.interpolate(c[b, k][None, None], a_s.shape[3:], mode="area")[0]
                intervals.append(distance(spatial_attention(a_s[b, k] * c_i), spatial_attention(a_t[b, k] * c_i)))
            clips.append(torch.stack(intervals).mean())
        terms.append(torch.stack(clips).mean())
    return torch.stack(terms)


def tat(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], real: Tensor, score: Tensor) -> Tensor:
    """Eq. 3, one term per FC layer j: outputs (B, 64) and (B, K) -> (2,). score: temporal confidence (B,), or ones."""
    hidden = [distance(s, t) for s, t in zip(student[0], teacher[0], strict=True)]  # B numbers
    scores = [distance(s[r], t[r]) for s, t, r in zip(student[1], teacher[1], real, strict=True)]
    return torch.stack([(torch.stack(layer) * score).mean() for layer in (hidden, scores)])


def total(ce: Tensor, l_sat: Tensor, l_tat: Tensor, w_ce: float, w_sat: float, w_tat: float) -> Tensor:
    """Eq. 4. l_sat and l_tat are the terms of eq. 2 and 3, each weighted by `rolling_weights` and summed."""
    return w_ce * ce + w_sat * l_sat + w_tat * l_tat


# III.C  Confidence: C = 1 - information loss, of one interval's images (3, [T,] H, W) in [0, 1] -> ([T,] H, W)


def grey(image: Tensor) -> Tensor:
    """(3, [T,] H, W) -> ([T,] H, W). Not in the paper: the weights are BT.601's."""
    return 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]


def difference(high: Tensor, low: Tensor) -> Tensor:
    """III.C.1.a: difference of grey levels; IV.B: less than 24 of 255 counts as none."""
    d = (grey(high) - grey(low)).abs()
    return torch.where(d < 24 / 255, torch.zeros_like(d), d)


def edges(image: Tensor) -> Tensor:
    """III.C.1.b: blur, gradient, ten 3x3 dilations (IV.B). One frame (3, H, W) -> (H, W).

    Not in the paper: sigma 1, Sobel, and that sizes are for a height of 256 and scale with the image.
    """
    g = grey(image)[None, None]  # (1, 1, H, W)
    sigma, scale = g.shape[2] / 256, g.shape[2] / 256
    half = max(1, -int(-3 * sigma // 1))  # three sigmas, rounded up
    r = torch.arange(-half, half + 1, dtype=g.dtype)
    gaussian = (-(r[:, None] ** 2 + r[None] ** 2) / (2 * sigma**2)).exp()
    g = functional.conv2d(functional.pad(g, (half,) * 4, "reflect"), (gaussian / gaussian.sum())[None, None])
    sobel = g.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    padded = functional.pad(g, (1, 1, 1, 1), "reflect")
    across, down = (functional.conv2d(padded, k[None, None]) for k in (sobel, sobel.T))
    g = (across**2 + down**2).sqrt()
    for _ in range(max(1, round(10 * scale))):
        g = functional.max_pool2d(g, 3, stride=1, padding=1)
    return g[0, 0]


def extracted(high: Tensor, low: Tensor, extractor: nn.Module) -> Tensor:
    """III.C.1.c: one extractor of two convolutions for both networks. Frames (3, H, W) -> (H, W).

    Not in the paper: whether "K = 3 filters" are 3x3 kernels, or three filters per layer; then d is their mean.
    """
    return (extractor(high[None]) - extractor(low[None])).abs()[0].mean(0)


def confidence(d: Tensor, normalise: str) -> Tensor:
    """C = 1 - L, where L is d ([T,] H, W) normalised. Not in the paper: how.

    "max" and "median" compare the pixels of the interval. The absolute scales can say that little was lost everywhere:
    "grey" of a difference of grey levels, "edge" of one of gradients, "trained" of the extractor's, which is unbounded.
    """
    if normalise == "max":
        return 1 - d / max(float(d.max()), EPS)
    if normalise in ("grey", "edge"):  # a step from black to white has the gradient 1/2
        return 1 - (d / {"grey": 1.0, "edge": 0.5}[normalise]).clamp(max=1)
    if normalise == "trained":
        return torch.exp(-d)
    median = d.flatten().sort().values[(d.numel() - 1) // 2]
    return 1 - torch.sigmoid((d - median) / ((d - median).abs().mean() + EPS))


class ThresholdStraightThrough(torch.autograd.Function):
    """III.C.2: C where it reaches the threshold, 0 elsewhere. Not in the paper: the gradient is that of C.

    binary: 1 in place of C, as III.C.1 has it ("a binary map to indicate the information loss, and its inverse").
    """

    @staticmethod
    def forward(ctx: object, c: Tensor, threshold: float, binary: bool = False) -> Tensor:
        """Any shape -> the same."""
        return torch.where(c >= threshold, torch.ones_like(c) if binary else c, torch.zeros_like(c))

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        """Of C; none of the threshold."""
        return grad, None, None


def video_score(c: Tensor, real: Tensor, threshold: float, how: str = "mean") -> Tensor:
    """III.C.2: share of pixels without loss in the high-information area, mean over intervals. (B, K, ...) -> (B,).

    "ratio" counts them, as printed; IV.B: a loss of less than 24 of 255 is none. Not in the paper: "mean", which
    takes C as the degree to which a pixel has no loss, and "area", the area's share of the interval.
    """
    clips = []
    for b in range(len(real)):
        scores = []
        for k in real[b].nonzero().flatten().tolist():
            inside = c[b, k][c[b, k] >= threshold]  # (pixels in the area,)
            if how == "area":
                scores.append(c.new_tensor(len(inside) / c[b, k].numel()))
            elif len(inside) == 0:
                scores.append(c.new_zeros(()))
            elif how == "ratio":
                scores.append(((1 - inside < 24 / 255) | (inside >= 1)).to(c.dtype).mean())
            else:
                scores.append(inside.mean())
        clips.append(torch.stack(scores).mean())
    return torch.stack(clips).detach()  # not in the paper: no gradient, or the extractor would lower the score


def confident_features(a: Tensor, c: Tensor) -> Tensor:
    """IV.G: "the supervision from the final classification". Last stage map (F, [T,] h, w), C of that size -> (F,).

    Not in the paper: all of it. The extractor's loss is L_CE of the student's classifier on these features, the mean
    weighted by C. Only the extractor is trained by it; W_ce weights it. The deployed model, without C, takes the mean.
    """
    if c.sum() == 0:
        return a.flatten(1).mean(1)
    return (a * c).flatten(1).sum(1) / c.sum()


# III.D  Rolling weights


def rolling_weights(n: int, j: int, *, as_printed: bool = False) -> list[float]:
    """Eq. 5: W_ij of blocks i = 1..n in training stage j = 1..n; n is 4 for SAT and 2 for TAT.

    as_printed: divide by the sum over stages j. The default divides by the sum over blocks i: a stage sums to 1.
    """
    w = [[n - abs(i - s) for s in range(1, n + 1)] for i in range(1, n + 1)]  # w[i - 1][j - 1]
    over_blocks = sum(row[j - 1] for row in w)
    return [row[j - 1] / (sum(row) if as_printed else over_blocks) for row in w]


def training_stage(epoch: int, epochs: int, n: int) -> int:
    """Stage j = 1..n of an epoch counted from 0. Not in the paper: stages of equal length."""
    return 1 + epoch * n // epochs
