"""bf16 on a CPU: convolutions of small maps and depthwise ones run in fp32 and have the gradients of fp32."""

import pytest
import torch

from benchmark_core.training.device import autocast_to_train

CPU = torch.device("cpu")


def passed(conv: torch.nn.Module, x: torch.Tensor, precision: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output and the gradient of the weight."""
    conv.zero_grad()
    with autocast_to_train(CPU, precision):
        y = conv(x)
    y.float().square().mean().backward()
    assert conv.weight.grad is not None
    return y, conv.weight.grad


@pytest.mark.parametrize(
    "conv, shape",
    [
        (torch.nn.Conv3d(16, 16, 3, padding=1), (2, 16, 2, 4, 4)),  # two frames under three taps
        (torch.nn.Conv3d(16, 16, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)), (2, 16, 4, 5, 1)),
        (torch.nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False), (2, 16, 3, 1)),
        (torch.nn.ConvTranspose3d(16, 16, 3, stride=(2, 4, 4), padding=1), (2, 16, 5, 5, 1)),
        (torch.nn.Conv1d(16, 16, 5, padding=2), (2, 16, 4)),
    ],
    ids=["3x3x3", "1x3x3", "3x3", "transposed", "5"],
)
def test_a_kernel_larger_than_its_map_runs_in_full_precision(conv: torch.nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    for half, full in zip(passed(conv, x, "bf16"), passed(conv, x, "fp32"), strict=True):
        assert half.dtype == torch.float32
        assert torch.equal(half, full)


@pytest.mark.parametrize(
    "conv, shape",
    [
        (torch.nn.Conv2d(16, 16, 3, padding=1, groups=16), (2, 16, 8, 8)),
        (torch.nn.Conv2d(16, 32, 3, padding=1, groups=16), (2, 16, 8, 8)),  # two filters per channel
        (torch.nn.Conv1d(16, 16, 3, groups=16), (16, 8)),  # without a batch axis
    ],
    ids=["2d", "multiplier", "unbatched"],
)
def test_a_depthwise_convolution_runs_in_full_precision(conv: torch.nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    for half, full in zip(passed(conv, x, "bf16"), passed(conv, x, "fp32"), strict=True):
        assert half.dtype == torch.float32
        assert torch.equal(half, full)


def test_convolutions_of_one_channel_or_of_groups_run_in_half_precision() -> None:
    one, groups, to_one = (
        torch.nn.Conv2d(1, 8, 3),
        torch.nn.Conv2d(16, 16, 3, groups=4),
        torch.nn.ConvTranspose2d(16, 1, 3),
    )
    for conv, channels in ((one, 1), (groups, 16), (to_one, 16)):
        assert passed(conv, torch.randn(2, channels, 8, 8), "bf16")[0].dtype == torch.bfloat16


def test_other_maps_run_in_half_precision() -> None:
    conv = torch.nn.Conv3d(16, 16, 3, padding=1)
    y, gradient = passed(conv, torch.randn(2, 16, 3, 4, 4), "bf16")
    assert y.dtype == torch.bfloat16
    assert gradient.isfinite().all()


def test_arguments_by_name_count_too() -> None:
    x, weight, bias = torch.randn(1, 16, 2, 2), torch.randn(16, 16, 3, 3), torch.randn(16)
    with autocast_to_train(CPU, "bf16"):
        y = torch.nn.functional.conv2d(x.bfloat16(), weight, bias=bias, padding=1)
    assert y.dtype == torch.float32
    assert torch.equal(y, torch.nn.functional.conv2d(x.bfloat16().float(), weight, bias, padding=1))
