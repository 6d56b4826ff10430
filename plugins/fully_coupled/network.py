"""The fully-coupled network: a backbone on pictures, one on their optical flow, and GRUs over a clip's units.

With C3D, a stream has 78.0 M parameters before its GRU. Each unit becomes one vector per stream:

    features (B, K, 4096) per stream -> GRU over K -> state (B, H) per stream -> joined -> logits (B, C)
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchmark_core.clips.modality import FLOW
from benchmark_core.clips.pixels import GREY
from benchmark_core.networks.channels import with_channels
from elrbench_plugins.fully_coupled.options import STREAMS
from elrbench_plugins.hof_svm.flow import flow_of

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Parts, Recognizer


class Gru(nn.Module):
    """Read features (B, K, inputs) of the real units of a clip and return one state per clip, (B, outputs).

    One step is PyTorch's `GRUCell`: r = s(W_r x + b_r + U_r h + c_r), z = s(W_z x + b_z + U_z h + c_z),
    n = tanh(W_n x + b_n + r (U_n h + c_n)), h' = (1 - z) n + z h, with the logistic function s.
    readout: `last` state, or the `mean` over real units. both_ways: a second cell reads the units backwards.
    """

    def __init__(self, inputs: int, width: int, *, readout: str = "last", both_ways: bool = False) -> None:
        super().__init__()
        self.forwards = nn.GRUCell(inputs, width)
        self.backwards = nn.GRUCell(inputs, width) if both_ways else None
        self.mean, self.width = readout == "mean", width
        self.outputs = (1 + both_ways) * width

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return (B, outputs). mask: (B, K), 0 for a unit that is left out."""
        order = list(range(features.shape[1]))
        read = [self._read(self.forwards, features, mask, order)]
        if self.backwards is not None:
            read.append(self._read(self.backwards, features, mask, order[::-1]))
        return torch.cat(read, 1)

    def _read(self, cell: nn.GRUCell, features: Tensor, mask: Tensor, order: list[int]) -> Tensor:
        real = mask.unsqueeze(-1) > 0  # (B, K, 1)
        state = features.new_zeros(features.shape[0], self.width)  # `len` would fix B in an exported file
        total = torch.zeros_like(state)
        for unit in order:
            state = torch.where(real[:, unit], cell(features[:, unit], state).to(state.dtype), state)
            total = total + state * real[:, unit]
        return total / real.sum(1) if self.mean else state


class GruHead(nn.Module):
    """Map the features of K units, (B, K, streams * features) and mask (B, K), to logits (B, C).

    features: numbers of a unit and stream. fusion: see the option; it has no effect with one stream.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        streams: int = 2,
        fusion: str = "states-concat",
        width: int = 512,
        readout: str = "last",
        both_ways: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.streams, self.fusion = streams, fusion if streams > 1 else "states-concat"
        early = self.fusion.startswith("features")
        inputs = streams * features if self.fusion == "features-concat" else features
        count = 1 if early else streams
        self.grus = nn.ModuleList(Gru(inputs, width, readout=readout, both_ways=both_ways) for _ in range(count))
        outputs = self.grus[0].outputs
        joined = count * outputs if self.fusion == "states-concat" else outputs
        self.dropout = nn.Dropout(dropout)
        several = self.fusion == "scores"
        self.classifiers = nn.ModuleList(nn.Linear(joined, classes) for _ in range(count if several else 1))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, C)."""
        parts = list(features.chunk(self.streams, -1))  # (B, K, F) each
        if self.fusion == "features-sum":
            parts = [torch.stack(parts).sum(0)]
        elif self.fusion == "features-concat":
            parts = [features]
        states = [gru(part, mask) for gru, part in zip(self.grus, parts, strict=True)]  # (B, H) each
        if self.fusion == "scores":
            logits = [fc(self.dropout(state)) for fc, state in zip(self.classifiers, states, strict=True)]
            return torch.stack(logits).mean(0)
        joined = torch.stack(states).sum(0) if self.fusion == "states-sum" else torch.cat(states, 1)
        found: Tensor = self.classifiers[0](self.dropout(joined))
        return found


class Streams(nn.Module):
    """Backbones side by side: `spatial` on pictures, None if there is none, and `temporal` on their optical flow.

    mean, std: (3,), the normalisation of the pictures that it gets. bound: see the option `flow_bound`.
    The last maps of both are concatenated, and so are their features.
    """

    not_exportable = "it computes optical flow with OpenCV; fully-coupled:spatial can be exported"
    grey: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, spatial: Any, temporal: Any, *, mean: Tensor, std: Tensor, bound: float) -> None:
        super().__init__()
        self.spatial, self.temporal, self.bound = spatial, temporal, bound
        self.num_features = temporal.num_features * (1 if spatial is None else 2)
        for name, value in (("grey", torch.tensor(GREY)), ("mean", mean), ("std", std)):
            self.register_buffer(name, value.detach().clone(), persistent=False)

    @property
    def networks(self) -> list[Any]:
        """The backbones, in the order of their features."""
        return [part for part in (self.spatial, self.temporal) if part is not None]

    def flow(self, x: Tensor) -> Tensor:
        """Return flow (N, 2, T, H, W), right and down, of normalised pictures (N, 3, T, H, W).

        ±bound pixels become ±0.5 / std, half of the range of normalised pictures (the mean over colours).
        """
        with torch.no_grad():
            pictures = x.float() * self.std[:, None, None, None] + self.mean[:, None, None, None]
            levels = (pictures * self.grey[:, None, None, None]).sum(1) * 255  # (N, T, H, W)
            between = torch.stack([flow_of(each) for each in levels])  # (N, T-1, 2, H, W), or one entry for one frame
            frames = torch.arange(x.shape[2], device=x.device).clamp(max=between.shape[1] - 1)
            fields = between[:, frames].transpose(1, 2)
            return fields.clamp(-self.bound, self.bound) * (0.5 / self.bound / self.std.mean())

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return [the last maps of all streams, (N, streams * C, T', h, w)]."""
        maps = [] if self.spatial is None else [self.spatial.forward_features(x)[-1]]
        maps.append(self.temporal.forward_features(self.flow(x))[-1])
        return [torch.cat(maps, 1)]

    def pool(self, last: Tensor) -> Tensor:
        """Return the features of all streams, (N, streams * F), of the last maps."""
        networks = self.networks
        maps = last.chunk(len(networks), 1)
        return torch.cat([network.pool(part) for network, part in zip(networks, maps, strict=True)], 1)

    def get_classifier(self) -> nn.Module:
        """Return the classifiers of the backbones, which the head replaces."""
        return nn.ModuleList(network.get_classifier() for network in self.networks)


def recognizer(parts: Parts) -> Recognizer:
    """Return enhancer, one or two streams and the GRUs. The backbone's own classifier is not used."""
    options = parts.options
    streams = STREAMS[str(options["streams"])]
    head = GruHead(
        parts.num_features,
        parts.classes,
        streams=len(streams),
        fusion=str(options["fusion"]),
        width=int(options["gru_width"]),
        readout=str(options["readout"]),
        both_ways=bool(options["both_ways"]),
        dropout=float(options["head_dropout"]),
    )
    network = parts.assemble(head)
    if "temporal" in streams:
        both = "spatial" in streams
        temporal = with_channels(copy.deepcopy(parts.backbone) if both else parts.backbone, FLOW)
        network.backbone = Streams(
            parts.backbone if both else None,
            temporal,
            mean=network.mean.flatten(),
            std=network.std.flatten(),
            bound=float(options["flow_bound"]),
        )
    return network
