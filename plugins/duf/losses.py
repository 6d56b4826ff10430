"""The losses of ToSR (Zhang et al., ICCV 2019, section 3.2): two consecutive frames, enlarged by one network."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import huber_loss

from elrbench_plugins.video_pairs.motion import warped


def error(one: Tensor, other: Tensor, delta: float) -> Tensor:
    """Return the mean Huber error of images (N, 3, H, W), a scalar: d^2 / 2 below delta, delta (|d| - delta / 2) above.

    As Jo et al. (CVPR 2018) train the network, and the authors' code of ToSR.
    """
    return huber_loss(one, other, delta=delta)


def siamese_terms(
    made: tuple[Tensor, Tensor], high: tuple[Tensor, Tensor], flow: Tensor, delta: float
) -> dict[str, Tensor]:
    """Return the terms of eq. 3: `reconstruction` of both frames, `warp_sr` and `warp_hr`.

    made, high: frames t and t + 1, (N, 3, H, W) each, as the network makes them and as they are. flow: (N, 2, H, W) in
    pixels, from frame t to t + 1 of the high view. The second frame is moved back by it, and compared with the first:
    as made, and as it is.
    """
    moved = warped(made[1], flow)
    return {
        "reconstruction": error(made[0], high[0], delta) + error(made[1], high[1], delta),
        "warp_sr": error(moved, made[0], delta),
        "warp_hr": error(moved, high[0], delta),
    }
