"""Optical flow as derived data: made once of a clip's stored frames, and kept in the same store under a key of its own.

Entry i is the flow from frame i to frame i + 1, in pixels at the size it was computed at, (across, down); the last
entry repeats the one before, so that a clip has as many entries as frames. A displacement is cut off at BOUND pixels
either way and kept as one of 255 levels: level 128 is exactly none, 1 and 255 are the bounds, a step is 0.157 pixels.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmark_core.canonical import digest_of
from benchmark_core.clips import clipfile
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.build_queue import BuildResult, BuildTask
from benchmark_core.clips.formats import Prepared, StoredFormat, ViewPlan, named
from benchmark_core.clips.modality import Algorithm
from benchmark_core.errors import ElrError
from benchmark_core.extras import how_to_install, install_command
from benchmark_core.specs import Target, Value, resolve

if TYPE_CHECKING:
    from benchmark_core.clips.index import Clip
    from benchmark_core.clips.store import ClipReader, ClipStore, Progress, StoreReport

BOUND = 20.0  # pixels; two-stream networks are trained on flow cut off there
LEVELS = 127  # on either side of 128
SMALLEST = 12  # pixels that DIS needs along each side
CHUNK = 16  # frames read at a time
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
REVISION = 1  # raised when the same numbers give other flow

Flow: TypeAlias = npt.NDArray[np.float32]  # (2, H, W) in pixels: across, down
Grey: TypeAlias = npt.NDArray[np.uint8]  # (H, W), or (n, H, W) of several
_NOTHING: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class FlowFormat:
    """Flow between stored frames of `source`: of a high view as it is, of a low one enlarged first.

    algorithm: `dis`, dense inverse search (Kroeger et al., ECCV 2016), some fifty times as fast as `tvl1`,
    duality-based TV-L1 (Zach et al., DAGM 2007), which papers on two-stream networks use; both with OpenCV's numbers,
    DIS at its medium preset.
    enlarge: an enhancer's factory with its `options`, whose module brings each frame to `size` (H, W); None takes
    frames as stored.
    """

    source: StoredFormat
    algorithm: Algorithm = "dis"
    enlarge: Target | None = None
    size: tuple[int, int] | None = None
    options: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        """ElrError where the frames are too small for any flow."""
        if (self.enlarge is None) != (self.size is None):
            raise ValueError("what enlarges frames needs the size that it brings them to, and the other way round")
        size = self.size or self.source.size
        if size is not None and min(size) < SMALLEST:
            raise ElrError(
                f"optical flow at {size[0]}x{size[1]} has too little to see; bring frames to {SMALLEST} pixels or more"
            )

    def numbers(self) -> dict[str, Any]:
        """Everything the stored flow depends on, the source's own numbers among it, ready for JSON."""
        return {
            "kind": "flow",
            "source": self.source.numbers(),
            "algorithm": self.algorithm,
            "enlarge": self.enlarge and named(self.enlarge),
            "size": self.size and list(self.size),
            "options": dict(self.options),
            "bound": BOUND,
            "revision": REVISION,
            "opencv": opencv().__version__,
        }

    @property
    def key(self) -> str:
        """16 hex digits of the numbers' canonical JSON."""
        return digest_of(self.numbers())


def ensure_flow(
    store: ClipStore,
    clips: Sequence[Clip],
    fmt: FlowFormat,
    bad_clips: str = "fail",
    progress: Progress | None = None,
    workers: int | None = None,
) -> StoreReport:
    """Makes what is missing, source frames first; `store.reader(recipe)` then reads uint8 (n, 2, H, W).

    As `ClipStore.ensure`: resumable, whole or not at all, each clip made by one process. Raises ElrError where OpenCV's
    contrib build is not installed.
    """
    opencv()
    report = store.ensure(clips, [fmt.source], bad_clips=bad_clips, workers=workers)
    broken = {name for name, _ in report.bad}
    whole = [clip for clip in clips if clip.id not in broken]

    reader = store.reader(fmt.source)

    def build(task: BuildTask, missing: list[FlowFormat]) -> BuildResult:
        writer = clipfile.Writer(store.path(task.content, fmt), compressed=True)
        try:
            for one in flows(reader, task.clips[0], fmt):  # a few at a time: memory does not grow with the clip
                writer.add(to_levels(one)[None])
            writer.close()
        except BadClip as error:
            return error
        finally:
            writer.abort()
        return "built"

    made = store.fill(whole, [fmt], build, bad_clips=bad_clips, progress=progress, workers=workers)
    return dataclasses.replace(made, bad=(*report.bad, *made.bad), seconds=report.seconds + made.seconds)


