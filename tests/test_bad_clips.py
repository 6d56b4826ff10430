"""Bad clips end as a line each: no crash, no hang, no doubt about which."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from listening import Listening
from mutants import mutants
from videos import on_disk, random_planes, write_planes, write_video

from benchmark_core.catalog import Catalog
from benchmark_core.clips.bad_clip import BadClips
from benchmark_core.clips.decode import LONGEST_SIDE, BadClip, decode
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.store import ClipStore
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Reporter, Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.specs.index import Clip, Drawn, FrameFolder, VideoFile
from elrbench_plugins.jhmdb import CLASSES

HIGH = StoredFormat(kind="high", size=(12, 16), aspect=(3, 4))
SECONDS = 20.0  # a clip; none of these is a second's work

SCRIPT = """
import json, sys
from pathlib import Path
from benchmark_core.specs.index import Clip, VideoFile
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
folder, cache, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
low = StoredFormat(kind="low", size=(12, 16), aspect=(3, 4), options={"sigma_blur": 0.25, "sigma_noise": 2.0},
             degrade="elrbench_plugins.degradations.average:degrade")
recipes = [low, StoredFormat(kind="high", size=(24, 32), aspect=(3, 4))]
clips = [Clip(id=path.name, source=VideoFile(path), target=0) for path in sorted(folder.iterdir())]
store = ClipStore(cache)
report = store.ensure(clips, recipes, bad_clips="skip", workers=1, seconds_per_clip=seconds)
bad = dict(report.bad)
frames = {clip.id: store.reader(low).count(clip) for clip in clips if clip.id not in bad}
print(json.dumps({"bad": bad, "frames": frames, "built": report.built, "reused": report.reused}))
"""


def through_the_store(folder: Path, cache: Path, limit: float) -> dict[str, dict[str, str]]:
    """In a process of its own: a decoder that crashes or hangs is then a failure of the test, not its end."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(cache), str(SECONDS)],
        capture_output=True,
        text=True,
        timeout=limit,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict[str, dict[str, str]], made: list[Path], cache: Path) -> None:
    bad, frames = found["bad"], found["frames"]
    assert len(bad) + len(frames) == len(made) and not set(bad) & set(frames)
    assert all(reason and "\n" not in reason for reason in bad.values())
    assert all(int(count) > 0 for count in frames.values())
    hopeless = ("-emptied", "-noise", "-text", "-play_list")
    assert not [name for name in frames if any(word in name for word in hopeless)]
    assert not any("seconds" in reason for reason in bad.values())
    assert not list(cache.rglob("*.tmp"))


def test_damaged_copies_of_clips_made_here(tmp_path: Path) -> None:
    whole = [
        write_planes(tmp_path / name, random_planes(12, 48, 64), "yuv420p", codec=codec)
        for name, codec in (("a.avi", "mpeg4"), ("b.mkv", "ffv1"), ("c.mpg", "mpeg2video"), ("d.mov", "mpeg4"))
    ]
    folder = tmp_path / "clips"
    folder.mkdir()
    made = mutants(whole, folder, 84)
    check(through_the_store(folder, tmp_path / "cache", limit=120), made, tmp_path / "cache")


def test_two_hundred_damaged_copies_of_real_clips(tmp_path: Path) -> None:
    root = Path(os.environ.get("ELRBENCH_DATA", "/nowhere"))
    whole = [
        *sorted((root / "jhmdb" / "ReCompress_Videos").glob("*/*.avi"))[::60],
        *sorted((root / "hmdb51" / "hmdb51_org").glob("*/*.avi")),
        *sorted((root / "ucf101" / "UCF-101").glob("*/*.avi")),
    ]
    if not whole:
        pytest.skip("ELRBENCH_DATA names no folder of real clips")
    folder = tmp_path / "clips"
    folder.mkdir()
    made = mutants(whole, folder, 200)
    found = through_the_store(folder, tmp_path / "cache", limit=300)
    check(found, made, tmp_path / "cache")
    assert 40 < len(found["bad"]) < 160


