"""What sharing stages saves: the eight rows of CSTAT's Table IV with one cache, against eight caches of their own.

    python benchmarks/stage_sharing.py

On `puppets` at smoke budget, 48 clips to train on and a pool of as many without labels, one backbone and seed. Each row
runs twice, once in either arm, one after the other so that both see the same load. Seconds are those of training alone
(timings.train_s of the record): all caches begin with the same clips, drawn and stored beforehand. Updates are counted:
their ratio does not depend on the machine. Exit 1 where the shared arm takes more than 0.6 of the other's updates.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmark_core import DatasetSpec, Option, Protocol, hookimpl

ROWS = (
    "teacher",
    "supervised",
    "cstat:sat",
    "cstat:tat",
    "cstat:stat",
    "cstat:mlp",  # the table's CSTAT
    "cstat:mlp+rc",
    "cstat:mlp+rc+ut",
)
PLUGINS = ("cstat", "degradations", "interpolation", "puppets", "resnet", "supervised")
CLIPS = 48
ASKED = 0.6


@hookimpl
def elr_datasets() -> Iterable[DatasetSpec]:
    """A pool of other puppets."""
    return [
        DatasetSpec(
            name="puppets-pool",
            summary="puppets without labels",
            classes=(),
            protocols={"pool": Protocol(summary="clips without labels", folds=("1",))},
            index=pool_index,
            options={"clips": Option(default=CLIPS, low=1, help="clips")},
        )
    ]


def pool_index(root: Path | None, protocol: str, options: Mapping[str, Any]) -> Any:
    """Puppets of another draw."""
    from dataclasses import replace

    from benchmark_core.specs.index import Index
    from elrbench_plugins.puppets.single import index

    numbers = {"train": options["clips"], "test": 0, "draw_seed": 8, "frames": 28, "rows": 128, "columns": 170}
    drawn = index(None, "subjects", numbers)
    clips = tuple(replace(clip, target=None) for clip in drawn.clips)
    return Index(clips=clips, folds={}, pool=tuple(clip.id for clip in clips))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--device", help="cpu, cuda. Default: the first accelerator, else the processor")
    asked = parser.parse_args()

    import torch

    from benchmark_core.catalog import load_catalog
    from benchmark_core.plans.resolve import PlanRequest, resolve_plan
    from benchmark_core.progress import Silent
    from benchmark_core.runs.context import RunContext
    from benchmark_core.runs.runner import run

    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # imports much, which is no part of the first row
    catalog = load_catalog([*(f"elrbench_plugins.{name}" for name in PLUGINS), __file__], entry_points=False)
    settings = (f"dataset.train={CLIPS}", "dataset.test=24")

    with tempfile.TemporaryDirectory(prefix="elrbench-sharing-") as work:

        def go(method: str, cache: Path, out: str, *more: str) -> dict[str, Any]:
            request = PlanRequest(
                method=method,
                dataset="puppets",
                backbone=asked.backbone,
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
        for method in (ROWS[-1], ROWS[0]):  # low, high, and the pool; then the test clips' high views
            short = ("method.epochs=1", *(["method.joint_epochs=1"] if method != "teacher" else []))
            go(method, clips, f"fill-{method}", *short)
        shutil.rmtree(clips / "stages")

        shared = Path(work) / "shared"
        shutil.copytree(clips, shared)
        print(f"{'':18}{'updates':>18}{'seconds':>18}")
        print(f"{'':18}{'alone':>9}{'shared':>9}{'alone':>9}{'shared':>9}  stages of the shared cache")
        sums = [0.0] * 4
        for method in ROWS:
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
    """Updates alone and shared, seconds alone and shared."""
    cells = [f"{figure:9.0f}" if place < 2 else f"{figure:9.1f}" for place, figure in enumerate(figures)]
    return f"{name:18}{''.join(cells)}"


def updates(record: Mapping[str, Any]) -> int:
    """Optimiser updates that this run made: of the stages that it did not find in its cache."""
    return sum(record["updates"][stage["name"]] for stage in record["stages"] if not stage["reused"])


def seconds(record: Mapping[str, Any]) -> float:
    """Training alone, with what loading a reused stage takes."""
    return float(record["timings"]["train_s"])


def stages_of(record: Mapping[str, Any]) -> str:
    """`teacher-tam found, joint fitted`."""
    return ", ".join(f"{stage['name']} {'found' if stage['reused'] else 'fitted'}" for stage in record["stages"])


if __name__ == "__main__":
    sys.exit(main())
