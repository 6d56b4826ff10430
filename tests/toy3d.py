"""A 3D backbone small enough to train in a second. For `--plugin`, next to `toy.py`."""

from __future__ import annotations

from elrbench import BackboneSpec, hookimpl

STAGES = ("one", "two", "three")


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Three stages, as a network of any size and as a native one."""
    spec = {"summary": "three convolutions", "factory": build, "stages": STAGES, "sampling": "1x8", "dims": 3}
    return [BackboneSpec(name="toy3d", **spec), BackboneSpec(name="toynative", native=True, **spec)]


def build(classes: int, options: object) -> object:
    """Three convolutions of 6 channels, of strides 1, 2 and 2 in time and space, and a classifier."""
    import torch
    from torch import nn

    class Toy3d(nn.Module):
        num_features = 6

        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList(
                nn.Sequential(nn.Conv3d(a, 6, 3, stride, 1), nn.BatchNorm3d(6), nn.ReLU())
                for a, stride in ((3, 1), (6, 2), (6, 2))
            )
            self.fc = nn.Linear(6, classes)

        def forward_features(self, x: torch.Tensor) -> list[torch.Tensor]:
            maps = []
            for stage in self.stages:
                x = stage(x)
                maps.append(x)
            return maps

        def pool(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3, 4))

        def get_classifier(self) -> nn.Module:
            return self.fc

    return Toy3d()
