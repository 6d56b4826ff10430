"""Read an exported recognizer and run it with onnxruntime: uint8 frames in, probabilities out. Imports no torch.

Example::

    model = read_exported(Path("recognizer.onnx"))
    probabilities = model.predict(frames)  # uint8 (B, K, 3, T, h, w) -> float32 (B, C)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import ElrError
from benchmark_core.exported.metadata import Metadata
from benchmark_core.extras import how_to_install

INPUT = "frames"  # uint8 (B, K, C, T, h, w)
OUTPUTS = ("probabilities", "logits")  # float32 (B, C) each
Frames = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExportedModel:
    """An exported recognizer.

    path: the file. session: onnxruntime's `InferenceSession`.
    batch, intervals: B and K that the file was made for; None: any number. view: (C, T, h, w) of an interval.
    """

    path: Path
    metadata: Metadata
    session: Any
    batch: int | None
    intervals: int | None
    view: tuple[int, int, int, int]

    def predict(self, frames: Frames) -> Values:
        """Return probabilities (B, C) of frames (B, K, C, T, h, w), or (C,) of the frames of one clip without B.

        Raises ElrError if frames have another type or size than the file takes.
        """
        return self._run(frames, 0)

    def logits(self, frames: Frames) -> Values:
        """Return logits: `predict` is their softmax or sigmoid. Otherwise as `predict`."""
        return self._run(frames, 1)

    def _run(self, frames: Frames, output: int) -> Values:
        if frames.ndim == 5:
            one: Values = self._run(frames[None], output)[0]
            return one
        self.refuse_other(frames)
        step = self.batch or max(1, len(frames))
        parts = [self._whole(frames[first : first + step], output) for first in range(0, len(frames), step)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.metadata.classes)), np.float32)

    def _whole(self, frames: Frames, output: int) -> Values:
        """Run one batch. A file for a fixed batch gets a smaller one filled up with its last clip."""
        number = len(frames)
        if self.batch is not None and number < self.batch:
            frames = np.concatenate([frames, np.repeat(frames[-1:], self.batch - number, axis=0)])
        found: Values = self.session.run([OUTPUTS[output]], {INPUT: np.ascontiguousarray(frames)})[0]
        return found[:number]

    def refuse_other(self, frames: npt.NDArray[Any]) -> None:
        """Raise ElrError if frames (B, K, C, T, h, w) are of another type or size than the file takes."""
        if frames.dtype != np.uint8:
            raise ElrError(f"{self.path} takes uint8 frames, not {frames.dtype}; pass grey levels of 0 to 255")
        wanted = (self.intervals or "any", *self.view)
        found = frames.shape[1:]
        if frames.ndim != 6 or any(one not in ("any", other) for one, other in zip(wanted, found, strict=True)):
            raise ElrError(
                f"{self.path} takes frames of {_shape(('B', *wanted))} (clips, intervals, channels, frames, rows, "
                f"columns), not {_shape(frames.shape)}; resize or sample the clip as its metadata say"
            )


def read_exported(path: Path, *, threads: int | None = None) -> ExportedModel:
    """Read a file that `elrbench export` wrote.

    threads: of one prediction. None: $OMP_NUM_THREADS, else as many as there are cores.
    Raises ElrError if onnxruntime is not installed or cannot read the file, or if the file is not of this project.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ElrError(f"exported files need {how_to_install('onnxruntime', 'export')}; {error}") from error
    if not path.is_file():
        raise ElrError(f"the file {path} does not exist; pass a file that 'elrbench export' wrote")
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list has one number per nesting level
    asked = threads or (int(first) if first.isdecimal() else 0)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures are raised
    options.intra_op_num_threads = asked
    try:
        # From bytes, so that the file cannot name other files that hold its weights.
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError:
        raise
    except Exception as error:  # onnxruntime's errors share no class
        raise _unreadable(path, error, onnxruntime.__version__) from error
    metadata = Metadata.from_props(session.get_modelmeta().custom_metadata_map, str(path))
    inputs, outputs = session.get_inputs(), session.get_outputs()
    named = [one.name for one in inputs] == [INPUT] and [one.name for one in outputs] == list(OUTPUTS)
    shape: list[Any] = inputs[0].shape if named else []  # a free side is text
    fits = len(shape) == 6 and all(isinstance(side, int) for side in shape[2:])
    fits = fits and tuple(shape[2:4]) == metadata.view_frames
    if not fits or inputs[0].type != "tensor(uint8)" or outputs[0].shape[-1] != len(metadata.classes):
        raise ElrError(f"the inputs or outputs of {path} do not agree with its metadata; export the run again")
    batch, intervals = (side if isinstance(side, int) else None for side in shape[:2])
    channels, frames, height, width = shape[2:]
    view = (channels, frames, height, width)
    return ExportedModel(path, metadata, session, batch, intervals, view)


def _unreadable(path: Path, error: Exception, version: str) -> ElrError:
    text = " ".join(str(error).split())
    if found := re.search(r"[Oo]pset (\d+)", text):
        return ElrError(
            f"{path} uses opset {found[1]}, which onnxruntime {version} does not read; export the run again with "
            "this version, or upgrade onnxruntime"
        )
    return ElrError(f"{path} is not a model that onnxruntime {version} can read ({text[:200]}); export the run again")


def _shape(sides: Any) -> str:
    return "x".join(str(side) for side in sides)
