"""Fetch a shared model into a new folder: only files of the manifest, each with its size and digest, none with code."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.atomic import PART, check_writable
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.progress import Reporter
from benchmark_core.provenance import file_digest
from benchmark_core.records.record import read_record, record_name
from benchmark_core.records.stored import stored_bytes
from elrbench_plugins.commands.hub.manifest import CARD, LARGEST, MANIFEST, Manifest, parse_manifest
from elrbench_plugins.commands.hub.model_files import EXPORT, WEIGHTS, check_onnx, check_safetensors, exported_entry
from elrbench_plugins.commands.hub.places import OF_A_PLACE, Place


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What was fetched. state: `pulled`, or `unchanged` if the folder held it already."""

    source: str
    revision: str
    folder: Path
    state: str
    manifest: Manifest

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        fields = self.manifest.fields
        return {
            "source": self.source,
            "revision": self.revision,
            "folder": str(self.folder),
            "state": self.state,
            **{key: fields[key] for key in ("form", "digest", "license", "data", "made_with", "files")},  # type: ignore[literal-required]
        }


def pull(place: Place, out: Path, reporter: Reporter) -> Pulled:
    """Fetch the model at `place` into the folder `out`, which appears complete or not at all.

    Raises ElrError if the place has no manifest, a file that is not in it, or a file of another size, digest or format,
    and if `out` is a folder that holds something else.
    """
    there = place.files()
    manifest = _manifest_of(place, there)
    if out.exists() and not out.is_dir():
        raise ElrError(f"--out {out} is a file; pass a folder")
    inside = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if inside:
        if _is_same(out, manifest):
            return Pulled(source=place.shown, revision=place.revision, folder=out, state="unchanged", manifest=manifest)
        raise ElrError(f"--out {out} already holds something else ({inside[0]}, …); pass a new folder")
    check_writable(out.parent, "--out")
    needed = sum(file["bytes"] for file in manifest.files.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(out.parent).free < needed:
        raise ElrError(f"--out {out}: the model has {needed:,} bytes, and less is free; pass a folder on another disk")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=PART) as name:
        folder = Path(name, "model")
        folder.mkdir()
        _download(place, manifest, folder, needed, reporter)
        try:
            check_files(folder, manifest)
        except ElrError as error:
            raise ElrError(str(error).replace(str(folder), place.shown)) from error
        (folder / MANIFEST).write_bytes(manifest.to_bytes())
        try:
            folder.rename(out)
        except OSError as error:
            raise RunFailed(
                f"--out {out} cannot be created ({error.strerror or error}); pass another folder"
            ) from error
    return Pulled(source=place.shown, revision=place.revision, folder=out, state="pulled", manifest=manifest)


def _manifest_of(place: Place, there: Mapping[str, int]) -> Manifest:
    """Return the manifest. ElrError if there is none, or files and sizes are not those that it lists."""
    if not there:
        raise ElrError(f"{place.shown} does not exist or is empty; check the name")
    if MANIFEST not in there:
        raise ElrError(
            f"{place.shown} has no {MANIFEST}: it is not a model that 'elrbench hub push' wrote, or its upload was "
            "interrupted and must be repeated"
        )
    manifest = parse_manifest(place.read(MANIFEST, LARGEST), place.shown)
    strange = sorted(set(there) - {*manifest.files, MANIFEST, *OF_A_PLACE})
    if strange:
        raise ElrError(
            f"{place.shown} holds {len(strange)} files that its manifest does not list (first: {strange[0]!r}); they "
            "may contain code, so nothing is fetched. Ask its owner to remove them"
        )
    for name, file in manifest.files.items():
        if name not in there:
            raise ElrError(f"{place.shown}: {name!r} is missing; ask its owner to push the model again")
        if name != CARD and there[name] != file["bytes"]:
            raise _other(place, name, f"{there[name]} bytes, not {file['bytes']}")
        if name == CARD and there[name] > LARGEST:  # it may be edited, but not fill the disk
            raise _other(place, name, f"more than {LARGEST:,} bytes")
    return manifest


def _download(place: Place, manifest: Manifest, folder: Path, needed: int, reporter: Reporter) -> None:
    with reporter.steps(f"download from {place.shown}", needed, unit="bytes") as advance:
        for name, file in manifest.files.items():
            limit = LARGEST if name == CARD else file["bytes"]
            digest = place.download(name, folder / name, limit, advance)
            if digest == file["sha256"]:
                continue
            if name != CARD:
                raise _other(place, name, "another sha256")
            if (folder / name).stat().st_size > LARGEST:
                raise _other(place, name, f"more than {LARGEST:,} bytes")
            reporter.warn(f"{place.shown}: {CARD} was edited after the model was pushed")


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raise ElrError unless the files are what their names say, and belong to the plan of the manifest."""
    digest = manifest.fields["digest"]
    if manifest.fields["form"] == "run":
        check_safetensors(folder / WEIGHTS)
        (path,) = (folder / name for name in manifest.files if name.endswith(".json"))
        record = read_record(path)
        if record["digest"] != digest or record_name(record) != path.name:
            raise ElrError(f"{path} is the record of another plan than {digest}; ask its owner to push the model again")
        stored_bytes(record, folder)
        return
    (path,) = (folder / name for name in manifest.files if name.endswith(".onnx"))
    check_onnx(path)
    exported_entry(folder / EXPORT, path)


def _is_same(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder holds the model already, unchanged. More files, such as predictions, may be in it."""
    return all(
        (folder / name).is_file() and file_digest(folder / name) == digest for name, digest in manifest.weights.items()
    )


def _other(place: Place, name: str, what: str) -> ElrError:
    return ElrError(
        f"{place.shown}: {name!r} is not the file that was pushed ({what}); ask its owner to push the model again"
    )
