"""Compute optical flow from a clip's stored frames, once, and keep it in the clip store (see `FlowFormat`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmark_core.clips import clipfile
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.build_queue import BuildResult, BuildTask
from benchmark_core.clips.flow_format import Flow, FlowFormat, opencv, to_levels
from benchmark_core.clips.modality import SMALLEST, Algorithm
from benchmark_core.clips.store import ClipReader, ClipStore, Progress, StoreReport
from benchmark_core.clips.view_plan import PreparedFormat
from benchmark_core.errors import ElrError
from benchmark_core.specs import Clip, resolve

CHUNK = 16  # frames read at a time
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601

Grey: TypeAlias = npt.NDArray[np.uint8]  # (H, W), or (n, H, W) for several frames


def ensure_flow(
    store: ClipStore,
    clips: Sequence[Clip],
    flow_format: FlowFormat,
    bad_clips: str = "fail",
    progress: Progress | None = None,
    workers: int | None = None,
) -> StoreReport:
    """Store the frames of the clips, then their flow, unless they are stored already.

    `store.reader(flow_format)` then reads uint8 (n, 2, H, W). As `ClipStore.ensure`, this is resumable, leaves no
    partial file, and each clip is made by one process. Raises ElrError if OpenCV's contrib build is not installed.
    """
    opencv()
    report = store.ensure(clips, [flow_format.source], bad_clips=bad_clips, workers=workers)
    broken = {name for name, _ in report.bad}
    whole = [clip for clip in clips if clip.id not in broken]

    reader = store.reader(flow_format.source)

    def build(task: BuildTask, missing: list[FlowFormat]) -> BuildResult:
        writer = clipfile.Writer(store.path(task.content, flow_format), compressed=True)
        try:
            for one in flows(reader, task.clips[0], flow_format):  # frame by frame: memory does not grow with the clip
                writer.add(to_levels(one)[None])
            writer.close()
        except BadClip as error:
            return error
        finally:
            writer.abort()
        return "built"

    made = store.fill(whole, [flow_format], build, bad_clips=bad_clips, progress=progress, workers=workers)
    return dataclasses.replace(made, bad=(*report.bad, *made.bad), seconds=report.seconds + made.seconds)


def ensure_views(
    store: ClipStore,
    clips: Sequence[Clip],
    formats: Sequence[PreparedFormat],
    bad_clips: str = "fail",
    progress: Progress | None = None,
    workers: int | None = None,
) -> StoreReport:
    """Call `ClipStore.ensure` for pictures, then `ensure_flow` for flow; `progress` counts clips over both.

    In the report, `bad` and `seconds` cover all formats; `built` and `reused` are those of the last.
    """
    pictures = [one.source if isinstance(one, FlowFormat) else one for one in formats]
    flow_formats = [one for one in formats if isinstance(one, FlowFormat)]

    def part(number: int) -> Progress | None:
        def follow(done: int, total: int) -> None:
            assert progress is not None
            progress((number * total + done) // (1 + len(flow_formats)), len(clips))

        return None if progress is None else follow

    report = store.ensure(clips, pictures, bad_clips=bad_clips, progress=part(0), workers=workers)
    for number, flow_format in enumerate(flow_formats, start=1):
        bad = dict(report.bad)
        whole = [clip for clip in clips if clip.id not in bad]
        more = ensure_flow(store, whole, flow_format, bad_clips=bad_clips, progress=part(number), workers=workers)
        report = dataclasses.replace(more, bad=(*report.bad, *more.bad), seconds=report.seconds + more.seconds)
    return report


def flows(reader: ClipReader, clip: Clip, flow_format: FlowFormat) -> Iterator[Flow]:
    """Yield one float32 field (2, H, W) per frame of a stored clip. Raises BadClip if its frames are too small."""
    calculate, to_grey = calculator(flow_format.algorithm), greyer(flow_format)
    before: Grey | None = None
    found: Flow | None = None
    count = reader.count(clip)
    for first in range(0, count, CHUNK):
        for picture in to_grey(reader.frames(clip, range(first, min(first + CHUNK, count)))):
            if min(picture.shape) < SMALLEST:
                rows, columns = picture.shape
                raise BadClip(clip.id, f"frames of {rows}x{columns} are too small for optical flow")
            if before is not None:
                found = calculate(before, picture)
                yield found
            before = picture
    assert before is not None
    yield np.zeros((2, *before.shape), np.float32) if found is None else found


def calculator(algorithm: Algorithm) -> Callable[[Grey, Grey], Flow]:
    """Return `calculate(before, after)` -> float32 (2, H, W): the displacement in pixels of each pixel of `before`.

    Not thread-safe. DIS splits a picture among OpenCV's threads, and the split changes the result, so it gets one.
    """
    cv2 = opencv()
    cv2.setNumThreads(1)
    if algorithm == "dis":
        made = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    else:
        made = cv2.optflow.DualTVL1OpticalFlow_create()

    def calculate(before: Grey, after: Grey) -> Flow:
        found: Flow = made.calc(before, after, None).transpose(2, 0, 1)  # (H, W, 2) to (2, H, W)
        return found

    return calculate


def greyer(flow_format: FlowFormat) -> Callable[[npt.NDArray[np.uint8]], Grey]:
    """Return `to_grey(frames)`: uint8 RGB (n, 3, rows, columns) to luma (n, H, W), enlarged if the format says so.

    Luma is BT.601, rounded to the grey levels that both algorithms take. Raises ElrError if frames are enlarged and
    torch is not installed.
    """
    enlarge = None
    if flow_format.enlarge is not None:
        try:
            import torch  # imported here: listing and storing pictures needs no torch
        except ImportError as error:
            raise ElrError(
                "optical flow is computed on frames that torch enlarges, and torch is not installed; install torch, or "
                "use the file of a run on pictures"
            ) from error
        build = resolve(flow_format.enlarge)
        enlarge = build(flow_format.source.size, flow_format.size, flow_format.options).eval()

    def to_grey(frames: npt.NDArray[np.uint8]) -> Grey:
        pictures = frames.astype(np.float32)
        if enlarge is not None:
            with torch.inference_mode():
                pictures = enlarge(torch.from_numpy(pictures).div_(255)).mul(255).numpy()  # (n, 3, H, W)
        luma = np.einsum("c,nchw->nhw", LUMA, pictures)
        grey: Grey = np.clip(np.rint(luma), 0, 255).astype(np.uint8)
        return grey

    return to_grey
