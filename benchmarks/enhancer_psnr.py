"""PSNR on held-out pairs: what a finished run's enhancer makes of low views against high ones, and bicubic beside it.

    python benchmarks/enhancer_psnr.py elrbench-runs/3f2a90c14b7d5e68 --data /data/clips
    python benchmarks/enhancer_psnr.py elrbench-runs/9c14b7d5e683f2a0 --low 14x14        # of clips taken as recorded

Pairs are the middle 16 frames of each test clip of the run, in pixels of [0, 1]; a clip's PSNR is over its frames
together, and the means are over clips. Where the enhancer has an attention map, PSNR is also weighted by it, the same
map for both. Clips taken as recorded have no high view: those at least as large as the network's size (a share of it
by --least) are brought to that bicubically, and low is the clip degraded again, by a drawn factor of 1 to 4. Of such an
input bicubic enlargement keeps all, and an enhancer what its own input size has room for; with --low, low is the high
view brought bicubically to that size, as such enhancers' own pairs are, and both see the same.
Exit 1 where the enhancer is below bicubic: by attention-weighted PSNR where it has attention.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.errors import ElrError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from benchmark_core.runs.loaded_run import LoadedRun

FRAMES = 16
BATCH = 4


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runfolder", type=Path, help="of a finished run")
    parser.add_argument("--data", type=Path, metavar="ROOT", help="the dataset's folder; default: $ELRBENCH_DATA/NAME")
    parser.add_argument("--cache", type=Path, help="default: $ELRBENCH_CACHE, or ~/.cache/elrbench")
    parser.add_argument("--device", help="cpu, cuda; default: the first accelerator, else the processor")
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a plugin that is not installed")
    parser.add_argument("--clips", type=int, default=0, help="the first so many test clips; default: all")
    parser.add_argument("--least", type=float, default=1.0, help="of clips taken as recorded; default: 1")
    parser.add_argument("--low", metavar="HxW", help="of clips taken as recorded: the size of low views")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        told = measure(asked)
    except ElrError as error:
        print(f"enhancer_psnr: error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(told, indent=1) if asked.json else table(told))
    kind = "weighted" if told["enhancer"]["weighted"] is not None else "psnr"
    return 0 if told["enhancer"][kind] >= told["bicubic"][kind] else 1


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Means in dB over the run's test clips: of its enhancer and of bicubic, plain and weighted by attention."""
    import torch

    from benchmark_core.catalog import load_catalog
    from benchmark_core.clips.locks import reader_lock
    from benchmark_core.networks.protocols import ForegroundEnhancer
    from benchmark_core.records.record import find_record, read_record
    from benchmark_core.runs.loaded_run import load_run
    from benchmark_core.runs.request import cache_folder, data_root
    from benchmark_core.training.device import pick_device

    record = read_record(find_record(asked.runfolder))
    catalog, name = load_catalog(extra=asked.plugin).placed(record["plan"]["dataset"], asked.data)
    deployed = load_run(asked.runfolder, record, catalog, name)
    plan, device = deployed.plan, pick_device(asked.device)
    if deployed.components.method.oracle or plan.modality != "rgb":
        raise ElrError(f"{asked.runfolder} is of a network for {plan.modality} views that has no enhancer")
    enhancer: Any = deployed.recognizer.enhancer.to(device).eval()
    at_once = deployed.recognizer.frames_at_once
    bicubic = catalog.enhancers["bicubic"].build(deployed.components.degradation.low, plan.size)
    ratios: dict[str, list[float]] = {key: [] for key in ("made", "plain", "made_weighted", "plain_weighted")}
    root, cache = data_root(catalog, name, asked.data), cache_folder(asked.cache)
    with reader_lock(cache), torch.inference_mode():
        for low, high in pairs(deployed, root, cache, device, asked):
            views = {"made": frames_of(enhancer, low, at_once), "plain": frames_of(bicubic, low, 1)}
            weights = enhancer.attention(low) if isinstance(enhancer, ForegroundEnhancer) else None
            for key, view in views.items():
                ratios[key] += psnr(view, high)
                ratios[f"{key}_weighted"] += [] if weights is None else psnr(view, high, weights)
    if not ratios["made"]:
        raise ElrError(
            f"none of the test clips of {plan.dataset} is as large as the network's size, {plan.size[0]}x{plan.size[1]}"
            "; --least 0.5 takes those of half of it"
        )

    def means(key: str) -> dict[str, float | None]:
        weighted = ratios[f"{key}_weighted"]
        return {
            "psnr": statistics.fmean(ratios[key]),
            "weighted": statistics.fmean(weighted) if weighted else None,
        }

    better = sum(made > plain for made, plain in zip(ratios["made"], ratios["plain"], strict=True))
    return {
        "run": asked.runfolder.name,
        "dataset": plan.dataset,
        "degradation": plan.degradation,
        "size": list(plan.size),
        "name": plan.enhancer,
        "seed": plan.seed,
        "clips": len(ratios["made"]),
        "better": better,
        "enhancer": means("made"),
        "bicubic": means("plain"),
    }


