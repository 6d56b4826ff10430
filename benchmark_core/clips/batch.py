"""Batches of views, on the host and on the device, and the part of a batch that one of several processes has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from torch import Tensor

View: TypeAlias = "Tensor | list[Tensor]"  # (B, K, 3, T, h, w), or B of (K, 3, T, h_i, w_i)


@dataclass(frozen=True)
class Part:
    """The clips of a batch that this process has: `rank`, `rank + size`, … of `clips`; with size 1, all of them.

    A method that draws random numbers for the clips of a batch draws them for the whole batch and keeps its own, so
    that several processes draw what one process draws::

        drawn = batch.part.of(training.rng.random(batch.part.rows(len(batch.ids))))
    """

    clips: int = 0
    rank: int = 0
    size: int = 1

    @property
    def own(self) -> int:
        """Number of clips that this process has."""
        return len(range(self.rank, self.clips, self.size))

    def share(self, items: Any) -> Any:
        """Return every `size`-th of the items from number `rank` on: an array or a list."""
        return items[self.rank :: self.size] if self.size > 1 else items

    def of_batch(self, clips: int) -> Part:
        """Return the same part of a batch of `clips` clips."""
        return replace(self, clips=clips) if self.size > 1 else self

    def rows(self, own: int) -> int:
        """Return the number of rows of the whole batch. own: rows of this process, the same number for each clip."""
        return own if self.size == 1 else own // self.own * self.clips

    def of(self, values: Any, axis: int = 0) -> Any:
        """Return this process's rows of `values`: an array, tensor or list of all rows, those of a clip together."""
        if self.size == 1:
            return values
        if isinstance(values, Sequence):
            return [values[row] for row in self._rows(len(values))]
        return values[(slice(None),) * axis + (self._rows(values.shape[axis]),)]

    def _rows(self, rows: int) -> list[int]:
        each = rows // self.clips  # rows of a clip
        return [clip * each + row for clip in range(self.rank, self.clips, self.size) for row in range(each)]


ALL = Part()


@dataclass(frozen=True, kw_only=True)
class HostBatch:
    """A batch as read from the store: views are uint8.

    mask: float (B, K), 0 for intervals that a clip does not have. box: float (B, 5), or None without augmentation.
    target: int64 (B,), or float (B, C) for multi-label datasets. derived: only of `DerivedViews`, which have no views.
    part: which clips of the batch these B are, if several processes train.
    """

    low: View | None
    high: View | None
    mask: Tensor
    box: Tensor | None
    target: Tensor
    ids: tuple[str, ...]
    epoch: int = 0
    derived: Tensor | None = None
    part: Part = ALL


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch on the device: pictures are float in [0, 1], flow is float in [-1, 1]. Other fields as in `HostBatch`.

    progress: fraction of the training that is done, 0 to 1; the training loop sets it.
    derived: float (B, K, …), the values that `training.derive` computed for each interval.
    """

    low: View | None
    high: View | None
    mask: Tensor
    box: Tensor | None
    target: Tensor
    ids: tuple[str, ...]
    epoch: int = 0
    progress: float = 0.0
    derived: Tensor | None = None
    part: Part = ALL
