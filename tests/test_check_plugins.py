"""`elrbench check` of whole plugins: torch at the top of a file, and a plugin that is also installed."""

import json
import sys
from importlib.metadata import EntryPoint, entry_points

import pytest

from benchmark_core import plugin_loading
from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from elrbench_plugins.commands.check import find_plugin as finding_plugins
from elrbench_plugins.commands.check.imports import torch_import

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
    line = capsys.readouterr().err
    assert stopped.value.code == 2 and "'down-HxW' is offered by two plugins" in line
    assert "leave out my_plugin or leave out other.py" in line
