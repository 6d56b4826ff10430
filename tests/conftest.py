"""Fixtures: catalogs that load no entry points, so that tests do not depend on what is installed, and shared runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan

TOY = Path(__file__).with_name("toy.py")

# A shell starts background jobs with SIGINT ignored, which programs inherit. Tests of Ctrl-C need the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

BUILTINS = (
    "bdq",
    "c3d",
    "cstat",
    "dai",
    "dbpn",
    "degradations",
    "duf",
    "dvsr",
    "efficientnet_lite",
    "elr_distil",
    "ensemble",
    "folder",
    "fully_coupled",
    "hf",
    "hmdb51",
    "hof_svm",
    "i3d",
    "interpolation",
    "isr",
    "ixmas",
    "jhmdb",
    "kd",
    "nagoya_fir",
    "multi_siamese",
    "native3d",
    "native_vit",
    "pa_hmdb51",
    "plrn_tennet",
    "probe",
    "protecting",
    "puppets",
    "purwanto",
    "r2plus1d",
    "rahman",
    "reskd",
    "resnet",
    "resnet3d",
    "rrdb",
    "semi_coupled",
    "sosr",
    "stat",
    "strong_kd",
    "supervised",
    "temporal_denoise",
    "tinyvirat",
    "tinyvirat_method",
    "trackers.mlflow",
    "trackers.tensorboard",
    "trackers.trackio",
    "trackers.wandb",
    "tsm",
    "ucf101",
)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The built-in plugins, by module name."""
    return load_catalog([f"elrbench_plugins.{name}" for name in BUILTINS], entry_points=False)


@pytest.fixture(scope="session")
def toy_catalog() -> Catalog:
    """The built-in plugins and the toy dataset of `toy.py`."""
    return load_catalog([*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY)], entry_points=False)


@pytest.fixture
def toy_plan(toy_catalog: Catalog) -> Plan:
    """The student alone on the toy dataset, small enough for a second."""
    settings = ("method.batch=12", "method.epochs=2")
    request = PlanRequest(
        method="supervised", dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    return resolve_plan(toy_catalog, request)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digest -> sha256 of the predictions of the suite `cluster_suites.LONG`, run in one process and never stopped."""
    from cluster_suites import LONG, predictions, suite, write

    folder = write(tmp_path_factory.mktemp("undisturbed"), LONG)
    code, _, err = suite(folder, "run", "mine.yaml", "--plugin", str(TOY))
    assert code == 0, err
    return predictions(folder)


@pytest.fixture(scope="session")
def stopped_cache(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with 18 clips, one finished stage, and one stopped after its first epoch of three; tests copy it."""
    from stopped_cache import fill

    folder = tmp_path_factory.mktemp("cache")
    fill(folder, toy_catalog)
    return folder


@pytest.fixture(scope="session")
def finished_toy_run(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, next to its `cache`; tests change copies of it."""
    from shared_models import toy_run

    return toy_run(toy_catalog, tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def finished_virat_run(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, next to its `cache` and the `data` that it was trained on; tests change copies of it."""
    from predicting import finish

    return finish(tmp_path_factory.mktemp("finished"), toy_catalog)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for a test that starts commands by `cluster_suites`; all their processes end with the test."""
    import cluster_suites

    cluster_suites.root = tmp_path
    yield tmp_path
    cluster_suites.end_all(tmp_path)
