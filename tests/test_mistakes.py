"""Mistakes of plugin authors give one line that names the plugin, before clips are decoded if possible."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import linecache
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BUILTINS
from listening import Listening
from videos import film

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Section, load_catalog
from benchmark_core.cli import main
from benchmark_core.clips.listing import list_clips
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import run
from benchmark_core.specs import DatasetSpec, MethodSpec, Option, Protocol
from benchmark_core.specs.index import Index
from elrbench import Catalog, ElrError, RunFailed
from elrbench_plugins.commands.check.check import check_plugin

ASKED: dict[str, Any] = {
    "method": "supervised",
    "dataset": "toy",
    "backbone": "toynet",
    "budget": "smoke",
    "size": "24x32",
    "settings": ("method.batch=12",),
}
EXAMPLE = Path(__file__).with_name("example_plugin") / "elrbench_example.py"


def replaced(catalog: Catalog, section: str, name: str, **fields: Any) -> Catalog:
    """Return `catalog` with changed fields of one component."""
    old: Section[Any] = getattr(catalog, section)
    spec = dataclasses.replace(old[name], **fields)
    specs = {key: spec if key == name else old[key] for key in old}
    return dataclasses.replace(catalog, **{section: Section(spec.kind, specs)})


def made(catalog: Catalog, plan: Plan, folder: Path) -> Any:
    return run(plan, catalog, RunContext(data=None, out=folder / "out", cache=folder / "cache", reporter=Silent()))


def test_a_file_names_its_own_code_as_an_installed_module_does() -> None:
    """The example of the README has the module name `elrbench_example` once it is installed."""
    catalog = load_catalog([str(EXAMPLE)], entry_points=False)
    spec = catalog.methods["soft-labels"]
    assert str(spec.fit).startswith("elrbench_plugin_elrbench_example_") and str(spec.fit).endswith(":fit")
    spec.check_code()
    module = catalog.enhancers["sharpen"].build((6, 8), (12, 16))
    assert module(torch.rand(1, 3, 6, 8)).shape == (1, 3, 12, 16)


@pytest.mark.parametrize(
    ("section", "name", "field"),
    [("backbones", "toynet", "factory"), ("methods", "supervised", "fit"), ("enhancers", "bilinear", "factory")],
)
def test_absent_code_is_an_error_before_clips_are_read(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path, section: str, name: str, field: str
) -> None:
    kind = section.removesuffix("s")
    catalog = replaced(toy_catalog, section, name, **{field: "nowhere_at_all:build"})
    with pytest.raises(ElrError) as caught:
        made(catalog, toy_plan, tmp_path)
    assert f"{kind} '{name}', field {field}: 'nowhere_at_all:build' cannot be loaded" in str(caught.value)
    assert str(caught.value).startswith("plugin ") and not (tmp_path / "cache" / "clips").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": ("a", "b", "a")}, "dataset 'mine': class 'a' is listed twice"),
        ({"task": "multi-label", "metric": "top1"}, "unknown metric of dataset 'mine', which is multi-label: 'top1'"),
        ({"metric": "accuracy"}, "unknown metric of dataset 'mine', which is single-label: 'accuracy'"),
        ({"task": "multilabel"}, "unknown task of dataset 'mine': 'multilabel'. Did you mean 'multi-label'?"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_a_dataset_with_inconsistent_fields_is_refused(fields: dict[str, Any], message: str) -> None:
    usual = {"name": "mine", "summary": "", "classes": ("a", "b"), "index": "a:b"}
    with pytest.raises(ElrError) as caught:
        DatasetSpec(**{**usual, "protocols": {"one": Protocol(summary="", folds=("1",))}, **fields})
    assert message in str(caught.value)


def test_the_default_metric_is_that_of_the_task(toy_catalog: Catalog) -> None:
    toy = toy_catalog.datasets["toy"]
    assert toy.metric == "top1"
    assert dataclasses.replace(toy, task="multi-label", metric="").metric == "f1_macro"


@pytest.mark.parametrize("target", [3, -1, (0, 3), (-1,)], ids=str)
def test_a_target_beyond_the_classes(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path, target: Any) -> None:
    whole = toy_catalog.datasets["toy"].load(toy_catalog.datasets["toy"].index)

    def wrong(*asked: Any) -> Index:
        index = whole(*asked)
        return dataclasses.replace(
            index, clips=(*index.clips[:-1], dataclasses.replace(index.clips[-1], target=target))
        )

    with pytest.raises(ElrError, match=r"toy: clip 'clip\d+' has class .*, but the 3 classes are numbered from 0"):
        made(replaced(toy_catalog, "datasets", "toy", index=wrong), toy_plan, tmp_path)


def test_lists_that_cannot_be_read(toy_catalog: Catalog, tmp_path: Path) -> None:
    def lists(root: Path, *_: object) -> Index:
        return Index(clips=(), folds={"1": (root / "split.txt").read_text()})  # type: ignore[dict-item]

    (tmp_path / "clip.avi").touch()
    spec = dataclasses.replace(toy_catalog.datasets["toy"], index=lists, layout="split.txt and videos beside it")
    with pytest.raises(
        ElrError, match=r"'toy': its lists cannot be read: .*split.txt.*; expected under .*: split.txt and"
    ):
        list_clips(spec, "one", {}, data=tmp_path)


def test_a_method_must_return_a_recognizer(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    catalog = replaced(toy_catalog, "methods", "supervised", fit=lambda training: None)
    with pytest.raises(RunFailed, match="method 'supervised': `fit` returned NoneType, not a Recognizer"):
        made(catalog, toy_plan, tmp_path / "none")

    def narrow(training: Any) -> Any:
        recognizer = training.recognizer()
        recognizer.head = torch.nn.Module()
        recognizer.head.forward = lambda features, mask: features.mean(1)  # (B, F)
        return recognizer

    catalog = replaced(toy_catalog, "methods", "supervised", fit=narrow)
    with pytest.raises(RunFailed, match=r"logits of shape \(12, 8\) for 12 clips of 3 classes"):
        made(catalog, toy_plan, tmp_path / "narrow")

    def learns(training: Any) -> Any:
        return training.task_loss(torch.zeros(2, 5), torch.zeros(2, dtype=torch.long))

    catalog = replaced(toy_catalog, "methods", "supervised", fit=learns)
    with pytest.raises(RunFailed, match=r"method 'supervised' has logits of shape \(2, 5\) for 2 clips of 3 classes"):
        made(catalog, toy_plan, tmp_path / "loss")


def test_outputs_of_another_size_are_refused(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    def large(low: Any, size: tuple[int, int], options: Any) -> torch.nn.Module:
        return torch.nn.Upsample((size[0] + 8, size[1]))

    with pytest.raises(ElrError, match="the enhancer .*32x32, expected 24x32"):
        made(replaced(toy_catalog, "enhancers", "bilinear", factory=large), toy_plan, tmp_path)
    bicubic = toy_catalog.degradations["bicubic-12x16"]
    catalog = replaced(toy_catalog, "degradations", "bicubic-HxW", on_device=lambda high, low, options: high)
    plan = resolve_plan(catalog, PlanRequest(**{**ASKED, "degradation": bicubic.name}))
    with pytest.raises(ElrError, match=r"returned shape \(24, 3, .*\), expected \(24, 3, 12, 16\); correct the plugin"):
        made(catalog, plan, tmp_path)


@pytest.mark.parametrize(
    ("option", "variants", "message"),
    [
        (Option(default=5.0, high=2.0, help=""), {}, "method 'mine': the default of k=5 is above 2"),
        (Option(default=None, help=""), {}, "method 'mine': the default of k, None, is not a number"),  # type: ignore[arg-type]
        (Option(default=1.0, help=""), {"v": {"k": "big"}}, "method 'mine', variant v: k='big' is not a number"),
        (Option(default=1.0, high=2.0, help=""), {"v": {"k": 9.0}}, "method 'mine', variant v: k=9 is above 2"),
    ],
    ids=["beyond its bounds", "none", "another type", "a variant's beyond"],
)
def test_an_option_checks_its_default_and_variants(option: Option, variants: Any, message: str) -> None:
    with pytest.raises(ElrError) as caught:
        MethodSpec(name="mine", summary="", fit="a:b", options={"k": option}, variants=variants)
    assert message in str(caught.value)


@pytest.mark.parametrize("plugin", [str(EXAMPLE), "elrbench_example"], ids=["file", "module"])
def test_the_readmes_plugin_passes_its_check_without_being_installed(
    plugin: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    usual = [f"elrbench_plugins.{name}" for name in BUILTINS]
    monkeypatch.setattr(
        catalog_module, "load_catalog", lambda extra=(): load_catalog([*usual, *extra], entry_points=False)
    )
    with pytest.raises(SystemExit) as stopped:
        main(["check", plugin])
    assert not stopped.value.code and "20 ok, 0 failed" in capsys.readouterr().out


def test_the_other_kinds_of_the_documentation_pass_their_check(tmp_path: Path) -> None:
    lines = ["file,action,part"]
    for number, (action, part) in enumerate(itertools.product(("jump", "wave"), ("train", "train", "test"))):
        film(tmp_path / f"{number}.avi", 16 if action == "jump" else 160, number)
        lines.append(f"{number}.avi,{action},{part}")
    (tmp_path / "clips.csv").write_text("\n".join(lines))
    usual = [f"elrbench_plugins.{name}" for name in BUILTINS]
    catalog = load_catalog([*usual, str(EXAMPLE.with_name("elrbench_kinds.py"))], entry_points=False)
    found = list(check_plugin(catalog, "elrbench_kinds", work=tmp_path / "work", data={"listed": tmp_path}))
    assert [finding for finding in found if finding.outcome != "ok"] == [] and len(found) == 19

    wanted = {"dataset": "listed", "degradation": "poster-12x16", "enhancer": "espcn", "size": "48x64"}
    settings = (*ASKED["settings"], "enhancer.epochs=1")
    plan = resolve_plan(catalog, PlanRequest(**{**ASKED, **wanted, "backbone": "resnet18", "settings": settings}))
    folders = {"out": tmp_path / "out", "cache": tmp_path / "cache"}
    result = run(plan, catalog, RunContext(data=tmp_path, reporter=Silent(), **folders))
    assert [stage["name"] for stage in result.record["stages"]] == ["espcn", "student"]
    with pytest.raises(ElrError, match="'espcn' enlarges by a whole number.* --size"):
        resolve_plan(catalog, PlanRequest(**{**ASKED, **wanted, "backbone": "resnet18", "size": "50x64"}))


FLAT = """
import numpy as np


