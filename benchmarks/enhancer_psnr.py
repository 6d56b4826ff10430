"""Compare a finished run's enhancer with bicubic interpolation, by PSNR on the run's test clips.

    python benchmarks/enhancer_psnr.py elrbench-runs/3f2a90c14b7d5e68 --data /data/clips
    python benchmarks/enhancer_psnr.py elrbench-runs/9c14b7d5e683f2a0 --low 14x14        # natively low clips

Pairs are the middle 16 frames of each test clip, with pixels in [0, 1]. The PSNR of a clip is over all its frames, and
the mean is over clips. If the enhancer has an attention map, PSNR is also weighted by that map, for both views.

Natively low clips have no high view. Of these, clips at least as large as network size (times --least) are resized to
it bicubically. Their low view is the clip, degraded by a random factor of 1 to 4. Bicubic enlargement uses all of it,
but an enhancer only what fits its input size. With --low, the low view is the high view reduced bicubically to that
size, as in the training pairs of such enhancers, so that both get the same pixels.

Exit code 1 if the enhancer is below bicubic, by attention-weighted PSNR if it has attention.
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
    parser.add_argument("runfolder", type=Path, help="folder of a finished run")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the dataset's folder; default: $ELRBENCH_DATA/FOLDER")
    parser.add_argument("--cache", type=Path, help="default: $ELRBENCH_CACHE, or ~/.cache/elrbench")
    parser.add_argument("--device", help="cpu or cuda; default: the first GPU, else the CPU")
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE", help="plugin that is not installed")
    parser.add_argument("--clips", type=int, default=0, help="number of test clips; default: all")
    parser.add_argument(
        "--least", type=float, default=1.0, help="smallest natively low clip, as a share of network size; default: 1"
    )
    parser.add_argument("--low", metavar="HxW", help="size of low views of natively low clips")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        result = measure(asked)
    except ElrError as error:
        print(f"enhancer_psnr: error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result, indent=1) if asked.json else table(result))
    kind = "weighted" if result["enhancer"]["weighted"] is not None else "psnr"
    return 0 if result["enhancer"][kind] >= result["bicubic"][kind] else 1


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Return mean PSNR in dB over the test clips, of the enhancer and of bicubic, plain and weighted by attention."""
    import torch

    from benchmark_core.catalog import load_catalog
    from benchmark_core.clips.locks import reader_lock
    from benchmark_core.networks.protocols import ForegroundEnhancer
    from benchmark_core.records.record import find_record, read_record
    from benchmark_core.runs.loaded_run import load_run
    from benchmark_core.runs.request import cache_folder, data_root
    from benchmark_core.training.device import pick_device

    record = read_record(find_record(asked.runfolder))
    catalog, name = load_catalog(extra=asked.plugin).with_folder(record["plan"]["dataset"], asked.data)
    deployed = load_run(asked.runfolder, record, catalog, name)
    plan, device = deployed.plan, pick_device(asked.device)
    if deployed.components.method.oracle or plan.modality != "rgb":
        raise ElrError(f"{asked.runfolder} has no enhancer, as its network takes high views or optical flow")
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
            "; --least 0.5 accepts clips of half that size"
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
    """Yield low (N, 3, 16, h, w) and high (N, 3, 16, H, W) views of test clips, in [0, 1], on the device."""
    from torch import Tensor
    from torch.nn.functional import interpolate

    from benchmark_core.cli.console import ConsoleReporter
    from benchmark_core.clips.listing import list_clips
    from benchmark_core.clips.sampling import Sampling
    from benchmark_core.clips.store import ClipStore
    from benchmark_core.clips.views import Views
    from benchmark_core.plans.plan import read_size
    from benchmark_core.plans.stored_views import view_plan_of
    from benchmark_core.progress import follow

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
        raise ElrError(f"--low is for natively low clips; {plan.degradation} has its own low size")
    views = Views(
        [clip for clip in clips if clip.id not in bad],
        store,
        stock,
        sampling=Sampling.parse(f"1x{FRAMES}"),
        classes=len(components.dataset.classes),
        multi_label=components.dataset.task == "multi-label",
        low=True,
        high=True,
        train=recorded,  # training views are degraded again
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
            if all(side >= asked.least * needed for side, needed in zip(high.shape[-2:], plan.size, strict=True)):
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
        raise ElrError(f"the enhancer takes {at_once} frames at once, which does not divide {FRAMES}")
    return enhancer(low.unflatten(2, (-1, at_once)).transpose(1, 2).flatten(0, 1)).unflatten(
        0, (len(low), -1)
    ).transpose(1, 2).flatten(2, 3)  # fmt: skip


def psnr(view: Tensor, high: Tensor, weights: Tensor | None = None) -> list[float]:
    """Return the PSNR of each clip (N, 3, T, H, W) in dB, at most 100. weights: (N, 1, T, H, W), of squared errors."""
    squares = (view.double() - high.double()).square()
    if weights is None:
        errors = squares.flatten(1).mean(1)
    else:
        share = weights.double().expand_as(squares).flatten(1)
        errors = (squares.flatten(1) * share).sum(1) / share.sum(1)
    ratios: list[float] = (-10 * errors.clamp(min=1e-10).log10()).tolist()
    return ratios


def table(result: Mapping[str, Any]) -> str:
    """Return the result as text."""
    size, count = "x".join(map(str, result["size"])), result["clips"]
    lines = [f"{result['dataset']}, {result['degradation']} to {size}: {count} held-out pairs"]
    weighted = result["enhancer"]["weighted"] is not None
    lines.append(f"{'':20}{'PSNR':>10}{'by attention' if weighted else '':>16}")
    for name, key in ((result["name"], "enhancer"), ("bicubic", "bicubic")):
        more = f"{result[key]['weighted']:13.2f} dB" if weighted else ""
        lines.append(f"{name:20}{result[key]['psnr']:7.2f} dB{more}")
    lines.append(f"above bicubic: {result['better']} of {count} clips")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
