"""The pytest plugin of elrbench, for tests of plugins: fixtures for catalogs, clips, runs and conformance.

pytest loads this module in every session of an environment with elrbench, so it imports nothing but pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from elrbench import Catalog, RunResult
    from elrbench_plugins.commands.check.check import Finding

OPTION = "elrbench_plugins"  # in the configuration file of pytest
COMPONENT = "elrbench_component"  # argument of tests that run once for each component


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the plugins under test."""
    parser.addini(OPTION, "elrbench plugins under test: modules, or .py files relative to pytest's rootdir", "args", [])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the argument `elrbench_component` once for each plugin under test and each of its components."""
    if COMPONENT not in metafunc.fixturenames:
        return
    from elrbench import ElrError
    from elrbench_plugins.test_kit.conformance import component_names

    try:
        metafunc.parametrize(COMPONENT, component_names(_plugins(metafunc.config)))
    except ElrError as error:
        raise pytest.Collector.CollectError(f"elrbench: error: {error}") from error


def _plugins(config: pytest.Config) -> tuple[str, ...]:
    """Return the plugins under test as `load_catalog` takes them: module names, and absolute paths of files."""
    given = config.getini(OPTION)
    return tuple(str(config.rootpath / name) if name.endswith(".py") else name for name in given)


@pytest.fixture(scope="session")
def elrbench_catalog(pytestconfig: pytest.Config) -> Callable[..., Catalog]:
    """`elrbench_catalog(*built_ins)` returns a catalog of the plugins under test and the named built-in ones.

    Other installed plugins are not in it. `elrbench_catalog("supervised", "resnet")` adds these two built-in plugins,
    `elrbench_catalog("*")` all of them.
    """
    from elrbench_plugins.test_kit.catalogs import catalog_of

    plugins = _plugins(pytestconfig)
    return cache(lambda *built_ins: catalog_of(plugins, built_ins))


@pytest.fixture(scope="session")
def elrbench_clip() -> Callable[..., Path]:
    """`elrbench_clip(path, direction="left", frames=12, size=(48, 64), seed=0)` encodes a video and returns `path`.

    A bright square moves "left", "right", "up" or "down" over noise that `seed` draws. size: (rows, columns).
    """
    from elrbench_plugins.test_kit.clips import write_clip

    return write_clip


@pytest.fixture(scope="session")
def elrbench_tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 encoded videos, train/CLASS/* and test/CLASS/*: squares that move up or down.

    `folder:PATH` reads it as a dataset with two classes, 8 training clips and 4 test clips.
    """
    from elrbench_plugins.test_kit.clips import write_dataset

    return write_dataset(tmp_path_factory.mktemp("elrbench") / "tiny-dataset")


@pytest.fixture
def elrbench_data() -> Mapping[str, Path]:
    """Dataset name -> its folder. Override it if a plugin under test has a dataset that reads files."""
    return {}


@pytest.fixture
def elrbench_smoke_run(
    elrbench_catalog: Callable[..., Catalog],
    elrbench_data: Mapping[str, Path],
    elrbench_tiny_dataset: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., RunResult]:
    """`elrbench_smoke_run(**fields)` trains and scores on the CPU, and returns what `elrbench.run` returns.

    fields: as of `elrbench.run`: method, backbone, dataset, settings, … By default, method `supervised` with budget
    `smoke` on `elrbench_tiny_dataset`. All built-in components can be named.
    """
    from elrbench_plugins.test_kit.smoke import SmokeRuns

    return SmokeRuns(
        catalog=elrbench_catalog("*"),
        data=elrbench_data,
        dataset=elrbench_tiny_dataset,
        new_folder=lambda: tmp_path_factory.mktemp("elrbench-run"),
    )


@pytest.fixture
def elrbench_conformance(
    elrbench_catalog: Callable[..., Catalog],
    elrbench_data: Mapping[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], list[Finding]]:
    """`elrbench_conformance("method mine")` makes the checks of `elrbench check`, and fails the test if one fails.

    The failure names the check and the line of the plugin. The test is skipped if the checks need an extra or a folder
    of `elrbench_data` that is missing. Returns the findings.
    """
    from elrbench_plugins.test_kit.conformance import findings_of

    def conform(component: str) -> list[Finding]:
        __tracebackhide__ = True
        findings = findings_of(elrbench_catalog("*"), component, tmp_path_factory.mktemp("elrbench"), elrbench_data)
        text = "\n".join(map(str, findings))
        if any(finding.outcome == "failed" for finding in findings):
            pytest.fail(text, pytrace=False)
        if any(finding.outcome == "skipped" for finding in findings):
            pytest.skip(text)
        return findings

    return conform
