"""Ways to run a recognizer on a CPU: eager PyTorch, torch.compile, onnxruntime in fp32 and in int8."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmark_core.cost.passes import Step
from benchmark_core.cost.quiet_compiler import quiet_compiler
from benchmark_core.errors import ElrError
from benchmark_core.networks.onnx_file import QUANTISED, quantise, session, write_onnx

CALIBRATION = 2  # random batches that int8 takes its ranges from; they matter for accuracy, not for time
COMPILERS = ("g++", "clang++", "c++")


class OnnxFiles:
    """ONNX files of one network in a temporary folder, by shape of the input; each is written once."""

    def __init__(self, network: nn.Module, folder: Path) -> None:
        self.network = network
        self.folder = folder

    def fp32(self, clips: Tensor) -> Path:
        """Return the file for inputs of this shape."""
        path = self.folder / f"{len(clips)}.onnx"
        if not path.exists():
            write_onnx(self.network, clips, path)
        return path

    def int8(self, clips: Tensor) -> Path:
        """Return the quantised file. Its ranges are those of random clips: it is good for timing and nothing else.

        Raises ElrError if the network has no layer with weights.
        """
        path = self.folder / f"{len(clips)}-int8.onnx"
        if not path.exists():
            source = self.fp32(clips)
            if not _has_weights(source):
                raise ElrError("nothing to quantise: no convolution and no matrix product")
            quantise(source, path, (torch.rand_like(clips) for _ in range(CALIBRATION)))
        return path


def _has_weights(path: Path) -> bool:
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    return any(node.op_type in QUANTISED for node in nodes)


@dataclass(frozen=True)
class Subject:
    """A network in evaluation mode, and its ONNX files."""

    network: nn.Module
    files: OnnxFiles


Ready = Callable[[Subject, Tensor], object]
Prepare = Callable[[Subject, Tensor, int], contextlib.AbstractContextManager[Step]]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One way to run.

    name: in records. precision: of weights and activations. in_torch: the weights are those that torch already holds.
    ready: makes what `prepare` needs, and what is no part of the memory in use: compilers' and exporters' work.
    prepare: (subject, clips, threads) -> context with a function that runs one pass.
    """

    name: str
    precision: str
    in_torch: bool
    ready: Ready
    prepare: Prepare


@contextlib.contextmanager
def subject_of(network: nn.Module) -> Iterator[Subject]:
    """A network to time. Its ONNX files are deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="elrbench-onnx-") as folder:
        yield Subject(network, OnnxFiles(network, Path(folder)))


def _nothing(subject: Subject, clips: Tensor) -> None:
    return


def _compile_once(subject: Subject, clips: Tensor) -> None:
    """Compile and discard the graph: the compiler's own memory stays, and its cache makes the next time short."""
    if os.environ.get("CXX") is None and not any(map(shutil.which, COMPILERS)):
        raise ElrError(f"torch.compile needs a C++ compiler: install {' or '.join(COMPILERS[:2])}, or set CXX")
    with _compiled(subject, clips, torch.get_num_threads()):
        pass


def _write_fp32(subject: Subject, clips: Tensor) -> None:
    session(subject.files.fp32(clips), 1)  # also loads the library


def _write_int8(subject: Subject, clips: Tensor) -> None:
    session(subject.files.int8(clips), 1)


@contextlib.contextmanager
def _eager(subject: Subject, clips: Tensor, threads: int) -> Iterator[Step]:
    with torch.inference_mode():
        yield lambda: subject.network(clips)


@contextlib.contextmanager
def _compiled(subject: Subject, clips: Tensor, threads: int) -> Iterator[Step]:
    """One graph for this shape and number of threads; the first pass compiles it."""
    # torch.compile does not support tensors made in inference mode.
    try:
        with torch.no_grad(), quiet_compiler():
            compiled = torch.compile(subject.network, dynamic=False)
            compiled(clips)
            yield lambda: compiled(clips)
    finally:
        torch.compiler.reset()  # free the graph


@contextlib.contextmanager
def _onnxruntime(subject: Subject, clips: Tensor, threads: int) -> Iterator[Step]:
    yield _run(subject.files.fp32(clips), clips, threads)


@contextlib.contextmanager
def _int8(subject: Subject, clips: Tensor, threads: int) -> Iterator[Step]:
    yield _run(subject.files.int8(clips), clips, threads)


def _run(path: Path, clips: Tensor, threads: int) -> Step:
    model = session(path, threads)
    feed = {model.get_inputs()[0].name: clips.numpy()}
    return lambda: model.run(None, feed)


# By the name that `elrbench cost --engines` takes.
ENGINES: Mapping[str, Engine] = {
    "eager": Engine(name="eager", precision="fp32", in_torch=True, ready=_nothing, prepare=_eager),
    "compiled": Engine(name="compiled", precision="fp32", in_torch=True, ready=_compile_once, prepare=_compiled),
    "onnxruntime": Engine(
        name="onnxruntime", precision="fp32", in_torch=False, ready=_write_fp32, prepare=_onnxruntime
    ),
    "int8": Engine(name="onnxruntime", precision="int8", in_torch=False, ready=_write_int8, prepare=_int8),
}
