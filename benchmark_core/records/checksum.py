"""Sealed JSON: the sha256 of a record's canonical text stands in the record, so that a changed digit is noticed.

The seal guards against slips, not against forgers: whoever recomputes it can write anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from benchmark_core.atomic import write_whole
from benchmark_core.errors import ElrError
from benchmark_core.records.schema_check import conform

SCHEMA = 1


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """`record` with the key `seal`. ElrError where it holds a number that JSON cannot (NaN, infinity)."""
    return {**record, "seal": _digest(record)}


def verify_seal(record: Mapping[str, Any]) -> None:
    """ElrError where `record` is not what was sealed."""
    if record.get("seal") != _digest(record):
        raise ElrError("its seal does not fit its content, so it was changed by hand; restore it or run its plan again")


def _digest(record: Mapping[str, Any]) -> str:
    content = {key: value for key, value in record.items() if key != "seal"}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except ValueError as error:
        raise ElrError(f"the record cannot be sealed: {error}; a number in it is not finite") from error
    return hashlib.sha256(text.encode()).hexdigest()


def write_sealed(path: Path, record: Mapping[str, Any]) -> Path:
    """Seals `record` and writes it, whole or not at all. Keys keep their order: people read these files."""
    text = json.dumps(seal(record), indent=1, ensure_ascii=False, allow_nan=False)
    # A name that was no UTF-8 holds lone surrogates; as \udcff they are JSON again.
    return write_whole(path, (text + "\n").encode(errors="backslashreplace"))


def read_json(path: Path) -> Any:
    """The JSON in `path`. ElrError, one line that names the file, where there is none."""
    try:
        return json.loads(path.read_bytes().decode(), parse_constant=_no_constant, parse_int=_whole)
    except OSError as error:
        raise ElrError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ElrError(f"{path} is not whole JSON ({error}); restore it or run its plan again") from error


def read_sealed(path: Path, kind: str, hint: Any) -> dict[str, Any]:
    """The record of `kind` in `path`: of this schema, of `hint`'s shape, and as it was sealed; ElrError otherwise."""
    record = read_json(path)
    try:
        if not isinstance(record, dict) or record.get("kind") != kind:
            raise ElrError(f"it is no {kind} record: its 'kind' is not '{kind}'")
        schema = record.get("schema")
        if type(schema) is int and schema > SCHEMA:
            raise ElrError(f"it was written by a newer elrbench (schema {schema}, not {SCHEMA}); update elrbench")
        if schema != SCHEMA:
            raise ElrError(f"its schema is {schema!r}, not {SCHEMA}; run its plan again")
        conform(record, hint)
        verify_seal(record)
    except ElrError as error:
        raise ElrError(f"{path}: {error}") from error
    return record


def _whole(digits: str) -> int:
    if len(digits) > 300:  # beyond what a float holds
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
