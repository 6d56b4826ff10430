"""Read and write JSON records with a checksum in their field `seal`: the sha256 of the record's canonical JSON.

The checksum detects accidental edits. It does not stop forgery, because anyone can recompute it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from benchmark_core.atomic import write_whole
from benchmark_core.errors import ElrError
from benchmark_core.records.schema_check import check_schema
from benchmark_core.regular_file import read_regular

SCHEMA = 1
LARGEST = 64 << 20  # bytes of a JSON file
DEEPEST = 50  # levels of nesting
_NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # without U+DC80 to U+DCFF, which stand for bytes in file names


def add_checksum(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return `record` with its checksum in `seal`. ElrError if it contains NaN or infinity."""
    return {**record, "seal": _digest(record)}


def verify_checksum(record: Mapping[str, Any]) -> None:
    """Raise ElrError if the checksum of `record` does not match its content."""
    if record.get("seal") != _digest(record):
        raise ElrError("its checksum does not match, so it was edited by hand; restore it or run its plan again")


def _digest(record: Mapping[str, Any]) -> str:
    content = {key: value for key, value in record.items() if key != "seal"}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except ValueError as error:
        raise ElrError(f"the record has a number that is not finite: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def write_with_checksum(path: Path, record: Mapping[str, Any]) -> Path:
    """Write `record` with its checksum, atomically. Keys keep their order, for human readers."""
    text = json.dumps(add_checksum(record), indent=1, ensure_ascii=False, allow_nan=False)
    # File names that are not UTF-8 contain lone surrogates, which become JSON escapes such as \udcff.
    return write_whole(path, (text + "\n").encode(errors="backslashreplace"))


def read_json(path: Path) -> Any:
    """Return the JSON in `path`. ElrError names the file if it cannot be read or is no valid record."""
    text = read_regular(path, LARGEST)
    try:
        plain = json.loads(
            text.decode(), parse_constant=_refuse_constant, parse_int=_parse_int, object_pairs_hook=_object
        )
        if b"\\u" in text or text.count(b"{") + text.count(b"[") > DEEPEST:  # else there is nothing to find
            _check_values(plain)
    except (ValueError, RecursionError) as error:
        raise ElrError(f"{path} is not valid JSON ({error}); restore it or run its plan again") from error
    return plain


def read_with_checksum(path: Path, kind: str, hint: Any) -> dict[str, Any]:
    """Return the record in `path`.

    Raises:
        ElrError: if it is not a record of `kind`, has another schema version, does not have the fields of the TypedDict
            `hint`, or does not match its checksum.
    """
    record = read_json(path)
    try:
        if not isinstance(record, dict) or record.get("kind") != kind:
            raise ElrError(f"not a {kind} record: its 'kind' is not '{kind}'; restore it or remove it")
        schema = record.get("schema")
        if type(schema) is int and schema > SCHEMA:
            raise ElrError(f"it was written by a newer elrbench (schema {schema}, not {SCHEMA}); update elrbench")
        if schema != SCHEMA:
            raise ElrError(f"its schema is {schema!r}, not {SCHEMA}; run its plan again")
        check_schema(record, hint)
        verify_checksum(record)
    except ElrError as error:
        raise ElrError(f"{path}: {error}") from error
    return record


def _parse_int(digits: str) -> int:
    if len(digits) > 300:  # more than a float can hold
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _check_values(value: object, depth: int = 0) -> None:
    """Raise ValueError for deep nesting, NUL, and surrogates other than those of file names that are not UTF-8."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    if isinstance(value, str) and (found := _NO_TEXT.search(value)):
        raise ValueError(f"a text contains U+{ord(found[0]):04X}, which is not a character")
    if isinstance(value, (dict, list)):
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_values(inner, depth + 1)
