"""The clip store: made once, whole or not there, read back exactly."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import videos
from videos import HIGH, LOW, drawn, on_disk, random_planes, write_planes

from benchmark_core.clips import clipfile
from benchmark_core.clips.bad_clip import SHOWN, BadClips
from benchmark_core.clips.build_queue import CHUNK, BuildResult, BuildTask, decode_into
from benchmark_core.clips.decode import decode
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.store import ClipStore
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.specs.index import Clip, Drawn

NATIVE = StoredFormat(kind="native")

DECODED: Counter[str] = Counter()


def counted(key: str) -> Iterator[Frames]:
    DECODED[key] += 1
    return videos.render(key)


def _decode_into(root: Path, task: BuildTask, missing: list[StoredFormat]) -> BuildResult:
    return decode_into(root, task, missing, 60)


def counting(number: int) -> Clip:
    return Clip(id=f"clip-{number}", source=Drawn(render=counted, key=f"{number},6,24,32"), target=0)


@pytest.mark.parametrize("stored_format", [LOW, HIGH, NATIVE])
def test_frames_come_back_as_made(tmp_path: Path, stored_format: StoredFormat) -> None:
    store, clip = ClipStore(tmp_path), drawn(1)
    store.ensure([clip], [stored_format])
    seed = int(store.content_key(clip.source)[:16], 16)
    made = np.concatenate([stored_format.make(frames, seed) for frames in decode(clip.source)])
    reader = store.reader(stored_format)
    assert reader.count(clip) == 6 and reader.size(clip) == made.shape[2:]
    for numbers in ([0, 1, 2, 3, 4, 5], [5, 0, 0, 3], [2]):
        assert np.array_equal(reader.frames(clip, numbers), made[numbers])
    with pytest.raises(IndexError, match="not 6"):
        reader.frames(clip, [6])


def test_one_decode_feeds_all_recipes_and_is_not_repeated(tmp_path: Path) -> None:
    DECODED.clear()
    store, clips = ClipStore(tmp_path), [counting(1), counting(2)]
    seen: list[tuple[int, int]] = []
    report = store.ensure(clips, [LOW, HIGH], progress=lambda *done: seen.append(done))
    assert (report.built, report.reused, report.bad) == (2, 0, ())
    assert seen == [(0, 2), (1, 2), (2, 2)]
    assert set(DECODED.values()) == {1} and len(DECODED) == 2
    again = ClipStore(tmp_path).ensure(clips, [LOW, HIGH, NATIVE])
    assert (again.built, again.reused) == (2, 0) and set(DECODED.values()) == {2}
    assert ClipStore(tmp_path).ensure(clips, [LOW, NATIVE]).reused == 2 and set(DECODED.values()) == {2}


def test_a_recipe_is_described_beside_its_clips(tmp_path: Path) -> None:
    store, clip = ClipStore(tmp_path), drawn(1)
    store.ensure([clip], [LOW])
    path = store.path(store.content_key(clip.source), LOW)
    assert path.parent.parent == tmp_path / "clips" / LOW.key and path.parent.name == path.name[:2]
    assert json.loads((tmp_path / "clips" / LOW.key / "recipe.json").read_text()) == LOW.numbers()


@pytest.mark.parametrize("stored_format", [LOW, HIGH])
@pytest.mark.parametrize("harm", ["cut", "emptied", "scribbled"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, stored_format: StoredFormat, harm: str) -> None:
    store, clip = ClipStore(tmp_path), drawn(1)
    store.ensure([clip], [stored_format])
    path = store.path(store.content_key(clip.source), stored_format)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-1], "emptied": b"", "scribbled": b"\xff" * len(whole)}[harm])
    assert clipfile.read_header(path) is None
    with pytest.raises(ElrError, match="removed from the clip store"):
        store.reader(stored_format).count(clip)
    assert store.ensure([clip], [stored_format]).built == 1
    assert path.read_bytes() == whole


def test_two_clips_of_one_content_are_made_once(tmp_path: Path) -> None:
    DECODED.clear()
    twin = Clip(id="twin", source=counting(1).source, target=1)
    report = ClipStore(tmp_path).ensure([counting(1), twin], [LOW])
    assert report.built + report.reused == 2 and sum(DECODED.values()) == 1


def test_files_are_known_by_their_bytes(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "cache")
    path = write_planes(tmp_path / "a.mkv", random_planes(3, 24, 32), "yuv420p")
    copy = tmp_path / "b.mkv"
    copy.write_bytes(path.read_bytes())
    assert store.content_key(on_disk(path).source) == store.content_key(on_disk(copy).source)
    store.ensure([on_disk(path)], [LOW])
    assert store.ensure([on_disk(copy)], [LOW]).reused == 1
    write_planes(copy, random_planes(3, 24, 32, seed=1), "yuv420p")
    assert store.ensure([on_disk(copy)], [LOW]).built == 1


def test_drawn_clips_of_two_codes_differ_though_their_keys_agree(tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    assert store.content_key(counting(1).source) != store.content_key(drawn(1).source)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_clip_stops_or_is_left_out(tmp_path: Path, workers: int) -> None:
    (tmp_path / "bad.avi").write_bytes(b"nothing to see")
    clips = [drawn(1), on_disk(tmp_path / "bad.avi"), on_disk(tmp_path / "absent.avi"), drawn(2)]
    store = ClipStore(tmp_path / "cache")
    with pytest.raises(
        BadClips, match=r"^2 of 4 clips cannot .*'bad' \(.*'absent' \(.*; pass --bad-clips skip"
    ) as caught:
        store.ensure(clips, [LOW, HIGH], workers=workers)
    assert [name for name, _ in caught.value.listed] == ["bad", "absent"]
    assert pickle.loads(pickle.dumps(caught.value)).listed == caught.value.listed
    report = store.ensure(clips, [LOW, HIGH], bad_clips="skip", workers=workers)
    assert [name for name, _ in report.bad] == ["bad", "absent"]
    assert report.bad[1][1] == os.strerror(errno.ENOENT)
    assert report.reused == 2
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_bad_clip_does_not_keep_the_others_from_being_made(tmp_path: Path) -> None:
    DECODED.clear()
    (tmp_path / "bad.avi").write_bytes(b"nothing to see")
    store = ClipStore(tmp_path / "cache")
    with pytest.raises(BadClips):
        store.ensure([counting(1), on_disk(tmp_path / "bad.avi"), counting(2)], [LOW], workers=1)
    assert store.ensure([counting(1), counting(2)], [LOW]).reused == 2 and set(DECODED.values()) == {1}


def test_an_error_names_the_first_bad_clips_and_counts_all() -> None:
    listed = [(f"clip-{number}", "it holds no frame") for number in range(SHOWN + 3)]
    text = str(BadClips(listed, 20))
    assert f"{SHOWN + 3} of 20 clips" in text and f"'clip-{SHOWN - 1}'" in text and f"'clip-{SHOWN}'" not in text
    assert " and 3 more; " in text and "\n" not in text


def test_threads_write_the_same_bytes(tmp_path: Path) -> None:
    clips = [drawn(number) for number in range(9)]
    for workers in (1, 3):
        root = tmp_path / str(workers)
        build = functools.partial(_decode_into, root)
        assert ClipStore(root).fill(clips, [LOW, HIGH], build, workers=workers).built == 9
    one, three = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.clip")}
        for name in ("1", "3")
    )
    assert len(one) == 18 and one == three


def test_a_full_disk_fails_the_run_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = clipfile.Writer.add

    def fill_up(writer: clipfile.Writer, pictures: np.ndarray) -> None:
        if len(writer.offsets) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(writer, pictures)

    monkeypatch.setattr(clipfile.Writer, "add", fill_up)
    with pytest.raises(RunFailed, match="no space is left for the clip store") as caught:
        ClipStore(tmp_path).ensure([drawn(1)], [LOW, HIGH])
    assert caught.value.exit_code == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()].count("recipe.json") == 2
    assert not list(tmp_path.rglob("*.clip*"))


def test_a_cache_folder_that_is_a_file_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(RunFailed, match="cannot be written"):
        ClipStore(tmp_path / "cache").ensure([drawn(1)], [LOW])


def test_natively_sized_clips_keep_their_sizes(tmp_path: Path) -> None:
    store, clips = ClipStore(tmp_path), [drawn(1, size=(10, 14)), drawn(2, size=(33, 21))]
    store.ensure(clips, [NATIVE])
    assert [store.reader(NATIVE).size(clip) for clip in clips] == [(10, 14), (33, 21)]


def test_a_clip_that_changes_size_is_fitted_but_not_taken_as_recorded(tmp_path: Path) -> None:
    def changing(key: str) -> Iterator[Frames]:
        for size in ((24, 32), (30, 40)):
            yield Frames(planes=(np.full((2, *size), 90, np.uint8),), colour="grey")

    store, clip = ClipStore(tmp_path), Clip(id="changing", source=Drawn(render=changing, key="k"), target=0)
    store.ensure([clip], [HIGH])
    assert (store.reader(HIGH).frames(clip, [0, 3]) == 90).all()
    with pytest.raises(BadClips, match=r"frame size changes from \(24, 32\) to \(30, 40\)"):
        store.ensure([clip], [NATIVE])


def test_a_file_damaged_within_is_named(tmp_path: Path) -> None:
    store, clip = ClipStore(tmp_path), drawn(1)
    store.ensure([clip], [HIGH])
    path = store.path(store.content_key(clip.source), HIGH)
    whole = bytearray(path.read_bytes())
    whole[600:1200] = b"\xff" * 600
    path.write_bytes(whole)
    with pytest.raises(RunFailed, match=r"clip 'clip-1' .*damaged in it .*\.clip.*run again"):
        store.reader(HIGH).frames(clip, range(6))
    path.unlink()
    with pytest.raises(ElrError, match="clip 'clip-1' was removed .*run again"):
        store.reader(HIGH).frames(clip, range(6))


def test_clips_of_two_datasets_may_share_an_id(tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    one, other = drawn(1), dataclasses.replace(drawn(2), id="clip-1")
    store.ensure([one, other], [HIGH])
    reader = store.reader(HIGH)
    assert not np.array_equal(reader.frames(one, [0]), reader.frames(other, [0]))
    assert np.array_equal(reader.frames(other, [0]), ClipStore(tmp_path).reader(HIGH).frames(drawn(2), [0]))


def test_damaged_numbers_of_a_format_are_written_again(tmp_path: Path) -> None:
    ClipStore(tmp_path).ensure([drawn(1)], [LOW])
    recipe = tmp_path / "clips" / LOW.key / "recipe.json"
    whole = recipe.read_bytes()
    recipe.write_bytes(b"\xff\xfe")
    assert ClipStore(tmp_path).ensure([drawn(1)], [LOW]).reused == 1
    assert recipe.read_bytes() == whole


def test_more_clips_than_a_reader_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark_core.clips.store.KNOWN", 2)
    store, clips = ClipStore(tmp_path), [drawn(number, frames=3 + number) for number in range(5)]
    store.ensure(clips, [LOW])
    for _ in range(2):
        assert [store.reader(LOW).count(clip) for clip in clips] == [3, 4, 5, 6, 7]


def test_a_video_of_several_chunks_comes_back_as_decoded(tmp_path: Path) -> None:
    """The memory that one chunk's frames were decoded to is written over by the next."""
    store = ClipStore(tmp_path)
    for seed, count in enumerate((3 * CHUNK + 5, CHUNK, 2)):
        path = write_planes(tmp_path / f"{seed}.mkv", random_planes(count, 26, 34, seed=seed), "yuv420p")
        clip = on_disk(path)
        store.ensure([clip], [LOW, HIGH, NATIVE], workers=1)
        noise = int(store.content_key(clip.source)[:16], 16)
        (frames,) = decode(clip.source, chunk=count)
        for stored_format in (LOW, HIGH, NATIVE):
            made = stored_format.make(frames, noise)
            assert np.array_equal(store.reader(stored_format).frames(clip, range(count)), made)
