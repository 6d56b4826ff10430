"""Plugin files with one fault at a chosen place, and what `elrbench check` finds in them."""

from __future__ import annotations

from pathlib import Path

from benchmark_core.catalog import load_catalog
from elrbench_plugins.commands.check.check import Finding, check_plugin

HEAD = """
import numpy as np
import torch
from torch import nn
from elrbench import BackboneSpec, CommandSpec, DegradationSpec, EnhancerSpec, MethodSpec, TrackerSpec, hookimpl
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
    from elrbench_plugins.commands.check.minimal import METHOD
    from dataclasses import replace

    return [replace(METHOD, name="method", fit=fit)]
"""


def findings(tmp_path: Path, text: str, *others: str) -> list[Finding]:
    path = tmp_path / "broken.py"
    path.write_text(HEAD + text, encoding="utf-8")
    catalog = load_catalog([*others, str(path)], entry_points=False)
    return list(check_plugin(catalog, "broken", work=tmp_path / "work"))


def failure(tmp_path: Path, text: str) -> tuple[str, str]:
    """(check, detail) of the one failure, which names a line of the file."""
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    file, _, line = failed.where.rpartition(":")
    assert Path(file) == tmp_path / "broken.py" and 1 <= int(line) <= len((HEAD + text).splitlines())
    return failed.check, failed.detail


def line_of(text: str, piece: str) -> int:
    """Number of the first line of the plugin file that holds `piece`."""
    return next(number for number, line in enumerate((HEAD + text).splitlines(), 1) if piece in line)
