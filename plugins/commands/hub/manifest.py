"""The manifest of a shared model: which files it has, their sizes and digests. It is written last.

A digest shows damage and unfinished uploads. It does not show who made a model: whoever can write files can write
digests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from benchmark_core.errors import ElrError
from benchmark_core.records.schema_check import Whole, check_schema

MANIFEST = "elrbench-model.json"
CARD = "README.md"
SCHEMA = 1
LARGEST = 1 << 20  # bytes of a manifest
BYTES = Annotated[int, 1, 1 << 40]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,=+-]{0,200}")  # no folder, no hidden file
SHA256 = re.compile(r"[0-9a-f]{64}")
DIGEST = re.compile(r"[0-9a-f]{16}")
# What a model of each form consists of: name patterns, each of exactly one file. No format that can hold code.
FILES: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "run": (
        re.compile(r"recognizer\.safetensors"),
        re.compile(r".+-[0-9a-f]{16}\.json"),
        re.compile(r".+-[0-9a-f]{16}\.predictions\.csv\.gz"),
        re.compile(re.escape(CARD)),
    ),
    "onnx": (re.compile(r".+\.onnx"), re.compile(r"export\.json"), re.compile(re.escape(CARD))),
}


class FileFields(TypedDict):
    """Size and digest of one file."""

    bytes: BYTES
    sha256: str


class ManifestFields(TypedDict):
    """The content of the manifest.

    Attributes:
        form: `run` for a run folder, `onnx` for an exported file.
        digest: the plan's.
        license: of the weights, "" if none was chosen.
        data: licence of each dataset that the run was trained on.
        made_with: version of elrbench.
    """

    schema: Whole
    kind: Literal["model"]
    form: Literal["run", "onnx"]
    digest: str
    license: str
    data: dict[str, str]
    made_with: str
    files: dict[str, FileFields]


@dataclass(frozen=True)
class Manifest:
    """A valid manifest."""

    fields: ManifestFields

    @property
    def files(self) -> Mapping[str, FileFields]:
        """Name -> size and digest, without the manifest itself."""
        return self.fields["files"]

    @property
    def weights(self) -> dict[str, str]:
        """Name -> digest of all files but the card. Two models are the same if these are equal."""
        return {name: file["sha256"] for name, file in self.files.items() if name != CARD}

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return (json.dumps(self.fields, indent=1, ensure_ascii=False) + "\n").encode()


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest. Raises ElrError, naming `where`, if it is damaged or lists a file that no model has."""
    try:
        plain: Any = json.loads(content.decode())
        if not isinstance(plain, dict) or plain.get("kind") != "model":
            raise ElrError("it is not the manifest of a model")
        if type(plain.get("schema")) is int and plain["schema"] > SCHEMA:
            raise ElrError(f"it was written by a newer elrbench (schema {plain['schema']}); update elrbench")
        check_schema(plain, ManifestFields)
        manifest = Manifest(plain)  # type: ignore[arg-type]
        _check(manifest)
    except (ValueError, RecursionError, ElrError) as error:
        raise ElrError(f"{where}/{MANIFEST} cannot be used: {error}") from error
    return manifest


def _check(manifest: Manifest) -> None:
    if not DIGEST.fullmatch(manifest.fields["digest"]):
        raise ElrError("its digest is not one of a plan")
    for name, file in manifest.files.items():
        if not SHA256.fullmatch(file["sha256"]):
            raise ElrError(f"the digest of {name!r} is not a sha256")
    check_names(manifest.fields["form"], manifest.files)


def check_names(form: str, names: Mapping[str, Any]) -> None:
    """Raise ElrError unless `names` are those of a model: one file per pattern, and no other file."""
    for name in names:
        if not NAME.fullmatch(name) or ".." in name:
            raise ElrError(f"the file name {name!r} is not a plain name of letters, digits and '._,=+-'")
        if not any(pattern.fullmatch(name) for pattern in FILES[form]):
            raise ElrError(f"it lists {name!r}, which is not part of a model (safetensors, ONNX, record, predictions)")
    for pattern in FILES[form]:
        found = [name for name in names if pattern.fullmatch(name)]
        if len(found) != 1:
            raise ElrError(f"it lists {len(found)} files like '{pattern.pattern}', not one")
