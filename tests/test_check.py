"""`elrbench check` finds what is broken in a component and names the author's file and line."""

from pathlib import Path

import pytest
import torch
from broken_plugins import DEGRADATION, ENHANCER, METHOD, NETWORK, USUAL, failure, findings, line_of
from torch import nn
from videos import labelled

from elrbench_plugins.commands.check.assertions import CheckFailed, gradients_and_state
from elrbench_plugins.commands.check.check import Finding, check_components, check_plugin
from elrbench_plugins.commands.check.dataset_checks import few_clips


def test_a_sound_backbone_passes(tmp_path):
    made = findings(tmp_path, NETWORK.format(**USUAL).replace("self.spare", "spare"))
    assert [finding.check for finding in made] == [
        "installed", "builds", "returns the right shapes", "gradients reach every parameter", "restores its state",
        "resolves to a plan", "trains in a smoke run",
    ]  # fmt: skip
    assert {finding.outcome for finding in made} == {"ok"}


def test_a_sound_backbone_that_works_at_the_low_size_passes(tmp_path):
    text = NETWORK.format(**USUAL).replace("self.spare", "spare").replace("stages=", "native=True, stages=")
    made = findings(tmp_path, text, "elrbench_plugins.interpolation")  # it has the enhancer 'none'
    assert {finding.outcome for finding in made} == {"ok"} and made[-1].check == "trains in a smoke run"


def test_a_head_without_parameters_needs_no_gradient():
    """The classifier of the backbone is not used, and nothing else has parameters."""
    unused = ("fc.weight", "fc.bias")

    def checks(unused: tuple[str, ...]) -> list[str]:
        def build() -> nn.Module:
            return nn.ModuleDict({"fc": nn.Linear(2, 2)})

        return list(gradients_and_state(build(), lambda module: torch.ones(2, 2), build, unused))

    assert checks(unused) == ["gradients reach every parameter", "restores its state"]
    with pytest.raises(CheckFailed, match="no gradient reaches any parameter"):
        checks(())


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        ({"spare": "2, 2"}, "gradients reach every parameter", "no gradient reaches spare.weight, spare.bias"),
        ({"axes": "2"}, "returns the right shapes", "it returns (2, 8, 24); expected (2, 8)"),
        ({"factor": "float('nan')"}, "returns the right shapes", "it returns values that are not finite"),
        ({"more": "self.x = torch.rand(1).item()", "factor": "self.x"}, "restores its state", "a second module"),
        ({"sampling": "4x5"}, "builds", "it is 2D, but its sampling is 4x5"),
        ({"more": "del self.fc"}, "returns the right shapes", "AttributeError: 'Net' object has no attribute 'fc'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_broken_backbone_is_named(tmp_path, change, check, detail):
    text = NETWORK.format(**{**USUAL, **change})
    text = text if "spare" in change else text.replace("self.spare", "spare")
    found = failure(tmp_path, text)
    assert found[0] == check
    assert found[1].startswith(detail)


@pytest.mark.parametrize(
    ("built", "check", "detail"),
    [
        ("size", "builds", "plugin 'broken' (broken.py): enhancer 'up': factory returned tuple, not Module"),
        (
            "nn.Upsample(scale_factor=8)",
            "returns the right size",
            "it returns (2, 3, 96, 128); expected (2, 3, 64, 96)",
        ),
        ("nn.Upsample(size).half() if 1 / 0 else 0", "builds", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_enhancer_is_named(tmp_path, built, check, detail):
    found = failure(tmp_path, ENHANCER.format(built=built))
    assert found[0] == check
    assert found[1].startswith(detail)


@pytest.mark.parametrize(
    ("made", "check", "detail"),
    [
        ("made.astype(np.int8)", "returns the right size", "it returns int8 (6, 3, 12, 16); expected uint8"),
        ("made + rng.integers(0, 9, made.shape, np.uint8)", "is deterministic", "two calls with the same seed differ"),
        (
            "made + np.random.default_rng(seed).integers(0, 99, made.shape, np.uint8)", "does not depend on chunks",
            "frames 3 to 5 ",
        ),
    ],
)  # fmt: skip
def test_a_broken_degradation_is_named(tmp_path, made, check, detail):
    found = failure(tmp_path, DEGRADATION.format(made=made))
    assert found[0] == check
    assert found[1].startswith(detail)


@pytest.mark.parametrize(
    ("fitted", "detail"),
    [("net", "training made no update"), ("training.views('test')", "method 'method' asked for views of 'test' clips")],
)
def test_a_broken_method_is_named(tmp_path, fitted, detail):
    found = failure(tmp_path, METHOD.format(fitted=fitted))
    assert found[0] == "trains in a smoke run"
    assert found[1].startswith(detail)


def test_a_dataset_in_a_folder_is_skipped_without_it(tmp_path, catalog):
    made = list(check_plugin(catalog, "elrbench_plugins.jhmdb", work=tmp_path))
    assert made[-1].outcome == "skipped" and "--data DIR" in made[-1].detail


def test_few_clips_are_of_as_many_classes_as_possible(tmp_path, catalog):
    spec = catalog.datasets["folder"].at_folder(labelled(tmp_path / "mine"))  # two classes, 2 + 2 clips of each
    index = few_clips(spec, train=3, test=1).read_index(tmp_path / "mine", "split", {})
    fold = index.folds["1"]
    assert [Path(clip).parts[1] for clip in fold.train] == ["bright & big", "dark!", "bright & big"]
    assert len(fold.test) == 1 and set(index.by_id) == {*fold.train, *fold.test}


def test_a_dataset_whose_clips_are_here_trains_on_a_few_of_them(tmp_path, catalog):
    root = labelled(tmp_path / "mine")
    made = list(check_components(catalog, [catalog.datasets["folder"]], work=tmp_path / "w", data={"folder": root}))
    assert made[-1] == Finding("dataset folder", "trains in a smoke run", "ok")
    (root / "train" / "dark!" / "clip (1).avi").write_bytes(b"no video")
    made = list(check_components(catalog, [catalog.datasets["folder"]], work=tmp_path / "v", data={"folder": root}))
    assert (made[-1].check, made[-1].outcome) == ("trains in a smoke run", "failed")
    assert "clip (1).avi" in made[-1].detail


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("flow", ("'flow'", "pip install -e '.[flow]'", "pip install opencv-contrib-python-headless")),
        ("mine[video]", ("'absent'", "pip install 'mine[video]'")),
        ("", ("'absent'", "not installed")),
    ],
)
def test_an_absent_extra_is_skipped_and_told_by_what_installs_it(tmp_path, extra, told):
    text = ENHANCER.format(built="0").replace('"",', f'"", requires=("absent",), extra="{extra}",')
    (found,) = findings(tmp_path, text)
    assert (found.check, found.outcome) == ("installed", "skipped")
    assert all(words in found.detail for words in told)


def test_an_empty_plugin_is_a_mistake(tmp_path):
    with pytest.raises(Exception, match="offers no component"):
        findings(tmp_path, "")


# -- file and line


def test_a_failure_names_the_line_that_raised(tmp_path):
    text = NETWORK.format(**{**USUAL, "factor": "torch.nn.functional.relu(None)"}).replace("self.spare", "spare")
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    assert failed.where == f"{tmp_path / 'broken.py'}:{line_of(text, 'relu(None)')}"  # not a line of torch


def test_a_broken_contract_names_the_definition(tmp_path):
    text = NETWORK.format(**{**USUAL, "axes": "2"}).replace("self.spare", "spare")
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    assert failed.where == f"{tmp_path / 'broken.py'}:{line_of(text, 'class Net')}"
