"""Build the enhancer: the network of residual-in-residual dense blocks, with resizing around it as for DBPN.

Example::

    enhance = rrdb_s((12, 16), (48, 64), {"resize": False, "residual": False})
    enhance(torch.rand(4, 3, 12, 16))  # (4, 3, 48, 64)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmark_core.specs import Value
from elrbench_plugins.dbpn.enhancer import SuperResolution
from elrbench_plugins.dbpn.scales import Size, source_of
from elrbench_plugins.rrdb.network import SCALE, Rrdb
from elrbench_plugins.rrdb.scales import check_sizes

if TYPE_CHECKING:
    from torch import nn


def rrdb(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """Build the network from (h, w), or None for clips of any size, to (H, W).

    options: `blocks`, `features`, `growth`, `resize`, `residual`.
    """
    shape = (int(options[key]) for key in ("blocks", "features", "growth"))
    return _built(low, size, options, Rrdb(*shape))


def rrdb_s(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """As `rrdb`, with 3 blocks of 32 features that grow by 16."""
    return _built(low, size, options, Rrdb(3, 32, 16))


def public_part(module: SuperResolution) -> nn.Module:
    """Return the part whose weights the authors' checkpoints hold."""
    return module.network


def _built(low: Size | None, size: Size, options: Mapping[str, Value], network: Rrdb) -> SuperResolution:
    check_sizes(low, size, options, "rrdb", SCALE)
    return SuperResolution(network, source_of(low, size, SCALE), size, residual=bool(options["residual"]))