def degrade(frames, low, options, seed):
    return np.full((len(frames), 3, *low), GREY, np.uint8)
"""


def test_views_of_an_edited_degradation_give_a_warning(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An installed module keeps its name when edited; the module name of a file holds its digest."""
    module = tmp_path / "flat_views.py"
    module.write_text(FLAT.replace("GREY", "1"))
    monkeypatch.syspath_prepend(tmp_path)
    catalog = replaced(toy_catalog, "degradations", "average-HxW", on_clip="flat_views:degrade")
    plan = resolve_plan(catalog, PlanRequest(**ASKED))
    cache, told = tmp_path / "cache", Listening()

    def prepared() -> Any:
        monkeypatch.delitem(sys.modules, "flat_views", raising=False)
        importlib.invalidate_caches()
        linecache.clearcache()
        return prepare(
            plan, components_of(catalog, plan), RunContext(out=cache, cache=cache, reporter=told)
        ).view_plan.low.key

    key = prepared()
    assert prepared() == key and told.warnings == []
    module.write_text(FLAT.replace("GREY", "12"))
    assert prepared() == key
    (warning,) = told.warnings
    assert "low views of 'average-12x16'" in warning and f"'elrbench cache clear clips --recipe {key}'" in warning
    with pytest.raises(SystemExit):
        main(["cache", "clear", "clips", "--recipe", key, "--yes", "--cache", str(cache)])
    assert not (cache / "clips" / key).exists()
    assert prepared() == key and len(told.warnings) == 1
