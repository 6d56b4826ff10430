"""What a fitted network makes of each clip's whole view, such as features: derived data, kept in the store.

A value is a tensor for each interval or window of a clip, float16; values of a clip are one file of the store, whose
frames they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark_core.canonical import digest_of
from benchmark_core.clips import clipfile
from benchmark_core.clips.build_queue import BuildResult, BuildTask
from benchmark_core.clips.prefetch import prefetch
from benchmark_core.clips.store import ClipStore, Progress
from benchmark_core.clips.views import Batch, HostBatch, Views
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import Clip

REVISION = 1  # raised when other bytes are kept of the same values
BYTES = 2  # of a float16
AT_ONCE = 8  # intervals of a clip that are in memory together

Make = Callable[[Batch], Tensor]


@dataclass(frozen=True, kw_only=True)
class DerivedFormat:
    """made_of: all that the values depend on: the views' recipes and sampling, and the networks' stages and weights."""

    made_of: Mapping[str, Any]

    def numbers(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"kind": "derived", **self.made_of, "storage": REVISION}

    @property
    def key(self) -> str:
        """16 hex digits of the numbers' canonical JSON."""
        return digest_of(self.numbers())


def ensure_derived(
    store: ClipStore,
    views: Views,
    fmt: DerivedFormat,
    make: Make,
    device: torch.device,
    progress: Progress | None = None,
    *,
    shape: tuple[int, ...],
) -> None:
    """Makes what is missing; views are whole ones (`train` is off), given to `make` clip by clip.

    make: a batch of one clip, of at most `AT_ONCE` of its intervals, to (K, *shape). Resumable, whole or not at all,
    each clip made by one process. Raises ElrError where another shape comes, or a value that float16 cannot hold.
    """

    def build(task: BuildTask, missing: list[DerivedFormat]) -> BuildResult:
        clip = task.clips[0]
        writer = clipfile.Writer(store.path(task.content, fmt), compressed=False)
        try:
            for piece in views.pieces(clip, AT_ONCE):
                with torch.inference_mode():
                    batch = views.to_device(piece, device)
                    values = make(batch)
                due = (batch.mask.shape[1], *shape)
                if tuple(values.shape) != due:
                    raise ElrError(f"derived values of clip '{clip.id}' are {tuple(values.shape)} where {due} is due")
                if not bool(torch.isfinite(values.half()).all()):
                    raise ElrError(f"derived values of clip '{clip.id}' are not finite, or beyond what float16 holds")
                writer.add(as_bytes(values))
            writer.close()
        finally:
            writer.abort()
        return "built"

    store.fill(views.clips, [fmt], build, progress=progress, workers=1)


def as_bytes(values: Tensor) -> npt.NDArray[np.uint8]:
    """(K, ...) as uint8 (K, a, b, 2c), of the float16 values' bytes; dimensions before the last two are one."""
    flat = values.detach().to("cpu", torch.float16)
    shape = (1, 1, 1, *flat.shape[1:])[-3:]
    shape = (int(np.prod(flat.shape[1:-2], dtype=int)), *shape[1:])
    array = np.ascontiguousarray(flat.reshape(len(flat), *shape).numpy())
    return array.view(np.uint8)


class DerivedViews:
    """As `Views` for a loop: batches whose `derived` is float32 (B, K, *shape), zeros where `mask` is.

    shape: of one interval's values. Targets and masks are those of the views.
    """

    def __init__(self, views: Views, store: ClipStore, fmt: DerivedFormat, shape: tuple[int, ...], seed: int) -> None:
        self.views = views
        self.shape = shape
        self.seed = seed
        self._reader = store.reader(fmt)

    def __len__(self) -> int:
        return len(self.views)

    def steps(self, batch: int) -> int:
        """Batches in an epoch: whole ones, where there is one."""
        whole, rest = divmod(len(self), batch)
        return whole or int(bool(rest))

    def batches(self, batch: int, *, epoch: int = 0) -> Iterator[HostBatch]:
        """One pass in an order that the seed and the epoch give, read ahead in threads."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self))
        parts = [order[first : first + batch] for first in range(0, len(order), batch)][: self.steps(batch)]
        clips = self.views.clips
        return prefetch(partial(self.read, [clips[number] for number in part], epoch) for part in parts)

    def read(self, clips: list[Clip], epoch: int = 0) -> HostBatch:
        """One batch of the clips given."""
        values = [self._values(clip) for clip in clips]
        most = max(map(len, values))
        derived = torch.zeros(len(clips), most, *self.shape)
        mask = torch.zeros(len(clips), most)
        for row, value in enumerate(values):
            derived[row, : len(value)] = value
            mask[row, : len(value)] = 1
        return HostBatch(
            low=None, high=None, mask=mask, box=None, target=self.views.targets(clips),
            ids=tuple(clip.id for clip in clips), epoch=epoch, derived=derived,
        )  # fmt: skip

    def to_device(self, batch: HostBatch, device: torch.device | str) -> Batch:
        """The batch there."""
        assert batch.derived is not None
        return Batch(
            low=None, high=None, mask=batch.mask.to(device), box=None, target=batch.target.to(device), ids=batch.ids,
            epoch=batch.epoch, derived=batch.derived.to(device),
        )  # fmt: skip

    def _values(self, clip: Clip) -> Tensor:
        """float32 (K, *shape)."""
        stored = self._reader.frames(clip, range(self._reader.count(clip)))
        return torch.from_numpy(stored.reshape(len(stored), -1).view(np.float16)).float().reshape(-1, *self.shape)