def pairs(
    deployed: LoadedRun, data: Path | None, cache: Path, device: torch.device, asked: argparse.Namespace
) -> Iterator[tuple[Tensor, Tensor]]:
    """Low (N, 3, 16, h, w) and high (N, 3, 16, H, W) of test clips, in [0, 1], on the device."""
    from torch import Tensor
    from torch.nn.functional import interpolate

    from benchmark_core.cli.console import ConsoleReporter
    from benchmark_core.clips.listing import list_clips
    from benchmark_core.clips.sampling import Sampling
    from benchmark_core.clips.store import ClipStore
    from benchmark_core.clips.views import Views
    from benchmark_core.plans.plan import read_size
    from benchmark_core.progress import follow
    from benchmark_core.runs.prepare import view_plan_of

    plan, components, reporter = deployed.plan, deployed.components, ConsoleReporter()
    options = components.options(plan, "dataset")
    index = list_clips(components.dataset, plan.protocol, options, data=data, bad_clips="skip")
    clips = index.split(plan.fold, "test")[: asked.clips or None]
    stock, store = view_plan_of(plan, components), ClipStore(cache)
    with reporter.steps("test clips", len(clips)) as advance:
        report = store.ensure(clips, stock.formats(low=True, high=True), bad_clips="skip", progress=follow(advance))
    bad = {key for key, _ in report.bad}
    recorded = stock.crop == "none"
    low_size = read_size("--low", asked.low) if asked.low else None
    if low_size is not None and not recorded:
        raise ElrError(f"--low is for clips taken as recorded; {plan.degradation} has a low size of its own")
    views = Views(
        [clip for clip in clips if clip.id not in bad],
        store,
        stock,
        sampling=Sampling.parse(f"1x{FRAMES}"),
        classes=len(components.dataset.classes),
        multi_label=components.dataset.task == "multi-label",
        low=True,
        high=True,
        train=recorded,  # which degrades them again
    )
    with reporter.steps("pairs", len(views)) as advance:
        for host in views.batches(1 if recorded else BATCH, shuffle=False):
            batch = views.to_device(host, device)
            advance(len(batch.ids))
            if isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor):
                yield batch.low[:, 0], batch.high[:, 0]
                continue
            assert batch.low is not None and batch.high is not None
            low, high = batch.low[0], batch.high[0]  # (1, 3, 16, h, w)
            if all(side >= asked.least * due for side, due in zip(high.shape[-2:], plan.size, strict=True)):
                flat = high[0].transpose(0, 1)  # (16, 3, h, w)
                flat = interpolate(flat, plan.size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
                if low_size is not None:
                    small = interpolate(flat, low_size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
                    low = small.transpose(0, 1)[None]
                yield low, flat.transpose(0, 1)[None]


def frames_of(enhancer: nn.Module, low: Tensor, at_once: int) -> Tensor:
    """Enhance (N, 3, 16, h, w) to (N, 3, 16, H, W). at_once: frames that the enhancer takes at once."""
    if at_once == 1:
        flat = enhancer(low.transpose(1, 2).flatten(0, 1))
        return flat.unflatten(0, (len(low), -1)).transpose(1, 2)
    if FRAMES % at_once:
        raise ElrError(f"an enhancer of {at_once} frames at once does not divide {FRAMES}")
    return enhancer(low.unflatten(2, (-1, at_once)).transpose(1, 2).flatten(0, 1)).unflatten(
        0, (len(low), -1)
    ).transpose(1, 2).flatten(2, 3)  # fmt: skip


def psnr(view: Tensor, high: Tensor, weights: Tensor | None = None) -> list[float]:
    """Of each clip (N, 3, T, H, W) in dB, its squares weighted by `weights` (N, 1, T, H, W); 100 at most."""
    squares = (view.double() - high.double()).square()
    if weights is None:
        errors = squares.flatten(1).mean(1)
    else:
        share = weights.double().expand_as(squares).flatten(1)
        errors = (squares.flatten(1) * share).sum(1) / share.sum(1)
    ratios: list[float] = (-10 * errors.clamp(min=1e-10).log10()).tolist()
    return ratios


def table(told: Mapping[str, Any]) -> str:
    """As people read it."""
    size, count = "x".join(map(str, told["size"])), told["clips"]
    lines = [f"{told['dataset']}, {told['degradation']} to {size}: {count} held-out pairs"]
    weighted = told["enhancer"]["weighted"] is not None
    lines.append(f"{'':20}{'PSNR':>10}{'by attention' if weighted else '':>16}")
    for name, key in ((told["name"], "enhancer"), ("bicubic", "bicubic")):
        more = f"{told[key]['weighted']:13.2f} dB" if weighted else ""
        lines.append(f"{name:20}{told[key]['psnr']:7.2f} dB{more}")
    lines.append(f"above bicubic: {told['better']} of {count} clips")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
