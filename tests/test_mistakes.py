"""What a plugin's author gets wrong is one line that names it, found before anything is decoded where that can be."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark_core import Catalog, ElrError, RunFailed
from benchmark_core.catalog import Section, load_catalog
from benchmark_core.clips.index import Index
from benchmark_core.datasets.listing import list_clips
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Silent
from benchmark_core.runs.runner import run
from benchmark_core.specs import DatasetSpec, Protocol

EXAMPLE = Path(__file__).with_name("example_plugin") / "elrbench_example.py"


def replaced(catalog: Catalog, section: str, name: str, **fields: Any) -> Catalog:
    """`catalog` with a component whose fields are others."""
    old: Section[Any] = getattr(catalog, section)
    spec = dataclasses.replace(old[name], **fields)
    specs = {key: spec if key == name else old[key] for key in old}
    return dataclasses.replace(catalog, **{section: Section(spec.kind, specs)})


def made(catalog: Catalog, plan: Plan, folder: Path) -> Any:
    return run(plan, catalog, data=None, out=folder / "out", cache=folder / "cache", reporter=Silent())


def test_a_file_names_its_own_code_as_an_installed_module_does() -> None:
    """The README's example, which is `elrbench_example` once it is installed."""
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
def test_code_that_is_not_there_is_found_before_clips_are_read(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path, section: str, name: str, field: str
) -> None:
    kind = section.removesuffix("s")
    catalog = replaced(toy_catalog, section, name, **{field: "nowhere_at_all:build"})
    with pytest.raises(ElrError) as caught:
        made(catalog, toy_plan, tmp_path)
    assert f"{kind} '{name}', its {field}: 'nowhere_at_all:build' cannot be loaded" in str(caught.value)
    assert str(caught.value).startswith("plugin ") and not (tmp_path / "cache" / "clips").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": ("a", "b", "a")}, "dataset 'mine': class 'a' is listed twice"),
        ({"task": "multi-label", "metric": "top1"}, "unknown metric of dataset 'mine', which is multi-label: 'top1'"),
        ({"metric": "accuracy"}, "unknown metric of dataset 'mine', which is single-label: 'accuracy'"),
        ({"task": "multilabel"}, "unknown task of dataset 'mine' 'multilabel'. Did you mean 'multi-label'?"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_a_dataset_whose_words_do_not_go_together(fields: dict[str, Any], message: str) -> None:
    usual = {"name": "mine", "summary": "", "classes": ("a", "b"), "index": "a:b"}
    with pytest.raises(ElrError) as caught:
        DatasetSpec(**{**usual, "protocols": {"one": Protocol(summary="", folds=("1",))}, **fields})
    assert message in str(caught.value)


def test_the_metric_is_the_tasks_own_where_none_is_named(toy_catalog: Catalog) -> None:
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

    with pytest.raises(ElrError, match=r"toy: clip 'clip\d+' is of class .*, and its 3 classes are numbered from 0"):
        made(replaced(toy_catalog, "datasets", "toy", index=wrong), toy_plan, tmp_path)


def test_lists_that_cannot_be_read(toy_catalog: Catalog, tmp_path: Path) -> None:
    def lists(root: Path, *_: object) -> Index:
        return Index(clips=(), folds={"1": (root / "split.txt").read_text()})  # type: ignore[dict-item]

    (tmp_path / "clip.avi").touch()
    spec = dataclasses.replace(
        toy_catalog.datasets["toy"], index=lists, embedded=False, layout="split.txt and videos beside it"
    )
    with pytest.raises(
        ElrError, match=r"'toy': its lists cannot be read: .*split.txt.*; expected under .*: split.txt and"
    ):
        list_clips(spec, "one", {}, data=tmp_path)


def test_what_a_method_returns(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    catalog = replaced(toy_catalog, "methods", "supervised", fit=lambda training: None)
    with pytest.raises(RunFailed, match="method 'supervised': its fit returned NoneType, not a Recognizer"):
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
