"""The files of a model: what they are, whatever they are called. Imports neither torch nor pandas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.provenance import file_digest
from benchmark_core.records.checksum import read_json

WEIGHTS = "recognizer.safetensors"
EXPORT = "export.json"
PROTOBUF = b"\x08"  # first byte of an ONNX file: the field ir_version


def check_onnx(path: Path) -> None:
    """Raise ElrError unless the file begins like an ONNX file. `read_exported` reads the rest when it is used."""
    with path.open("rb") as file:
        if file.read(1) != PROTOBUF:
            raise ElrError(f"{path} is not an ONNX file")


def exported_entry(report: Path, path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the entry of the file `path` in `export.json`, and its content. ElrError if it describes another file."""
    if not report.is_file():
        raise ElrError(f"{report} does not exist; 'elrbench export' writes it next to {path.name}: share both")
    content = read_json(report)
    try:
        (entry,) = (each for each in content["files"] if each["file"] == path.name)
        numbers = [entry[key] for key in ("run_score", "file_score", "clips", "same_classes", "frames", "sha256")]
    except (KeyError, TypeError, ValueError) as error:
        raise ElrError(f"{report} does not describe {path.name}; export the run again") from error
    if numbers[-1] != file_digest(path):
        raise ElrError(f"{path} is not the file that {report.name} describes (another sha256); export the run again")
    return entry, content


def check_safetensors(path: Path) -> None:
    """Raise ElrError unless the file is safetensors, which holds tensors and no code. Reads its header."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ElrError(f"the weights {path} do not exist; run the plan again")
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    except (OSError, SafetensorError) as error:
        raise ElrError(f"{path} is not a safetensors file ({error})") from error
    if not names:
        raise ElrError(f"{path} has no tensor; run the plan again")
