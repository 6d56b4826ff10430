"""`elrbench watch`: windows and smoothing by hand; files, sensors and live streams."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from scripts import load_script

from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.specs import Value
from elrbench_plugins.commands.watch import command as watch_command
from elrbench_plugins.commands.watch import model as watch_model
from elrbench_plugins.commands.watch.decisions import Decisions
from elrbench_plugins.commands.watch.frames import Frame, FrameSource, planes_of
from elrbench_plugins.commands.watch.shrink import Shrink
from elrbench_plugins.commands.watch.start import start_line
from elrbench_plugins.commands.watch.video import VideoSource
from elrbench_plugins.commands.watch.watcher import Watcher
from elrbench_plugins.commands.watch.window import Window, natural_length

CLASSES = ("dark", "bright")
Watch = Callable[..., Result]


@dataclass
class Brightness:
    """A model by hand: the probability of "bright" is the mean grey level. seconds: time of a prediction."""

    sampling: Sampling
    seconds: float = 0.0
    classes: tuple[str, ...] = CLASSES
    multi_label: bool = False
    low: tuple[int, int] | None = (2, 4)
    at_once: int = 1
    degradation: str = "average-2x4"
    degradation_options: Mapping[str, Value] = field(default_factory=lambda: {"sigma_blur": 0.25, "sigma_noise": 2.0})

    def probabilities(self, clip: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        time.sleep(self.seconds)
        assert clip.shape == (self.sampling.k, 3, self.sampling.t, 2, 4)
        bright = clip.mean() / 255
        return np.array([1 - bright, bright], np.float32)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    def run(*arguments: str, model: Brightness | None = None, stdin: bytes | None = None) -> Result:
        shown = model or Brightness(Sampling.parse("clip-4"))
        monkeypatch.setattr(watch_model, "open_model", lambda *_, **__: shown)
        return CliRunner().invoke(watch_command.command, [*arguments, "--model", "model.onnx"], input=stdin)

    return run


def lines(result: Result) -> tuple[list[dict[str, object]], dict[str, float]]:
    """Return predictions and summary of `--json`."""
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return found[:-1], found[-1]["summary"]


def write_video(path: Path, levels: list[int], size: tuple[int, int] = (32, 64), codec: str = "mpeg4") -> Path:
    """Write a video of plain frames; every frame is a key frame."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.height, stream.width = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = 1
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), level, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


# -- parts


def test_a_window_gives_the_frames_of_a_test_view() -> None:
    """Five frames in a window of four: frames 1 to 4 are held, of which clip-2 takes the centres of the halves."""
    window = Window(4, Sampling.parse("clip-2"))
    for number in range(5):
        assert not window.full or number == 4
        window.add(np.full((3, 2, 4), number, np.uint8))
    clip = window.clip()
    assert clip.shape == (1, 3, 2, 2, 4)
    assert clip[0, 0, :, 0, 0].tolist() == [2, 4]


def test_a_window_widens_for_an_enhancer_of_several_frames() -> None:
    window = Window(4, Sampling.parse("1x1"), at_once=3)
    for number in range(4):
        window.add(np.full((3, 2, 4), number, np.uint8))
    assert window.clip()[0, 0, :, 0, 0].tolist() == [0, 1, 2]


def test_the_default_window_is_what_the_sampling_spans() -> None:
    assert natural_length(Sampling.parse("clip-24")) == 24
    assert natural_length(Sampling.parse("4x5s2")) == 36


def test_smoothing_and_threshold_by_hand() -> None:
    decide = Decisions(CLASSES, multi_label=False, smooth=0.5, threshold=0.6)
    assert decide(np.array([0.2, 0.8], np.float32)) == ("bright",)
    assert decide(np.array([0.6, 0.4], np.float32)) == ("bright",)  # 0.4, 0.6
    assert decide(np.array([0.6, 0.4], np.float32)) == ()  # 0.5, 0.5
    several = Decisions(CLASSES, multi_label=True, smooth=0.0, threshold=0.3)
    assert several(np.array([0.4, 0.9], np.float32)) == ("bright", "dark")


