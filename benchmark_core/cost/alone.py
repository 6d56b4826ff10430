"""An enhancer with nothing behind it: what it costs to enlarge one view."""

from __future__ import annotations

from torch import Tensor, nn

from benchmark_core.networks.recognizer import Low, Recognizer


class EnhancerAlone(Recognizer):
    """low float (B, K, 3, T, h, w) in [0, 1] in, (B*K, 3, T, H, W) out: no backbone, no head, no logits.

    frames: T that is kept of what it makes, as in a recognizer.
    """

    def __init__(self, enhancer: nn.Module, frames: int) -> None:
        super().__init__(
            enhancer=enhancer,
            backbone=nn.Identity(),
            head=nn.Identity(),
            dims=3,
            mean=(0.0,) * 3,
            std=(1.0,) * 3,
            frames=frames,
        )

    def forward(self, low: Low, mask: Tensor | None = None, box: Tensor | None = None) -> Tensor:
        """The enlarged view."""
        return self.enhance_and_crop(low, box)[0]