def test_mutants_are_the_same_every_time(tmp_path: Path) -> None:
    clip = write_planes(tmp_path / "a.avi", random_planes(4, 24, 32), "yuv420p", codec="mpeg4")
    copies = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        copies.append([(path.name, path.read_bytes()) for path in mutants([clip], tmp_path / name, 30)])
    assert copies[0] == copies[1] and len({name for name, _ in copies[0]}) == 30


@pytest.mark.parametrize(
    "name", ["a(1)!+&b c.avi", "100%d.avi", "%03d.jpg", "-i.avi", "a:b.avi", "#?.avi", "é☃.avi", "film.txt", "film"]
)
def test_odd_names_and_wrong_extensions_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = write_planes(tmp_path / "whole.avi", random_planes(3, 24, 32), "yuv420p", codec="mpeg4")
    shutil.copy(made, tmp_path / name)
    assert sum(len(frames) for frames in decode(VideoFile(tmp_path / name))) == 3
    monkeypatch.chdir(tmp_path)
    assert sum(len(frames) for frames in decode(VideoFile(Path(name)))) == 3


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    made = write_planes(tmp_path / "whole.avi", random_planes(3, 24, 32), "yuv420p", codec="mpeg4")
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.avi"))
    shutil.copy(made, path)
    report = ClipStore(tmp_path / "cache").ensure([on_disk(path)], [HIGH])
    assert report.built == 1


def test_metadata_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Pippi Langstrumpf"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(32, 24, "yuv420p")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert data.count(b"Langstrumpf") == 1
    path.write_bytes(data.replace(b"Langstrumpf", b"L\xe5ngstr\xfcmpf"))
    assert sum(len(frames) for frames in decode(VideoFile(path))) == 1


def test_what_is_no_video_file_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "one.avi").symlink_to(tmp_path / "two.avi")
    (tmp_path / "two.avi").symlink_to(tmp_path / "one.avi")
    (tmp_path / "folder.avi").mkdir()
    os.mkfifo(tmp_path / "pipe.avi")
    (tmp_path / "empty.avi").touch()
    with av.open(str(tmp_path / "sound.avi"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    names = ("one", "folder", "pipe", "empty", "sound", "absent", "a\0b")
    clips = [Clip(id=name, source=VideoFile(tmp_path / f"{name}.avi"), target=0) for name in names]
    report = ClipStore(tmp_path / "cache").ensure(clips, [HIGH], bad_clips="skip", workers=1)
    assert dict(report.bad) == {
        "one": os.strerror(errno.ELOOP),
        "folder": "it is a folder",
        "pipe": "it is not a regular file",
        "empty": "Invalid data found when processing input",
        "sound": "it has no video stream",
        "absent": os.strerror(errno.ENOENT),
        "a\0b": "embedded null byte",
    }


def test_a_play_list_opens_nothing_elsewhere(tmp_path: Path) -> None:
    """Nor may it stand for a clip beside it: a digest of the list would not be one of the frames."""
    made = write_planes(tmp_path / "a.ts", random_planes(3, 24, 32), "yuv420p", codec="mpeg2video")
    listing = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
    for number, target in enumerate(("http://203.0.113.1/a.ts", str(made))):
        path = tmp_path / f"{number}.m3u8"
        path.write_text(listing.format(target))
        began = time.monotonic()
        with pytest.raises(BadClip):
            list(decode(VideoFile(path), seconds=SECONDS))
        assert time.monotonic() - began < 5
    path = tmp_path / "list.avi"
    path.write_text(f"ffconcat version 1.0\nfile {made.name}\n")
    with pytest.raises(BadClip):
        list(decode(VideoFile(path)))


def test_a_picture_that_is_a_play_list_opens_no_other_file(tmp_path: Path) -> None:
    write_planes(tmp_path / "other.mkv", random_planes(1, 24, 32), "yuv420p")
    (tmp_path / "0001.jpg").write_text("ffconcat version 1.0\nfile other.mkv\n")
    with pytest.raises(BadClip, match=r"0001\.jpg: "):
        list(decode(FrameFolder(tmp_path, ("0001.jpg",))))


def test_a_clip_of_any_claimed_size_is_refused(tmp_path: Path) -> None:
    path = write_planes(tmp_path / "a.mkv", random_planes(1, 2, LONGEST_SIDE + 2), "yuv420p")
    with pytest.raises(BadClip, match=f"{LONGEST_SIDE + 2}x2 pixels, more than {LONGEST_SIDE} on a side"):
        list(decode(VideoFile(path)))


def endless(key: str) -> Iterator[Frames]:
    for _ in itertools.count():
        time.sleep(0.01)
        yield Frames(planes=(np.zeros((1, 24, 32), np.uint8),), colour="grey")


def test_a_clip_without_end_is_bad_and_the_others_are_made(tmp_path: Path) -> None:
    good = on_disk(write_planes(tmp_path / "good.mkv", random_planes(3, 24, 32), "yuv420p"))
    listed = [Clip(id="endless", source=Drawn(render=endless, key="k"), target=0), good]
    report = ClipStore(tmp_path / "cache").ensure(listed, [HIGH], bad_clips="skip", seconds_per_clip=0.3)
    assert report.bad == (("endless", "it takes longer than 0.3 seconds"),) and report.built == 1
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_video_that_takes_too_long_is_bad(tmp_path: Path) -> None:
    path = write_planes(tmp_path / "long.mkv", random_planes(40, 24, 32), "yuv420p")
    chunks = decode(VideoFile(path), 4, seconds=0.2)
    next(chunks)
    time.sleep(0.3)
    with pytest.raises(BadClip, match=r"long\.mkv cannot be decoded: it takes longer than 0\.2 seconds"):
        list(chunks)


def test_a_packet_that_fails_makes_the_whole_clip_bad(tmp_path: Path) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 256, (10, 24, 32, 3), np.uint8))
    path = write_video(tmp_path / "a.avi", pictures, "rgb24", codec="png")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    seen = 0
    with pytest.raises(BadClip):
        for frames in decode(VideoFile(path), 1):
            seen += len(frames)
    assert 1 <= seen < 10  # frames came before it
    store = ClipStore(tmp_path / "cache")
    assert len(store.ensure([on_disk(path)], [HIGH], bad_clips="skip").bad) == 1
    assert not list(tmp_path.rglob("*.clip*"))


