"""Map loss, ensemble and pretext tasks of elr-distil, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from elrbench_plugins.distillation.batch_statistics import batch_statistics
from elrbench_plugins.elr_distil import learn, pretext, teachers

# -- statistics of a teacher that follows the batch


def test_batch_statistics_leave_the_running_ones_unchanged() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images = torch.rand(8, 1, 4, 4) * 5
    with torch.no_grad():
        running = network(images)
        with batch_statistics(network, use=True):
            batch = network(images)
        with batch_statistics(network, use=False):
            unchanged = network(images)
    assert batch.mean().abs() < 1e-5 and torch.equal(running, unchanged) and not torch.allclose(running, batch)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not network[1].training and network[1].momentum == 0.1


# -- soft labels and the sum


def test_an_ensemble_is_the_weighted_geometric_mean() -> None:
    one, other = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.2, 0.8]]).log()
    mean = teachers.ensemble([one, other + 3], [0.25, 0.75]).softmax(1)
    expected = torch.tensor([0.9**0.25 * 0.2**0.75, 0.1**0.25 * 0.8**0.75])
    assert torch.allclose(mean[0], expected / expected.sum())


def test_the_weighted_sum_by_hand() -> None:
    terms = {key: torch.tensor(value) for key, value in {"task": 2.0, "soft": 4.0, "map": 0.5, "flow": 3.0}.items()}
    options = {"alpha": 0.25, "map_weight": 100.0, "motion_weight": 2.0}
    assert learn.total(terms, options).item() == pytest.approx(0.75 * 2 + 0.25 * 4 + 50 + 6)
    assert learn.total({"task": terms["task"]}, options).item() == 2  # without soft labels, the task has weight 1


def test_the_pretext_takes_its_epochs_from_the_students() -> None:
    options = {"pretext": "none", "joint_epochs": 60, "pretext_epochs": 20}
    assert learn.label_epochs(options) == 60 and learn.label_epochs({**options, "pretext": "all"}) == 40


# -- pretext tasks


def test_segments_are_put_in_order() -> None:
    assert pretext.frame_order((2, 0, 1), 7) == [4, 5, 0, 1, 2, 3, 6]
    assert len(set(pretext.ORDERS)) == 6 and pretext.ORDERS[0] == (0, 1, 2)
    view = torch.arange(6).float().reshape(1, 1, 6, 1, 1).expand(20, 3, -1, 2, 2)
    seen, orders = pretext.Order(4).change(view, np.random.default_rng(0))
    assert len(set(orders.tolist())) > 3
    for clip, order in zip(seen, orders.tolist(), strict=True):
        assert clip[0, :, 0, 0].tolist() == pretext.frame_order(pretext.ORDERS[order], 6)


def test_frames_at_a_speed() -> None:
    assert pretext.paced(24, 8, 3, 0.0).tolist() == list(range(0, 24, 3))
    assert pretext.paced(24, 8, 2, 0.999).tolist() == list(range(9, 24, 2))
    assert pretext.paced(24, 8, 1, 0.5).tolist() == list(range(8, 16))
    view = torch.arange(24).float().reshape(1, 1, 24, 1, 1).expand(30, 3, -1, 2, 2)
    seen, kinds = pretext.Speed(4).change(view, np.random.default_rng(0))
    assert seen.shape == view.shape and set(kinds.tolist()) == {0, 1, 2}
    spans = seen[:, 0, -1, 0, 0] - seen[:, 0, 0, 0, 0]
    assert torch.allclose(spans, 7.0 * (kinds + 1))


def test_blocks_hide_their_share() -> None:
    hidden = pretext.blocks(np.random.default_rng(0), (5, 8, 12, 16), 0.5, 4, 4)
    assert hidden.shape == (5, 8, 12, 16) and hidden.mean((1, 2, 3)).tolist() == [0.5] * 5
    cells = hidden.reshape(5, 2, 4, 3, 4, 4, 4)
    assert (cells.all((2, 4, 6)) | ~cells.any((2, 4, 6))).all()  # whole blocks
    assert not np.array_equal(hidden[0], hidden[1])
    odd = pretext.blocks(np.random.default_rng(0), (2, 5, 7, 9), 0.01, 4, 4)
    assert odd.shape == (2, 5, 7, 9) and odd.any((1, 2, 3)).all()


def test_the_loss_counts_hidden_pixels_alone() -> None:
    """Cells of the map predict their own 2x2x2 part of the view."""
    task = pretext.Masked((2, 2, 2, 3), (3, 4, 4, 6), share=0.5, frames=2, pixels=2)
    assert task.factors == [2, 2, 2]
    view = torch.rand(2, 3, 4, 4, 6)
    seen, hidden = task.change(view, np.random.default_rng(0))
    assert torch.equal(seen.where(~hidden, 0), view.where(~hidden, 0)) and hidden.float().mean() == 0.5
    assert torch.allclose(seen.where(hidden, 0), view.mean((2, 3, 4), keepdim=True).where(hidden, 0))
    with torch.no_grad():
        task.head.weight.zero_()
        task.head.bias.zero_()
    last = torch.rand(2, 2, 2, 2, 3)
    expected = view.square().mean(1, keepdim=True)[hidden].mean()
    assert task.loss(last, view, hidden).item() == pytest.approx(expected.item(), rel=1e-5)


def test_each_cell_predicts_its_own_pixels() -> None:
    task = pretext.Masked((1, 2, 1, 2), (1, 4, 3, 4), share=0.5, frames=2, pixels=2)
    with torch.no_grad():
        task.head.weight.fill_(1)
        task.head.bias.zero_()
    last = torch.tensor([1.0, 2, 3, 4]).reshape(1, 1, 2, 1, 2)  # (T', w')
    everywhere = torch.ones(1, 1, 4, 3, 4, dtype=torch.bool)
    view = last.repeat_interleave(2, 2).repeat_interleave(3, 3).repeat_interleave(2, 4)
    assert task.loss(last, view, everywhere).item() == pytest.approx(0, abs=1e-10)
