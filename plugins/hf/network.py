"""Networks of transformers with stage maps, one pooled feature vector and a new classifier.

Example::

    network = build(101, {"architecture": spec.options["architecture"].default})
    logits = network.get_classifier()(network.pool(network.forward_features(torch.rand(2, 3, 96, 128))[-1]))  # (2, 101)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from elrbench import ElrError
from elrbench_plugins.hf.architecture import Architecture
from elrbench_plugins.hf.levels import levels_of_model
from elrbench_plugins.hf.library import auto_backbone, auto_model, config_of
from elrbench_plugins.hf.video import VIDEO


class TransformersNetwork(nn.Module):
    """A network `model` of transformers and a linear classifier `fc` on the mean of its last map.

    dims: 2 or 3. patch: frames, rows and columns of a token; views are padded to multiples, with the mean colour.
    """

    def __init__(self, model: Any, *, dims: int, features: int, classes: int, patch: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.patch = tuple(max(1, side) for side in patch[-dims:])
        self.avgpool = nn.AdaptiveAvgPool2d(1) if dims == 2 else nn.AdaptiveAvgPool3d(1)
        self.num_features = features
        self.fc = nn.Linear(features, classes)
        nn.init.trunc_normal_(self.fc.weight, std=0.02)
        nn.init.zeros_(self.fc.bias)

    def parameter_levels(self) -> Sequence[nn.Module]:
        """Return embeddings, blocks and the last norm, in order."""
        return levels_of_model(self.model)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the stage maps of normalised, padded x."""
        raise NotImplementedError

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return stage maps, each (N, C_i, [T_i,] h_i, w_i), for normalised x (N, 3, [T,] H, W).

        Raises ElrError if the model does not take views of that size.
        """
        missing = [-side % step for side, step in zip(x.shape[2:], self.patch, strict=True)]
        if any(missing):
            x = pad(x, [each for side in reversed(missing) for each in (0, side)])
        for part in self.model.modules():  # they compare it with the input; flow has two channels, early fusion more
            if isinstance(getattr(part, "num_channels", None), int) and hasattr(part, "projection"):
                part.num_channels = x.shape[1]
        try:
            return self.maps(x)
        except ValueError as error:  # of checks in the models
            shape = "x".join(map(str, x.shape[2:]))
            raise ElrError(
                f"'{self.model.config.model_type}' of transformers does not take views of {shape}: "
                f"{' '.join(str(error).split())[:200]}; pass another --size or --backbone"
            ) from error

    def pool(self, last: Tensor) -> Tensor:
        """Return the mean of the last map over space and time, (N, F), for (N, F, [T,] h, w)."""
        return torch.flatten(self.avgpool(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return the linear layer from F features to the classes."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) for normalised x (N, 3, [T,] H, W)."""
        logits: Tensor = self.fc(self.pool(self.forward_features(x)[-1]))
        return logits


class ImageBackbone(TransformersNetwork):
    """A network of AutoBackbone, whose feature maps are the stage maps."""

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps, (N, C_i, h_i, w_i)."""
        return list(self.model(x).feature_maps)


class ImageNetwork(TransformersNetwork):
    """A network of AutoModel. stages: numbers of the hidden states that are maps; the last is that of its output."""

    def __init__(self, model: Any, stages: Sequence[int], **rest: Any) -> None:
        super().__init__(model, **rest)
        self.stages = tuple(stages)
        self.asked = interpolating(model)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the hidden states after the stages, (N, C_i, h_i, w_i); the last one is normalised."""
        out = self.model(x, output_hidden_states=True, **self.asked)
        grid = (x.shape[2] // self.patch[0], x.shape[3] // self.patch[1])
        states = [out.hidden_states[number] for number in self.stages[:-1]]
        return [as_map(state, grid) for state in (*states, out.last_hidden_state)]


class VideoNetwork(TransformersNetwork):
    """A transformer over the tokens of a clip; see `elrbench_plugins.hf.video`. stages: numbers of blocks, from 1."""

    def __init__(self, model: Any, stages: Sequence[int], **rest: Any) -> None:
        super().__init__(model, dims=3, **rest)
        self.stages = tuple(stages)
        self.tokens = VIDEO[model.config.model_type]()

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the tokens after the blocks of `stages`, (N, D, T', h', w'); the last ones are normalised."""
        tokens, grid = self.tokens.embed(self.model, x)
        maps = []
        for number, block in enumerate(self.tokens.blocks(self.model), 1):
            out = block(tokens)
            tokens = out[0] if isinstance(out, tuple) else out  # a tuple in some versions
            if number in self.stages:
                last = number == self.stages[-1]
                maps.append(self.tokens.as_map(self.tokens.norm(self.model, tokens) if last else tokens, grid))
        return maps


def interpolating(model: Any) -> dict[str, bool]:
    """Return the argument with which a model interpolates its position embeddings, if it has it."""
    import inspect

    name = "interpolate_pos_encoding"
    return {name: True} if name in inspect.signature(model.forward).parameters else {}


def as_map(state: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return (N, C, h, w), for such a map or for tokens (N, [further +] h w, C), whose further ones come first."""
    if state.ndim == 4:
        return state
    return state[:, state.shape[1] - grid[0] * grid[1] :].transpose(1, 2).unflatten(2, grid)


def build(classes: int, options: Mapping[str, Any] | None = None) -> TransformersNetwork:
    """Return a newly initialised network of the option `architecture`."""
    text = str((options or {}).get("architecture", ""))
    if not text:
        raise ElrError("backbone 'hf' needs a model: write hf:OWNER/NAME[@REVISION] or hf:FOLDER")
    found = Architecture.read(text)
    config = config_of(found.config, "backbone.architecture")
    numbers, shape = list(found.stages.values()), {"classes": classes, "patch": found.patch}
    if found.form == "backbone":
        config.out_indices = numbers
        model = auto_backbone(config)
        return ImageBackbone(model, dims=2, features=model.channels[-1], **shape)
    model = auto_model(config)
    if found.form == "video":
        return VideoNetwork(model, numbers, features=config.hidden_size, **shape)
    return ImageNetwork(model, numbers, dims=2, features=features_of(model), **shape)


def features_of(model: Any) -> int:
    """Return the channels of the output of an image network, without computing it."""
    from copy import deepcopy

    config, ghost = model.config, deepcopy(model).to("meta").eval()
    size = getattr(config, "image_size", None) or 224
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    with torch.no_grad():
        out = ghost(torch.empty(1, config.num_channels, rows, columns, device="meta")).last_hidden_state
    return int(out.shape[-1] if out.ndim == 3 else out.shape[1])
