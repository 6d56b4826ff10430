"""TinyVIRAT's equations 1 to 3 by hand, the targets of growth, fade-in, and updates in as much memory as is given."""

from __future__ import annotations

import contextlib
import copy
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from benchmark_core.networks.heads import HEADS
from benchmark_core.networks.losses import task_loss
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.training.averaging import step
from elrbench_plugins.dvsr.enhancer import resized
from elrbench_plugins.dvsr.growth import FadeIn, target_of
from elrbench_plugins.dvsr.losses import masked, psnr, reconstruction, sparsity
from elrbench_plugins.dvsr.network import Attention, Dvsr
from elrbench_plugins.dvsr.updates import Joint, Reconstruction, parts

NUMBERS = {
    "lr": 0.01, "beta1": 0.5, "beta2": 0.9, "weight_decay": 0.1, "joint_weight_decay": 0.1,
    "micro_batch": 0, "checkpoint": False, "lambda_rec": 1.0, "lambda_att": 0.5, "sparsity": 5e-4, "mask": "grey",
    "classifier_lr": 0.02, "classifier_beta1": 0.5, "classifier_beta2": 0.9,
}  # fmt: skip


def view(*pixels: float) -> Tensor:
    """(1, 1, 1, 1, n)."""
    return torch.tensor(pixels, dtype=torch.float64).reshape(1, 1, 1, 1, -1)


# -- eq. 1 and 2


def test_eq1_by_hand() -> None:
    made, high = view(0.5, -1.0), view(0.0, 1.0)
    assert reconstruction(made, high).item() == (0.5 + 2) / 2
    assert reconstruction(made, high, view(1.0, 0.25)).item() == (0.5 + 0.5) / 2
    colours = torch.cat([made, 2 * made], 1)  # one weight for all colours of a pixel
    assert reconstruction(colours, torch.zeros(1, 2, 1, 1, 2), view(1.0, 0.5)).item() == (0.5 + 0.5 + 1 + 1) / 4


def test_eq1_sends_no_gradient_to_attention() -> None:
    made, attention = view(0.5, -1.0).requires_grad_(), view(1.0, 0.25).requires_grad_()
    reconstruction(made, view(0.0, 1.0), attention).backward()
    assert attention.grad is None and made.grad is not None
    assert made.grad.flatten().tolist() == [0.5, -0.125]


def test_eq2s_mask_by_hand() -> None:
    """0.5 in [-1, 1] is 0.75 in [0, 1]; halved there it is 0.25, or 0.625."""
    made, attention = view(0.5, 1.7, -1.0), view(0.5, 1.0, 0.0)
    assert masked(made, attention, "grey").flatten().tolist() == [0.625, 1.0, 0.5]
    assert masked(made, attention, "black").flatten().tolist() == [0.375, 1.0, 0.0]


@pytest.mark.parametrize("mask", ["grey", "black"])
def test_eq2_sends_no_gradient_to_what_is_made(mask: str) -> None:
    made, attention = view(0.5, 0.2).requires_grad_(), view(0.5, 1.0).requires_grad_()
    masked(made, attention, mask).sum().backward()
    assert made.grad is None and attention.grad is not None and bool(attention.grad.any())


def test_sparsity_is_the_mean() -> None:
    assert sparsity(view(0.5, 0.25, 0.0)).item() == 0.25


def test_psnr_by_hand() -> None:
    assert psnr(view(0.1, 0.1), view(0.0, 0.0)).item() == pytest.approx(20)
    assert psnr(view(0.1, 0.5), view(0.0, 0.5)).item() == pytest.approx(20 + 10 * 0.30103, abs=1e-4)
    assert psnr(view(0.1, 0.5), view(0.0, 0.5), view(1.0, 0.0)).item() == pytest.approx(20)
    assert psnr(view(0.1, 0.5), view(0.0, 0.5), view(0.2, 0.6)).item() == pytest.approx(20 + 10 * 0.60206, abs=1e-4)
    assert psnr(view(0.3), view(0.3)).item() == pytest.approx(100)
    colours = torch.cat([view(0.1, 0.5), view(0.1, 0.7)], 1)
    assert psnr(colours, torch.zeros_like(colours), view(1.0, 0.0)).item() == pytest.approx(20)


# -- growth


