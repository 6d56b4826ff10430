"""`data verify` reports clips with signs of damage that a run would use without a word, and healthy clips never."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from pathlib import Path

import av.logging
import pytest
from scripts import load_script
from test_cli_data import Call, call
from test_data_report import dataset_of, hold
from test_frame_folder import pictures
from videos import film, labelled, on_disk, random_planes, write_planes, write_video

from benchmark_core.catalog import Catalog
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
from benchmark_core.specs.index import Clip, FrameFolder, VideoFile
from elrbench_plugins.commands.data.suspect import truncation
from elrbench_plugins.commands.data.verify import DecodedClip, decode_clip

assert call  # a fixture


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return detailed(tmp_path / "video.avi")


def detailed(path: Path) -> Path:
    """40 frames of 48x64, MPEG-4 in AVI."""
    y, u, v = random_planes(40, 48, 64)
    return write_planes(path, (y // 4 + 90, u // 16 + 120, v // 16 + 120), "yuv420p", "mpeg4")


def state(path: Path) -> str:
    decoded = decode_clip(VideoFile(path))
    return "broken" if isinstance(decoded, str) else "suspect" if decoded.damage else "whole"


def test_every_truncated_video_is_suspect_or_broken(video: Path) -> None:
    whole = video.read_bytes()
    assert state(video) == "whole"
    states = []
    for percent in range(5, 100, 5):
        video.write_bytes(whole[: len(whole) * percent // 100])
        states.append(state(video))
    assert "whole" not in states and states.count("suspect") > len(states) / 2


def test_a_file_cut_between_two_frames_is_suspect(video: Path) -> None:
    """The decoder sees nothing: all packets are complete."""
    whole = video.read_bytes()
    video.write_bytes(whole[: whole.rindex(b"00dc", 0, whole.index(b"idx1"))])
    decoded = decode_clip(VideoFile(video))
    assert isinstance(decoded, DecodedClip) and decoded.frames == 39
    assert f"{len(whole)} bytes" in decoded.damage


def test_most_videos_with_flipped_bytes_are_suspect_or_broken(video: Path) -> None:
    whole, rng = video.read_bytes(), random.Random(0)
    first, last = whole.index(b"movi"), whole.index(b"idx1")
    states = []
    for _ in range(20):
        content = bytearray(whole)
        for _ in range(10):
            content[rng.randrange(first, last)] ^= rng.randrange(1, 256)
        video.write_bytes(content)
        states.append(state(video))
    assert states.count("whole") <= 1


def test_iso_media_states_where_its_parts_end(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 100)
    whole = path.read_bytes()
    assert not truncation(path) and state(path) == "whole"
    path.write_bytes(whole[:-7])
    assert f"{len(whole)} bytes" in truncation(path)
    path.write_bytes(whole + b"tail")  # other bytes after the last part are no damage
    assert not truncation(path)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0AVI ", b"RIFF\xff\xff\xff\xffAVI ", b"\0\0\0\0ftypisom"]
)
def test_a_file_that_states_no_length_is_not_truncated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert not truncation(path)


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, str]:
    """A folder of eight clips, one of them with damaged frames, and the id of that clip."""
    root = labelled(tmp_path / "Mine")
    path = detailed(next((root / "train" / "dark!").glob("*.avi")))
    content = bytearray(path.read_bytes())
    first, last = content.index(b"movi"), content.index(b"idx1")
    for position in range(first + 500, last, 500):
        content[position] ^= 0xFF
    path.write_bytes(content)
    return root, path.relative_to(root).as_posix()


@pytest.mark.parametrize("workers", [1, 4])
def test_signs_are_those_of_the_clip(catalog: Catalog, damaged: tuple[Path, str], workers: int) -> None:
    root, clip = damaged
    report = hold(dataset_of(catalog, root), root, workers=workers)
    assert list(report.suspect) == [clip] and not report.broken and report.clean
    assert report.suspect[clip].startswith("mpeg4: ") and "\n" not in report.suspect[clip]
    assert av.logging.get_level() is None


def test_a_suspect_clip_is_a_warning_unless_strict(call: Call, damaged: tuple[Path, str]) -> None:
    root, clip = damaged
    code, out, _ = call("data", "verify", f"folder:{root}")
    assert code == 0 and "suspect: 1" in out and "--strict" in out.splitlines()[-1]
    assert any(clip in line for line in out.splitlines())
    code, out, _ = call("data", "verify", f"folder:{root}", "--strict", "--json")
    report = json.loads(out)
    assert code == 1 and report["clean"] and [entry["clip"] for entry in report["suspect"]] == [clip]
    (root / clip).unlink()
    assert call("data", "verify", f"folder:{root}", "--strict")[0] == 0


def test_pictures_of_two_sizes_are_suspect_because_a_run_uses_them(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "train" / "walk" / "a"
    folder.mkdir(parents=True)
    for number, size in enumerate([(24, 32), (12, 16)]):
        write_video(folder / f"{number}.png", [pictures(1, size)[0]], "rgb24", codec="png")
    clip = Clip(id="a", source=FrameFolder(folder, ("0.png", "1.png")), target=0)
    report = ClipStore(tmp_path / "cache").ensure([clip], [StoredFormat(kind="high", size=(12, 16), aspect=(3, 4))])
    assert report.built == 1
    film(tmp_path / "mine" / "test" / "walk" / "b.avi", 100)
    spec = dataset_of(catalog, tmp_path / "mine")
    report = hold(spec, tmp_path / "mine", "1x1")
    assert (
        not report.broken
        and list(report.suspect) == ["train/walk/a"]
        and "24x32 to 12x16" in report.suspect["train/walk/a"]
    )
    native = dataclasses.replace(spec, natively_low=True, degradation="native")  # stored as recorded: refused by a run
    report = hold(native, tmp_path / "mine", "1x1")
    assert list(report.broken) == ["train/walk/a"] and not report.suspect
    result = ClipStore(tmp_path / "cache").ensure([clip], [StoredFormat(kind="native")], bad_clips="skip")
    assert [name for name, _ in result.bad] == ["a"]


def test_no_real_clip_is_suspect() -> None:
    if "ELRBENCH_DATA" not in os.environ:
        pytest.skip("ELRBENCH_DATA names no folder of real clips")
    root = Path(os.environ["ELRBENCH_DATA"])
    paths = [path for name in ("ucf101", "hmdb51") for path in (root / name).rglob("*.avi")]
    paths += sorted((root / "jhmdb").rglob("*.avi"))[::20]
    assert len(paths) > 50 and {state(on_disk(path).source.path) for path in paths} == {"whole"}


def test_the_benchmark_counts_damage_that_is_reported(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_script("damage_detection").main([str(video.parent), "--clips", "1"]) == 0
    lines = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert lines["none"] == "0 of 1 reported" and lines["cut at a random place"] == "5 of 5 reported"
    assert sum(int(text.split()[2]) for text in lines.values()) == 1 + 5 + 10 + 4
