"""What a dataset looks like: a few frames of training clips, class by class, high beside low as a network gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.sampling import Sampling, middle
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import ViewPlan, view_plan
from benchmark_core.clips.views import Batch, Views
from benchmark_core.errors import ElrError
from benchmark_core.progress import Reporter, follow
from benchmark_core.specs import DatasetSpec, DegradationSpec, EnhancerSpec, Value
from benchmark_core.specs.index import Clip, Index
from elrbench_plugins.commands.contact_sheet.drawing import Block, Layout, Pictures, Size, draw, gutter_of, lettering
from elrbench_plugins.commands.data.fill import refuse_native

HEIGHT = 96  # pixels that a picture has at most where no size is asked for
BOX = (96, 128)  # that a clip taken as recorded is enlarged within


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A clip on the sheet. frames: their numbers. recorded: its own size where it is taken as recorded."""

    id: str
    frames: tuple[int, ...]
    recorded: Size | None
    lines: tuple[Pictures, ...]


@dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """What was drawn, and `png`, the file's bytes.

    without: classes of which no training clip is there. bad: (clip id, reason) of those that could not be read and
    for which others stand in.
    """

    dataset: str
    degradation: str
    enhancer: str | None
    protocol: str
    low: Size | None
    lines: tuple[str, ...]
    classes: Mapping[str, tuple[Shown, ...]]
    layout: Layout
    without: tuple[str, ...]
    bad: tuple[tuple[str, str], ...]
    png: bytes

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers; sizes are [rows, columns] in pixels."""
        return {
            "dataset": self.dataset,
            "degradation": self.degradation,
            "enhancer": self.enhancer,
            "protocol": self.protocol,
            "low": None if self.low is None else list(self.low),
            "lines": list(self.lines),
            "picture": list(self.layout.size),
            "cell": list(self.layout.cell),
            "columns": self.layout.columns,
            "classes": [
                {
                    "name": name,
                    "clips": [
                        {"id": one.id, "frames": list(one.frames)}
                        | ({} if one.recorded is None else {"recorded": list(one.recorded)})
                        for one in clips
                    ],
                }
                for name, clips in self.classes.items()
            ],
            "without_clips": list(self.without),
            "broken": [{"clip": clip, "reason": reason} for clip, reason in self.bad],
        }


@holds_reader_lock
def contact_sheet(
    dataset: DatasetSpec,
    options: Mapping[str, Value],
    degradation: DegradationSpec,
    degradation_options: Mapping[str, Value],
    enhancer: EnhancerSpec,
    enhancer_options: Mapping[str, Value],
    *,
    protocol: str,
    size: Size | None,
    clips: int,
    frames: int,
    columns: int | None,
    colours: int | None,
    data: Path | None,
    cache: Path,
    reporter: Reporter,
) -> ContactSheet:
    """Draws `frames` frames of `clips` training clips of each class, of the protocol's first fold.

    A clip has three lines: high; low, each pixel a block; low as `enhancer` brings it to network size. One taken as
    recorded has one, its own pixels enlarged by the largest whole number that keeps it within `size`.
    size: (H, W) of the network; by default a whole multiple of the low size. columns: of classes; by default as few as
    make the sheet no taller than wide. colours: of the PNG's palette; every pixel as it is where None.
    Raises ElrError where the lists, all clips or the extra `report` are not there, the enhancer has to be trained, or
    the sheet would be too large.
    """
    if not dataset.classes:
        raise ElrError(f"dataset '{dataset.name}' is a pool of clips without labels: it has no classes to draw")
    refuse_native(dataset, degradation)
    native = degradation.crop == "none"
    if enhancer.fit is not None and not native:
        raise ElrError(f"enhancer '{enhancer.name}' has to be trained before it shows anything; name another")
    size = size or (BOX if degradation.low is None else _multiple(degradation.low))
    stock = view_plan(degradation, degradation_options, size=size)
    lettering()  # before any clip is decoded
    module = None if native else enhancer.build(degradation.low, size, enhancer_options).eval()
    lines = ("recorded",) if module is None else ("high", "low", enhancer.name)
    gutter = 0 if native else gutter_of(lines)

    index = list_clips(dataset, protocol, options, data=data, bad_clips="skip")
    train = training_clips(dataset, protocol, index, data)
    there = {label for clip in train for label in labels(clip)}
    layout = Layout(
        blocks=len(there), columns=1, clips=clips, lines=len(lines), frames=frames, cell=size, gutter=gutter
    )
    store = ClipStore(cache)
    picked, bad = _stored(store, train, sorted(there), clips, stock, reporter)
    views = Views(
        train,
        store,
        stock,
        sampling=Sampling("intervals", frames, 1),
        widen=1 if native else enhancer.frames,
        classes=len(dataset.classes),
        multi_label=dataset.task == "multi-label",
        high=not native,
    )
    assert stock.high is not None
    reader = store.reader(stock.high)
    shown: dict[str, tuple[Shown, ...]] = {}
    for label, components in picked.items():
        shown[dataset.classes[label]] = tuple(
            Shown(
                id=clip.id,
                frames=tuple(views.sampling.numbers(reader.count(clip), None)[0].ravel().tolist()),
                recorded=reader.size(clip) if native else None,
                lines=_lines(views.to_device(views.read([clip]), "cpu"), size, module),
            )
            for clip in components
        )
    pictures = [line for components in shown.values() for one in components for line in one.lines]
    cell = (max(one.shape[1] for one in pictures), max(one.shape[2] for one in pictures))
    layout = replace(layout, blocks=len(shown), cell=cell)
    layout = layout.no_taller_than_wide() if columns is None else replace(layout, columns=min(columns, len(shown)))
    blocks = [Block(name=name, clips=[one.lines for one in components]) for name, components in shown.items()]
    many = "one training clip" if clips == 1 else "training clips"
    how = "as recorded, pixels enlarged" if native else f"high and low ({degradation.name}) at {size[0]}x{size[1]}"
    return ContactSheet(
        dataset=dataset.name,
        degradation=degradation.name,
        enhancer=None if native else enhancer.name,
        protocol=protocol,
        low=degradation.low,
        lines=lines,
        classes=shown,
        layout=layout,
        without=tuple(name for name in dataset.classes if name not in shown),
        bad=tuple(bad.items()),
        png=draw(layout, f"{dataset.name}: {many} of each class, {how}, over time", lines, blocks, colours),
    )


def labels(clip: Clip) -> tuple[int, ...]:
    """Its class numbers."""
    return clip.target if isinstance(clip.target, tuple) else () if clip.target is None else (clip.target,)


def training_clips(dataset: DatasetSpec, protocol: str, index: Index, data: Path | None) -> tuple[Clip, ...]:
    """Those of the first fold that has any, in listed order. ElrError where none has."""
    for fold in index.folds:
        if train := index.split(fold, "train"):
            return train
    where = "; raise its options" if data is None else f" under {data}; expected there: {dataset.layout}"
    raise ElrError(f"dataset '{dataset.name}' has no training clip in {protocol}{where}")


def pick(listed: Sequence[Clip], label: int, count: int) -> tuple[Clip, ...]:
    """At most `count` clips of a class, at even distances in `listed`; those of no other class, where there are any."""
    mine = [clip for clip in listed if label in labels(clip)]
    alone = [clip for clip in mine if len(labels(clip)) == 1] or mine
    count = min(count, len(alone))
    return tuple(alone[number * len(alone) // count] for number in range(count))


def _stored(
    store: ClipStore, train: Sequence[Clip], there: Sequence[int], clips: int, stock: ViewPlan, reporter: Reporter
) -> tuple[dict[int, tuple[Clip, ...]], dict[str, str]]:
    """Clips by class, decoded; and the reason for each that could not be, in whose place others are taken."""
    bad: dict[str, str] = {}
    formats = stock.formats(low=True, high=stock.crop != "none")
    while True:
        good = [clip for clip in train if clip.id not in bad]
        picked = {label: components for label in there if (components := pick(good, label, clips))}
        wanted = list({clip.id: clip for components in picked.values() for clip in components}.values())
        if not wanted:
            first, reason = next(iter(bad.items()))
            raise ElrError(f"none of the {len(bad)} training clips can be decoded (first: {first}: {reason})")
        with reporter.steps("clips", len(wanted)) as advance:
            report = ensure_views(store, wanted, formats, bad_clips="skip", progress=follow(advance))
        if not report.bad:
            return picked, bad
        bad |= dict(report.bad)


@torch.inference_mode()
def _lines(batch: Batch, size: Size, module: nn.Module | None) -> tuple[Pictures, ...]:
    """The lines of a batch of one clip; without `module` of a clip as recorded."""
    if module is None:
        assert isinstance(batch.low, list)
        recorded = _pictures(batch.low[0])  # (K, h, w, 3)
        scale = max(1, min(size[0] // recorded.shape[1], size[1] // recorded.shape[2]))
        return (recorded.repeat(scale, 1).repeat(scale, 2),)
    assert isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor)
    low = batch.low[0]  # (K, 3, T, h, w), T as many frames as the enhancer takes at once
    seen = module(low.squeeze(2)).unsqueeze(2) if low.shape[2] == 1 else module(low)  # (K, 3, T, H, W)
    at = slice(middle(low.shape[2], 1), middle(low.shape[2], 1) + 1)
    return _pictures(batch.high[0]), _enlarged(_pictures(low[:, :, at]), size), _pictures(seen[:, :, at])


def _pictures(view: Tensor) -> Pictures:
    """(K, rows, columns, 3) of (K, 3, 1, rows, columns) in [0, 1]."""
    levels = view[:, :, 0].permute(0, 2, 3, 1).clamp(0, 1).mul(255).round()
    made: Pictures = levels.to(torch.uint8).numpy()
    return made


def _enlarged(low: Pictures, size: Size) -> Pictures:
    """(K, H, W, 3) of (K, h, w, 3): each pixel shows the low one whose area its centre lies in."""
    down, across = (((2 * np.arange(to) + 1) * have // (2 * to)) for to, have in zip(size, low.shape[1:3], strict=True))
    made: Pictures = low[:, down[:, None], across]
    return made


def _multiple(low: Size) -> Size:
    """The largest whole multiple of `low` that is no higher than HEIGHT; `low` itself where it is higher."""
    scale = max(1, HEIGHT // low[0])
    return low[0] * scale, low[1] * scale
