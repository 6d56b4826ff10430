"""Short runs of a catalog that a test chose, from clips to record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.catalog import Catalog
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.request import data_root, located, make_plan
from benchmark_core.specs import NOTHING, Value

if TYPE_CHECKING:
    from elrbench import RunResult


@dataclass(frozen=True, kw_only=True)
class SmokeRuns:
    """Runs with the components of `catalog`, each in a new folder with a cache of its own.

    data: dataset name -> its folder. dataset: folder of clips that a run uses if it names no dataset.
    """

    catalog: Catalog
    data: Mapping[str, Path]
    dataset: Path
    new_folder: Callable[[], Path]

    def __call__(self, *, settings: Mapping[str, Value] = NOTHING, **fields: Any) -> RunResult:
        """Train and score on the CPU; return the result, with `.record` and `.folder`.

        settings, fields: as of `elrbench.run`.
        Raises ElrError before the run begins, RunFailed afterwards.
        """
        from benchmark_core.runs.runner import run

        asked = {"method": "supervised", "budget": "smoke", "dataset": f"folder:{self.dataset}", **fields}
        texts = tuple(f"{key}={value}" for key, value in settings.items())
        root = self.data.get(str(asked["dataset"]).partition(":")[0])
        catalog, plan, extra = make_plan(self.catalog, None, texts, asked, root)
        folder = self.new_folder()
        context = RunContext(
            data=data_root(catalog, plan.dataset, root),
            out=folder / "run",
            cache=folder / "cache",
            extra=located(catalog, plan, extra),
            device="cpu",
        )
        return run(plan, catalog, context)
