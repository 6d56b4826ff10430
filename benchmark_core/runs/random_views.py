"""Views filled with noise, of the shapes that a plan's real views have: for time estimates, without decoded clips."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark_core.clips.enhanced import Enhanced
from benchmark_core.clips.modality import channels, kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.views import Batch, View
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.specs.index import Clip, Drawn
from benchmark_core.training.stage_runner import ViewRequest

CLIPS = 4  # per batch; times are scaled to the plan's batch, because a paper's batch may not fit into a small machine
NATIVE = 48  # pixels: assumed side of natively low clips


@dataclass(frozen=True, kw_only=True)
class RandomViews:
    """Random batches, as many per epoch as the real views have.

    count: number of clips. derived: shape of an interval's derived values, which a batch then holds instead of views.
    intervals: intervals per clip of derived values.
    """

    plan: Plan
    components: Components
    count: int
    request: ViewRequest
    derived: tuple[int, ...] | None = None
    intervals: int = 1

    @property
    def train(self) -> bool:
        """Whether the views are augmented."""
        return not self.request.whole

    @property
    def sampling(self) -> Sampling:
        """The request's sampling, by default the plan's."""
        return self.request.sampling or Sampling.parse(self.plan.sampling)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips of a batch: each of another group."""
        classes = len(self.components.dataset.classes)
        return tuple(
            Clip(id=str(number), source=Drawn("", str(number)), target=number % classes, group=str(number))
            for number in range(CLIPS)
        )

    def __len__(self) -> int:
        return self.count

    def steps(self, batch: int) -> int:
        """Return the steps of an epoch, as `Views.steps` in training."""
        return max(1, self.count // batch)

    def without_flips(self) -> RandomViews:
        """Return the views themselves, whose content is random anyway."""
        return self

    def centred(self) -> RandomViews:
        """Return the views themselves, as above."""
        return self

    def batch(self, device: torch.device) -> Batch:
        """Return a batch of `CLIPS` clips; on the device "meta", a batch without content."""
        ids = tuple(clip.id for clip in self.clips)
        if self.derived is not None:
            mask = torch.ones(CLIPS, self.intervals, device=device)
            values = torch.rand(CLIPS, self.intervals, *self.derived, device=device)
            return Batch(low=None, high=None, mask=mask, box=None, target=self._target(device), ids=ids, derived=values)
        sampling = self.sampling
        return Batch(
            low=self._low(sampling, device) if self.request.low else None,
            high=self._high(sampling, device) if self.request.high else None,
            mask=torch.ones(CLIPS, sampling.k, device=device),
            box=torch.tensor([0.0, 0.1, 0.9, 0.9, 1.0], device=device).expand(CLIPS, 5),
            target=self._target(device),
            ids=ids,
        )

    def _low(self, sampling: Sampling, device: torch.device) -> View:
        """Return low views (B, K, 3, T, h, w); (B, K, 3, T, H, W) if they are enhanced or flow; a list if native."""
        flow = kind(self.plan.modality) == "flow"
        if self.request.enhancer is not None:
            view = self._noise(self.plan.size, sampling.k, sampling.t, device)
            return view.as_subclass(Enhanced) if isinstance(view, Tensor) else view
        at_once = 1 if self.request.sampling or flow else self.components.enhancer.frames
        size = self.plan.size if flow else self.components.degradation.low
        return self._noise(size, sampling.k, sampling.widened(at_once), device)

    def _high(self, sampling: Sampling, device: torch.device) -> View:
        """Return high views (B, K, 3, T, H, W); a list on a natively low track."""
        flow = kind(self.plan.modality) == "flow"
        native = not flow and self.request.enhancer is None and self.components.degradation.low is None
        side = max(NATIVE, *self.plan.high_size)
        return self._noise(None if native else self.plan.high_size, sampling.k, sampling.t, device, side=side)

    def _noise(
        self, size: tuple[int, int] | None, intervals: int, frames: int, device: torch.device, side: int = NATIVE
    ) -> View:
        """Return noise (B, K, C, T, *size); a list of clips as recorded if `size` is None.

        If the dataset does not state their size, they are (K, C, T, side + i, side).
        """
        shape = (intervals, channels(self.plan.modality), frames)
        recorded = self.components.dataset.recorded_size
        if size is None and recorded and not self.plan.hr_source:
            return [torch.rand(*shape, *recorded, device=device) for _ in range(CLIPS)]
        if size is None:
            return [torch.rand(*shape, side + clip, side, device=device) for clip in range(CLIPS)]
        return torch.rand(CLIPS, *shape, *size, device=device)

    def _target(self, device: torch.device) -> Tensor:
        """Return targets as `Views` does: int64 (B,) or float (B, C); -1 or zeros for unlabelled clips."""
        classes = len(self.components.dataset.classes)
        if self.components.dataset.task == "multi-label":
            labels = torch.rand(CLIPS, classes, device=device).round()
            return torch.zeros_like(labels) if self.request.unlabelled else labels
        numbers = torch.arange(CLIPS, device=device)
        return torch.full_like(numbers, -1) if self.request.unlabelled else numbers % classes
