"""`elrbench check` finds what is broken, and names it."""

import pytest

from benchmark_core.catalog import load_catalog
from elrbench_plugins.commands.check.check import Finding, check_plugin

HEAD = """
import numpy as np
import torch
from torch import nn
from benchmark_core import BackboneSpec, DegradationSpec, EnhancerSpec, MethodSpec, hookimpl
"""
NETWORK = """
class Net(nn.Module):
    num_features = 8

    def __init__(self, classes, options):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=4)
        self.spare = nn.Linear({spare})
        self.fc = nn.Linear(8, classes)
        {more}

    def forward_features(self, x):
        return [self.conv(x) * {factor}]

    def pool(self, stage):
        return stage.mean({axes})

    def get_classifier(self):
        return self.fc


@hookimpl
def elr_backbones():
    return [BackboneSpec(name="net", summary="", factory=Net, stages=("only",), sampling="{sampling}")]
"""
USUAL = {"spare": "2, 2", "more": "", "factor": "1", "axes": "(2, 3)", "sampling": "2x1"}
ENHANCER = """
@hookimpl
def elr_enhancers():
    return [EnhancerSpec(name="up", summary="", factory=lambda low, size, options: {built})]
"""
DEGRADATION = """
rng = np.random.default_rng(1)

def degrade(frames, low, options, seed):
    made = np.zeros((len(frames), 3, *low), np.uint8)
    return {made}


@hookimpl
def elr_degradations():
    return [DegradationSpec(name="down-HxW", summary="", on_clip=degrade)]
"""
METHOD = """
def fit(training):
    net = training.recognizer()
    return {fitted}


@hookimpl
def elr_methods():
    from elrbench_plugins.commands.check.kit import METHOD
    from dataclasses import replace

    return [replace(METHOD, name="method", fit=fit)]
"""


def findings(tmp_path, text: str) -> list[Finding]:
    path = tmp_path / "broken.py"
    path.write_text(HEAD + text, encoding="utf-8")
    return list(check_plugin(load_catalog([str(path)], entry_points=False), "broken", work=tmp_path / "work"))


def failure(tmp_path, text: str) -> tuple[str, str]:
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    return failed.check, failed.detail


def test_a_sound_backbone_passes(tmp_path):
    made = findings(tmp_path, NETWORK.format(**USUAL).replace("self.spare", "spare"))
    assert [finding.check for finding in made] == [
        "installed", "builds", "holds its shapes", "gradients reach every parameter", "its state is restored",
        "trains in a smoke run",
    ]  # fmt: skip
    assert {finding.outcome for finding in made} == {"ok"}


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        ({"spare": "2, 2"}, "gradients reach every parameter", "none reaches spare.weight, spare.bias"),
        ({"axes": "2"}, "holds its shapes", "it returns (2, 8, 24) where (2, 8) is due"),
        ({"factor": "float('nan')"}, "holds its shapes", "it returns values that are not finite"),
        ({"more": "self.x = torch.rand(1).item()", "factor": "self.x"}, "its state is restored", "a second module"),
        ({"sampling": "4x5"}, "builds", "it is 2D, but its sampling is 4x5"),
        ({"more": "del self.fc"}, "holds its shapes", "AttributeError: 'Net' object has no attribute 'fc'"),
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
        ("size", "builds", "its factory returns tuple, not a torch module"),
        ("nn.Upsample(scale_factor=8)", "holds its size", "it returns (2, 3, 96, 128) where (2, 3, 64, 96) is due"),
        ("nn.Upsample(size).half() if 1 / 0 else 0", "builds", "ZeroDivisionError: division by zero (broken.py:"),
    ],
)
def test_a_broken_enhancer_is_named(tmp_path, built, check, detail):
    found = failure(tmp_path, ENHANCER.format(built=built))
    assert found[0] == check
    assert found[1].startswith(detail)


@pytest.mark.parametrize(
    ("made", "check", "detail"),
    [
        ("made.astype(np.int8)", "holds its size", "it returns int8 (6, 3, 12, 16) where uint8 (6, 3, 12, 16) is due"),
        ("made + rng.integers(0, 9, made.shape, np.uint8)", "is the same again", "two calls with one seed differ"),
        (
            "made + np.random.default_rng(seed).integers(0, 99, made.shape, np.uint8)", "is the same in chunks",
            "frames 3 to 5 alone differ",
        ),
    ],
)  # fmt: skip
def test_a_broken_degradation_is_named(tmp_path, made, check, detail):
    found = failure(tmp_path, DEGRADATION.format(made=made))
    assert found[0] == check
    assert found[1].startswith(detail)


@pytest.mark.parametrize(
    ("fitted", "detail"),
    [("net", "no update was made"), ("training.views('test')", "a method asked for views of 'test' clips")],
)
def test_a_broken_method_is_named(tmp_path, fitted, detail):
    found = failure(tmp_path, METHOD.format(fitted=fitted))
    assert found[0] == "trains in a smoke run"
    assert found[1].startswith(detail)


def test_a_dataset_in_a_folder_is_skipped_without_it(tmp_path, catalog):
    made = list(check_plugin(catalog, "elrbench_plugins.jhmdb", work=tmp_path))
    assert made[-1].outcome == "skipped" and "--data ROOT" in made[-1].detail


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
    with pytest.raises(Exception, match="brings no component"):
        findings(tmp_path, "")
