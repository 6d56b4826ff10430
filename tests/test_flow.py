"""Optical flow of patterns whose motion is known, and where it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from videos import drawn

from benchmark_core.clips import flow_format
from benchmark_core.clips.bad_clip import BadClips
from benchmark_core.clips.flow import calculator, ensure_flow
from benchmark_core.clips.flow_format import BOUND, LEVELS, FlowFormat, to_levels
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.modality import Algorithm
from benchmark_core.clips.store import ClipStore
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import Clip, Drawn

SIZE = (48, 64)
HIGH = StoredFormat(kind="high", size=SIZE, aspect=(3, 4))
LOW = StoredFormat(kind="low", size=(12, 16), aspect=(3, 4), degrade="elrbench_plugins.degradations.average:degrade",
             options={"sigma_blur": 0.0, "sigma_noise": 0.0})  # fmt: skip
BICUBIC = "elrbench_plugins.interpolation.interpolation:bicubic"
INSIDE = (slice(None), slice(8, -8), slice(8, -8))  # of (2, H, W): what enters at the edges has come from nowhere


def to_pixels(levels: np.ndarray) -> np.ndarray:
    """Displacements in pixels of stored levels."""
    return (levels.astype(np.float32) - 128) * np.float32(BOUND / LEVELS)


@pytest.fixture
def opencv() -> None:
    cv2 = pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    if not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV is here without its contrib modules")


def render(key: str) -> Iterator[Frames]:
    """A smooth texture that moves `across` and `down` pixels a frame."""
    asked = json.loads(key)
    rng = np.random.default_rng(asked["seed"])
    texture = gaussian_filter(rng.random((140, 160)), asked["smooth"])
    texture = 255 * (texture - texture.min()) / np.ptp(texture)
    rows, columns = asked.get("size", SIZE)
    frames = []
    for number in range(asked["frames"]):
        top, left = 40 - number * asked["down"], 40 - number * asked["across"]
        frames.append(np.rint(texture[top : top + rows, left : left + columns]).astype(np.uint8))
    yield Frames(planes=(np.stack(frames),), colour="grey")


def moving(across: int, down: int, frames: int = 4, smooth: float = 2.0, **more: object) -> Clip:
    key = json.dumps({"seed": 1, "across": across, "down": down, "frames": frames, "smooth": smooth, **more})
    return Clip(id=f"moves {across} {down}", source=Drawn(render=render, key=key), target=0)


@pytest.mark.usefixtures("opencv")
@pytest.mark.parametrize("algorithm", ["dis", "tvl1"])
@pytest.mark.parametrize(("across", "down"), [(3, -2), (-2, 1), (0, 0)])
def test_a_translation_is_found(tmp_path: Path, algorithm: Algorithm, across: int, down: int) -> None:
    store, clip, stored_format = ClipStore(tmp_path), moving(across, down), FlowFormat(source=HIGH, algorithm=algorithm)
    report = ensure_flow(store, [clip], stored_format, workers=1)
    reader = store.reader(stored_format)
    stored = reader.frames(clip, range(4))
    assert (report.built, report.bad, reader.count(clip)) == (1, (), 4)
    assert stored.shape == (4, 2, *SIZE) and stored.dtype == np.uint8
    for field in to_pixels(stored):
        off = field[INSIDE] - np.array([across, down])[:, None, None]
        assert np.abs(off).max() < 0.5 and np.abs(np.median(off, (1, 2))).max() < 0.1
    assert np.array_equal(stored[3], stored[2])  # the last entry repeats


@pytest.mark.usefixtures("opencv")
@pytest.mark.parametrize("algorithm", ["dis", "tvl1"])
def test_flow_of_an_enlarged_low_view_is_in_pixels_of_network_size(tmp_path: Path, algorithm: Algorithm) -> None:
    """4 pixels a frame at 48x64 are 1 low pixel at 12x16, and 4 again when that is enlarged."""
    store, clip = ClipStore(tmp_path), moving(4, 0, smooth=6.0)
    stored_format = FlowFormat(source=LOW, algorithm=algorithm, enlarge=BICUBIC, size=SIZE)
    ensure_flow(store, [clip], stored_format)
    field = to_pixels(store.reader(stored_format).frames(clip, [0]))[0]
    assert field.shape == (2, *SIZE)
    assert abs(np.median(field[INSIDE][0]) - 4) < 0.6 and abs(np.median(field[INSIDE][1])) < 0.4


@pytest.mark.usefixtures("opencv")
def test_a_picture_that_stands_still_has_level_128_everywhere(tmp_path: Path) -> None:
    store, stored_format = ClipStore(tmp_path), FlowFormat(source=HIGH)
    clips = [moving(0, 0), moving(3, 0, frames=1)]  # one frame alone has nowhere to go
    ensure_flow(store, clips, stored_format)
    for clip in clips:
        assert (store.reader(stored_format).frames(clip, [0]) == 128).all()


@pytest.mark.usefixtures("opencv")
def test_flow_reaches_over_the_frames_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, stored_format = moving(1, 1, frames=7), FlowFormat(source=HIGH)
    found = []
    for chunk in (2, 16):
        monkeypatch.setattr("benchmark_core.clips.flow.CHUNK", chunk)
        store = ClipStore(tmp_path / str(chunk))
        ensure_flow(store, [clip], stored_format)
        found.append(store.reader(stored_format).frames(clip, range(7)))
    assert np.array_equal(*found)


@pytest.mark.usefixtures("opencv")
def test_flow_is_made_once_and_reused(tmp_path: Path) -> None:
    store, stored_format = ClipStore(tmp_path), FlowFormat(source=HIGH)
    clips = [moving(1, 0), moving(0, 1)]
    seen: list[tuple[int, int]] = []
    assert ensure_flow(store, clips, stored_format, progress=lambda done, total: seen.append((done, total))).built == 2
    assert seen[0] == (0, 2) and seen[-1] == (2, 2)
    files = sorted(tmp_path.rglob("*.clip"))
    assert len(files) == 4  # source and flow of either
    again = ensure_flow(store, clips, stored_format)
    assert (again.built, again.reused) == (0, 2) and sorted(tmp_path.rglob("*.clip")) == files
    assert json.loads((tmp_path / "clips" / stored_format.key / "recipe.json").read_text()) == stored_format.numbers()


@pytest.mark.usefixtures("opencv")
def test_every_number_is_in_the_key() -> None:
    formats = [
        FlowFormat(source=HIGH), FlowFormat(source=HIGH, algorithm="tvl1"),
        FlowFormat(source=HIGH, enlarge=BICUBIC, size=(96, 128)), FlowFormat(source=LOW, enlarge=BICUBIC, size=SIZE),
        FlowFormat(source=LOW, enlarge=BICUBIC.replace("bicubic", "bilinear"), size=SIZE),
        FlowFormat(source=LOW, enlarge=BICUBIC, size=SIZE, options={"sharp": True}),
        FlowFormat(source=StoredFormat(kind="high", size=SIZE, aspect=(1, 1))),
    ]  # fmt: skip
    assert len({stored_format.key for stored_format in formats}) == 7
    assert formats[0].numbers()["source"] == HIGH.numbers() and formats[0].numbers()["bound"] == BOUND


@pytest.mark.usefixtures("opencv")
def test_dis_does_not_depend_on_threads() -> None:
    import cv2

    before, after = np.concatenate([next(iter(render(moving(3, 2, 2).source.key))).planes[0]])
    found = []
    for threads in (4, 1):
        cv2.setNumThreads(threads)
        found.append(calculator("dis")(before, after))
        assert cv2.getNumThreads() == 1
    assert np.array_equal(*found)


@pytest.mark.usefixtures("opencv")
def test_clips_too_small_for_flow_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`enlarge` and `size`"):
        FlowFormat(source=LOW, size=SIZE)
    with pytest.raises(ElrError, match="6x8 are too small for optical flow.*12 pixels"):
        FlowFormat(source=StoredFormat(kind="low", size=(6, 8), aspect=(3, 4)))
    stored_format = FlowFormat(source=StoredFormat(kind="native"))
    clips = [drawn(1, size=(8, 9)), moving(1, 1)]
    with pytest.raises(BadClips, match="frames of 8x9 are too small for optical flow"):
        ensure_flow(ClipStore(tmp_path), clips, stored_format)
    report = ensure_flow(ClipStore(tmp_path), clips, stored_format, bad_clips="skip")
    assert [name for name, _ in report.bad] == ["clip-1"] and report.reused + report.built == 1


def test_levels_are_cut_off_and_come_back_to_half_a_step() -> None:
    field = np.array([0, 20, -20, 25, -300, 0.07, -0.08, 3.3], np.float32)
    assert to_levels(field).tolist() == [128, 255, 1, 255, 1, 128, 127, 149]
    many = np.linspace(-BOUND, BOUND, 10001, dtype=np.float32)
    assert np.abs(to_pixels(to_levels(many)) - many).max() <= BOUND / 127 / 2 + 1e-5


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(flow_format.importlib, "import_module", absent)
    with pytest.raises(ElrError, match=r"needs the extra 'flow'.*pip install"):
        ensure_flow(ClipStore(Path("/nowhere")), [], FlowFormat(source=HIGH))
