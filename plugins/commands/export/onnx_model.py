"""Write the ONNX file of a run, with as many free dimensions as the network allows, and its metadata."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.export import ExportedProgram

from benchmark_core.atomic import write_whole
from benchmark_core.errors import RunFailed
from benchmark_core.exported.metadata import Metadata
from benchmark_core.exported.model import INPUT, OUTPUTS, read_exported
from benchmark_core.networks.onnx_file import quiet, trace, write_onnx
from elrbench import LoadedRun
from elrbench_plugins.commands.export.deployable import Deployable, deployable, example

TRIAL = 3  # intervals of the traced example, if the recognizer is trained on one
TOLERANCE = 1e-3  # of probabilities of random frames: a wrong graph differs by more, rounding by less


def write_model(loaded: LoadedRun, metadata: Metadata, size: tuple[int, int], path: Path) -> ExportedProgram:
    """Write the run's recognizer to `path` as ONNX. Returns the graph that was written.

    size: (h, w) of the frames. The batch is free, and so is the number of intervals if the head allows it; the file is
    compared with torch at several numbers of clips and intervals.
    Raises ElrError if a part of the recognizer cannot be exported, RunFailed if torch or onnxruntime fail.
    """
    module = deployable(loaded, metadata)
    failed = ""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.onnx"
        for free, intervals in _freedoms(metadata):
            try:
                program = trace(module, example(metadata, size, 2 if 0 in free else 1, intervals), free)
                write_onnx(program, torch.empty(0), draft, inputs=[INPUT], outputs=OUTPUTS)
                add_metadata(draft, metadata, draft)
                _compare(module, metadata, size, draft)
            except Exception as error:  # of torch, onnxscript, onnxruntime or a plugin: they share no class
                failed = failed or f"{type(error).__name__}: {_first_line(error)}"
                continue
            write_whole(path, draft.read_bytes())
            return program
    raise RunFailed(
        f"the recognizer of method '{loaded.plan.method}' with backbone '{loaded.plan.backbone}' cannot be exported "
        f"({failed}); export a run with another --method or --backbone"
    )


def _freedoms(metadata: Metadata) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the free dimensions to try, most first, and the intervals of the example."""
    sampling = metadata.frames
    yield (0, 1), sampling.k if sampling.k > 1 else TRIAL
    if sampling.kind != "windows":  # the number of windows depends on the clip
        yield (0,), sampling.k
        yield (), sampling.k


def _compare(module: Deployable, metadata: Metadata, size: tuple[int, int], path: Path) -> None:
    """Raise ValueError if the file does not give the probabilities of `module` for random frames."""
    model, own = read_exported(path), metadata.frames.k
    numbers = [(model.batch or batch, model.intervals or k) for batch, k in ((1, own), (3, own), (1, 1), (1, own + 2))]
    for batch, intervals in dict.fromkeys(numbers):
        frames = example(metadata, size, batch, intervals)
        with torch.inference_mode():
            expected = module(frames)[0].numpy()
        gap = float(abs(model.predict(frames.numpy()) - expected).max())
        if not gap <= TOLERANCE:
            raise ValueError(f"probabilities of {batch} clips of {intervals} intervals differ by {gap:.2g}")


def add_metadata(source: Path, metadata: Metadata, target: Path) -> None:
    """Write the ONNX file `source` to `target` with `metadata` as its `metadata_props`."""
    with quiet():
        import onnx

        model = onnx.load(source)
        onnx.helper.set_model_props(model, metadata.to_props())
        model.producer_name, model.producer_version = "elrbench", metadata.made_with
        content = model.SerializeToString()
    write_whole(target, content)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")[:200]
