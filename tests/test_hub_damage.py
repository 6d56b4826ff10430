"""A shared model that was damaged, forged or half downloaded: nothing of it is used."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exported import Call, refused
from shared_models import call, finished, shared

from elrbench_plugins.commands.hub import places
from elrbench_plugins.commands.hub.manifest import CARD, MANIFEST
from elrbench_plugins.commands.hub.model_files import WEIGHTS
from elrbench_plugins.storage.local_folder import LocalFolder

__all__ = ["call", "finished", "shared"]  # fixtures

pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")


def described(shared: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest as a forger does."""
    manifest = json.loads((shared / MANIFEST).read_text())
    change(manifest)
    (shared / MANIFEST).write_text(json.dumps(manifest))


def put(shared: Path, name: str, content: bytes) -> None:
    """Write a file and describe it correctly."""
    (shared / name).write_bytes(content)
    file = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    described(shared, lambda manifest: manifest["files"].update({name: file}))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def rename(shared: Path, old: str, new: str) -> None:
    described(shared, lambda manifest: manifest["files"].update({new: manifest["files"].pop(old)}))


def record_of(shared: Path) -> str:
    return next(path.name for path in shared.glob("supervised-*.json"))


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "another byte": (lambda shared: flip(shared / WEIGHTS), "not the file that was pushed (another sha256)"),
    "another size": (lambda shared: (shared / WEIGHTS).write_bytes(b"short"), "not the file that was pushed (5 bytes"),
    "a missing file": (lambda shared: (shared / WEIGHTS).unlink(), f"'{WEIGHTS}' is missing"),
    "no manifest": (lambda shared: (shared / MANIFEST).unlink(), f"has no {MANIFEST}"),
    "code": (lambda shared: (shared / "modeling.py").write_text("import os"), "'modeling.py'); they may contain code"),
    "a pickle": (lambda shared: (shared / "model.bin").write_bytes(b"\x80"), "does not list (first: 'model.bin')"),
    "a listed pickle": (lambda shared: put(shared, "model.pt", b"\x80\x04."), "'model.pt', which is not part of a"),
    "a pickle as weights": (
        lambda shared: put(shared, WEIGHTS, pickle.dumps({"weight": [1.0]})),
        f"{WEIGHTS} is not a safetensors file",
    ),
    "a file elsewhere": (
        lambda shared: rename(shared, WEIGHTS, f"../../{WEIGHTS}"),
        f"'../../{WEIGHTS}' is not a plain name",
    ),
    "an absolute path": (lambda shared: rename(shared, WEIGHTS, "/etc/passwd"), "'/etc/passwd' is not a plain name"),
    "a hidden file": (lambda shared: rename(shared, CARD, ".bashrc"), "'.bashrc' is not a plain name"),
    "two weights": (lambda shared: rename(shared, CARD, "b.onnx"), "'b.onnx', which is not part of a model"),
    "no record": (
        lambda shared: described(shared, lambda manifest: manifest["files"].pop(record_of(shared))),
        "it lists 0 files like",
    ),
    "another plan": (
        lambda shared: described(shared, lambda manifest: manifest.update(digest="0" * 16)),
        "is the record of another plan",
    ),
    "an edited record": (
        lambda shared: put(shared, name := record_of(shared), (shared / name).read_bytes().replace(b"smoke", b"paper")),
        "checksum does not match",
    ),
    "no JSON": (lambda shared: (shared / MANIFEST).write_text("{"), f"{MANIFEST} cannot be used"),
    "deep JSON": (lambda shared: (shared / MANIFEST).write_text("[" * 100_000), f"{MANIFEST} cannot be used"),
    "a newer manifest": (
        lambda shared: described(shared, lambda manifest: manifest.update(schema=2)),
        "newer elrbench (schema 2); update",
    ),
    "not a model": (lambda shared: (shared / MANIFEST).write_text("[]"), "is not the manifest of a model"),
    "a negative size": (
        lambda shared: described(shared, lambda manifest: manifest["files"][WEIGHTS].update(bytes=-1)),
        "is -1; expected 1 or more",
    ),
    "no digest": (
        lambda shared: described(shared, lambda manifest: manifest["files"][WEIGHTS].update(sha256="x")),
        "is not a sha256",
    ),
    "a huge manifest": (lambda shared: (shared / MANIFEST).write_text(" " * (2 << 20)), "more than 1,048,576 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_what_was_tampered_with_is_refused(shared: Path, call: Call, tmp_path: Path, harm: str) -> None:
    change, words = HARM[harm]
    change(shared)
    text = refused(call("hub", "pull", shared, "--out", tmp_path / "model"))
    assert words in text and str(shared) in text
    assert {path.name for path in tmp_path.iterdir()} == {"shared"}


def test_a_link_in_the_source_is_not_followed(shared: Path, call: Call, tmp_path: Path) -> None:
    content = (shared / WEIGHTS).read_bytes()
    (tmp_path / "secret").write_bytes(content)
    (shared / WEIGHTS).unlink()
    (shared / WEIGHTS).symlink_to(tmp_path / "secret")
    assert f"'{WEIGHTS}' is missing" in refused(call("hub", "pull", shared, "--out", tmp_path / "model"))


def test_a_card_may_be_edited(shared: Path, call: Call, tmp_path: Path) -> None:
    (shared / CARD).write_text("# My own words\n")
    code, _, said = call("hub", "pull", shared, "--out", tmp_path / "model")
    assert code == 0 and f"warning: {shared}: {CARD} was edited" in said
    assert (tmp_path / "model" / CARD).read_text() == "# My own words\n"
    (shared / CARD).write_text("x" * (2 << 20))
    assert "more than 1,048,576 bytes" in refused(call("hub", "pull", shared, "--out", tmp_path / "again"))


def test_an_interrupted_download_leaves_nothing(
    shared: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = places.download

    def stop(folder: LocalFolder, name: str, *rest: Any) -> str:
        if name == CARD:
            raise KeyboardInterrupt
        return real(folder, name, *rest)

    monkeypatch.setattr(places, "download", stop)
    assert call("hub", "pull", shared, "--out", tmp_path / "model")[0] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"shared"}
