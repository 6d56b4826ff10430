"""Frames of video files, V4L2 cameras and network streams, decoded by FFmpeg through PyAV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.clips.decode import shown
from benchmark_core.clips.frames import Frames
from benchmark_core.errors import ElrError
from elrbench_plugins.commands.watch.frames import Frame, FrameSource

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# Protocols by URL scheme. FFmpeg may open no others, so that a play list cannot read files.
NETWORK = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtp,udp,tcp,tls",
    "rtp": "rtp,udp",
    "tcp": "tcp",
    "udp": "udp",
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
}
CAMERA = "/dev/video"
PATIENCE = 10.0  # seconds without a packet after which a camera or a network stream has disappeared
WORST = 100  # frames that cannot be decoded, one after another, before the source is given up


class VideoSource(FrameSource):
    """A video file, a camera or a network stream.

    patience: seconds without a packet after which a live source has disappeared.
    """

    def __init__(self, name: str, *, patience: float = PATIENCE) -> None:
        super().__init__(name)
        self.scheme = name.partition("://")[0] if "://" in name else ""
        self.camera = name.startswith(CAMERA)
        self.live = self.camera or bool(self.scheme)
        self.patience = patience
        if self.scheme and self.scheme not in NETWORK:
            raise ElrError(f"{name}: streams of '{self.scheme}' are not supported; use {', '.join(NETWORK)}")
        if not self.scheme and not self.camera and not Path(name).is_file():
            raise ElrError(f"{name} is not a file; pass a video, a camera (/dev/video0), a URL, or - for stdin")

    def frames(self) -> Iterator[Frame]:
        """Yield frames, turned by their display matrix. Those that the decoder refuses are counted in `damaged`."""
        from av.error import FFmpegError

        number = 0
        stamp: float | None = None

        def stamped() -> Iterator[VideoFrame]:
            nonlocal stamp
            for frame in self._decoded(container, stream):
                stamp = time.monotonic() if self.live else frame.time
                yield frame

        try:
            with self._open() as container:
                if not container.streams.video:
                    raise ElrError(f"{self.name} has no video stream")
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1  # threads delay a live picture, and hide damaged ones
                self.rate = float(stream.average_rate or 0) or None
                begun: float | None = None
                for colour, planes in shown(stamped()):
                    now = self.time_of(number) if stamp is None else stamp
                    begun = now if begun is None else begun
                    whole = Frames(planes=tuple(plane[None] for plane in planes), colour=colour)
                    yield Frame(planes=whole, seconds=now - begun)
                    number += 1
        except FFmpegError as error:
            raise ElrError(f"{self._lost(number)}: {error.strerror or error}") from error
        except ValueError as error:  # of a frame that is too large
            raise ElrError(f"{self._lost(number)}: {error}") from error
        if self.live:
            raise ElrError(f"{self._lost(number)}: the stream ended")
        if not number:
            raise ElrError(f"{self.name} has no frame that can be decoded")

    def _open(self) -> Any:
        import av

        options = {} if not self.scheme else {"protocol_whitelist": NETWORK[self.scheme]}
        if self.scheme.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        kind = {"format": "v4l2"} if self.camera else {}
        timeout = {"timeout": self.patience} if self.live else {}
        if not self.live:  # a play list must not open other files or the network
            options["protocol_whitelist"] = "file"
        return av.open(self.name, options=options, metadata_errors="replace", **kind, **timeout)

    def _decoded(self, container: Any, stream: Any) -> Iterator[VideoFrame]:
        """Yield decoded frames. Raises FFmpegError if packets cannot be read, or no frame can be decoded any more."""
        from av.error import FFmpegError, InvalidDataError

        failures = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except InvalidDataError as error:
                self.damaged += 1
                failures += 1
                if failures > WORST:
                    raise FFmpegError(error.errno, f"{failures} frames in a row cannot be decoded") from error
                continue
            for frame in frames:
                failures = 0
                yield frame

    def _lost(self, number: int) -> str:
        return f"{self.name} cannot be read" if not number else f"{self.name} disappeared after {number} frames"
