"""Derived data: what a trained network computes from each clip's whole view, such as features, kept in the store.

There is one float16 tensor per interval or window of a clip. The tensors of a clip are the frames of one stored file.
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
from benchmark_core.clips.batch import ALL, Batch, HostBatch, Part
from benchmark_core.clips.build_queue import BuildResult, BuildTask
from benchmark_core.clips.prefetch import prefetch
from benchmark_core.clips.store import ClipStore, Progress
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import Clip

REVISION = 1  # raise if the same values are stored as other bytes
AT_ONCE = 8  # intervals of a clip that are in memory at the same time

Make = Callable[[Batch], Tensor]


@dataclass(frozen=True, kw_only=True)
class DerivedFormat:
    """Key of derived data.

    made_of: everything the values depend on: format and sampling of the views, stages and weights of the networks.
    """

    made_of: Mapping[str, Any]

    def numbers(self) -> dict[str, Any]:
        """Return everything that the stored values depend on, ready for JSON."""
        return {"kind": "derived", **self.made_of, "storage": REVISION}

    @property
    def key(self) -> str:
        """16 hex digits of the numbers' canonical JSON."""
        return digest_of(self.numbers())


def ensure_derived(
    store: ClipStore,
    views: Views,
    derived_format: DerivedFormat,
    make: Make,
    device: torch.device,
    progress: Progress | None = None,
    *,
    shape: tuple[int, ...],
    part: Part = ALL,
) -> None:
    """Compute and store the values that are missing. `views` must be whole views (`train` is False).

    make: maps a batch of one clip, with at most `AT_ONCE` of its intervals, to (K, *shape).
    part: compute those of this share of the clips only, as other processes compute the rest.

    As `ClipStore.ensure`, this is resumable, leaves no partial file, and each clip is made by one process. Raises
    ElrError if `make` returns another shape, or a value that float16 cannot represent.
    """

    def build(task: BuildTask, missing: list[DerivedFormat]) -> BuildResult:
        clip = task.clips[0]
        writer = clipfile.Writer(store.path(task.content, derived_format), compressed=False)
        try:
            for piece in views.pieces(clip, AT_ONCE):
                with torch.inference_mode():
                    batch = views.to_device(piece, device)
                    values = make(batch)
                expected = (batch.mask.shape[1], *shape)
                if tuple(values.shape) != expected:
                    raise ElrError(
                        f"derived values of clip '{clip.id}' are {tuple(values.shape)}, not {expected}; correct `fn`"
                    )
                if not bool(torch.isfinite(values.half()).all()):
                    raise ElrError(f"derived values of clip '{clip.id}' are not finite in float16; correct `fn`")
                writer.add(as_bytes(values))
            writer.close()
        finally:
            writer.abort()
        return "built"

    store.fill(part.share(views.clips), [derived_format], build, progress=progress, workers=1)


def as_bytes(values: Tensor) -> npt.NDArray[np.uint8]:
    """Return the float16 bytes of values (K, …, b, c) as uint8 (K, a, b, 2c); `a` joins the dimensions between."""
    flat = values.detach().to("cpu", torch.float16)
    shape = (1, 1, 1, *flat.shape[1:])[-3:]
    shape = (int(np.prod(flat.shape[1:-2], dtype=int)), *shape[1:])
    array = np.ascontiguousarray(flat.reshape(len(flat), *shape).numpy())
    return array.view(np.uint8)


class DerivedViews:
    """Batches of derived data, with the interface of `Views`.

    `derived` is float32 (B, K, *shape), zero where `mask` is zero. Targets and masks are those of the views.
    shape: shape of one interval's values.
    """

    def __init__(
        self, views: Views, store: ClipStore, derived_format: DerivedFormat, shape: tuple[int, ...], seed: int
    ) -> None:
        self.views = views
        self.shape = shape
        self.seed = seed
        self._reader = store.reader(derived_format)

    def __len__(self) -> int:
        return len(self.views)

    @property
    def labelled(self) -> bool:
        """Whether the clips have labels."""
        return self.views.labelled

    def steps(self, batch: int) -> int:
        """Return the number of batches in an epoch. A partial batch counts only if it is the only one."""
        whole, rest = divmod(len(self), batch)
        return whole or int(bool(rest))

    def batches(self, batch: int, *, epoch: int = 0, part: Part = ALL) -> Iterator[HostBatch]:
        """Yield the batches of one epoch, read ahead in threads. Seed and epoch determine the order.

        part: read only this part of the clips of each batch.
        """
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self))
        chunks = [order[first : first + batch] for first in range(0, len(order), batch)][: self.steps(batch)]
        clips = self.views.clips
        return prefetch(
            partial(self.read, [clips[number] for number in part.share(chunk)], epoch, part.of_batch(len(chunk)))
            for chunk in chunks
        )

    def read(self, clips: list[Clip], epoch: int = 0, part: Part = ALL) -> HostBatch:
        """Return one batch of the given clips, in their order. part: which clips of a batch they are."""
        values = [self._values(clip) for clip in clips]
        most = max(map(len, values))
        derived = torch.zeros(len(clips), most, *self.shape)
        mask = torch.zeros(len(clips), most)
        for row, value in enumerate(values):
            derived[row, : len(value)] = value
            mask[row, : len(value)] = 1
        return HostBatch(
            low=None, high=None, mask=mask, box=None, target=self.views.targets(clips),
            ids=tuple(clip.id for clip in clips), epoch=epoch, derived=derived, part=part,
        )  # fmt: skip

    def to_device(self, batch: HostBatch, device: torch.device | str) -> Batch:
        """Move a batch to the device."""
        assert batch.derived is not None
        return Batch(
            low=None, high=None, mask=batch.mask.to(device), box=None, target=batch.target.to(device), ids=batch.ids,
            epoch=batch.epoch, derived=batch.derived.to(device), part=batch.part,
        )  # fmt: skip

    def _values(self, clip: Clip) -> Tensor:
        """Return the stored values of a clip as float32 (K, *shape)."""
        stored = self._reader.frames(clip, range(self._reader.count(clip)))
        return torch.from_numpy(stored.reshape(len(stored), -1).view(np.float16)).float().reshape(-1, *self.shape)
