"""Public checkpoints as initialisations: what matches, what may differ, and what is refused."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

import pytest
import torch
from checkpoints import State, file_of, load, same, saved, small
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import build_backbone
from benchmark_core.specs import BackboneSpec
from benchmark_core.weights_file import WeightsFile

# -- what matches


WRAPPED: dict[str, Callable[[State], object]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"meta": {"epoch": 3, "config": "text"}, "state_dict": state},
    "model": lambda state: {"epoch": 5, "model": state},
    "both": lambda state: {"model": {"state_dict": state}},
    "parallel": lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    "recognizer": lambda state: {
        **{f"backbone.{key}": value for key, value in state.items()},
        "head.classifier.weight": torch.rand(4, 5),
        "enhancer.net.weight": torch.rand(1),
    },
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_all_tensors_are_loaded_out_of_any_usual_wrapper(wrap, suffix, tmp_path):
    public, network = small(1).state_dict(), small(2)
    assert not same(network, public)
    assert load(network, saved(tmp_path, wrap(public), f"public{suffix}")) == "11 of 11 tensors"
    assert same(network, public)


@pytest.mark.parametrize("wrap", [WRAPPED["bare"], WRAPPED["recognizer"]], ids=["bare", "recognizer"])
def test_safetensors(wrap, tmp_path):
    public, network = small(1).state_dict(), small(2)
    assert load(network, saved(tmp_path, wrap(public), "public.safetensors")) == "11 of 11 tensors"
    assert same(network, public)


def test_a_classifier_for_other_classes_stays_fresh(tmp_path):
    public, network = small(1, classes=9).state_dict(), small(2)
    before = network.fc.weight.detach().clone()
    said = load(network, saved(tmp_path, public))
    assert said == "9 of 11 tensors; classifier fresh: 9 -> 4 classes"
    assert torch.equal(network.fc.weight, before)
    assert same(network, public, but="fc.")


def test_a_classifier_for_as_many_classes_is_taken(tmp_path):
    public, network = small(1).state_dict(), small(2)
    load(network, saved(tmp_path, public))
    assert torch.equal(network.fc.weight, public["fc.weight"]) and torch.equal(network.fc.bias, public["fc.bias"])


def test_half_precision_becomes_the_networks_own(tmp_path):
    public = {key: value.half() if value.is_floating_point() else value for key, value in small(1).state_dict().items()}
    network = small(2)
    load(network, saved(tmp_path, public))
    assert network.stem.weight.dtype == torch.float32
    assert torch.equal(network.stem.weight, public["stem.weight"].float())


def test_an_older_checkpoint_counts_no_batches(tmp_path):
    public = {key: value for key, value in small(1).state_dict().items() if not key.endswith("num_batches_tracked")}
    network = small(2)
    assert load(network, saved(tmp_path, public)) == "10 of 11 tensors; 1 counts of batches start at 0"
    assert network.bn.num_batches_tracked.item() == 0 and same(network, public)


def test_loading_draws_no_random_number(tmp_path):
    file, network = saved(tmp_path, small(1).state_dict()), small(2)
    before = torch.random.get_rng_state()
    load(network, file)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_file_needs_no_extra(tmp_path, catalog: Catalog):
    """An extra brings the weights that a backbone names; those of the user's are at hand."""
    spec = dataclasses.replace(
        catalog.backbones["resnet18"], requires=("no_such_module",), extra="absent", weights={}, name="needy"
    )
    network, _ = build_backbone(spec, 5)
    file = saved(tmp_path, network.state_dict())
    _, said = build_backbone(dataclasses.replace(spec, weights={"file:x@0": file}), 5, weights="file:x@0")
    assert said == "file:x@0 (122 of 122 tensors)"


# -- the first convolution alone may adapt


def test_colour_is_averaged_for_flow(tmp_path):
    public, network = small(1).state_dict(), small(2, channels=2)
    said = load(network, saved(tmp_path, public), channels=2)
    assert said == "11 of 11 tensors; first convolution 6x3x3x3 -> 6x2x3x3"
    torch.testing.assert_close(network.stem.weight, public["stem.weight"].mean(1, keepdim=True).expand(6, 2, 3, 3))
    assert same(network, public, but="stem.weight")


def test_weights_over_images_are_inflated(tmp_path):
    public, network = small(1).state_dict(), small(2, frames=4)
    said = load(network, saved(tmp_path, public))
    assert said == "11 of 11 tensors; first convolution 6x3x3x3 -> 6x3x4x3x3"
    torch.testing.assert_close(network.stem.weight.sum(2), public["stem.weight"])
    assert all(torch.equal(network.stem.weight[:, :, 0], network.stem.weight[:, :, t]) for t in range(4))


