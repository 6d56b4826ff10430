"""A small network, and weights of it in files as others publish them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark_core.networks.checkpoint import load_checkpoint
from benchmark_core.weights_file import WeightsFile, digest_of_bytes

State = dict[str, Tensor]


class Small(nn.Module):
    """Two convolutions, normalised, and a classifier."""

    def __init__(self, classes: int = 4, channels: int = 3, frames: int = 0, width: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv3d(channels, width, (frames, 3, 3)) if frames else nn.Conv2d(channels, width, 3)
        self.bn = nn.BatchNorm3d(width) if frames else nn.BatchNorm2d(width)
        self.mix = nn.Conv2d(width, 5, 1)
        self.drop, self.fc = nn.Dropout(0.1), nn.Linear(5, classes)

    def get_classifier(self) -> nn.Module:
        return nn.Sequential(self.drop, self.fc)


def small(seed: int = 0, **changed: int) -> Small:
    torch.manual_seed(seed)
    return Small(**changed)


def file_of(path: Path) -> WeightsFile:
    return WeightsFile(path=path, digest=digest_of_bytes(path.read_bytes()))


def saved(folder: Path, plain: object, name: str = "public.pth") -> WeightsFile:
    """`plain` in a file."""
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(plain, path)
    else:
        torch.save(plain, path)
    return file_of(path)


def load(network: nn.Module, file: WeightsFile, channels: int = 3) -> str:
    return load_checkpoint(network, file, backbone="small", channels=channels)


def same(network: nn.Module, state: State, but: str = "-") -> bool:
    own = network.state_dict()
    return all(torch.equal(own[key], value) for key, value in state.items() if not key.startswith(but))
