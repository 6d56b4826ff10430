"""What stands in a recognizer: the network, on frames of any size, with values kept in [0, 1].

Example::

    enhance = d_dbpn((12, 16), (96, 128), {"scale": 0, "resize": False, "residual": False, "units": 7})
    enhance(torch.rand(4, 3, 12, 16))  # (4, 3, 96, 128)
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from benchmark_core.specs import Value
from elrbench_plugins.dbpn.network import Dbpn
from elrbench_plugins.dbpn.scales import Size, scale_of, source_of, times
from elrbench_plugins.interpolation.interpolation import Interpolation


class SuperResolution(nn.Module):
    """float (N, 3, h, w) in [0, 1] to (N, 3, H, W) in [0, 1].

    source: (h, w) of what the network takes, to which a view of another size is first brought bicubically. size: (H, W)
    of what comes out, bicubically again where the network's scale leads elsewhere.
    residual: the network makes what is to be added to its input, enlarged bicubically.
    """

    def __init__(self, network: Dbpn, source: Size, size: Size, *, residual: bool) -> None:
        super().__init__()
        self.network = network
        self.residual = residual
        made = times(source, network.scale)
        self.to_source, self.to_made, self.to_size = (Interpolation(to, "bicubic") for to in (source, made, size))

    def made(self, low: Tensor) -> Tensor:
        """(N, 3, h, w) in [0, 1] to (N, 3, scale·h', scale·w') of about that range, for h' x w' the network's input."""
        seen = self.to_source(low)
        image: Tensor = self.network(seen)
        return image + self.to_made(seen) if self.residual else image

    def forward(self, low: Tensor) -> Tensor:
        """The view at network size."""
        view: Tensor = self.to_size(self.made(low).clamp(0, 1))
        return view


def public_part(module: SuperResolution) -> Dbpn:
    """What the authors' checkpoints are of."""
    return module.network


def dbpn_s(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """From (h, w), or clips of any size, to (H, W), by two up-projections. options: `scale`, `resize`, `residual`."""
    return _built(low, size, options, units=2, dense=False)


def dbpn(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """As `dbpn_s`, by `units` of them."""
    return _built(low, size, options, units=int(options["units"]), dense=False)


def d_dbpn(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """As `dbpn`, densely connected."""
    return _built(low, size, options, units=int(options["units"]), dense=True)


def _built(low: Size | None, size: Size, options: Mapping[str, Value], *, units: int, dense: bool) -> SuperResolution:
    scale = scale_of(low, size, options)
    network = Dbpn(scale, units, dense=dense)
    return SuperResolution(network, source_of(low, size, scale), size, residual=bool(options["residual"]))
