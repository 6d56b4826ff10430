"""The enhancer module of a recognizer: the network, with resizing to and from its sizes and values in [0, 1].

Example::

    enhance = d_dbpn((12, 16), (96, 128), {"scale": 0, "resize": False, "residual": False, "units": 7})
    enhance(torch.rand(4, 3, 12, 16))  # (4, 3, 96, 128)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from benchmark_core.specs import Value
from elrbench_plugins.dbpn.network import Dbpn
from elrbench_plugins.dbpn.scales import Size, scale_of, source_of, times
from elrbench_plugins.interpolation.interpolation import Interpolation


class SuperResolution(nn.Module):
    """Enlarge float (N, 3, h, w) in [0, 1] to (N, 3, H, W) in [0, 1].

    network: a module with `scale`, from (N, 3, h, w) to (N, 3, scale*h, scale*w).
    source: (h', w') of the network's input. A view of another size is first resized to it, bicubically.
    size: (H, W) of the output. If the network's scale gives another size, its output is resized bicubically.
    residual: the network's output is added to its input, enlarged bicubically.
    """

    def __init__(self, network: Any, source: Size, size: Size, *, residual: bool) -> None:
        super().__init__()
        self.network = network
        self.residual = residual
        made = times(source, network.scale)
        self.to_source, self.to_made, self.to_size = (Interpolation(to, "bicubic") for to in (source, made, size))

    def made(self, low: Tensor) -> Tensor:
        """Return the network's output (N, 3, scale*h', scale*w') of (N, 3, h, w), in about [0, 1], before clamping."""
        return self.enlarged(self.to_source(low))

    def enlarged(self, source: Tensor) -> Tensor:
        """Return the network's output (N, 3, scale*h, scale*w) of (N, 3, h, w), before clamping, without resizing.

        source: whole views at the size of the network's input, or patches of them.
        """
        image: Tensor = self.network(source)
        if not self.residual:
            return image
        height, width = image.shape[-2:]
        return image + Interpolation((height, width), "bicubic")(source)

    def forward(self, low: Tensor) -> Tensor:
        """Return the view at network size, (N, 3, H, W) in [0, 1]."""
        view: Tensor = self.to_size(self.made(low).clamp(0, 1))
        return view


def public_part(module: SuperResolution) -> nn.Module:
    """Return the part whose weights the authors' checkpoints hold."""
    network: nn.Module = module.network
    return network


def dbpn_s(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """Build DBPN with two up-projections from (h, w), or None for clips of any size, to (H, W).

    options: `scale`, `resize`, `residual`.
    """
    return _built(low, size, options, units=2, dense=False)


def dbpn(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """As `dbpn_s`, with option `units` up-projections."""
    return _built(low, size, options, units=int(options["units"]), dense=False)


def d_dbpn(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """As `dbpn`, densely connected."""
    return _built(low, size, options, units=int(options["units"]), dense=True)


def _built(low: Size | None, size: Size, options: Mapping[str, Value], *, units: int, dense: bool) -> SuperResolution:
    scale = scale_of(low, size, options)
    network = Dbpn(scale, units, dense=dense)
    return SuperResolution(network, source_of(low, size, scale), size, residual=bool(options["residual"]))
