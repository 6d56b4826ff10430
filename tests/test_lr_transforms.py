"""Low views that are made from high views: n per clip, frames that repeat, and plans that cannot have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.clips.views import Batch
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from elrbench_plugins.lr_transforms.check import check_made_views
from elrbench_plugins.lr_transforms.pool import draw_of, low_views, repeat_frames


def batch(high: torch.Tensor, low: torch.Tensor) -> Batch:
    clips = len(high)
    return Batch(low=low, high=high, mask=torch.tensor([[1.0], [0.5]]), box=torch.arange(10.0).reshape(2, 5),
                 target=torch.arange(clips), ids=("a", "b"))  # fmt: skip


def test_given_transforms_in_the_units_of_a_view() -> None:
    """A low pixel is 1/12 of the height and 1/16 of the width."""
    drawn = draw_of(np.array([[0.5, -1.0]]), np.array([1.05]), np.array([90.0]), (12, 16))
    assert drawn.shift[0].tolist() == pytest.approx([0.5 / 12, -1 / 16])
    assert (drawn.scale.item(), drawn.angle.item()) == pytest.approx((1.05, np.pi / 2))
    assert not drawn.drift.any() and not drawn.flip.any() and drawn.made.all()


def test_low_views_of_a_clip_follow_each_other() -> None:
    """The first is the stored one; the second is the view, moved by half of it to the right, and halved."""
    high, stored = torch.rand(2, 1, 3, 2, 2, 4), torch.rand(2, 1, 3, 2, 1, 2)
    drawn = draw_of(np.array([[0, 0], [0, 1.0]]), np.ones(2), np.zeros(2), (1, 2))
    low, mask, box = low_views(lambda view: view[..., :1, ::2], batch(high, stored), drawn)
    assert low.shape == (4, 1, 3, 2, 1, 2)
    assert torch.equal(low[0], stored[0]) and torch.equal(low[2], stored[1])
    torch.testing.assert_close(low[3, ..., 0, 1], high[1, ..., 0, 0])  # what was at the left is in the middle now
    torch.testing.assert_close(low[3, ..., 0, 0], high[1, ..., 0, 0])  # the border is repeated
    assert mask.flatten().tolist() == [1.0, 1.0, 0.5, 0.5]
    assert box is not None and box[:, 0].tolist() == [0, 0, 5, 5]


def test_made_views_repeat_the_frames_that_high_views_repeat() -> None:
    frames = torch.tensor([1.0, 1, 2, 3, 3, 3, 1])
    high = frames.reshape(1, 1, 1, 7, 1, 1).expand(1, 1, 3, 7, 2, 2)
    made = torch.arange(14.0).reshape(2, 1, 1, 7, 1, 1).expand(2, 1, 3, 7, 1, 1)
    seen = repeat_frames(made, high)
    assert seen[0, 0, 0, :, 0, 0].tolist() == [0, 0, 2, 3, 3, 3, 6]
    assert seen[1, 0, 2, :, 0, 0].tolist() == [7, 7, 9, 10, 10, 10, 13]


def test_noise_does_not_move_a_clip_that_stands_still() -> None:
    """Equal frames stay equal in made views, whatever the noise of the degradation."""
    high = torch.rand(2, 1, 3, 1, 2, 4).expand(-1, -1, -1, 5, -1, -1)
    drawn = draw_of(np.zeros((2, 2)), np.ones(2), np.zeros(2), (1, 2))
    noise = torch.Generator().manual_seed(0)
    low, _, _ = low_views(
        lambda view: view[..., :1, ::2] + torch.rand(*view.shape[:4], 1, 2, generator=noise),
        batch(high, torch.rand(2, 1, 3, 5, 1, 2)),
        drawn,
    )
    assert torch.equal(low[1, :, :, 1:], low[1, :, :, :-1]) and not torch.equal(low[0, :, :, 1:], low[0, :, :, :-1])


def test_clips_of_a_batch_repeat_their_own_frames() -> None:
    high = torch.tensor([[1.0, 1], [1, 2]]).reshape(2, 1, 1, 2, 1, 1)
    seen = repeat_frames(torch.tensor([[5.0, 6], [7, 8]]).reshape(2, 1, 1, 2, 1, 1), high)
    assert seen.flatten().tolist() == [5, 5, 7, 8]


@pytest.mark.parametrize("method", ["multi-siamese", "isr"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "flow"}, "stored optical flow; use --modality rgb"),
        ({"teacher_backbone": "resnet18"}, "trains no teacher; remove --teacher-backbone resnet18"),
        ({"dataset": "tiny-puppets", "size": "16x16"}, "'native' has none; use e.g. --degradation average-12x16"),
        ({"backbone": "toynet", "sampling": "2x1", "enhancer": "dbpn-s"}, "'dbpn-s' is stored; .*--enhancer bilinear"),
        ({"backbone": "pot", "sampling": "clip-24", "enhancer": "denoise-bilinear"}, "takes 16 at once.* have 32; use"),
    ],
)
def test_refused(toy_catalog: Catalog, method: str, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        resolve_plan(toy_catalog, PlanRequest(**{"method": method, "dataset": "toy", "budget": "smoke", **changes}))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_degradation_of_decoded_frames_alone_is_refused(toy_catalog: Catalog) -> None:
    plan = resolve_plan(toy_catalog, PlanRequest(method="isr", dataset="toy", budget="smoke"))
    components = components_of(toy_catalog, plan)
    components = replace(components, degradation=replace(components.degradation, from_high=None))
    with pytest.raises(ElrError, match="works on decoded frames alone; use e.g. --degradation average-12x16"):
        check_made_views(plan, components)
