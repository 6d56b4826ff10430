"""Packages of papers: they are read and not run, and each is blamed for what is wrong in it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from acme_paper import FILE

from benchmark_core.papers import GROUP
from benchmark_core.papers import collection as papers
from benchmark_core.papers.collection import load_library
from elrbench import ElrError


def package(folder: Path, name: str, **files: str) -> str:
    root = folder / name
    (root / "suites").mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('this code is not to run')\n")
    for file, text in files.items():
        (root / f"{file}.yaml".replace("__", "/").replace("_", "-")).write_text(text)
    return name


def install(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    points = [EntryPoint(name=name, value=name, group=GROUP) for name in packages]
    monkeypatch.setattr(papers, "installed_points", lambda group: points if group == GROUP else [])


def test_a_package_of_papers_is_read_and_not_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    install(monkeypatch, package(tmp_path, "acmepapers", acme_2024=FILE, suites__acme_table2="rows: []"))
    library = load_library()
    assert library.figure("acme-2024/table2/ours/net18").value == 48.25
    assert library.suite("acme-table2").text == "rows: []"
    assert "acmepapers" not in sys.modules


def test_two_of_one_name_are_refused_with_both_who_bring_them(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    for kind, file in (("suite 't'", "suites__t"), ("paper 'acme-2024'", "acme_2024")):
        names = [package(tmp_path, f"{who}{file[:1]}", **{file: FILE}) for who in ("one", "other")]
        install(monkeypatch, *names)
        with pytest.raises(ElrError) as caught:
            load_library()
        assert kind in str(caught.value) and all(f"'{name}'" in str(caught.value) for name in names)
        monkeypatch.setenv("ELRBENCH_BLOCK", names[1])
        load_library()
        monkeypatch.delenv("ELRBENCH_BLOCK")


def test_a_package_that_is_broken_is_blamed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    install(monkeypatch, "nowhere")
    with pytest.raises(ElrError, match="papers 'nowhere' .* package nowhere does not exist.* ELRBENCH_BLOCK=nowhere"):
        load_library()
    install(monkeypatch, package(tmp_path, "broken", acme_2024=FILE.replace("40.5", "405")))
    with pytest.raises(ElrError, match=r"acme-2024.yaml of 'broken' .*405 is not a percentage"):
        load_library()


def test_what_cannot_be_read_is_told_and_the_rest_is_loaded(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    good = FILE.replace("acme-2024", "good-2024")
    broken = FILE.replace("40.5", "405")
    install(monkeypatch, "nowhere", package(tmp_path, "half", acme_2024=broken, good_2024=good, suites__s="rows: []"))
    told: list[str] = []
    library = load_library(problems=told)
    assert list(library.papers) == ["good-2024"] and list(library.suites) == ["s"]
    assert len(told) == 2 and not any("\n" in line for line in told)
    assert any("row alone, column net18: 405 is not a percentage" in line for line in told)
    assert any("the package nowhere does not exist" in line for line in told)


def test_plugins_are_found_without_papers():
    code = "import benchmark_core.catalog, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"yaml", "benchmark_core.papers.collection"} & set(loaded)


def test_the_reader_loads_neither_torch_nor_plugins():
    code = (
        "import sys; from benchmark_core.papers.collection import load_library; "
        "assert load_library().papers; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av"} & set(loaded)
    assert not [name for name in loaded if name.startswith("elrbench_plugins.")]