# -- files and sensors


def test_a_video_file_is_read_to_its_end(watch: Watch, tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", [0] * 6 + [255] * 6)
    result = watch(str(video), "--degrade", "2x4", "--every", "4", "--smooth", "0", "--json")
    assert result.exit_code == 0, result.output
    events, summary = lines(result)
    assert [event["frame"] for event in events] == [4, 8, 12]
    assert [event["labels"] for event in events] == [["dark"], ["dark"], ["bright"]]
    assert [event["seconds"] for event in events] == [0.3, 0.7, 1.1]
    assert (summary["frames"], summary["predictions"], summary["missed_windows"]) == (12, 3, 0)


def test_a_video_shorter_than_the_window_gets_one_prediction(watch: Watch, tmp_path: Path) -> None:
    events, _ = lines(watch(str(write_video(tmp_path / "clip.mp4", [255, 255])), "--degrade", "2x4", "--json"))
    assert [event["frame"] for event in events] == [2]


def test_only_changes_are_printed(watch: Watch, tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", [0] * 8 + [255] * 8)
    result = watch(str(video), "--degrade", "2x4", "--every", "1", "--changes", "--smooth", "0")
    printed = [line for line in result.stdout.splitlines() if line.strip()]
    assert [line.split("[")[0].split()[-1] for line in printed] == ["dark", "bright"]


def test_damaged_packets_are_left_out_and_counted(watch: Watch, tmp_path: Path) -> None:
    """JPEG pictures, as many cameras send them, three of them erased."""
    video = write_video(tmp_path / "clip.avi", [50] * 20, codec="mjpeg")
    data = bytearray(video.read_bytes())
    chunks = [at for at in range(len(data) - 4) if data[at : at + 4] == b"00dc"][1:20]
    for at in chunks[5:8]:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        data[at + 8 : at + 8 + size] = bytes(size)
    video.write_bytes(bytes(data))
    result = watch(str(video), "--degrade", "2x4", "--json")
    assert result.exit_code == 0, result.output
    _, summary = lines(result)
    assert summary["damaged_frames"] == 3
    assert summary["frames"] == 17


def test_raw_frames_on_stdin(watch: Watch) -> None:
    data = np.repeat(np.array([0, 0, 255, 255], np.uint8), 2 * 4 * 3).tobytes()
    events, summary = lines(watch("-", "--raw", "2x4x3", "--json", "--rate", "10", stdin=data))
    assert [(event["frame"], event["seconds"]) for event in events] == [(4, 0.3)]
    probabilities = events[0]["probabilities"]
    assert isinstance(probabilities, dict)
    assert probabilities["bright"] == 0.5
    assert summary["frames"] == 4


def test_lines_of_a_thermal_array(watch: Watch, tmp_path: Path) -> None:
    """A header, a time before the pixels, 30 degrees as level 255, and one damaged line."""
    table = tmp_path / "array.csv"
    row = ",".join(["30.0"] * 8)
    table.write_text(
        f"2017/02/06\ntime,{row.replace('30.0', 'P')}\n" + f"0.1,{row}\n" * 3 + "0.4,30\n" + f"0.5,{row}\n"
    )
    result = watch(str(table), "--thermal", "2x4", "--coldest", "20", "--hottest", "30", "--json")
    assert result.exit_code == 0, result.output
    events, summary = lines(result)
    assert events[0]["labels"] == ["bright"]
    assert (summary["frames"], summary["damaged_frames"]) == (4, 1)


def test_an_npy_file(watch: Watch, tmp_path: Path) -> None:
    values = np.full((9, 2, 4), 25.0)
    values[3] = np.nan
    np.save(tmp_path / "array.npy", values)
    result = watch(str(tmp_path / "array.npy"), "--coldest", "20", "--hottest", "30", "--json", "--every", "4")
    events, summary = lines(result)
    assert [event["frame"] for event in events] == [4, 8]
    assert (summary["frames"], summary["damaged_frames"]) == (8, 1)


def test_frames_limit_the_stream(watch: Watch, tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros((50, 2, 4), np.uint8))
    _, summary = lines(watch(str(tmp_path / "array.npy"), "--frames", "10", "--json"))
    assert summary["frames"] == 10


def test_a_line_on_stderr_says_what_is_watched_before_the_first_prediction(watch: Watch, tmp_path: Path) -> None:
    result = watch(str(write_video(tmp_path / "clip.mp4", [9] * 8)), "--degrade", "2x4", "--every", "3", "--json")
    assert result.stderr.splitlines() == [
        "2 classes (dark, bright); windows of 4 frames (0.40 s at 10 frames per second), one every 3; --degrade leaves "
        "out the blur (0.25 low pixels) and noise (2 grey levels) of average-2x4"
    ]
    assert [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "numbers", "ending"),
    [
        ("average-2x4:clean", {"sigma_blur": 0.0, "sigma_noise": 0.0}, "one every 1"),
        (
            "average-2x4",
            {"sigma_blur": 0.0, "sigma_noise": 3.5},
            "leaves out the noise (3.5 grey levels) of average-2x4",
        ),
        ("average-2x4", {"sigma_blur": 0.5, "sigma_noise": 0.0}, "leaves out the blur (0.5 low pixels) of average-2x4"),
        ("bicubic-2x4", {}, "--degrade averages frames, and the model was trained on frames of bicubic-2x4"),
        ("native", {}, "--degrade averages frames, and the model was trained on clips as recorded"),
    ],
)
def test_what_degrade_leaves_out(name: str, numbers: dict[str, Value], ending: str) -> None:
    model = Brightness(Sampling.parse("clip-4"), degradation=name, degradation_options=numbers)
    assert start_line(model, length=4, every=1, rate=None, degrade=True).endswith(ending)
    line = start_line(model, length=4, every=1, rate=None, degrade=False)
    assert line == "2 classes (dark, bright); windows of 4 frames, one every 1"


def test_the_order_of_several_labels_is_no_change(watch: Watch, tmp_path: Path) -> None:
    """Dark frames, then bright ones: both labels hold throughout, first "dark, bright" and then "bright, dark"."""
    video = write_video(tmp_path / "clip.mp4", [100] * 4 + [150] * 8)
    model = Brightness(Sampling.parse("clip-4"), multi_label=True)
    words = (str(video), "--degrade", "2x4", "--every", "4", "--smooth", "0", "--threshold", "0.2", "--json")
    labels = [event["labels"] for event in lines(watch(*words, model=model))[0]]
    assert labels == [["dark", "bright"], ["bright", "dark"], ["bright", "dark"]]
    assert len(lines(watch(*words, "--changes", model=model))[0]) == 1


# -- live


class Camera(FrameSource):
    """A camera by hand: `count` frames, `gap` seconds apart, then it disappears."""

    live = True

    def __init__(self, count: int, gap: float) -> None:
        super().__init__("camera")
        self.count, self.gap = count, gap

    def frames(self) -> Iterator[Frame]:
        for number in range(self.count):
            time.sleep(self.gap)
            yield Frame(planes=planes_of(np.zeros((2, 4), np.uint8)), seconds=number * self.gap)
        raise ElrError(f"camera disappeared after {self.count} frames")


def watcher(source: FrameSource, model: Brightness) -> Watcher:
    return Watcher(
        source=source,
        model=model,
        window=Window(4, model.sampling),
        shrink=Shrink((2, 4), degrade=False),
        decisions=Decisions(CLASSES, multi_label=False, smooth=0.0, threshold=0.0),
        every=1,
    )


def test_a_slow_recognizer_misses_windows_of_a_live_source_and_counts_them() -> None:
    watching = watcher(Camera(40, 0.002), Brightness(Sampling.parse("clip-4"), seconds=0.02))
    seen = []
    with pytest.raises(ElrError, match="disappeared after 40 frames"):
        for event in watching.events():
            seen.append(event.frame)
    assert seen == sorted(set(seen)), "windows are predicted in order, each once"
    assert watching.pace.missed > 0
    assert watching.pace.predictions + watching.pace.missed <= 40 - 4 + 1
    assert watching.pace.frames == 40


def test_a_stream_over_the_network_that_ends(watch: Watch, tmp_path: Path) -> None:
    """MPEG over TCP, by a real server. The end of a live stream is an error; what was predicted is printed."""
    data = write_video(tmp_path / "clip.ts", [255] * 20).read_bytes()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    result = watch(f"tcp://127.0.0.1:{server.getsockname()[1]}", "--degrade", "2x4", "--json")
    server.close()
    assert isinstance(result.exception, ElrError)
    assert "disappeared after 20 frames: the stream ended" in str(result.exception)
    events, summary = lines(result)
    assert events and summary["frames"] == 20


# -- benchmark


def test_the_benchmark_reads_a_video_again_and_again(tmp_path: Path) -> None:
    script = load_script("watch_speed")
    found = script.measure(Brightness(Sampling.parse("clip-4")), write_video(tmp_path / "clip.mp4", [9] * 6), 20, 2)
    assert (found["frames"], found["predictions"]) == (20, 9)  # frames 4, 6, ..., 20
    assert found["times_real_time"] == pytest.approx(found["frames_per_second"] / 10)
    assert 0 < found["memory_early_mib"] <= found["memory_late_mib"] * 1.5


# -- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.mp4"], "absent.mp4 is not a file"),
        (["ftp://host/clip.mp4"], "streams of 'ftp' are not supported"),
        (["-"], "needs --raw"),
        (["-", "--raw", "2x4x2"], "--raw 2x4x2 is not HxWxC"),
        (["clip.mp4", "--raw", "2x4x3"], "--raw reads bytes from stdin"),
        (["array.csv"], "pass --thermal"),
        (["array.csv", "--thermal", "2x4"], "needs --coldest and --hottest"),
        (["array.csv", "--thermal", "2x4", "--coldest", "5", "--hottest", "5"], "the first below the second"),
        (["-", "--raw", "2x4x3", "--degrade", "4x8"], "the model takes 2x4"),
        (["-", "--raw", "2x4x3", "--degrade", "big"], "--degrade big is not HxW"),
        (["/dev/video99"], "/dev/video99 cannot be read"),
        (["/dev/video99", "--rate", "10"], "--rate 10 is for stdin, --thermal and NPY files; /dev/video99 states"),
        (["/dev/video99", "--coldest", "1", "--hottest", "2"], "are for --thermal and NPY files; remove them"),
        (["-", "--raw", "2x4x3", "--coldest", "1", "--hottest", "2"], "are for --thermal and NPY files; remove them"),
        (["array.npy", "--thermal", "2x4", "--coldest", "1", "--hottest", "2"], "array.npy is an NPY file"),
    ],
)
def test_bad_input_is_one_line(watch: Watch, arguments: list[str], message: str) -> None:
    result = watch(*arguments, stdin=b"")
    assert isinstance(result.exception, ElrError), result.output
    assert message in str(result.exception)


def test_frames_of_another_size_say_what_to_pass(watch: Watch, tmp_path: Path) -> None:
    result = watch(str(write_video(tmp_path / "clip.mp4", [0] * 5)))
    assert "frames have 32x64 pixels (rows x columns), and the model takes 2x4; pass --degrade 2x4" in str(
        result.exception
    )


def test_half_a_raw_frame_is_an_error(watch: Watch) -> None:
    result = watch("-", "--raw", "2x4x3", stdin=b"\0" * 30)
    assert "ended within frame 2: it has 6 of 24 bytes" in str(result.exception)


def test_a_file_without_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(ElrError, match="cannot be read"):
        list(VideoSource(str(tmp_path / "noise.mp4")).frames())


def test_a_digest_of_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ElrError, match="no run starts with 'ffff'"):
        watch_model.open_model(Path("ffff"), device="cpu", plugins=())