def test_bad_clips_of_both_parts_stop_before_training_or_are_left_out(catalog: Catalog, tmp_path: Path) -> None:
    root = tmp_path / "jhmdb"
    for name in CLASSES:
        (root / "ReCompress_Videos" / name).mkdir(parents=True)
        for split in (1, 2, 3):
            (root / "splits").mkdir(exist_ok=True)
            (root / "splits" / f"{name}_test_split{split}.txt").write_text("of_no_split.avi 0 \n")
    lines: dict[str, list[str]] = {"wave": [], "walk": []}
    for number in range(6):
        name = "wave" if number else "walk"
        path = root / "ReCompress_Videos" / name / f"A_{name}_u_cm_np1_fr_med_{number}.avi"
        write_planes(path, random_planes(3, 24, 32, seed=number), "yuv420p", codec="mpeg4")
        if number in (1, 4):
            path.write_bytes(b"nothing to see" * number)
        lines[name].append(f"{path.name} {1 if number < 3 else 2} \n")
    for name, listed in lines.items():
        (root / "splits" / f"{name}_test_split1.txt").write_text("".join(listed))
    plan = resolve_plan(catalog, PlanRequest(method="supervised", dataset="jhmdb", budget="smoke"))
    components = components_of(catalog, plan)

    def prepared(bad_clips: str, reporter: Reporter):
        return prepare(
            plan,
            components,
            RunContext(
                out=tmp_path / "cache", data=root, cache=tmp_path / "cache", bad_clips=bad_clips, reporter=reporter
            ),
        )

    told = r"^2 of 6 clips cannot be decoded: 'wave/.*_1' \(.*'wave/.*_4' \(.* skip"
    with pytest.raises(BadClips, match=told) as caught:
        prepared("fail", Silent())
    assert caught.value.exit_code == 2
    told = Listening()
    ready = prepared("skip", told)
    assert [name[-1] for name in ready.bad] == ["1", "4"] and len(told.warnings) == 3
    assert "19 of 21 classes" in told.warnings[-1]
    assert (len(ready.train), len(ready.test)) == (2, 2)
