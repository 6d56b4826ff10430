"""The recognizer that `watch` runs: an exported file, or a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.runs.folder import find_run
from benchmark_core.specs import Value
from elrbench_plugins.commands.watch.window import Clip


class Model(Protocol):
    """A recognizer of one clip.

    classes: C names. multi_label: whether several may apply. low: (h, w) of its frames; None: any size.
    sampling: which frames of the window it takes. at_once: frames that its enhancer takes at once.
    degradation, degradation_options: how the low frames that it was trained on were made, such as `average-12x16` with
        {"sigma_blur": 0.25, "sigma_noise": 2.0}.
    """

    classes: tuple[str, ...]
    multi_label: bool
    low: tuple[int, int] | None
    sampling: Sampling
    at_once: int
    degradation: str
    degradation_options: Mapping[str, Value]

    def probabilities(self, clip: Clip) -> npt.NDArray[np.float32]:
        """Return (C,) of a clip's frames (K, 3, T, h, w)."""


@dataclass
class FileModel:
    """A file that `elrbench export` wrote; see `Model`. Needs onnxruntime, and no torch."""

    exported: Any

    def __post_init__(self) -> None:
        about = self.exported.metadata
        if about.stream == "flow":
            raise takes_flow(self.exported.path, about.as_plan.modality)
        if about.view != "low":
            raise takes_high(self.exported.path, about.as_plan.method)
        self.classes, self.multi_label = about.classes, about.multi_label
        self.low = self.exported.view[2], self.exported.view[3]
        self.sampling, self.at_once = about.frames, about.frames_at_once
        self.degradation, self.degradation_options = about.degradation, about.as_plan.options("degradation")

    def probabilities(self, clip: Clip) -> npt.NDArray[np.float32]:
        """Return (C,) of a clip's frames (K, 3, T, h, w)."""
        found: npt.NDArray[np.float32] = self.exported.predict(clip)
        return found


@dataclass
class RunModel:
    """The recognizer of a run folder, on a device; see `Model`."""

    folder: Path
    loaded: Any
    device: str | None = None

    def __post_init__(self) -> None:
        from benchmark_core.training.device import pick_device

        plan, components = self.loaded.plan, self.loaded.components
        if kind(plan.modality) == "flow":
            raise takes_flow(self.folder, plan.modality)
        if components.method.oracle:
            raise takes_high(self.folder, plan.method)
        self.classes, self.multi_label = self.loaded.classes, self.loaded.task == "multi-label"
        self.low = self.loaded.low_size or components.dataset.recorded_size
        self.sampling, self.at_once = Sampling.parse(plan.sampling), components.enhancer.frames
        self.degradation, self.degradation_options = plan.degradation, components.options(plan, "degradation")
        self._device = pick_device(self.device)
        self._recognizer = self.loaded.recognizer.to(self._device)

    def probabilities(self, clip: Clip) -> npt.NDArray[np.float32]:
        """Return (C,) of a clip's frames (K, 3, T, h, w)."""
        import torch

        with torch.inference_mode():
            low = torch.from_numpy(clip).to(self._device)[None].float() / 255
            logits = self._recognizer(low, torch.ones(1, low.shape[1], device=self._device))[0].float()
            found = logits.sigmoid() if self.multi_label else logits.softmax(0)
        return found.cpu().numpy()


def open_model(path: Path, *, device: str | None, plugins: Sequence[str]) -> Model:
    """Return the model of an exported file, a run folder or a digest. ElrError if it is none, or takes other frames."""
    if not path.suffix and not path.exists():
        path = find_run(str(path))
    if path.is_dir():
        import elrbench

        refuse_two_streams(path)
        return RunModel(path, elrbench.load_run(path, plugins=plugins), device)
    rgb = path.with_suffix(f".rgb{path.suffix}")
    if not path.exists() and rgb.is_file():  # as 'elrbench export' names the files of a run of two streams
        raise two_streams(path, rgb)
    if device not in (None, "cpu"):
        raise ElrError(f"--device {device}: an exported file runs on the CPU; remove --device")
    from benchmark_core.exported.model import read_exported

    return FileModel(read_exported(path))


def refuse_two_streams(folder: Path) -> None:
    """Raise ElrError, naming the run of pictures, if a run is the mean of two streams: pictures, then flow."""
    from benchmark_core.records.record import find_record, part_folder, read_record

    record = read_record(find_record(folder))
    if parts := record.get("fused"):
        raise two_streams(folder, part_folder(folder, record["digest"], parts[0]))


def two_streams(path: Path, rgb: Path) -> ElrError:
    """Return the error for a model of pictures and optical flow. rgb: its stream of pictures."""
    return ElrError(
        f"{path} is a model of two streams, pictures and optical flow, and watch takes one stream of pictures; pass "
        f"--model {rgb} to use the pictures alone"
    )


def takes_flow(path: Path, modality: str) -> ElrError:
    """Return the error for a model of optical flow."""
    return ElrError(
        f"{path} takes optical flow (modality {modality}), which watch does not compute; pass a model of modality rgb, "
        "or of an early fusion"
    )


def takes_high(path: Path, method: str) -> ElrError:
    """Return the error for a model of high views."""
    return ElrError(f"{path} takes high views (method {method}), and watch reads low frames; pass a model of low views")
