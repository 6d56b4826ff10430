"""A shared cache that was damaged or forged: what is wrong there is named and not used."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from shared_cache import pulled, pushed
from stopped_cache import Call, cache, call, flip

from benchmark_core.progress import Silent
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.reading import verify
from elrbench_plugins.storage.local_folder import LocalFolder

__all__ = ["cache", "call"]  # fixtures

pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")


def change_note(shared: Path, change: Callable[[dict[str, Any]], object]) -> None:
    (path,) = shared.rglob("stage.json")
    note = json.loads(path.read_text())
    change(note)
    path.write_text(json.dumps(note))


def other_weights(shared: Path) -> None:
    """Valid weights of another training under the name of the first."""
    (path,) = shared.rglob("*.safetensors")
    weights = load_file(path)
    save_file({name: value + 1 for name, value in weights.items()}, path)


def pickled_weights(shared: Path) -> None:
    """A pickle whose digest is right."""
    (path,) = shared.rglob("*.safetensors")
    content = pickle.dumps({"weight": [1.0]})
    digest = hashlib.sha256(content).hexdigest()
    path.unlink()
    path.with_name(f"{digest}.safetensors").write_bytes(content)
    change_note(shared, lambda note: note.update(sha256=digest, bytes=len(content)))


def first(shared: Path, pattern: str) -> Path:
    return sorted(shared.rglob(pattern))[0]


HARM: dict[str, tuple[Callable[[Path], object], str, tuple[int, int]]] = {
    "a changed clip": (lambda shared: flip(first(shared, "*.clip"), 600), "damaged", (17, 1)),
    "a short clip": (lambda shared: first(shared, "*.clip").write_bytes(b"x"), "damaged", (17, 1)),
    "another format": (lambda shared: first(shared, "recipe.json").write_text("{}"), "do not match its key", (0, 1)),
    "no JSON": (lambda shared: first(shared, "recipe.json").write_text("{"), "do not match its key", (0, 1)),
    "changed weights": (lambda shared: flip(first(shared, "*.safetensors"), -1), "another sha256", (18, 0)),
    "other weights": (other_weights, "another sha256", (18, 0)),
    "no weights": (lambda shared: first(shared, "*.safetensors").unlink(), "weights are missing", (18, 0)),
    "pickled weights": (pickled_weights, "not a safetensors file", (18, 0)),
    "another stage": (
        lambda shared: change_note(shared, lambda note: note["numbers"].update(seed=7)),
        "is that of another stage",
        (18, 0),
    ),
    "an empty note": (lambda shared: first(shared, "stage.json").write_text("{}"), "lacks what a stage is", (18, 0)),
    "a damaged note": (lambda shared: first(shared, "stage.json").write_text("{"), "is damaged", (18, 0)),
    "a note without seconds": (
        lambda shared: change_note(shared, lambda note: note.pop("seconds")),
        "its stage.json has no valid 'seconds'; not used",
        (18, 0),
    ),
    "weights elsewhere": (
        lambda shared: change_note(shared, lambda note: note.update(sha256="../" * 20 + "etc/")),
        "another stage",
        (18, 0),
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_damaged_there_is_not_used(cache: Path, tmp_path: Path, call: Call, harm: str) -> None:
    change, words, copied = HARM[harm]
    pushed(cache, str(tmp_path / "shared"))
    change(tmp_path / "shared")
    code, out, _ = call("pull", tmp_path / "shared", "--cache", tmp_path / "other", "--json")
    told = json.loads(out)
    assert code == 1 and len(told["faults"]) == 1 and words in told["faults"][0]
    assert (told["clips"]["copied"], told["stages"]["copied"]) == copied
    found = read_cache(tmp_path / "other")
    assert verify(found, reporter=Silent()).broken == ()
    assert not list((tmp_path / "other").rglob("*.tmp")) and not list((tmp_path / "other").rglob("*.part"))
    assert sum(one.clips for one in found.formats) == copied[0]
    assert sum(stage.finished for stage in found.stages) == copied[1]


def test_names_that_leave_the_cache_are_ignored(cache: Path, tmp_path: Path) -> None:
    pushed(cache, str(tmp_path / "shared"))
    folder = LocalFolder(tmp_path / "shared")
    key = read_cache(cache).formats[0].key
    (clip, *_) = sorted(cache.rglob("*.clip"))
    for name in (f"clips/{key}/zz/{clip.name}", f"clips/{key}/ab/.hidden.clip", "stages/..-0123456789abcdef/stage.json",
                 "checkpoint.pt", "stages/student/x.py"):  # fmt: skip
        folder.upload(name, clip)
    pulled(tmp_path / "other", str(tmp_path / "shared"))
    assert len(list((tmp_path / "other").rglob("*.clip"))) == 18
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"clips", "stages", "locks"}
    assert not list((tmp_path / "other").rglob("*.p[ty]"))