@pytest.mark.parametrize(
    ("step", "steps", "shape"),
    [(1, 3, (4, 28, 28)), (2, 3, (8, 56, 56)), (3, 3, (16, 112, 112)), (1, 2, (8, 56, 56)), (2, 2, (16, 112, 112))],
)
@pytest.mark.parametrize("frames", ["every", "linear"])
def test_targets_have_the_steps_shape(step: int, steps: int, shape: tuple[int, ...], frames: str) -> None:
    high = torch.rand(1, 3, 16, 112, 112)
    target = target_of(high, step, steps, frames)
    assert target.shape == (1, 3, *shape) and target.min() >= 0 and target.max() <= 1
    assert target is high or step < steps


def test_which_frames_a_step_learns() -> None:
    high = (torch.arange(16) / 15).reshape(1, 1, 16, 1, 1).expand(1, 3, 16, 8, 8)
    seen = {frames: [target_of(high, step, 3, frames)[0, 0, :, 0, 0] * 15 for step in (1, 2)] for frames in
            ("every", "linear")}  # fmt: skip
    assert [row.round(decimals=3).tolist() for row in seen["every"]] == [[0, 4, 8, 12], [*range(0, 16, 2)]]
    halves = [[1.5, 5.5, 9.5, 13.5], [frame + 0.5 for frame in range(0, 16, 2)]]
    assert [row.round(decimals=3).tolist() for row in seen["linear"]] == halves


def test_alpha_rises_by_5e_3_an_update_to_1() -> None:
    fade, seen = FadeIn(5e-3), []
    for _ in range(202):
        seen.append(fade.alpha)
        fade.advance()
    assert seen[:3] == [0.0, 5e-3, 1e-2] and seen[199:] == [0.995, 1.0, 1.0]
    other = FadeIn(5e-3)
    other.load_state_dict(fade.state_dict())
    assert other.updates == 202


# -- updates


# A network takes any number of frames: 4 are quicker.


def training(task: str = "single-label", **changes: Any) -> Any:
    """The part of a `Training` that updates use."""
    loss = task_loss(task)  # type: ignore[arg-type]
    return SimpleNamespace(options={**NUMBERS, **changes}, autocast=contextlib.nullcontext, task_loss=loss, step=step)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def double(kind: type, scale: int = 4) -> Any:
    torch.manual_seed(scale)
    return kind(scale).double()


def state(module: nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in module.parameters()])


@pytest.mark.parametrize("micro", [1, 2])
@pytest.mark.parametrize(("step", "shape"), [(1, (2, 6, 6)), (None, (4, 12, 12))])
def test_micro_batches_add_up_to_the_same_update(micro: int, step: int | None, shape: tuple[int, ...]) -> None:
    low, high = noise(3, 3, 4, 3, 3) * 2 - 1, noise(3, 3, *shape, seed=1)
    updated = []
    for most in (0, micro):
        network = double(Dvsr)
        update = Reconstruction(training(micro_batch=most), network)
        start = state(network)
        told = [update(low, high, step, 0.5) for _ in range(2)]
        updated.append((state(network), [float(one["loss"]) for one in told], [float(one["psnr"]) for one in told]))
    (whole, losses, ratios), (pieces, *others) = updated
    assert not torch.allclose(whole, start, rtol=0, atol=1e-3)
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-9)
    assert others[0] == pytest.approx(losses) and others[1] == pytest.approx(ratios)


def test_slices_cover_every_clip_once() -> None:
    assert list(parts(5, 2)) == [(slice(0, 2), 0.4), (slice(2, 4), 0.4), (slice(4, 5), 0.2)]
    assert list(parts(5, 0)) == list(parts(5, 9)) == [(slice(0, 5), 1.0)]


def test_a_slice_is_not_shorter_than_is_asked() -> None:
    assert list(parts(4, 1, least=2)) == [(slice(0, 2), 0.5), (slice(2, 4), 0.5)]
    assert list(parts(5, 1, least=2)) == list(parts(5, 2, least=2)) == [(slice(0, 2), 0.4), (slice(2, 5), 0.6)]
    assert list(parts(3, 2, least=2)) == [(slice(0, 3), 1.0)] and list(parts(1, 4, least=2)) == [(slice(0, 1), 1.0)]


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("phase", ["reconstruction", "joint"])
def test_micro_batches_bound_what_is_kept_for_the_backward_pass(phase: str, checkpointed: bool) -> None:
    """Bytes of the tensors that are kept at once, at most: of 8 clips as of 4, and of 4 less than of all."""

    def most(clips: int, micro: int) -> int:
        low, high = noise(clips, 3, 4, 3, 3) * 2 - 1, noise(clips, 3, 4, 12, 12, seed=1)
        numbers = training(micro_batch=micro, checkpoint=checkpointed)
        kept = Kept()
        with kept:
            if phase == "reconstruction":
                Reconstruction(numbers, double(Dvsr))(low, high)
            else:
                target = torch.arange(clips) % 4
                Joint(numbers, double(Dvsr), double(Attention), classifier())(low, high, target)
        return kept.most

    few, many = most(4, 2), most(8, 2)
    assert many <= 1.1 * few < 0.8 * most(4, 0)


