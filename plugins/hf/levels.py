"""The levels of a model from input to output, found by its lists of blocks."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

LISTS = (nn.ModuleList, nn.Sequential)


def levels_of_model(model: nn.Module) -> list[nn.Module]:
    """Return modules without common parameters, in the order in which they are declared.

    A module that holds a list of several modules is opened, such as an encoder, and so is the list, whose elements may
    hold lists again, such as the stages of a pyramid. Other modules, such as blocks, are levels.
    """
    return list(_levels(model))


def _levels(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if _holds_blocks(child):
            yield from _levels(child)
        elif any(True for _ in child.parameters()):
            yield child


def _holds_blocks(module: nn.Module) -> bool:
    """Return whether a list of several modules of one class is inside, as blocks of a network are."""
    return any(
        len(part) > 1 and len({type(each) for each in part}) == 1 and not _is_layer(part[0])
        for part in module.modules()
        if isinstance(part, LISTS)
    )


def _is_layer(module: nn.Module) -> bool:
    """Return whether a module is a single layer: lists of layers are inside of blocks."""
    return not any(True for _ in module.children())
