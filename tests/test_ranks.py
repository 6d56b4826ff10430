"""What several processes exchange: gradients, rows of a batch, buffers, metrics and errors. See `several.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from several import together
from torch import nn

from benchmark_core.clips.batch import ALL, Part
from benchmark_core.training.ranks import ONE
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.sync_norms import synchronised

Each = list[dict[str, Any]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Each:
    """All work by two processes."""
    names = "gradients,updates,rows,errors,equal,metrics,unlike,lost"
    return together(names, 2, tmp_path_factory.mktemp("ranks") / "two")


def of(found: Each, name: str, key: str) -> list[Any]:
    return [each[name][key] for each in found]


# -- parts of a batch


def test_the_parts_of_a_batch_by_hand() -> None:
    part = Part(clips=5, rank=1, size=2)
    assert part.own == 2 and part.rows(2) == 5 and part.rows(6) == 15  # three rows for each clip
    assert part.of(np.arange(5)).tolist() == [1, 3] and part.of(list("abcde")) == ["b", "d"]
    assert part.of(np.arange(10)).tolist() == [2, 3, 6, 7]  # two rows for each clip, those of a clip together
    assert part.of(torch.arange(10).reshape(2, 5), axis=1).tolist() == [[1, 3], [6, 8]]
    assert part.share([7, 8, 9]) == [8] and part.of_batch(3) == Part(clips=3, rank=1, size=2)
    values = np.arange(3)
    assert ALL.of(values) is values and ALL.share(values) is values and ALL.rows(3) == 3 and ALL.of_batch(9) is ALL


def test_one_process_exchanges_nothing() -> None:
    values = torch.ones(2)
    assert ONE.whole(values) is values and ONE.broadcast(values) is values and ONE.gather(3) == [3]
    assert ONE.weight == 1 and ONE.seeds == () and ONE.leads and not ONE.several
    assert ONE.lead(lambda: 4) == ONE.each(lambda: 4) == 4
    ONE.wait()
    ONE.copy([values])


# -- gradients and updates


def test_gradients_are_averaged_by_hand(two: Each) -> None:
    for everywhere, first, nowhere, turning in of(two, "gradients", "equal"):
        assert everywhere.tolist() == [1.5, 15] and first.tolist() == [[0.5], [0.5]] and nowhere is None
        assert turning.tolist() == [0.5 + 2j]
    for everywhere, first, nowhere, turning in of(two, "gradients", "weighted"):  # weights 1 and 3
        assert everywhere.tolist() == [1.75, 17.5] and first.tolist() == [[0.25], [0.25]] and nowhere is None
        assert turning.tolist() == [0.75 + 2j]
    for everywhere in of(two, "gradients", "by clips"):  # 3 and 2 clips
        assert everywhere.tolist() == pytest.approx([1.4, 14])


def test_a_sparse_gradient_is_refused(two: Each) -> None:
    assert all("(2,) has a sparse gradient" in text for text in of(two, "gradients", "sparse"))


def test_updates_are_those_of_one_process_on_the_whole_batch(two: Each) -> None:
    """The average comes before the clipping: clipped gradients of each part would have another mean."""
    torch.manual_seed(0)
    net, data = nn.Linear(4, 2), torch.arange(24.0).reshape(6, 4) / 24
    options = {"optimiser": "adamw", "lr": 0.1, "weight_decay": 0.1, "clip_norm": 0.5, "schedule": "constant",
               "warmup_epochs": 0, "momentum": 0.9, "model_ema_decay": 0.9}  # fmt: skip
    recipe = Recipe([net], options, epochs=3, steps=1)
    recipe.begin_epoch(0)
    for _ in range(3):
        recipe.step(net(data).square().mean())
    average = torch.cat([value.flatten() for value in recipe.averages[0][1].network.state_dict().values()])
    other = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        other.zero_grad()
        net(data).square().mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        other.step()
    expected = torch.cat([value.flatten() for value in net.state_dict().values()])
    for weights in of(two, "updates", "weights"):
        assert torch.allclose(weights, expected, atol=1e-6)
    for found in of(two, "updates", "average"):
        assert torch.allclose(found, average, atol=1e-6)
    one, another = of(two, "updates", "weights")
    assert torch.equal(one, another) and len(set(map(str, of(two, "updates", "sums")))) == 1


def test_an_optimizer_that_steps_by_itself_is_refused_in_one_line(two: Each) -> None:
    for text in of(two, "updates", "refused"):
        assert text.startswith("method 'toy' steps an optimizer by itself") and "\n" not in text
        assert "recipe.step(loss) or training.step(optimizer)" in text


def test_three_processes_have_equal_bits(tmp_path: Path) -> None:
    found = together("updates,rows", 3, tmp_path / "three")
    first, *others = of(found, "updates", "weights")
    assert all(torch.equal(first, other) for other in others)
    assert all(torch.equal(each, torch.arange(30.0).reshape(10, 3)) for each in of(found, "rows", "rows"))


# -- rows of the whole batch


def test_rows_of_all_clips_are_in_the_order_of_the_batch(two: Each) -> None:
    for each in of(two, "rows", "rows"):
        assert torch.equal(each, torch.arange(30.0).reshape(10, 3))
    for each in of(two, "rows", "longer"):  # of rank 0 two long, of rank 1 three
        assert each.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 0]]
    for each in of(two, "rows", "list"):
        assert [clip.tolist() for clip in each] == [[[float(clip)] * (clip + 1)] for clip in range(5)]


def test_gradients_pass_to_the_process_that_has_the_clip(two: Each) -> None:
    inputs = torch.arange(30.0).reshape(10, 3)[::2].clone().requires_grad_(True)
    ((inputs + inputs.roll(-1, 0)).sum(1) * torch.arange(5.0)).mean().backward()
    assert inputs.grad is not None
    for rank in two:
        assert torch.allclose(rank["rows"]["gradient"], inputs.grad[rank["rows"]["own"]])


# -- equal state, metrics, errors


def test_buffers_follow_rank_0_and_other_differences_are_refused(two: Each) -> None:
    one, other = of(two, "equal", "apart")
    assert one != other  # each rank has normalised its own batch
    assert len({str(sums) for sums in of(two, "equal", "sums")}) == 1
    assert torch.equal(*of(two, "equal", "average"))
    for text in of(two, "equal", "number"):
        assert text.startswith("epoch 2: processes 0 and 1 have other values of Counter 1.value (1 of ")
    for text in of(two, "equal", "weights"):
        assert text.startswith("epoch 3: processes 0 and 1 have other values of Sequential 0.0.bias (1 of ")


def test_metrics_are_means_over_the_clips_of_all_ranks(two: Each) -> None:
    # rank 0 logs 0 with 2 clips and 1 with 3, rank 1 logs 10 with 2 and 11 with 2; a weight is the share of a batch
    weights = {0: (1, 3 * 2 / 5), 1: (1, 2 * 2 / 5)}
    total = sum(weights[rank][at] * (at + 10 * rank) for rank in (0, 1) for at in (0, 1))
    expected = {"loss": round(total / 4, 6), "late": 2.0}
    assert of(two, "metrics", "means") == [expected, expected]
    assert of(two, "metrics", "again") == [{}, {}]
    assert all(text.startswith("epoch 3: the mean of loss is nan; lower") for text in of(two, "metrics", "nan"))


def test_errors_of_one_process_are_raised_by_all(two: Each) -> None:
    assert [each["rank"] for each in of(two, "errors", "led")] == [0, 0] and of(two, "errors", "each") == [0, 1]
    assert of(two, "errors", "lead fails") == ["wrong on 0"] * 2
    assert all(text.endswith("wrong on 1") for text in of(two, "errors", "last fails"))
    assert two[0]["errors"]["last fails"] == "process 1: wrong on 1"
    assert of(two, "errors", "all fail") == ["wrong on all"] * 2
    assert of(two, "errors", "after") == [0, 0]


def test_processes_with_other_versions_plugins_or_one_gpu_are_refused(two: Each) -> None:
    assert of(two, "unlike", "equal") == ["", ""]
    (version,) = set(of(two, "unlike", "version"))
    assert version.startswith("process 1 on ") and " has torch 2.1, but process 0 on " in version
    assert version.endswith(" has 2.0; install equal versions")
    assert all(" has the method none, but process 0 on " in text for text in of(two, "unlike", "plugin"))
    assert all(text.startswith("processes 0 and 1 have the same GPU on ") for text in of(two, "unlike", "gpu"))


def test_a_process_that_leaves_ends_the_exchanges_of_the_others(two: Each) -> None:
    assert "lost the connection" in two[0]["lost"]["lost"]


# -- synchronised norms; their numbers need several GPUs


class OwnNorm(nn.BatchNorm2d):
    """A norm of a class of its own."""


def test_norms_are_synchronised_inside_the_block_and_keep_their_parameters() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), OwnNorm(4), nn.BatchNorm3d(2))
    kept = dict(net.named_parameters())
    with pytest.raises(ZeroDivisionError), synchronised([net, net[1]]):
        assert [type(part) for part in net] == [nn.Conv2d, nn.SyncBatchNorm, OwnNorm, nn.SyncBatchNorm]
        view = torch.rand(2, 3, 4, 4)
        seen = net[1](net[0](view))  # one process: as without
        raise ZeroDivisionError
    assert [type(part) for part in net] == [nn.Conv2d, nn.BatchNorm2d, OwnNorm, nn.BatchNorm3d]
    assert torch.allclose(net[1](net[0](view)), seen) and "process_group" not in vars(net[1])
    assert all(value is kept[name] for name, value in net.named_parameters())
