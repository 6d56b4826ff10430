"""Load public checkpoints strictly; only a classifier of other classes and the first convolution may differ."""

from __future__ import annotations

import io
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.networks.channels import adapt_first_convolution, first_convolution
from benchmark_core.networks.pickles import check_pickles
from benchmark_core.weights_file import WeightsFile

WRAPPERS = (
    "state_dict",
    "model",
    "G",
    "netG",
    "netA",
    "params_ema",
    "params",
)  # keys under which training scripts keep the tensors
PARALLEL = "module."  # prefix of names in DataParallel modules
OWN = ("backbone.", "model.")  # prefixes of a backbone's names in this project's recognizers and in others' classifiers
ENHANCER = "enhancer."  # prefix of the enhancer's names in this project's recognizers
OTHER_PARTS = ("head.", ENHANCER)  # prefixes of a recognizer's other parts
COUNTER = ".num_batches_tracked"  # of BatchNorm; older checkpoints lack it, and no code here reads it
# Complex, 8-bit float and packed types are no weights here. Integers and booleans are for buffers.
TYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
TYPES |= {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}

State = dict[str, Tensor]


def load_checkpoint(
    module: nn.Module, file: WeightsFile, *, backbone: str, channels: int = 3, keep: bool = False
) -> str:
    """Load `file` into `module` and return what matched: "302 of 304 tensors; classifier fresh: 400 -> 101 classes".

    A classifier for another number of classes keeps its initialisation. The file's first convolution may be 2D (it is
    inflated) or have a number of channels other than `channels` (it is averaged); see `adapt_first_convolution`.
    BatchNorm's batch counts may be missing. No other tensor may be missing, be left over or differ in shape.
    backbone: its name, for errors. keep: as in `adapt_first_convolution`.
    Raises ElrError, naming the file and the first tensors that do not fit.
    """
    expected: State = module.state_dict()
    given = _aligned(read_state(file), expected)
    notes: list[str] = []
    classifier = _names(module, module.get_classifier()) & expected.keys()  # type: ignore[operator]
    fresh = _fresh(classifier, given, expected)
    if fresh:
        notes.append(f"classifier fresh: {fresh}")
        given = {key: value for key, value in given.items() if key not in classifier}
    found = first_convolution(module, channels)
    stem = f"{found[0]}.weight".removeprefix(".") if found else ""
    if stem in given and given[stem].shape != expected[stem].shape and given[stem].is_floating_point():
        adapted = adapt_first_convolution(given[stem].float(), expected[stem].shape, keep=keep)
        if adapted is not None:
            notes.append(f"first convolution {shape_text(given[stem])} -> {shape_text(expected[stem])}")
            given[stem] = adapted

    missing = [key for key in expected if key not in given and not (fresh and key in classifier)]
    counters = [key for key in missing if key.endswith(COUNTER)]
    if counters:
        notes.append(f"{len(counters)} counts of batches start at 0")
    advice = "pass another --backbone or other --weights"
    _check(file, f"backbone '{backbone}'", given, expected, [key for key in missing if key not in counters], advice)
    module.load_state_dict({**expected, **given})
    return "; ".join([f"{len(given)} of {len(expected)} tensors", *notes])


def load_public(
    module: nn.Module,
    file: WeightsFile,
    *,
    owner: str,
    advice: str,
    optional: Sequence[str] = (),
    enhancer: nn.Module | None = None,
) -> str:
    """Load all tensors of `module` from `file` and return how many: "211 of 211 tensors".

    owner: the network that needs the weights; advice: the remedy; both for errors. optional: names of parts that only
    the module or only the file may have. Such a part keeps its initial values, or is ignored. enhancer: the module of
    which `module` is the public part; if the file is the recognizer of a run, its enhancer is loaded into it instead.
    Raises ElrError like `load_checkpoint`.
    """
    found = read_state(file)
    of_run = {key.removeprefix(ENHANCER): value for key, value in found.items() if key.startswith(ENHANCER)}
    if enhancer is not None and of_run:
        module, found, optional = enhancer, of_run, ()
    states: tuple[State, State] = (module.state_dict(), found)
    ours, theirs = ({key.partition(".")[0] for key in state} for state in states)
    apart = (ours ^ theirs) & set(optional)
    wanted, given = ({k: v for k, v in state.items() if k.partition(".")[0] not in apart} for state in states)
    _check(file, owner, given, wanted, [key for key in wanted if key not in given], advice)
    module.load_state_dict({**states[0], **given})
    notes = [f"{part} is only in the {'network' if part in ours else 'file'}" for part in sorted(apart)]
    return "; ".join([f"{len(given)} of {len(states[0])} tensors", *notes])