def test_another_convolution_does_not_adapt(tmp_path):
    public = small(1).state_dict()
    public["mix.weight"] = torch.rand(5, 8, 1, 1)
    with pytest.raises(ElrError, match=r"1 tensors differ \(first: mix.weight, 5x8x1x1, expected 5x6x1x1\)"):
        load(small(2), saved(tmp_path, public))


def test_flow_keeps_a_files_own_two_channels_and_averages_named_weights(tmp_path, catalog: Catalog):
    """A file is loaded into the network that flow needs; what a backbone names was made for colour."""

    def of_colour(network: nn.Module) -> None:
        nn.init.constant_(network.stem.weight, 0.5)

    public = small(1, channels=2).state_dict()
    file = saved(tmp_path, public)
    spec = BackboneSpec(
        name="small",
        summary="",
        factory=lambda classes, options: small(2, classes=classes),
        weights={"named": of_colour, "file:public@0": file},
    )
    network, said = build_backbone(spec, 4, weights="file:public@0", modality="flow")
    assert said == "file:public@0 (11 of 11 tensors)"
    assert same(network, public)
    network, said = build_backbone(spec, 4, weights="named", modality="flow")
    assert said == "named" and torch.equal(network.stem.weight, torch.full((6, 2, 3, 3), 0.5))


# -- what is refused, in one line


def refused(network: nn.Module, file: WeightsFile) -> str:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ElrError) as error:
        load(network, file)
    assert "\n" not in str(error.value) and str(file.path) in str(error.value)
    assert same(network, before)  # nothing is half loaded
    return str(error.value).replace(str(file.path), "FILE")


def test_another_network_is_refused_with_the_first_of_each_kind(tmp_path):
    public = small(1, width=7).state_dict()
    public["extra.weight"] = public.pop("mix.bias")
    text = refused(small(2), saved(tmp_path, public))
    for part in (
        "FILE", "backbone 'small'", "1 of 11 tensors are missing (first: mix.bias)", "(first: extra.weight)",
        "7 tensors differ (first: stem.weight, 7x3x3x3, expected 6x3x3x3)", "--backbone", "--weights",
    ):  # fmt: skip
        assert part in text


def test_a_classifier_of_other_features_is_refused(tmp_path):
    public = small(1, classes=9).state_dict()
    public["fc.weight"] = torch.rand(9, 8)
    text = refused(small(2), saved(tmp_path, public))
    assert "2 tensors differ (first: fc.weight, 9x8, expected 4x5)" in text


def test_half_a_classifier_is_refused(tmp_path):
    public = small(1, classes=9).state_dict()
    del public["fc.bias"]
    assert "1 of 11 tensors are missing (first: fc.bias)" in refused(small(2), saved(tmp_path, public))


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    public = small(1).state_dict()
    public["mix.bias"][2] = float("nan")
    text = refused(small(2), saved(tmp_path, public))
    assert text.startswith("the weights FILE: 1 tensors are not finite (first: mix.bias); pass another --backbone")


def test_code_is_never_run(tmp_path):
    file = saved(tmp_path, {"state_dict": small(1).state_dict(), "args": argparse.Namespace(lr=0.1)})
    text = refused(small(2), file)
    assert "FILE" in text and "(argparse.Namespace)" in text and "save its state_dict" in text


@pytest.mark.parametrize("plain", [{}, {"net": {"a": torch.zeros(1)}, "epoch": 3}, [torch.zeros(1)], 7], ids=str)
def test_no_tensors_by_name(plain, tmp_path):
    text = refused(small(2), saved(tmp_path, plain))
    assert text.startswith("the weights FILE contain no named tensors, neither at the top (")
    assert "nor under state_dict, model, " in text and "save a state_dict" in text


@pytest.mark.parametrize("name", ["public.pth", "public.pt", "public.safetensors"])
@pytest.mark.parametrize("content", ["", "an error page, not a checkpoint", "torn"])
def test_what_is_no_checkpoint(name, content, tmp_path):
    path = tmp_path / name
    saved(tmp_path, small(1).state_dict(), name)
    path.write_bytes(path.read_bytes()[:900] if content == "torn" else content.encode())
    assert refused(small(2), file_of(path)).startswith("the weights FILE are not a")


def test_a_file_that_changes_after_it_was_named_is_refused(tmp_path):
    file = saved(tmp_path, small(1).state_dict())
    torch.save(small(3).state_dict(), file.path)
    assert refused(small(2), file) == "the weights FILE have changed since the plan was made; run the command again"
