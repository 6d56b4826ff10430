"""`elrbench cache verify`: what is broken is named and removed, and the next run makes it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from stopped_cache import Call, cache, call, check, flip, go, matched, stage, truncate

from benchmark_core.catalog import Catalog
from benchmark_core.clips import clipfile
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.reading import clip_fault

__all__ = ["cache", "call"]  # fixtures


def test_a_whole_cache_is_whole(cache: Path, call: Call) -> None:
    code, out, _ = call("verify", "--cache", str(cache))
    assert (code, out) == (0, "18 clips and 2 stages read: none is broken\n")


def not_finite(path: Path) -> None:
    """Written whole, as by a version that did not look: the note fits."""
    weights = load_file(path)
    next(value for value in weights.values() if value.is_floating_point()).fill_(torch.nan)
    save_file(weights, path)
    note = json.loads((path.parent / "stage.json").read_text())
    del note["sha256"]
    note["bytes"] = path.stat().st_size
    (path.parent / "stage.json").write_text(json.dumps(note))


@pytest.mark.parametrize(
    ("pattern", "harm", "reason"),
    [
        ("clips/*/*/*.clip", lambda path: flip(path, 600), "damaged: "),
        ("clips/*/*/*.clip", lambda path: truncate(path, -1), "truncated, or not a clip file"),
        ("clips/*/recipe.json", lambda path: path.write_text("{}"), "its numbers do not match its key"),
        ("stages/student-*/module.safetensors", lambda path: flip(path, -1), "its module.safetensors differs"),
        ("stages/student-*/module.safetensors", lambda path: truncate(path, 100), "its module.safetensors has 100"),
        ("stages/student-*/module.safetensors", Path.unlink, "its module.safetensors is missing"),
        ("stages/student-*/module.safetensors", not_finite, "its weight backbone."),
        ("stages/student-*/stage.json", lambda path: truncate(path, 50), "its stage.json cannot be read"),
        ("stages/joint-*/checkpoint.pt", lambda path: truncate(path, 500), "its checkpoint.pt is damaged"),
    ],
)
def test_what_is_broken_is_named_removed_and_made_anew(
    cache: Path, call: Call, pattern: str, harm: Callable[[Path], object], reason: str, toy_catalog: Catalog
) -> None:
    path = sorted(cache.glob(pattern))[0]
    place = path if pattern.startswith("clips") else path.parent
    harm(path)
    (broken,) = check(cache).broken
    assert broken.path == place and broken.reason.startswith(reason)
    code, out, _ = call("verify", "--cache", str(cache))
    assert code == 1 and out.splitlines()[0] == f"{place}: {broken.reason}" and len(out.splitlines()) == 2
    code, out, _ = call("verify", "--remove", "--cache", str(cache))
    assert code == 0 and out.splitlines()[0] == f"{place}: {broken.reason}; removed" and not place.exists()
    assert check(cache).broken == ()
    go(matched(toy_catalog), toy_catalog, cache)
    assert check(cache).broken == () and place.exists()
    assert all(one.finished for one in read_cache(cache).stages)


def test_weights_that_changed_are_not_reused(cache: Path, toy_catalog: Catalog) -> None:
    flip(stage(cache, "student") / "module.safetensors", -1)
    stages = go(matched(toy_catalog), toy_catalog, cache)["stages"]
    assert [one["reused"] for one in stages] == [False, False] and check(cache).broken == ()


def test_a_clip_of_an_older_store_has_no_checksum(cache: Path) -> None:
    path = sorted(cache.glob("clips/*/*/*.clip"))[0]
    content = path.read_bytes()
    header = json.loads(content[: clipfile.HEADER_BYTES])
    assert header.pop("checksum") > 0
    path.write_bytes(json.dumps(header).encode().ljust(clipfile.HEADER_BYTES) + content[clipfile.HEADER_BYTES :])
    assert clipfile.read_header(path) is not None and clip_fault(path) is None
