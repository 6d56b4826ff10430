"""Kinds of components that `elrbench new-plugin` writes, and how each is tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of component.

    kind: as in the catalog. attempt: a command line that uses the component, without `elrbench`.
    suffix: what follows the plugin's name in the name of the component.
    """

    kind: str
    attempt: str
    suffix: str = ""

    def component(self, name: str) -> str:
        """Return the name of the component of plugin `name`."""
        return f"{name}{self.suffix}"

    def example(self, name: str) -> str:
        """Return a command line that uses the component of plugin `name`."""
        return f"elrbench {self.attempt.format(name=name)}"


KINDS: Mapping[str, Kind] = {
    kind.kind: kind
    for kind in (
        Kind(kind="method", attempt="run --method {name} --dataset puppets --budget smoke"),
        Kind(kind="backbone", attempt="run --method supervised --backbone {name} --dataset puppets --budget smoke"),
        Kind(kind="enhancer", attempt="run --method supervised --enhancer {name} --dataset puppets --budget smoke"),
        Kind(
            kind="degradation",
            attempt="run --method supervised --degradation {name}-12x16 --dataset puppets --budget smoke",
            suffix="-HxW",
        ),
        Kind(kind="dataset", attempt="data verify {name} --data DIR"),
        Kind(kind="command", attempt="{name} elrbench-runs/DIGEST"),
    )
}
