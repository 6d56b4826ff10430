"""The five component hooks: which components load, and the error for each kind of broken plugin."""

from __future__ import annotations

import importlib.metadata
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmark_core import plugin_loading
from benchmark_core.errors import did_you_mean
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from elrbench import Catalog, ElrError, load_catalog

GOOD = """
from elrbench import EnhancerSpec, hookimpl

@hookimpl
def elr_enhancers():
    return [EnhancerSpec(name="{name}", summary="one", factory="torch.nn:Identity")]
"""


def plugin(folder: Path, stem: str, text: str) -> str:
    path = folder / f"{stem}.py"
    path.write_text(textwrap.dedent(text))
    return str(path)


def refused(*extra: str) -> str:
    with pytest.raises(ElrError) as caught:
        load_catalog(extra, entry_points=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_a_plugin(tmp_path: Path) -> None:
    loaded = load_catalog([plugin(tmp_path, "mine", GOOD.format(name="sharp"))], entry_points=False)
    assert list(loaded.enhancers) == ["sharp"]
    assert loaded.owner(loaded.enhancers["sharp"]).plugin == "mine"


def test_a_misspelt_hook_is_named(tmp_path: Path) -> None:
    path = plugin(tmp_path, "typo", GOOD.format(name="sharp").replace("elr_enhancers", "elr_enhancer"))
    assert refused(path).endswith("unknown hook 'elr_enhancer'. Did you mean 'elr_enhancers'?")
    assert "'typo'" in refused(path)


def test_an_undecorated_hook_is_named(tmp_path: Path) -> None:
    path = plugin(tmp_path, "bare", GOOD.format(name="sharp").replace("@hookimpl", ""))
    assert "'elr_enhancers' is not decorated with @hookimpl" in refused(path)


def test_a_plugin_that_fails_to_import_is_named(tmp_path: Path) -> None:
    path = plugin(tmp_path, "broken", "import no_such_module_at_all")
    assert path in refused(path) and "ModuleNotFoundError" in refused(path)


def test_a_hook_that_raises_is_named(tmp_path: Path) -> None:
    path = plugin(tmp_path, "raising", GOOD.format(name="x").replace("return [", "raise KeyError('why'); return ["))
    assert "'raising'" in refused(path) and "elr_enhancers() raised KeyError" in refused(path)


def test_two_components_of_one_name_name_both_plugins(tmp_path: Path) -> None:
    one = plugin(tmp_path, "one", GOOD.format(name="sharp"))
    two = plugin(tmp_path, "two", GOOD.format(name="sharp"))
    message = refused(one, two)
    assert message.startswith("enhancer 'sharp' is offered by two plugins: 'one'") and "'two'" in message
    assert message.endswith("; leave out one.py or leave out two.py")


def test_a_wrong_kind_of_spec_is_named(tmp_path: Path) -> None:
    path = plugin(tmp_path, "mixed", GOOD.format(name="x").replace("elr_enhancers", "elr_methods"))
    assert "elr_methods() returned EnhancerSpec, not MethodSpec" in refused(path)


def test_a_name_that_could_be_a_path_is_refused(tmp_path: Path) -> None:
    assert "cannot name a component" in refused(plugin(tmp_path, "evil", GOOD.format(name="../x")))


def test_a_plugin_file_that_is_not_there() -> None:
    assert refused("nowhere/at_all.py").startswith("plugin nowhere/at_all.py: ")


class FakeDistribution(importlib.metadata.Distribution):
    """Enough of an installed distribution to own entry points."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: 0.1\n" if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def installed(monkeypatch: pytest.MonkeyPatch, *rows: tuple[str, str, str]) -> None:
    points = [EntryPoint(name, value, "elrbench")._for(FakeDistribution(dist)) for name, value, dist in rows]  # type: ignore[attr-defined]
    monkeypatch.setattr(plugin_loading, "entry_points", lambda group: points)


def test_two_distributions_with_one_entry_point_name(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("resnet", "elrbench_plugins.resnet", "elrbench"), ("resnet", "other.resnet", "elrbench-other")]
    installed(monkeypatch, *rows)
    with pytest.raises(ElrError, match="plugin 'resnet' is installed twice, by elrbench 0.1 and elrbench-other 0.1"):
        load_catalog()


def test_a_broken_entry_point_is_blamed_and_can_be_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(
        monkeypatch,
        ("bad", "no_such_module_at_all", "elrbench-bad"),
        ("interpolation", "elrbench_plugins.interpolation", "elrbench"),
    )
    with pytest.raises(ElrError, match=r"plugin 'bad' \(elrbench-bad 0.1\) cannot be imported.*ELRBENCH_BLOCK=bad"):
        load_catalog()
    monkeypatch.setenv("ELRBENCH_BLOCK", "bad")
    assert "bilinear" in load_catalog().enhancers


def test_blocking_what_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ("interpolation", "elrbench_plugins.interpolation", "elrbench"))
    monkeypatch.setenv("ELRBENCH_BLOCK", "interpolatoin")
    with pytest.raises(ElrError, match="names 'interpolatoin', which is not installed"):
        load_catalog()


def test_a_template_answers_for_every_size(catalog: Catalog) -> None:
    assert catalog.degradations["average-6x8"].low == (6, 8)
    assert catalog.owner(catalog.degradations["average-6x8"]).plugin == "elrbench_plugins.degradations"
    with pytest.raises(ElrError, match="unknown degradation 'average-0x8'"):
        catalog.degradations["average-0x8"]


def test_did_you_mean(catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="unknown backbone 'resnet43'. Did you mean 'resnet34'?"):
        catalog.backbones["resnet43"]
    with pytest.raises(ElrError, match="Did you mean 'average-HxW', e.g. average-12x16"):
        catalog.degradations["average-12x"]


def test_a_list_of_names_that_is_cut_names_the_command_that_lists_all(catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="Known: cstat, .*, …; `elrbench list methods` lists all."):
        catalog.methods["zzz"]
    for key, lists in (("method.zzzzzzzzzz", "elrbench show cstat"), ("zzz", "elrbench show NAME")):
        with pytest.raises(ElrError, match=f"unknown setting '{key}'. Known: .*, …; `{lists}` lists all."):
            resolve_plan(catalog, PlanRequest(method="cstat", dataset="puppets", settings=(f"{key}=1",)))
    assert did_you_mean("method.zzz", ["method.lr", "dataset.z"]) == "Known: dataset.z, method.lr."
    assert did_you_mean("a-12x16,blur=0.6", ["a-12x16,blur=0.5"]) == "Did you mean 'a-12x16,blur=0.5'?"
    assert did_you_mean("metod.lr", ["method.lr", "dataset.z"]) == "Did you mean 'method.lr'?"
    assert did_you_mean("zzz", "abcdefghijkl") == "Known: a, b, c, d, e, f, g, h, i, j, k, l."
