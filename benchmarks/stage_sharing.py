"""Measure what shared stages save: the eight rows of CSTAT's Table IV with one cache, and with one cache each.

    python benchmarks/stage_sharing.py

Rows run on `puppets` at smoke budget, with 48 training clips, 48 unlabelled clips, one backbone and one seed. Each row
runs with both kinds of cache, one after the other, so that both have the same load. Seconds are those of training only
(timings.train_s of the record), as all caches start with the same stored clips. The ratio of updates does not depend on
the machine. Exit code 1 if shared stages take more than 0.6 of the updates.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elrbench import DatasetSpec, Option, Protocol, hookimpl

ROWS = (
    "teacher",
    "supervised",
    "cstat:sat",
    "cstat:tat",
    "cstat:stat",
    "cstat:mlp",  # CSTAT in the table
    "cstat:mlp+rc",
    "cstat:mlp+rc+ut",
)
PLUGINS = ("cstat", "degradations", "interpolation", "puppets", "resnet", "supervised")
CLIPS = 48
ASKED = 0.6


@hookimpl
def elr_datasets() -> Iterable[DatasetSpec]:
    """Return a dataset of unlabelled puppets."""
    return [
        DatasetSpec(
            name="puppets-pool",
            summary="puppets without labels",
            classes=(),
            protocols={"pool": Protocol(summary="clips without labels", folds=("1",))},
            index=pool_index,
            options={"clips": Option(default=CLIPS, low=1, help="number of clips")},
        )
    ]


def pool_index(root: Path | None, protocol: str, options: Mapping[str, Any]) -> Any:
    """Return puppets of another seed, without labels."""
    from dataclasses import replace

    from benchmark_core.specs.index import Index
    from elrbench_plugins.puppets.single import index

    numbers = {"train": options["clips"], "test": 0, "draw_seed": 8, "frames": 28, "rows": 128, "columns": 170}
    drawn = index(None, "subjects", numbers)
    clips = tuple(replace(clip, target=None) for clip in drawn.clips)
    return Index(clips=clips, folds={}, unlabelled=tuple(clip.id for clip in clips))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--clips", type=int, default=CLIPS, help="training clips, and as many unlabelled ones")
    parser.add_argument("--rows", nargs="+", default=ROWS, help="methods")
    parser.add_argument("--size", default="96x128", help="input size of the network")
    parser.add_argument("--device", help="cpu or cuda; default: the first GPU, else the CPU")
    asked = parser.parse_args(argv)

    import torch

    from benchmark_core.catalog import load_catalog
    from benchmark_core.plans.resolve import PlanRequest, resolve_plan
    from benchmark_core.progress import Silent
    from benchmark_core.runs.context import RunContext
    from benchmark_core.runs.runner import run

    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # imports many modules, which is not part of the first row
    catalog = load_catalog([*(f"elrbench_plugins.{name}" for name in PLUGINS), __file__], entry_points=False)
    settings = (f"dataset.train={asked.clips}", f"dataset.test={asked.clips // 2}")

    with tempfile.TemporaryDirectory(prefix="elrbench-sharing-") as work:

        def go(method: str, cache: Path, out: str, *more: str) -> dict[str, Any]:
            request = PlanRequest(
                method=method,
                dataset="puppets",
                backbone=asked.backbone,
                size=asked.size,
                budget="smoke",
                unlabelled="puppets-pool" if method.endswith("ut") else None,
                settings=(*settings, *more),
            )
            plan = resolve_plan(catalog, request)
            folder = Path(work) / out
            return dict(
                run(
                    plan,
                    catalog,
                    RunContext(data=None, out=folder, cache=cache, reporter=Silent(), device=asked.device),
                ).record
            )

        clips = Path(work) / "clips-alone"
        for method in (
            asked.rows[-1],
            asked.rows[0],
        ):  # low and high views and unlabelled clips; then high views of test clips
            short = ("method.epochs=1", *(["method.joint_epochs=1"] if method != "teacher" else []))
            go(method, clips, f"fill-{method}", *short)
        shutil.rmtree(clips / "stages")

        shared = Path(work) / "shared"
        shutil.copytree(clips, shared)
        print(f"{'':18}{'updates':>18}{'seconds':>18}")
        print(f"{'':18}{'alone':>9}{'shared':>9}{'alone':>9}{'shared':>9}  stages of the shared cache")
        sums = [0.0] * 4
        for method in asked.rows:
            own = Path(work) / "own"
            shutil.copytree(clips, own)
            alone, together = go(method, own, f"alone-{method}"), go(method, shared, f"shared-{method}")
            shutil.rmtree(own)
            assert alone["predictions"]["sha256"] == together["predictions"]["sha256"], f"{method} differs"
            figures = (updates(alone), updates(together), seconds(alone), seconds(together))
            sums = [total + figure for total, figure in zip(sums, figures, strict=True)]
            print(line(method, figures), "", stages_of(together), flush=True)
        print(line("all", sums))
        print(f"shared / alone: {sums[1] / sums[0]:.2f} of the updates, {sums[3] / sums[2]:.2f} of the seconds")
    return 0 if sums[1] <= ASKED * sums[0] else 1


def line(name: str, figures: Iterable[float]) -> str:
    """Return a row of text: updates alone and shared, seconds alone and shared."""
    cells = [f"{figure:9.0f}" if place < 2 else f"{figure:9.1f}" for place, figure in enumerate(figures)]
    return f"{name:18}{''.join(cells)}"


def updates(record: Mapping[str, Any]) -> int:
    """Return the number of optimizer updates of this run, in stages that were not in its cache."""
    return sum(record["updates"][stage["name"]] for stage in record["stages"] if not stage["reused"])


def seconds(record: Mapping[str, Any]) -> float:
    """Return the seconds of training, including the loading of reused stages."""
    return float(record["timings"]["train_s"])


def stages_of(record: Mapping[str, Any]) -> str:
    """Return the stages as text, such as `teacher-tam reused, joint trained`."""
    return ", ".join(f"{stage['name']} {'reused' if stage['reused'] else 'trained'}" for stage in record["stages"])


if __name__ == "__main__":
    sys.exit(main())
