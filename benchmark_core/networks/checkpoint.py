"""Public checkpoints, loaded strictly: all of a network but for its classifier's classes and its first convolution."""

from __future__ import annotations

import io
import pickle
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.networks.channels import adapt_first_convolution, first_convolution
from benchmark_core.weights_file import WeightsFile

WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the tensors
PARALLEL, OWN = "module.", "backbone."  # what DataParallel, and a recognizer of this project, put before each name
BESIDE = ("head.", "enhancer.")  # a recognizer's other parts
COUNTER = ".num_batches_tracked"  # of batch normalisation; older checkpoints lack it, and nothing here reads it

State = dict[str, Tensor]


def load_checkpoint(module: nn.Module, file: WeightsFile, *, backbone: str, channels: int = 3) -> str:
    """Loads `file` into `module`, in place, and says what matched: "302 of 304 tensors; classifier fresh: 400 -> 101
    classes".

    A classifier for another number of classes stays as it is. The first convolution on `channels` may come from images
    (it is inflated) or from other channels (it is averaged); see `adapt_first_convolution`. A checkpoint without counts
    of batches is taken. Nothing else may be missing, be left over or differ in shape.
    backbone: its name, for errors. Raises ElrError of one line naming the file and the first tensors that do not fit.
    """
    due: State = module.state_dict()
    given = _aligned(read_state(file), due)
    notes: list[str] = []
    classifier = _names(module, module.get_classifier()) & due.keys()  # type: ignore[operator]
    fresh = _fresh(classifier, given, due)
    if fresh:
        notes.append(f"classifier fresh: {fresh}")
        given = {key: value for key, value in given.items() if key not in classifier}
    found = first_convolution(module, channels)
    stem = f"{found[0]}.weight".removeprefix(".") if found else ""
    if stem in given and given[stem].shape != due[stem].shape:
        adapted = adapt_first_convolution(given[stem].float(), due[stem].shape)
        if adapted is not None:
            notes.append(f"first convolution {_shape(given[stem])} -> {_shape(due[stem])}")
            given[stem] = adapted

    missing = [key for key in due if key not in given and not (fresh and key in classifier)]
    counters = [key for key in missing if key.endswith(COUNTER)]
    if counters:
        notes.append(f"{len(counters)} counts of batches start at 0")
    advice = "name another --backbone, or other --weights"
    _check(file, f"backbone '{backbone}'", given, due, [key for key in missing if key not in counters], advice)
    module.load_state_dict({**due, **given})
    return "; ".join([f"{len(given)} of {len(due)} tensors", *notes])


def load_public(module: nn.Module, file: WeightsFile, *, whose: str, advice: str) -> str:
    """Loads `file` into `module`, in place, every tensor of it; and says so: "211 of 211 tensors".

    whose: whose weights are due. advice: what else to name. Raises ElrError with both, as `load_checkpoint` does.
    """
    due: State = module.state_dict()
    given = read_state(file)
    _check(file, whose, given, due, [key for key in due if key not in given], advice)
    module.load_state_dict(given)
    return f"{len(given)} of {len(due)} tensors"


def read_state(file: WeightsFile) -> State:
    """Names and tensors in `file`, out of the usual wrappers. No code of the file's is run.

    Raises ElrError where it cannot be read so, or holds no tensors by name.
    """
    content = file.read()
    plain: Any
    try:
        if file.path.suffix == ".safetensors":
            plain = load_safetensors(content)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of pickle's newer protocols
                plain = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ElrError(
                f"the weights {file.path} hold more than tensors ({code[1]}), which could run code when read; save its "
                "state_dict alone, as .safetensors, on a machine where you trust it"
            ) from error
        raise ElrError(f"the weights {file.path} are no PyTorch checkpoint, or a damaged one") from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, LookupError, OSError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ElrError(f"the weights {file.path} are no checkpoint, or a damaged one: {reason}") from error
    while isinstance(plain, Mapping) and (inner := [plain[key] for key in WRAPPERS if _holds(plain.get(key))]):
        plain = inner[0]
    state = {str(key): value for key, value in plain.items() if isinstance(value, Tensor)} if _holds(plain) else {}
    if not state:
        top = ", ".join(map(str, list(plain)[:6])) if isinstance(plain, Mapping) else type(plain).__name__
        raise ElrError(
            f"the weights {file.path} hold no tensors by name, neither at the top ({top or 'nothing'}) nor under "
            f"{' or '.join(WRAPPERS)}"
        )
    if all(key.startswith(PARALLEL) for key in state):
        state = {key.removeprefix(PARALLEL): value for key, value in state.items()}
    return state


def _holds(plain: object) -> bool:
    return isinstance(plain, Mapping) and len(plain) > 0


def _aligned(given: State, due: State) -> State:
    """`given`; or, where its names are then more of those due, the backbone's part of a recognizer."""
    own = {key.removeprefix(OWN): value for key, value in given.items() if not key.startswith(BESIDE)}
    return own if len(own.keys() & due.keys()) > len(given.keys() & due.keys()) else dict(given)


def _names(module: nn.Module, part: object) -> set[str]:
    """Names, within `module`, of the parameters and buffers of `part`."""
    assert isinstance(part, nn.Module)
    inside = {id(value) for value in (*part.parameters(), *part.buffers())}
    return {key for key, value in (*module.named_parameters(), *module.named_buffers()) if id(value) in inside}


def _fresh(classifier: set[str], given: State, due: State) -> str:
    """`400 -> 101 classes`, where the classifiers differ in that alone; else nothing."""
    if not classifier or not all(key in given and given[key].ndim == due[key].ndim for key in classifier):
        return ""
    if any(given[key].shape[1:] != due[key].shape[1:] for key in classifier):
        return ""
    counts = {(given[key].shape[0], due[key].shape[0]) for key in classifier if due[key].ndim}
    theirs, ours = next(iter(counts)) if len(counts) == 1 else (0, 0)
    return f"{theirs} -> {ours} classes" if theirs != ours else ""


def _check(file: WeightsFile, whose: str, given: State, due: State, missing: list[str], advice: str) -> None:
    """ElrError unless every tensor fits, and is finite."""
    left_over = [key for key in given if key not in due]
    misshapen = [key for key in given if key in due and given[key].shape != due[key].shape]
    faults = []
    if missing:
        faults.append(f"{len(missing)} of {len(due)} are missing (first: {missing[0]})")
    if left_over:
        faults.append(f"{len(left_over)} are left over (first: {left_over[0]})")
    if misshapen:
        key = misshapen[0]
        faults.append(
            f"{len(misshapen)} differ in shape (first: {key}, {_shape(given[key])} where {_shape(due[key])} is due)"
        )
    if faults:
        raise ElrError(f"the weights {file.path} are not of {whose}: of its tensors {', '.join(faults)}; {advice}")
    spoilt = [key for key, value in given.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if spoilt:
        raise ElrError(f"the weights {file.path} are not finite in {len(spoilt)} tensors (first: {spoilt[0]})")


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "one number"
