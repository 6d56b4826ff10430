"""Find out how a model is used: which class of transformers builds it, and what its stage maps are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from elrbench import ElrError
from elrbench_plugins.hf.architecture import Architecture, without_unused
from elrbench_plugins.hf.colours import Colour
from elrbench_plugins.hf.library import auto_model, config_of, is_backbone, is_image_network, version
from elrbench_plugins.hf.video import VIDEO

MAPS = 4  # stage maps of a network that has more


def describe(plain: Mapping[str, Any], mean: Colour, std: Colour, shown: str) -> Architecture:
    """Return the architecture of the model with the configuration `plain`. shown: its name, for errors.

    Raises ElrError if transformers does not know it, or if it is not an image or video network that can be used.
    """
    config = config_of(plain, shown)
    kind, full = config.model_type, without_unused(config.to_dict())
    if plain.get("quantization_config"):
        raise ElrError(f"{shown} has quantised weights, which cannot be trained; use the model that it was made from")
    if kind in VIDEO:
        VIDEO[kind].check(config, shown)
        return Architecture(
            config=full, form="video", stages=quarters(config.num_hidden_layers, "block"), mean=mean, std=std
        )
    if is_backbone(kind):
        names = [(number, name) for number, name in enumerate(config.stage_names) if name != "stem"]
        kept = names if len(names) <= MAPS + 1 else [names[n - 1] for n in quarters(len(names), "").values()]
        stages = {name: number for number, name in kept}
        return Architecture(config=full, form="backbone", stages=stages, mean=mean, std=std)
    if is_image_network(kind):
        return Architecture(config=full, form="image", stages=_probed(config, shown), mean=mean, std=std)
    raise ElrError(
        f"{shown} is of the type '{kind}', which is no image network and no video network that is supported "
        f"({', '.join(sorted(VIDEO))}); use another model"
    )


def quarters(count: int, name: str) -> dict[str, int]:
    """Return the last of each quarter of `count` numbered things, such as {"block3": 3, …, "block12": 12}."""
    numbers = sorted({max(1, round(count * each / MAPS)) for each in range(1, MAPS + 1)})
    return {f"{name}{number}": number for number in numbers}


def _probed(config: Any, shown: str) -> dict[str, int]:
    """Return the stage maps of a network without AutoBackbone, by the shapes of its hidden states."""
    size = getattr(config, "image_size", None) or 224
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    try:
        with torch.device("meta"), torch.no_grad():
            states = (
                auto_model(config)
                .eval()(torch.empty(1, config.num_channels, rows, columns), output_hidden_states=True)
                .hidden_states
            )
    except Exception as error:  # of any model of the library
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ElrError(f"{shown}: transformers {version()} cannot run '{config.model_type}' ({reason})") from error
    if not states or any(state.ndim not in (3, 4) for state in states):
        raise ElrError(f"{shown}: '{config.model_type}' has no hidden states that are maps; use another model")
    if len({state.shape[1:] for state in states}) == 1:  # a transformer: the input of the blocks, then each output
        return quarters(len(states) - 1, "block")
    return _last_of_each_size(states, rows)


def _last_of_each_size(states: Sequence[torch.Tensor], rows: int) -> dict[str, int]:
    """Return the last hidden state (1, C, h, w) of each size of a pyramid, up to a quarter of the rows of the view."""
    heights = [state.shape[-2] for state in states]
    last = [n for n, height in enumerate(heights) if n == len(heights) - 1 or heights[n + 1] != height]
    kept = [number for number in last if heights[number] * 4 <= rows] or last[-1:]
    return {f"stage{place}": number for place, number in enumerate(kept[-MAPS:], 1)}
