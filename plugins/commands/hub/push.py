"""Share a model: card, files, and the manifest last."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.progress import Reporter
from benchmark_core.provenance import file_digest, version_of
from elrbench_plugins.commands.hub.card import card_of, title
from elrbench_plugins.commands.hub.manifest import (
    CARD,
    LARGEST,
    MANIFEST,
    SCHEMA,
    FileFields,
    Manifest,
    check_names,
    parse_manifest,
)
from elrbench_plugins.commands.hub.model import SharedModel
from elrbench_plugins.commands.hub.places import OF_A_PLACE, Place


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What was shared. state: `pushed`, `unchanged`, or `dry-run`. revision: of the place, "" if it has none."""

    target: str
    state: str
    revision: str
    manifest: Manifest
    card: str

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        fields = self.manifest.fields
        return {
            "target": self.target,
            "state": self.state,
            "revision": self.revision,
            **{key: fields[key] for key in ("form", "digest", "license", "data", "files")},  # type: ignore[literal-required]
        }


def push(
    model: SharedModel,
    place: Place | None,
    target: str,
    *,
    license: str,
    replace: bool,
    message: str | None,
    reporter: Reporter,
) -> Pushed:
    """Write card, files and manifest to `place`. None: write nothing, only make card and manifest.

    target: the name of the place, for the card. license: of the weights.
    Raises ElrError if the place holds another model and not `replace`, or files that are not a model's.
    """
    check_names(model.form, {**model.files, CARD: None})
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder, CARD)
        card.write_text(card_of(model, license=license, target=target), encoding="utf-8")
        files = {**model.files, CARD: card}
        manifest = _manifest(model, files, license)
        Path(folder, MANIFEST).write_bytes(manifest.to_bytes())
        files[MANIFEST] = Path(folder, MANIFEST)
        state, revision = "dry-run", ""
        if place is not None:
            there = place.files()
            remove = _stale(place, there, manifest, replace=replace)
            state, revision = "unchanged", place.revision
            if remove is not None:
                text = message or f"Share {title(model.facts)} (elrbench {model.facts.digest})"
                total = sum(path.stat().st_size for path in files.values())
                with reporter.steps(f"upload to {place.shown}", total, unit="bytes") as advance:
                    revision = place.publish(files, remove, text, advance)
                state = "pushed"
        return Pushed(target=target, state=state, revision=revision, manifest=manifest, card=card.read_text("utf-8"))


def _manifest(model: SharedModel, files: Mapping[str, Path], license: str) -> Manifest:
    described: dict[str, FileFields] = {
        name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for name, path in files.items()
    }
    return Manifest(
        {
            "schema": SCHEMA,
            "kind": "model",
            "form": model.form,
            "digest": model.facts.digest,
            "license": license,
            "data": dict(model.facts.data),
            "made_with": version_of("elrbench") or "",
            "files": described,
        }
    )


def _stale(place: Place, there: Mapping[str, int], manifest: Manifest, *, replace: bool) -> list[str] | None:
    """Return the files of the place that an upload must remove; None if it holds exactly this model already.

    Raises ElrError if it holds another model and not `replace`, or files that are not those of a model: they are never
    removed.
    """
    wanted = {*manifest.files, MANIFEST}
    old = parse_manifest(place.read(MANIFEST, LARGEST), place.shown) if MANIFEST in there else None
    known = wanted | set(OF_A_PLACE) | {CARD} | (set(old.files) if old else set())
    if strange := sorted(set(there) - known):
        raise ElrError(
            f"{place.shown} holds {len(strange)} files that are not part of a model (first: {strange[0]!r}); pass an "
            "empty folder or a new repository"
        )
    if old is None:
        return []  # empty, or an upload of this model was interrupted
    if old.fields == manifest.fields and all(there.get(name) == file["bytes"] for name, file in old.files.items()):
        return None
    if old.weights != manifest.weights and not replace:
        raise ElrError(
            f"{place.shown} already holds another model ({old.fields['form']} of the plan {old.fields['digest']}); "
            "pass --replace, or another target"
        )
    return sorted(set(old.files) - wanted)
