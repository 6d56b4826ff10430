"""The lines that `elrbench hub` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elrbench_plugins.commands.hub.manifest import Manifest
    from elrbench_plugins.commands.hub.pull import Pulled
    from elrbench_plugins.commands.hub.push import Pushed


def pushed_text(done: Pushed) -> str:
    """Return what was shared, and how to fetch it."""
    if done.state == "unchanged":
        return f"{done.target} already holds this model; nothing was uploaded"
    at = f" (commit {done.revision})" if done.revision else ""
    return "\n".join(
        [
            f"pushed to {done.target}{at}: {_files(done.manifest)}",
            *_licences(done.manifest),
            f"fetch it with: elrbench hub pull {done.target} --out DIR",
        ]
    )


def pulled_text(done: Pulled) -> str:
    """Return what was fetched, its licences, and how to use it."""
    at = f"@{done.revision[:12]}" if done.revision else ""
    lines = [
        f"{done.folder} already holds this model"
        if done.state == "unchanged"
        else f"{done.folder}: {_files(done.manifest)}, from {done.source}{at}",
        *_licences(done.manifest),
    ]
    if done.manifest.fields["form"] == "onnx":
        name = next(name for name in done.manifest.files if name.endswith(".onnx"))
        return "\n".join([*lines, f"use it with: elrbench predict --model {done.folder / name} --data PATH"])
    return "\n".join([*lines, f"use it with: elrbench predict {done.folder} --data PATH"])


def _files(manifest: Manifest) -> str:
    total = sum(file["bytes"] for file in manifest.files.values())
    return f"{len(manifest.files)} files, {total / 1e6:.1f} MB, plan {manifest.fields['digest']}"


def _licences(manifest: Manifest) -> list[str]:
    fields = manifest.fields
    lines = [f"licence of the weights: {fields['license'] or 'none was chosen'}"]
    return lines + [f"licence of the data '{name}': {text}" for name, text in fields["data"].items()]
