"""One plan on several processes ("ranks"): what they exchange.

Every rank runs the whole method with networks of its own, on one device. It reads every N-th clip of each batch
(`clips.batch.Part`), and the ranks exchange

* gradients, averaged in `Recipe.step` and `training.step` before they are clipped and used (`averaging`). A wrapper
  around `forward`, such as DistributedDataParallel, would miss methods that call `trace`, train two networks against
  each other or let one grow; an average in the update misses nothing, and a loop that updates without it is refused;
* running statistics of BatchNorm: at each epoch's end those of rank 0 replace those of the others (`equal_state`).
  In training, a rank normalises by its own clips; `--batch-norm sync` normalises by those of all ranks (`sync_norms`);
* logged values, averaged over the ranks at each epoch's end, so that `training.history` is equal everywhere;
* on request, a tensor of all clips of the batch (`training.whole`): partners of mixed clips, pairs of clips.

Random numbers. Frames and boxes of a clip depend on its id. numpy's generator is equal on all ranks: a method draws for
the whole batch and keeps its part, so that N processes draw what one process draws. Torch's generator is seeded again
in each epoch, by its number and by the rank, for what is drawn inside networks (dropout, noise); rank 0 draws what one
process draws. No state of a generator has to be kept: a checkpoint is of an epoch's end, and the seeds depend on
names, epoch and rank alone.

Rank 0 holds the stage's lock, reads and writes the cache and tells the others what it found (`shared_stage`). No other
rank waits for that lock, and no exchange is inside a clip's lock. Deriving and scoring are spread by clips and batches.

One group of `torch.distributed` is for tensors on the device (nccl, gloo on a CPU); its exchanges fail after half an
hour. Another one is for objects (gloo); in it ranks may wait for rank 0 for days, while it decodes or waits for a lock.
If a process ends, its connections close and the exchanges of the others fail: `PeerLost`. See `connect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from benchmark_core.clips.batch import ALL, Part, View
from benchmark_core.errors import ElrError, RunFailed

T = TypeVar("T")


class PeerLost(RunFailed):
    """An exchange failed because another process ended."""


class Ranks:
    """The processes that train one plan, as seen by one of them. With size 1, every method does nothing.

    rank: number of this process. tensors, objects: groups of `torch.distributed`, see the module.
    part: which clips of the present batch this process has; the training loop sets it. updates: averaged so far.
    """

    def __init__(self, rank: int = 0, size: int = 1, tensors: Any = None, objects: Any = None) -> None:
        self.rank, self.size = rank, size
        self.part: Part = ALL
        self.updates = 0
        self._tensors, self._objects = tensors, objects

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which owns lock, checkpoint, log and record."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there is another process."""
        return self.size > 1

    @property
    def turn(self) -> Part:
        """This process's share of a list of clips or batches; all of it for one process."""
        return Part(rank=self.rank, size=self.size)

    @property
    def seeds(self) -> tuple[int, ...]:
        """What torch's seeds depend on in addition to names: nothing on rank 0."""
        return (self.rank,) if self.rank else ()

    @property
    def weight(self) -> float:
        """Weight of this process's mean over its clips, 1 if every process has as many clips of the present batch."""
        return self.part.own * self.size / self.part.clips if self.several and self.part.clips else 1.0

    @property
    def group(self) -> Any:
        """The group of tensors, for torch's own layers."""
        return self._tensors

    # -- objects

    def broadcast(self, value: T) -> T:
        """Return rank 0's value. Tensors in it must be on the CPU."""
        if not self.several:
            return value
        sent: list[Any] = [value if self.leads else None]
        with exchange():
            dist.broadcast_object_list(sent, group_src=0, group=self._objects)
        return cast("T", sent[0])

    def gather(self, value: T) -> list[T]:
        """Return the value of every rank, in order."""
        if not self.several:
            return [value]
        found: list[Any] = [None] * self.size
        with exchange():
            dist.all_gather_object(found, value, group=self._objects)
        return found

    def wait(self) -> None:
        """Wait until every rank is here."""
        self.gather(None)

    def lead(self, fn: Callable[[], T]) -> T:
        """Call `fn` on rank 0 and return what it returns, on all ranks. An ElrError is raised on all ranks, too."""
        if not self.several:
            return fn()
        made: T | None = None
        error: ElrError | None = None
        if self.leads:
            try:
                made = fn()
            except ElrError as raised:
                error = raised
        failed, made = self.broadcast((None if error is None else (str(error), error.exit_code), made))
        if error is not None:
            raise error
        if failed is not None:
            raise _as_error(*failed)
        return cast("T", made)

    def each(self, fn: Callable[[], T]) -> T:
        """Call `fn`, which exchanges nothing, on every rank. If it raises ElrError on one, it is raised on all."""
        if not self.several:
            return fn()
        made: T | None = None
        error: ElrError | None = None
        try:
            made = fn()
        except ElrError as raised:
            error = raised
        found = self.gather(None if error is None else (str(error), error.exit_code))
        failed = [(rank, one) for rank, one in enumerate(found) if one is not None]
        if not failed:
            return cast("T", made)
        rank, (text, code) = failed[0]
        raise _as_error(text if len(failed) == self.size or not rank else f"process {rank}: {text}", code)

    # -- tensors on the device

    def add_up(self, tensor: Tensor) -> None:
        """Replace `tensor` by its sum over the ranks, bit for bit the same on all."""
        with exchange():
            dist.all_reduce(tensor, group=self._tensors)

    @torch.no_grad()
    def copy(self, tensors: Iterable[Tensor]) -> None:
        """Replace these tensors in place by those of rank 0, which must have the same shapes."""
        if not self.several:
            return
        groups: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            if tensor.numel():
                groups.setdefault(tensor.dtype, []).append(tensor.detach())
        for members in groups.values():
            flat = torch.cat([member.reshape(-1) for member in members])
            with exchange():
                dist.broadcast(flat.view(torch.uint8), group_src=0, group=self._tensors)
            for member, values in zip(members, torch.split(flat, [member.numel() for member in members]), strict=True):
                member.copy_(values.view(member.shape))

    def whole(self, values: View) -> View:
        """Return the rows of all clips of the present batch, in its order. values: rows of this process's clips.

        Gradients pass: those of all ranks reach the rank that has the clip. Other dimensions than the first may differ
        between ranks, such as the number of intervals; the longest length is used and the rest is filled with zeros.
        """
        if not self.several:
            return values
        if isinstance(values, list):
            return self._whole_list(values)
        plain = values.as_subclass(Tensor)
        if plain.requires_grad and torch.is_grad_enabled():
            made: Tensor = _Whole.apply(plain, self)  # type: ignore[no-untyped-call]
            return made
        return self.join(plain.detach())

    def join(self, values: Tensor) -> Tensor:
        """Return what `whole` returns of a tensor, without gradients."""
        shapes = self.gather(tuple(values.shape))
        longest = [max(sides) for sides in zip(*(shape[1:] for shape in shapes), strict=True)]
        flat = values.new_zeros((len(values), *longest))
        flat[tuple(slice(side) for side in values.shape)] = values
        clips, each = self.part.clips, len(values) // self.part.own
        whole = flat.new_zeros((clips, each, *longest))
        sizes = [len(range(rank, clips, self.size)) * each * flat[:1].numel() for rank in range(self.size)]
        for rank, piece in enumerate(self._pieces(flat.reshape(-1), sizes)):
            whole[rank :: self.size] = piece.view(-1, each, *longest)
        return whole.flatten(0, 1)

    def _whole_list(self, clips: list[Tensor]) -> list[Tensor]:
        """Return all clips, which may differ in shape, in the batch's order."""
        shapes = self.gather([tuple(clip.shape) for clip in clips])
        flat = torch.cat([clip.reshape(-1) for clip in clips])
        sizes = [sum(torch.Size(shape).numel() for shape in each) for each in shapes]
        found: list[Tensor] = [flat] * self.part.clips
        for rank, (piece, each) in enumerate(zip(self._pieces(flat, sizes), shapes, strict=True)):
            parts = torch.split(piece, [torch.Size(shape).numel() for shape in each])
            found[rank :: self.size] = [part.view(shape) for part, shape in zip(parts, each, strict=True)]
        return found

    def _pieces(self, flat: Tensor, sizes: Sequence[int]) -> list[Tensor]:
        """Return the vectors of all ranks, in order. flat: that of this rank. sizes: their lengths."""
        padded = flat.new_zeros(max(sizes))
        padded[: len(flat)] = flat
        found = [torch.empty_like(padded) for _ in sizes]
        with exchange():
            dist.all_gather([each.view(torch.uint8) for each in found], padded.view(torch.uint8), group=self._tensors)
        return [each[:size] for each, size in zip(found, sizes, strict=True)]


class _Whole(torch.autograd.Function):
    """`Ranks.join` with gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks, ctx.part, ctx.weight, ctx.shape = ranks, ranks.part, ranks.weight, values.shape
        return ranks.join(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.float() * ctx.weight  # the average of gradients divides by the weight of the receiving rank
        ctx.ranks.add_up(total)
        own = ctx.part.of(total) / ctx.weight
        return own[tuple(slice(side) for side in ctx.shape)].to(gradient.dtype), None


ONE = Ranks()


@contextmanager
def exchange() -> Iterator[None]:
    """Raise PeerLost if an exchange in the block fails."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        text = " ".join(str(error).split())
        raise PeerLost(
            f"a process lost the connection to another one, which may have ended ({text[:200]}); run the same command "
            "again to continue from the last finished epoch"
        ) from error


def _as_error(text: str, code: int) -> ElrError:
    return RunFailed(text) if code == RunFailed.exit_code else ElrError(text)