class Held:
    """One of them."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


class Kept(saved_tensors_hooks):
    """Counts the bytes that backward passes wait for; `most` of them at once. Weights are not counted."""

    def __init__(self) -> None:
        self.now = self.most = 0
        super().__init__(self._pack, lambda held: held.value)

    def _pack(self, value: Tensor) -> Held:
        held = Held(value)
        if value.dim() == 5 and not isinstance(value, nn.Parameter):
            size = value.numel() * value.element_size()
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(held, self._free, size)
        return held

    def _free(self, size: int) -> None:
        self.now -= size


def test_checkpointed_updates_are_the_same_bit_for_bit() -> None:
    low, high = noise(2, 3, 4, 3, 3) * 2 - 1, noise(2, 3, 4, 12, 12, seed=1)
    ends = []
    for checkpointed in (False, True):
        network = double(Dvsr)
        update = Reconstruction(training(checkpoint=checkpointed), network)
        for _ in range(2):
            update(low, high)
        assert network.checkpointed is checkpointed
        ends.append(state(network))
    assert torch.equal(*ends)


def test_an_update_is_adams_by_hand() -> None:
    """The first one: every parameter goes by the learning rate against its gradient's sign, decay included."""
    low, high = noise(1, 3, 4, 3, 3) * 2 - 1, noise(1, 3, 4, 12, 12, seed=1)
    network = double(Dvsr)
    other = copy.deepcopy(network)
    (other(low) - (2 * high - 1)).abs().mean().backward()
    Reconstruction(training(), network)(low, high)
    for one, parameter in zip(network.parameters(), other.parameters(), strict=True):
        if parameter.grad is None:  # an earlier step's projection
            assert torch.equal(one, parameter)
            continue
        gradient = parameter.grad + 0.1 * parameter.detach()
        due = parameter.detach() - 0.01 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(one.detach(), due, rtol=0, atol=1e-9)


class Backbone(nn.Module):
    """The mean over time and space of what a convolution sees, without normalisation."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        torch.manual_seed(9)
        self.conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims](3, 5, 3)
        self.fc = nn.Linear(5, 4)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        return [self.conv(x).relu()]

    def pool(self, last: Tensor) -> Tensor:
        return last.flatten(2).mean(2)


def classifier(dims: int = 3) -> Recognizer:
    backbone = Backbone(dims)
    head = HEADS["mean-logits"](backbone.fc, "single-label")
    built = Recognizer(
        enhancer=nn.Identity(), backbone=backbone, head=head, dims=dims, mean=(0.5,) * 3, std=(0.25,) * 3, frames=16
    )
    return built.double()


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
@pytest.mark.parametrize("mask", ["grey", "black"])
def test_eq3_by_hand(task: str, mask: str) -> None:
    """The classifier's step first, on all that is made; then network and branch, the classifier standing still."""
    low, high = noise(3, 3, 4, 3, 3) * 2 - 1, noise(3, 3, 4, 12, 12, seed=1)
    target = torch.tensor([0, 2, 3]) if task == "single-label" else noise(3, 4, seed=2).round()
    network, branch, judge = double(Dvsr), double(Attention), classifier()
    by_hand = [copy.deepcopy(module) for module in (network, branch, judge)]
    told = Joint(training(task, mask=mask), network, branch, judge)(low, high, target)

    other, weigh, judged = by_hand
    loss_of = task_loss(task)  # type: ignore[arg-type]
    made, features = other.with_features(low)
    attention = weigh(features)
    shown = ((made.detach() + 1) / 2).clamp(0, 1)
    taught = loss_of(judged(shown[:, None]), target)
    taught.backward()
    torch.optim.Adam(judged.parameters(), lr=0.02, betas=(0.5, 0.9)).step()
    seen = ((2 * shown - 1) * attention + 1) / 2 if mask == "grey" else shown * attention
    rec = ((made - (2 * high - 1)).abs() * attention.detach()).mean()
    answer = loss_of(judged(seen[:, None]), target)
    loss = rec + 0.5 * answer + 5e-4 * attention.mean()
    loss.backward()
    torch.optim.Adam([*other.parameters(), *weigh.parameters()], lr=0.01, betas=(0.5, 0.9), weight_decay=0.1).step()

    figures = {"loss": loss, "rec": rec, "att": answer, "attention": attention.mean(), "classifier": taught}
    assert {key: float(told[key]) for key in figures} == pytest.approx(
        {key: value.item() for key, value in figures.items()}
    )
    assert float(told["psnr"]) == pytest.approx(float(psnr(shown, high)))
    assert float(told["psnr_att"]) == pytest.approx(psnr(shown, high, attention).item())
    for module, due in zip((network, branch, judge), by_hand, strict=True):
        torch.testing.assert_close(state(module), state(due), rtol=0, atol=1e-7)
    assert all(parameter.requires_grad for parameter in judge.parameters()) and judge.training


