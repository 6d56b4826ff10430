"""Write a traced recognizer as a `.pt2` file of `torch.export`, and run it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.export import ExportedProgram

from benchmark_core.atomic import write_whole
from benchmark_core.exported.metadata import Metadata
from benchmark_core.exported.model import ExportedModel
from benchmark_core.networks.onnx_file import quiet

METADATA = "elrbench.json"  # name of the metadata in the file

Frames = npt.NDArray[np.uint8]


def write_pt2(program: ExportedProgram, metadata: Metadata, path: Path) -> None:
    """Write a graph and its metadata; `torch.export.load(path, extra_files={METADATA: ""})` reads both."""
    file = io.BytesIO()
    with quiet():
        torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata.to_props())})
    write_whole(path, file.getvalue())


class Pt2Model:
    """A `.pt2` file. like: the ONNX file of the same graph, which has the same free dimensions."""

    def __init__(self, path: Path, like: ExportedModel) -> None:
        with quiet():
            self.module = torch.export.load(path).module()
        self.batch = like.batch or 1

    def logits(self, frames: Frames) -> npt.NDArray[np.float32]:
        """Return logits (V, C) of frames (V, K, C, T, h, w), clip by clip."""
        found = []
        with torch.inference_mode():
            for one in frames:
                given = torch.from_numpy(np.repeat(one[None], self.batch, axis=0))
                found.append(self.module(given)[1][:1].numpy())
        return np.concatenate(found)