def read_state(file: WeightsFile) -> State:
    """Return the tensors in `file` by name, out of the usual wrappers, without running code from the file.

    Raises ElrError if the file cannot be read that way or holds no tensors by name.
    """
    content = file.read()
    plain: Any
    try:
        if file.path.suffix == ".safetensors":
            plain = load_safetensors(content)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # about newer pickle protocols
                check_pickles(content)
                plain = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ElrError(
                f"the weights {file.path} contain an object that is not a tensor ({code[1]}) and could run code when "
                "loaded; if you trust the file, save its state_dict as .safetensors and pass the new file"
            ) from error
        raise ElrError(f"the weights {file.path} are not a PyTorch checkpoint or are damaged") from error
    except Exception as error:  # a damaged file makes the unpickler raise errors of many kinds
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ElrError(f"the weights {file.path} are not a checkpoint or are damaged: {reason}") from error
    for _ in range(8):  # bounded, because a checkpoint can contain itself
        if isinstance(plain, Mapping) and (inner := [plain[key] for key in WRAPPERS if _holds(plain.get(key))]):
            plain = inner[0]
    names = [key for key in plain if isinstance(key, str)] if isinstance(plain, Mapping) else []
    # `detach` drops attributes that the file sets on a parameter, such as another `is_floating_point`.
    state = {key: Tensor.detach(plain[key]) for key in names if isinstance(plain[key], Tensor)}
    if not state:
        top = ", ".join(key[:40] for key in names[:6]) if isinstance(plain, Mapping) else type(plain).__name__
        raise ElrError(
            f"the weights {file.path} contain no named tensors, neither at the top ({top or 'nothing'}) nor under "
            f"{', '.join(WRAPPERS)}; save a state_dict and pass its file"
        )
    for key, value in state.items():
        if fault := _unusable(value):
            raise ElrError(
                f"the weights {file.path}: tensor '{key}' {fault}; save it as a dense float32 tensor and pass that file"
            )
    if all(key.startswith(PARALLEL) for key in state):
        state = {key.removeprefix(PARALLEL): value for key, value in state.items()}
    return state


def _holds(plain: object) -> bool:
    return isinstance(plain, Mapping) and len(plain) > 0


def _unusable(value: Tensor) -> str:
    """Return why a tensor cannot be a weight, or "". Does not read its values, which may not exist."""
    if value.is_nested or value.layout != torch.strided or value.is_quantized:
        return "is sparse, nested or quantised"
    if value.is_meta:
        return "has a shape, but no values (device 'meta')"
    if value.dtype not in TYPES:
        return f"has the type {value.dtype}"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return (
            f"has the shape {shape_text(value)}, but the file has only {value.untyped_storage().nbytes()} bytes of it"
        )
    return ""


def _aligned(given: State, expected: State) -> State:
    """Return `given` as it is, or without one prefix of `OWN` and the other parts: whichever matches most names."""
    inner = {key: value for key, value in given.items() if not key.startswith(OTHER_PARTS)}
    named = [given, *({key.removeprefix(prefix): value for key, value in inner.items()} for prefix in OWN)]
    return dict(max(named, key=lambda state: len(state.keys() & expected.keys())))


def _names(module: nn.Module, part: object) -> set[str]:
    """Return the names in `module` of the parameters and buffers of `part`."""
    assert isinstance(part, nn.Module)
    inside = {id(value) for value in (*part.parameters(), *part.buffers())}
    return {key for key, value in (*module.named_parameters(), *module.named_buffers()) if id(value) in inside}


def _fresh(classifier: set[str], given: State, expected: State) -> str:
    """Return "400 -> 101 classes" if the classifiers differ in nothing else; else ""."""
    if not classifier or not all(key in given and given[key].ndim == expected[key].ndim for key in classifier):
        return ""
    if any(given[key].shape[1:] != expected[key].shape[1:] for key in classifier):
        return ""
    counts = {(given[key].shape[0], expected[key].shape[0]) for key in classifier if expected[key].ndim}
    theirs, ours = next(iter(counts)) if len(counts) == 1 else (0, 0)
    return f"{theirs} -> {ours} classes" if theirs != ours else ""


def _check(file: WeightsFile, owner: str, given: State, expected: State, missing: list[str], advice: str) -> None:
    """Raise ElrError unless every tensor fits and is finite."""
    left_over = [key for key in given if key not in expected]
    misshapen = [key for key in given if key in expected and _form(key, given[key]) != _form(key, expected[key])]
    faults = []
    if missing:
        faults.append(f"{len(missing)} of {len(expected)} tensors are missing (first: {missing[0]})")
    if left_over:
        faults.append(f"{len(left_over)} tensors are not in the network (first: {left_over[0]})")
    if misshapen:
        key = misshapen[0]
        faults.append(
            f"{len(misshapen)} tensors differ "
            f"(first: {key}, {shape_text(given[key])}, expected {shape_text(expected[key])})"
        )
    if faults:
        raise ElrError(f"the weights {file.path} do not fit {owner}: {', '.join(faults)}; {advice}")
    spoilt = [key for key, value in given.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if spoilt:
        raise ElrError(f"the weights {file.path}: {len(spoilt)} tensors are not finite (first: {spoilt[0]}); {advice}")


def _form(key: str, value: Tensor) -> tuple[torch.Size, bool]:
    """Return a tensor's shape and whether it is a float tensor. A count of batches may be either."""
    return value.shape, value.is_floating_point() or key.endswith(COUNTER)


def shape_text(value: Tensor | None, absent: str = "absent") -> str:
    """Return a tensor's shape such as `64x3x7x7`, with its type unless that is a float; `absent` for None."""
    if value is None:
        return absent
    return ("x".join(map(str, value.shape)) or "a scalar") + f" {value.dtype}" * (not value.is_floating_point())
