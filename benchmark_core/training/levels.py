"""Levels of a backbone from input to output, for learning rates by layer and for freezing the early part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from benchmark_core.networks.protocols import Levelled
from benchmark_core.networks.recognizer import Recognizer

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def backbones_in(modules: Iterable[nn.Module]) -> list[nn.Module]:
    """Return the backbones of all recognizers in `modules`."""
    found = (part.backbone for module in modules for part in module.modules() if isinstance(part, Recognizer))
    return list({id(backbone): backbone for backbone in found}.values())


def levels_of(backbone: nn.Module) -> list[list[nn.Parameter]]:
    """Return the backbone's parameters in levels, from input to output; those of its classifier are left out.

    A level is a child of the backbone; children of `nn.Sequential`, `nn.ModuleList` and `nn.ModuleDict` count one by
    one. A normalisation layer, which has no parameter of two dimensions, belongs to the level before it. The order is
    the one in which the backbone declares its children. Parameters of the backbone itself, such as position
    embeddings, belong to the first level. A backbone may declare its levels instead (`Levelled`); parameters outside of
    them belong to the first level.
    """
    classifier = backbone.get_classifier()  # type: ignore[operator]
    seen = {id(parameter) for parameter in classifier.parameters()}
    levels: list[list[nn.Parameter]] = []
    own = [parameter for parameter in _outside(backbone) if id(parameter) not in seen]
    seen |= {id(parameter) for parameter in own}
    for block in backbone.parameter_levels() if isinstance(backbone, Levelled) else _blocks(backbone):
        parameters = [parameter for parameter in block.parameters() if id(parameter) not in seen]
        seen |= {id(parameter) for parameter in parameters}
        if levels and all(parameter.ndim <= 1 for parameter in parameters):
            levels[-1] += parameters
        elif parameters:
            levels.append(parameters)
    if own:
        levels[:1] = [[*own, *(levels[0] if levels else [])]]
    return levels


def _outside(backbone: nn.Module) -> list[nn.Parameter]:
    """Return the parameters in no block: those of the backbone itself, or those outside of its declared levels."""
    if not isinstance(backbone, Levelled):
        return list(backbone.parameters(recurse=False))
    inside = {id(parameter) for level in backbone.parameter_levels() for parameter in level.parameters()}
    return [parameter for parameter in backbone.parameters() if id(parameter) not in inside]


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, CONTAINERS):
            yield from _blocks(child)
        else:
            yield child


def rates(modules: Iterable[nn.Module], decay: float) -> dict[int, float]:
    """Return factors on the learning rate by id of the parameter, of those whose factor is not 1.

    Level i of L, from 0 at the input, gets decay^(L - i) (Clark et al., ELECTRA, 2020; Bao et al., BEiT, 2022). The
    classifier, the head, the enhancer and other modules have the factor 1.
    """
    factors: dict[int, float] = {}
    for backbone in backbones_in(modules) if decay != 1 else []:
        levels = levels_of(backbone)
        for number, level in enumerate(levels):
            factors |= dict.fromkeys(map(id, level), decay ** (len(levels) - number))
    return factors


def early(modules: Iterable[nn.Module], share: float) -> list[nn.Parameter]:
    """Return the trainable parameters of the first levels of each backbone. share: of the levels, rounded half up."""
    found = []
    for backbone in backbones_in(modules):
        levels = levels_of(backbone)
        found += [parameter for level in levels[: int(share * len(levels) + 0.5)] for parameter in level]
    return [parameter for parameter in found if parameter.requires_grad]
