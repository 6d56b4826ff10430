"""Pick training clips of each class and draw their high, low and enhanced views on one sheet."""

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

HEIGHT = 96  # largest picture height in pixels if no size is given
BOX = (96, 128)  # (H, W) in pixels within which a clip as recorded is enlarged


@dataclass(frozen=True, kw_only=True)
class SheetClip:
    """A clip on the sheet. frames: frame numbers. recorded: its own size if it is shown as recorded, else None."""

    id: str
    frames: tuple[int, ...]
    recorded: Size | None
    lines: tuple[Pictures, ...]


@dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """What was drawn. png: the bytes of the file.

    without: classes without a training clip. bad: (clip id, reason) of clips that could not be decoded and were
    replaced by others.
    """

    dataset: str
    degradation: str
    enhancer: str | None
    protocol: str
    low: Size | None
    lines: tuple[str, ...]
    classes: Mapping[str, tuple[SheetClip, ...]]
    layout: Layout
    without: tuple[str, ...]
    bad: tuple[tuple[str, str], ...]
    png: bytes

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers; sizes are [rows, columns] in pixels."""
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
    """Draw `frames` frames of `clips` training clips per class, from the first fold of the protocol.

    A clip has three rows: high view; low view, each pixel a block; low view enhanced to network size. A natively low
    clip has one row: its own pixels, enlarged by the largest whole number that keeps it within `size`.

    size: (H, W) of the network; default: a whole multiple of the low size. columns: of classes; default: as few as
    make the sheet no taller than wide. colours: palette size of the PNG; None keeps every pixel as it is.
    Raises ElrError if lists, clips or the extra `report` are missing, the enhancer must be trained first, or the sheet
    would be too large.
    """
    if not dataset.classes:
        raise ElrError(f"dataset '{dataset.name}' has no labels, so there are no classes to draw")
    refuse_native(dataset, degradation)
    native = degradation.crop == "none"
    if enhancer.fit is not None and not native:
        raise ElrError(f"enhancer '{enhancer.name}' must be trained first; pass another --enhancer")
    size = size or (BOX if degradation.low is None else _multiple(degradation.low))
    stored_views = view_plan(degradation, degradation_options, size=size)
    lettering()  # fail before any clip is decoded
    module = None if native else enhancer.build(degradation.low, size, enhancer_options).eval()
    lines = ("recorded",) if module is None else ("high", "low", enhancer.name)
    gutter = 0 if native else gutter_of(lines)

    index = list_clips(dataset, protocol, options, data=data, bad_clips="skip")
    train = training_clips(dataset, protocol, index, data)
    present = {label for clip in train for label in labels(clip)}
    layout = Layout(
        blocks=len(present), columns=1, clips=clips, lines=len(lines), frames=frames, cell=size, gutter=gutter
    )
    store = ClipStore(cache, reporter)
    picked, bad = _stored(store, train, sorted(present), clips, stored_views, reporter)
    views = Views(
        train,
        store,
        stored_views,
        sampling=Sampling("intervals", frames, 1),
        widen=1 if native else enhancer.frames,
        classes=len(dataset.classes),
        multi_label=dataset.task == "multi-label",
        high=not native,
    )
    assert stored_views.high is not None
    reader = store.reader(stored_views.high)
    shown: dict[str, tuple[SheetClip, ...]] = {}
    for label, chosen in picked.items():
        shown[dataset.classes[label]] = tuple(
            SheetClip(
                id=clip.id,
                frames=tuple(views.sampling.numbers(reader.count(clip), None)[0].ravel().tolist()),
                recorded=reader.size(clip) if native else None,
                lines=_lines(views.to_device(views.read([clip]), "cpu"), size, module),
            )
            for clip in chosen
        )
    pictures = [line for chosen in shown.values() for one in chosen for line in one.lines]
    cell = (max(one.shape[1] for one in pictures), max(one.shape[2] for one in pictures))
    layout = replace(layout, blocks=len(shown), cell=cell)
    layout = layout.no_taller_than_wide() if columns is None else replace(layout, columns=min(columns, len(shown)))
    blocks = [Block(name=name, clips=[one.lines for one in chosen]) for name, chosen in shown.items()]
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
    """Return the class numbers of a clip."""
    return clip.target if isinstance(clip.target, tuple) else () if clip.target is None else (clip.target,)


def training_clips(dataset: DatasetSpec, protocol: str, index: Index, data: Path | None) -> tuple[Clip, ...]:
    """Return the training clips of the first fold that has any, in listed order. Raises ElrError if none has."""
    for fold in index.folds:
        if train := index.split(fold, "train"):
            return train
    where = "; raise its options" if data is None else f" in {data}; expected layout: {dataset.layout}"
    raise ElrError(f"dataset '{dataset.name}' has no training clip in protocol {protocol}{where}")


def pick(listed: Sequence[Clip], label: int, count: int) -> tuple[Clip, ...]:
    """Return up to `count` clips of a class, evenly spaced in `listed`; clips of that class alone if there are any."""
    mine = [clip for clip in listed if label in labels(clip)]
    alone = [clip for clip in mine if len(labels(clip)) == 1] or mine
    count = min(count, len(alone))
    return tuple(alone[number * len(alone) // count] for number in range(count))


def _stored(
    store: ClipStore,
    train: Sequence[Clip],
    classes: Sequence[int],
    clips: int,
    stored_views: ViewPlan,
    reporter: Reporter,
) -> tuple[dict[int, tuple[Clip, ...]], dict[str, str]]:
    """Decode clips of each class. Return them by class, and the reason for each clip that failed and was replaced."""
    bad: dict[str, str] = {}
    formats = stored_views.formats(low=True, high=stored_views.crop != "none")
    while True:
        good = [clip for clip in train if clip.id not in bad]
        picked = {label: chosen for label in classes if (chosen := pick(good, label, clips))}
        wanted = list({clip.id: clip for chosen in picked.values() for clip in chosen}.values())
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
    """Return the rows of a batch of one clip; module: the enhancer, or None for a clip as recorded."""
    if module is None:
        assert isinstance(batch.low, list)
        recorded = _pictures(batch.low[0])  # (K, h, w, 3)
        scale = max(1, min(size[0] // recorded.shape[1], size[1] // recorded.shape[2]))
        return (recorded.repeat(scale, 1).repeat(scale, 2),)
    assert isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor)
    low = batch.low[0]  # (K, 3, T, h, w), T: frames that the enhancer takes at once
    seen = module(low.squeeze(2)).unsqueeze(2) if low.shape[2] == 1 else module(low)  # (K, 3, T, H, W)
    at = slice(middle(low.shape[2], 1), middle(low.shape[2], 1) + 1)
    return _pictures(batch.high[0]), _enlarged(_pictures(low[:, :, at]), size), _pictures(seen[:, :, at])


def _pictures(view: Tensor) -> Pictures:
    """Convert (K, 3, 1, rows, columns) in [0, 1] to uint8 (K, rows, columns, 3)."""
    levels = view[:, :, 0].permute(0, 2, 3, 1).clamp(0, 1).mul(255).round()
    made: Pictures = levels.to(torch.uint8).numpy()
    return made


def _enlarged(low: Pictures, size: Size) -> Pictures:
    """Enlarge (K, h, w, 3) to (K, H, W, 3): each pixel copies the low pixel whose area contains its centre."""
    down, across = (((2 * np.arange(to) + 1) * have // (2 * to)) for to, have in zip(size, low.shape[1:3], strict=True))
    made: Pictures = low[:, down[:, None], across]
    return made


def _multiple(low: Size) -> Size:
    """Return the largest whole multiple of `low` that is at most HEIGHT high, or `low` itself if it is higher."""
    scale = max(1, HEIGHT // low[0])
    return low[0] * scale, low[1] * scale