def of_flow(
    stock: ViewPlan, algorithm: Algorithm, enlarge: Target, options: Mapping[str, Value] = _NOTHING
) -> ViewPlan:
    """What flow views of a degradation ask of the store, given what its own views do.

    Flow of a low view is that of its frames enlarged to network size, flow of a high view is its own: both are stored
    at network size, and one box cuts them there. enlarge: the enhancer's factory, with its `options`.
    """
    enlarged: dict[str, Any] = {"enlarge": enlarge, "size": stock.size, "options": options}
    assert isinstance(stock.low, StoredFormat) and isinstance(stock.high, StoredFormat)
    return ViewPlan(
        crop="after",
        size=stock.size,
        low_size=stock.size,
        low=FlowFormat(source=stock.low, algorithm=algorithm, **enlarged),
        high=None if stock.crop == "none" else FlowFormat(source=stock.high, algorithm=algorithm),
        flow=True,
    )


def ensure_views(
    store: ClipStore,
    clips: Sequence[Clip],
    formats: Sequence[Prepared],
    bad_clips: str = "fail",
    progress: Progress | None = None,
    workers: int | None = None,
) -> StoreReport:
    """`ClipStore.ensure` for pictures, then `ensure_flow` for flow, with one count of clips over all of it.

    The report's bad clips and seconds are of all, built and reused of the last.
    """
    pictures = [fmt.source if isinstance(fmt, FlowFormat) else fmt for fmt in formats]
    fields = [fmt for fmt in formats if isinstance(fmt, FlowFormat)]

    def part(number: int) -> Progress | None:
        def follow(done: int, total: int) -> None:
            assert progress is not None
            progress((number * total + done) // (1 + len(fields)), len(clips))

        return None if progress is None else follow

    report = store.ensure(clips, pictures, bad_clips=bad_clips, progress=part(0), workers=workers)
    for number, fmt in enumerate(fields, start=1):
        bad = dict(report.bad)
        whole = [clip for clip in clips if clip.id not in bad]
        more = ensure_flow(store, whole, fmt, bad_clips=bad_clips, progress=part(number), workers=workers)
        report = dataclasses.replace(more, bad=(*report.bad, *more.bad), seconds=report.seconds + more.seconds)
    return report


def flows(reader: ClipReader, clip: Clip, fmt: FlowFormat) -> Iterator[Flow]:
    """One field for each frame of a stored clip."""
    calculate, to_grey = calculator(fmt.algorithm), greyer(fmt)
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
    """`calculate(before, after)` -> float32 (2, H, W): how far each pixel of `before` has gone, in pixels.

    For one thread at a time. DIS divides a picture among OpenCV's threads, and the division shows in its result: it is
    given one.
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


def greyer(fmt: FlowFormat) -> Callable[[npt.NDArray[np.uint8]], Grey]:
    """`to_grey(frames)`: uint8 RGB (n, 3, rows, columns), enlarged where the recipe says so, to luma (n, H, W).

    BT.601 luma, rounded to the grey levels that both algorithms take.
    """
    import torch  # not above: who lists and fills pictures needs none

    enlarge = None if fmt.enlarge is None else resolve(fmt.enlarge)(fmt.source.size, fmt.size, fmt.options).eval()

    def to_grey(frames: npt.NDArray[np.uint8]) -> Grey:
        pictures = frames.astype(np.float32)
        if enlarge is not None:
            with torch.inference_mode():
                pictures = enlarge(torch.from_numpy(pictures).div_(255)).mul(255).numpy()  # (n, 3, H, W)
        luma = np.einsum("c,nchw->nhw", LUMA, pictures)
        grey: Grey = np.clip(np.rint(luma), 0, 255).astype(np.uint8)
        return grey

    return to_grey


def to_levels(pixels: Flow) -> npt.NDArray[np.uint8]:
    """Pixels, cut off at BOUND either way, to the levels that are stored."""
    cut = np.clip(pixels, -BOUND, BOUND)
    levels: npt.NDArray[np.uint8] = (np.rint(cut * (LEVELS / BOUND)) + 128).astype(np.uint8)
    return levels


def to_pixels(levels: npt.NDArray[np.uint8]) -> Flow:
    """The inverse of `to_levels`, to half a step: 0.08 pixels."""
    pixels: Flow = (levels.astype(np.float32) - 128) * np.float32(BOUND / LEVELS)
    return pixels


def opencv() -> Any:
    """OpenCV with its contrib modules. ElrError naming the extra where it is absent."""
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise ElrError(f"optical flow needs {how_to_install('cv2', 'flow')} ({error})") from error
    if not hasattr(cv2, "optflow"):
        raise ElrError(
            f"OpenCV {cv2.__version__} lacks its contrib modules; uninstall it, then {install_command('flow')}"
        )
    return cv2
