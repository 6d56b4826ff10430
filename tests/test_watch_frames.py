"""`elrbench watch` makes of a file or a sensor the low frames that the clip store makes of the same clip."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from test_display_matrix import TURNS, set_matrix
from videos import film, on_disk, random_planes, write_planes, write_video

from benchmark_core.clips.array_frames import grey_levels
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import ArrayFrames, Clip
from elrbench_plugins.commands.watch.frames import FrameSource, picture, planes_of
from elrbench_plugins.commands.watch.open_source import open_source
from elrbench_plugins.commands.watch.sensors import ArraySource, LineSource, RawSource
from elrbench_plugins.commands.watch.shrink import Shrink
from elrbench_plugins.commands.watch.video import VideoSource
from elrbench_plugins.degradations import AVERAGE, NATIVE

Low = npt.NDArray[np.uint8]  # (T, 3, h, w)
LOW = (3, 4)


def stored(clip: Clip, root: Path, low: tuple[int, int] | None) -> Low:
    """The clip in the store: `average-HxW:clean`, or `native` without a low size."""
    spec = NATIVE if low is None else dataclasses.replace(AVERAGE, low=low)
    made = view_plan(spec, {} if low is None else AVERAGE.variants["clean"], size=(24, 32)).low
    store = ClipStore(root)
    store.ensure([clip], [made])  # type: ignore[list-item]
    reader = store.reader(made)  # type: ignore[arg-type]
    return reader.frames(clip, range(reader.count(clip)))


def watched(source: FrameSource, shrink: Shrink) -> Low:
    return np.stack([shrink(frame.planes) for frame in source.frames()])


def upright(path: Path) -> Path:
    return film(path / "clip.mp4", 100)  # 24x32, 4:2:0


def wide(path: Path) -> Path:
    """Wider than 3:4, of odd sides: the crop ends within pixels, and chroma is rounded up."""
    return write_planes(path / "wide.mkv", random_planes(3, 25, 51), "yuv420p")


def tall(path: Path) -> Path:
    return write_planes(path / "tall.mkv", random_planes(3, 60, 33), "yuv420p")


def jpeg(path: Path) -> Path:
    """Full range."""
    return write_planes(path / "jpeg.avi", random_planes(3, 24, 48), "yuvj420p", "mjpeg")


def bt709(path: Path) -> Path:
    return write_planes(path / "709.mkv", random_planes(3, 24, 32), "yuv420p", colorspace=1)


def grey(path: Path) -> Path:
    frames = list(np.random.default_rng(0).integers(0, 256, (3, 24, 40), np.uint8))
    return write_video(path / "grey.mkv", frames, "gray")


def turned(name: str) -> Callable[[Path], Path]:
    return lambda path: set_matrix(film(path / "turned.mp4", 100), *TURNS[name][0])


FILES = {
    **{make.__name__: make for make in (upright, wide, tall, jpeg, bt709, grey)},
    **{name: turned(name) for name in TURNS},
}


@pytest.mark.parametrize("name", FILES)
def test_frames_of_a_video_are_those_of_average_clean(tmp_path: Path, name: str) -> None:
    path = FILES[name](tmp_path)
    for low in (LOW, (12, 16), (5, 7)):
        found = watched(VideoSource(str(path)), Shrink(low, degrade=True))
        assert found.std() > 0, "a plain picture would show no difference"
        np.testing.assert_array_equal(found, stored(on_disk(path), tmp_path / "cache", low))


def test_frames_of_the_low_size_are_those_of_average_clean_and_without_degrade_those_of_native(tmp_path: Path) -> None:
    """A 4:2:0 video of 12x16 pixels: `native` interpolates chroma, an average repeats it."""
    path = write_planes(tmp_path / "low.mkv", random_planes(3, 12, 16), "yuv420p")
    averaged = watched(VideoSource(str(path)), Shrink((12, 16), degrade=True))
    recorded = watched(VideoSource(str(path)), Shrink((12, 16), degrade=False))
    np.testing.assert_array_equal(averaged, stored(on_disk(path), tmp_path / "cache", (12, 16)))
    np.testing.assert_array_equal(recorded, stored(on_disk(path), tmp_path / "cache", None))
    assert not np.array_equal(averaged, recorded)


def test_frames_of_sensors_are_those_of_array_clips(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(18, 32, (5, 12, 16))  # some are outside of the range
    np.save(tmp_path / "array.npy", values)
    header = "time," + ",".join(f"P{number}" for number in range(192)) + "\n"
    lines = [f"{number}," + ",".join(map(str, frame.ravel())) for number, frame in enumerate(values)]
    (tmp_path / "array.csv").write_text(header + "\n".join(lines))
    levels = partial(grey_levels, coldest=20.0, hottest=30.0)
    sources = {
        "array.npy": lambda: ArraySource(tmp_path / "array.npy", levels, 10.0),
        "array.csv": lambda: LineSource(tmp_path / "array.csv", (12, 16), levels, 10.0),
    }
    for name, source in sources.items():
        frames = ArrayFrames(path=tmp_path / name, shape=(12, 16), coldest=20.0, hottest=30.0)
        clip = Clip(id=name, source=frames, target=0)
        for low, shrink in ((None, Shrink((12, 16), degrade=False)), (LOW, Shrink(LOW, degrade=True))):
            found = watched(source(), shrink)
            assert len(found) == 5 and found.min() == 0 and found.max() == 255 or low
            np.testing.assert_array_equal(found, stored(clip, tmp_path / "cache", low))


def test_raw_frames_of_colours_keep_their_channels() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)  # (T, h, w, channel)
    found = watched(RawSource(io.BytesIO(levels.tobytes()), (3, 4, 3), 30.0), Shrink(LOW, degrade=False))
    np.testing.assert_array_equal(found, levels.transpose(0, 3, 1, 2))


def test_areas_by_hand() -> None:
    """Cells of one and a half rows of 0, 90, 210: (0 + 90 / 2) / 1.5 = 30 and (90 / 2 + 210) / 1.5 = 170."""
    rows = np.array([0, 90, 210], np.uint8)[:, None].repeat(2, 1)
    low = Shrink((2, 1), degrade=True)(planes_of(rows))  # the centred 3x1.5 is in view
    assert low[:, :, 0].tolist() == [[30, 170]] * 3
    assert picture(planes_of(rows)).shape == (3, 3, 2)


# -- NPY streams that are not frames


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 2, 4), np.float32), "holds float32 values, which are no grey levels; pass .*--coldest"),
        (np.zeros((3, 2, 4), np.uint16), "holds uint16 values, which are no grey levels"),
        (np.zeros((3, 2, 4), bool), "holds bool values; save real numbers"),
        (np.zeros((3, 2, 4), complex), "holds complex128 values; save real numbers"),
        (np.full((3, 2, 4), "20"), "holds <U2 values; save real numbers"),
        (np.zeros((2, 4), np.uint8), r"shape \(2, 4\); use"),
        (np.zeros((3, 2, 4, 2), np.uint8), r"shape \(3, 2, 4, 2\); use"),
    ],
)
def test_other_values_are_one_clear_error(tmp_path: Path, values: npt.NDArray[np.generic], message: str) -> None:
    np.save(tmp_path / "array.npy", values)
    with pytest.raises(ElrError, match=message):
        open_source(str(tmp_path / "array.npy"))
    if "no grey levels" not in message:  # nor do --coldest and --hottest make them frames
        with pytest.raises(ElrError, match=message):
            open_source(str(tmp_path / "array.npy"), coldest=0.0, hottest=1.0)


def test_several_arrays_in_one_file_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "array.npy").open("wb") as file:
        np.savez(file, one=np.zeros((3, 2, 4), np.uint8))
    with pytest.raises(ElrError, match="several arrays"):
        open_source(str(tmp_path / "array.npy"))


def test_a_frame_that_is_too_large_is_one_line(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mkv", [np.zeros((4, 8200), np.uint8)], "gray")
    with pytest.raises(ElrError, match="wide.mkv cannot be read: its frames are 8200x4 pixels, more than 8192"):
        list(VideoSource(str(path)).frames())


def test_smaller_frames_than_the_model_takes_are_refused() -> None:
    with pytest.raises(ElrError, match="frames have 2x9 pixels .*, fewer than the 3x4"):
        Shrink(LOW, degrade=True)(planes_of(np.zeros((2, 9), np.uint8)))
    with pytest.raises(ElrError, match="frames have 3x9 pixels .*takes 3x4; pass --degrade 3x4"):
        Shrink(LOW, degrade=False)(planes_of(np.zeros((3, 9), np.uint8)))
