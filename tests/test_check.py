"""`elrbench check` finds what is broken and names the author's file and line."""

import json
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
import torch
from torch import nn
from videos import labelled

from benchmark_core import plugin_loading
from benchmark_core.catalog import load_catalog
from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from elrbench_plugins.commands.check import find_plugin as finding_plugins
from elrbench_plugins.commands.check.assertions import CheckFailed, gradients_and_state
from elrbench_plugins.commands.check.check import Finding, check_components, check_plugin
from elrbench_plugins.commands.check.dataset_checks import few_clips
from elrbench_plugins.commands.check.imports import torch_import

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


def findings(tmp_path, text: str, *others: str) -> list[Finding]:
    path = tmp_path / "broken.py"
    path.write_text(HEAD + text, encoding="utf-8")
    catalog = load_catalog([*others, str(path)], entry_points=False)
    return list(check_plugin(catalog, "broken", work=tmp_path / "work"))


def failure(tmp_path, text: str) -> tuple[str, str]:
    """(check, detail) of the one failure, which names a line of the file."""
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    file, _, line = failed.where.rpartition(":")
    assert Path(file) == tmp_path / "broken.py" and 1 <= int(line) <= len((HEAD + text).splitlines())
    return failed.check, failed.detail


def line_of(text: str, piece: str) -> int:
    """Number of the first line of the plugin file that holds `piece`."""
    return next(number for number, line in enumerate((HEAD + text).splitlines(), 1) if piece in line)


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


# -- torch stays out

SPECS_ONLY = """
from elrbench import DegradationSpec, hookimpl
{top}

@hookimpl
def elr_degradations():
    return [DegradationSpec(name="down-HxW", summary="", on_clip="{name}:degrade")]


def degrade(frames, low, options, seed):
    import torch
    from benchmark_core.clips.resample import reduce, to_grey_levels

    return to_grey_levels(reduce(frames, low))
"""


def checked(capsys, *argv: str) -> tuple[int, dict]:
    with pytest.raises(SystemExit) as stopped:
        main(["check", *argv, "--json"])
    out, err = capsys.readouterr()
    assert not err
    return int(stopped.value.code or 0), json.loads(out)


@pytest.mark.parametrize(
    ("top", "line"),
    [("", 0), ("import torch", 3), ("from torch import nn", 3), ("import helper_of_mine", 3)],
    ids=["inside a function", "import", "from import", "through another module"],
)
def test_torch_at_the_top_of_a_plugin_is_refused(tmp_path, capsys, monkeypatch, top, line):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "helper_of_mine.py").write_text("import os\nimport torch\n", encoding="utf-8")
    path = tmp_path / "heavy_plugin.py"
    path.write_text(SPECS_ONLY.format(top=top, name=path.stem), encoding="utf-8")
    code, report = checked(capsys, str(path))
    first = report["findings"][0]
    assert (first["component"], first["check"]) == ("plugin heavy_plugin", "loads without torch")
    assert {finding["outcome"] for finding in report["findings"][1:]} == {"ok"}
    if line:
        assert (code, report["failed"], first["outcome"]) == (1, 1, "failed")
        assert first["where"] == f"{path}:{line}"
    else:
        assert (code, first["outcome"], first["where"]) == (0, "ok", "")


def test_a_module_that_cannot_be_imported_is_an_error(tmp_path):
    path = tmp_path / "raises.py"
    path.write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(ElrError, match="cannot be imported: ZeroDivisionError"):
        torch_import([str(path)], tmp_path)


# -- a plugin that is also installed


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`mine`, installed as module `my_plugin` in a folder of its own."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "my_plugin.py").write_text(SPECS_ONLY.format(top="", name="my_plugin"), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "my_plugin", raising=False)
    mine = EntryPoint("mine", "my_plugin", "elrbench")
    for module in (plugin_loading, finding_plugins):
        monkeypatch.setattr(
            module, "entry_points", lambda group: [*entry_points(group=group), *([mine] if group == "elrbench" else [])]
        )
    return folder / "my_plugin.py"


def test_the_file_or_module_of_an_installed_plugin_is_that_plugin(installed, capsys):
    for given in ("mine", str(installed), "my_plugin"):
        code, report = checked(capsys, given)
        assert (code, report["plugin"], report["failed"]) == (0, "mine", 0), report


def test_another_copy_of_an_installed_plugin_is_checked_in_its_place(installed, tmp_path, capsys):
    copy = tmp_path / "work" / "my_plugin.py"
    copy.parent.mkdir()
    copy.write_text(installed.read_text(), encoding="utf-8")
    code, report = checked(capsys, str(copy))
    assert (report["plugin"], code) == ("my_plugin", 0)
    copy.write_text(installed.read_text().replace("return to_grey", "return -1.0 * to_grey"), encoding="utf-8")
    code, report = checked(capsys, str(copy))
    (failed,) = [finding for finding in report["findings"] if finding["outcome"] == "failed"]
    assert code == 1 and failed["where"].startswith(f"{copy}:")


def test_a_name_of_another_plugin_is_still_a_clash(installed, tmp_path, capsys):
    other = tmp_path / "other.py"
    other.write_text(SPECS_ONLY.format(top="", name="other"), encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["check", str(other)])
    assert stopped.value.code == 2 and "'down-HxW' is offered by two plugins" in capsys.readouterr().err


# -- commands and trackers

COMMAND = """
import click

@click.command("hello")
@click.option("--name")
def command(name):
    {help}


@hookimpl
def elr_commands():
    return [CommandSpec(name="hello", summary="", command={target})]
"""
GOOD_HELP = {"help": '"""elrbench hello --name you\n\n    Greet."""', "target": "command"}


def test_a_sound_command_passes(tmp_path):
    made = findings(tmp_path, COMMAND.format(**GOOD_HELP))
    assert [(finding.component, finding.check, finding.outcome) for finding in made] == [
        ("command hello", name, "ok")
        for name in ("installed", "loads", "loads without torch", "help begins with an example", "prints its help")
    ]


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        ({"help": '"""Greet."""'}, "help begins with an example", "'elrbench hello'"),
        ({"help": "pass"}, "help begins with an example", "'elrbench hello'"),
        ({"help": '"""elrbench hello --nam you"""'}, "help begins with an example", "--nam"),
        ({"target": "elr_commands"}, "loads", "not a click.Command"),
        ({"target": "'broken:absent'"}, "installed", "command"),
    ],
)
def test_a_broken_command_is_named(tmp_path, change, check, detail):
    text = COMMAND.format(**{**GOOD_HELP, **change})
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    assert failed.check == check and detail in failed.detail


def test_a_command_that_imports_torch_at_the_top_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "heavy_command.py"
    path.write_text(
        'import click\nimport torch\n\n@click.command()\ndef command():\n    "elrbench hello"\n', encoding="utf-8"
    )
    text = COMMAND.format(**{**GOOD_HELP, "target": "'heavy_command:command'"})
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    assert failed.check == "loads without torch" and f"{path}:2" in failed.detail


@pytest.mark.parametrize(("factory", "outcome"), [("lambda project: None", "ok"), ("'absent_module:make'", "failed")])
def test_the_factory_of_a_tracker_must_load(tmp_path, factory, outcome):
    text = f"""
@hookimpl
def elr_trackers():
    return [TrackerSpec(name="mine", summary="", factory={factory})]
"""
    assert findings(tmp_path, text)[-1].outcome == outcome