@pytest.mark.parametrize("micro", [1, 3])
def test_joint_micro_batches_add_up_where_nothing_is_normalised(micro: int) -> None:
    low, high, target = noise(5, 3, 4, 3, 3) * 2 - 1, noise(5, 3, 4, 12, 12, seed=1), torch.tensor([0, 2, 3, 1, 0])
    ends = []
    for most in (0, micro):
        modules = double(Dvsr), double(Attention), classifier()
        modules[1].saliency_dec[0].norm = nn.Identity()
        shown: list[int] = []
        modules[2].register_forward_pre_hook(lambda _, inputs, shown=shown: shown.append(len(inputs[0])))
        told = Joint(training(micro_batch=most), *modules)(low, high, target)
        ends.append((*map(state, modules), {key: float(value) for key, value in told.items()}))
        assert shown == [5, 5] if most == 0 else sorted(shown) == [2, 2, 3, 3]  # once to be taught, once to teach
    *whole, figures = ends[0]
    *pieces, others = ends[1]
    assert others == pytest.approx(figures)
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-8)


def test_a_2d_classifier_sees_each_frame_as_an_interval() -> None:
    low, high, target = noise(2, 3, 4, 3, 3) * 2 - 1, noise(2, 3, 4, 12, 12, seed=1), torch.tensor([0, 2])
    network, branch, judge = double(Dvsr), double(Attention), classifier(dims=2)
    shapes = []
    judge.backbone.conv.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    told = Joint(training(), network, branch, judge)(low, high, target)
    assert set(shapes) == {(2 * 4, 3, 12, 12)} and bool(told["loss"].isfinite())


def test_a_clip_alone_is_judged_by_running_statistics() -> None:
    """Of one clip a late stage may have one value, of which there is no variance."""
    judge = classifier()
    judge.backbone.conv = nn.Sequential(nn.Conv3d(3, 5, (4, 12, 12)), nn.BatchNorm3d(5)).double()  # type: ignore[assignment]
    update = Joint(training(), double(Dvsr), double(Attention), judge)
    told = update(noise(1, 3, 4, 3, 3) * 2 - 1, noise(1, 3, 4, 12, 12, seed=1), torch.tensor([1]))
    assert bool(told["loss"].isfinite()) and judge.training and judge.backbone.conv[1].num_batches_tracked == 0


def test_an_updates_state_is_restored() -> None:
    low, high, target = noise(2, 3, 4, 3, 3) * 2 - 1, noise(2, 3, 4, 12, 12, seed=1), torch.tensor([0, 2])
    modules = double(Dvsr), double(Attention), classifier()
    update = Joint(training(), *modules)
    update(low, high, target)
    others = copy.deepcopy(modules)
    again = Joint(training(), *others)
    again.load_state_dict(copy.deepcopy(update.state_dict()))
    for one in (update, again):
        one(low, high, target)
    assert all(torch.equal(state(one), state(other)) for one, other in zip(modules, others, strict=True))


def test_it_learns_more_than_interpolation_knows() -> None:
    """A grating that moves, finer than low pixels can hold: the network gets to know it."""
    place = torch.arange(24)
    high = torch.stack([0.5 + 0.4 * torch.sin((place[None] + place[:, None] / 2 - 2 * t) * 1.1) for t in range(4)])
    high = high.expand(1, 3, 4, 24, 24)
    low = nn.functional.avg_pool3d(high, (1, 4, 4))  # (1, 3, 4, 6, 6)
    torch.manual_seed(0)
    network = Dvsr(4)
    update = Reconstruction(training(lr=1e-3, weight_decay=0.0), network)
    told = [float(update(low * 2 - 1, high)["psnr"]) for _ in range(40)]
    bicubic = float(psnr(resized(low, (24, 24)), high))
    assert told[-1] > bicubic + 3 and told[-1] > told[0] + 3
