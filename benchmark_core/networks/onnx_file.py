"""Write a recognizer as an ONNX file, and quantise one, without the chatter of the libraries (extra `export`)."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from benchmark_core.errors import ElrError
from benchmark_core.extras import how_to_install

EXTRA = "export"
MODULES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18
QUANTISED = ("Conv", "Gemm", "MatMul")  # operators with weights


def check_export_extra() -> None:
    """Raise ElrError, with the command that installs it, if a module of the extra is missing."""
    for module in MODULES:
        if importlib.util.find_spec(module) is None:
            raise ElrError(f"ONNX needs {how_to_install(module, EXTRA)}")


def trace(module: nn.Module, views: Tensor, free: Sequence[int] = ()) -> ExportedProgram:
    """Return the graph of `module`, in evaluation mode, for inputs of the shape of `views`.

    free: dimensions of `views` that may differ. One is fixed after all if the network's code depends on it.
    Raises whatever torch or the module raises if the network cannot be traced.
    """
    shapes = ({axis: torch.export.Dim.AUTO for axis in free},) if free else None
    with quiet(), torch.no_grad():
        return torch.export.export(module.eval(), (views,), dynamic_shapes=shapes, strict=False)


def write_onnx(
    module: nn.Module | ExportedProgram,
    views: Tensor,
    path: Path,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> None:
    """Write `module`, in evaluation mode, or a traced graph as one ONNX file.

    views: the module's input, (B, K, 3, T, h, w); the file takes exactly this shape. A traced graph keeps its own.
    inputs, outputs: names in the file; None: the exporter's.
    Raises ElrError without the extra; anything else if the network cannot be exported.
    """
    check_export_extra()
    given = (views,) if isinstance(module, nn.Module) else ()
    with quiet(), torch.no_grad():
        torch.onnx.export(
            module.eval() if isinstance(module, nn.Module) else module,
            given,
            path,
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
        )


def quantise(source: Path, target: Path, batches: Iterable[Tensor]) -> None:
    """Write an int8 copy of an ONNX file: weights by channel, activations as unsigned bytes.

    batches: inputs of the file's shape, from which the ranges of activations are taken: all but the 0.001 % of values
        that are farthest out.
    The first convolution and what is computed before it, such as optical flow, stay float: they are cheap, and their
    errors reach everything else.
    """
    check_export_extra()
    with quiet():
        from onnxruntime.quantization import (
            CalibrationDataReader,
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        name, first = _input_and_first(source)

        class Reader(CalibrationDataReader):  # type: ignore[misc]
            """Feeds the batches of a range, then None."""

            def __init__(self) -> None:
                self.feeds = [{name: batch.numpy()} for batch in batches]
                self.range = iter(self.feeds)

            def __len__(self) -> int:
                return len(self.feeds)

            def set_range(self, start_index: int, end_index: int) -> None:
                self.range = iter(self.feeds[start_index:end_index])

            def get_next(self) -> Any:
                return next(self.range, None)

        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=first,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 99.999, "CalibStridedMinMax": 1},  # one batch in memory at a time
        )


def _input_and_first(path: Path) -> tuple[str, list[str]]:
    """Return the name of the input, and the nodes with weights up to the first convolution, or the first without one.

    Nodes of a file are in the order of computation.
    """
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    nodes = [node for node in graph.node if node.op_type in QUANTISED]
    last = next((number for number, node in enumerate(nodes) if node.op_type == "Conv"), 0)
    return str(graph.input[0].name), [str(node.name) for node in nodes[: last + 1]]


def session(path: Path, threads: int) -> Any:
    """Return an onnxruntime session of the file on the CPU, with `threads` threads."""
    check_export_extra()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, log lines (such as torch's notices about torchvision) and prints of export libraries."""
    root = logging.getLogger()
    handlers, disabled = list(root.handlers), root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers  # without one, `logging.warning` adds one
