"""Copy clips and finished stages of a cache to a shared folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.clips import clipfile
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.store import SOURCE
from benchmark_core.progress import Reporter
from benchmark_core.training.stage_files import NOTE, WEIGHTS, damage
from elrbench_plugins.commands.cache.contents import Cache, StoredFormat, StoredStage
from elrbench_plugins.commands.cache.reading import format_fault
from elrbench_plugins.commands.cache.sharing import PRESENT, Copied, Moved, in_threads, other_source_text, stage_fault
from elrbench_plugins.storage.remote_folder import RemoteFolder, read

RECIPE = "recipe.json"


@holds_reader_lock
def push(selected: Cache, folder: RemoteFolder, *, cache: Path, reporter: Reporter) -> Moved:
    """Copy what `folder` lacks of the selected clips and stages. cache: the root of `selected`.

    Checksums are verified first. Unfinished stages are not copied, and neither is anything that older versions wrote
    without a checksum. Raises RunFailed if the folder cannot be written; complete files stay there.
    """
    there = folder.files()
    moved = Moved()
    clips: list[tuple[StoredFormat, Path]] = []
    for stored in selected.formats:
        if fault := _describe(stored, folder, there, reporter):
            moved.faults.append(fault)
            continue
        clips += [(stored, file) for file in stored.files if file.suffix == ".clip"]
    for done in in_threads(lambda pair: _push_clip(*pair, folder, there), clips, reporter, "clips"):
        moved.count("clips", done)
    stages = [stage for stage in selected.stages if stage.finished and stage.note.get("sha256")]
    unfinished = sum(not stage.finished for stage in selected.stages)
    older = len(selected.stages) - len(stages) - unfinished
    moved.left_out += [f"{unfinished} stages are not finished"] * bool(unfinished)
    moved.left_out += [f"{older} stages of an older version have no checksum"] * bool(older)
    for done in in_threads(lambda stage: _push_stage(stage, folder, there), stages, reporter, "stages"):
        moved.count("stages", done)
    return moved


def _describe(stored: StoredFormat, folder: RemoteFolder, there: Mapping[str, int], reporter: Reporter) -> str:
    """Copy the files that describe a format. Returns why its clips cannot be shared, if so."""
    if not (stored.path / RECIPE).is_file():
        return f"clips {stored.key}: {RECIPE} is missing; run a plan that uses them, or clear them"
    if fault := format_fault(stored):
        return f"clips {stored.key}: {fault}"
    own, source = stored.path / SOURCE, f"clips/{stored.key}/{SOURCE}"
    if f"clips/{stored.key}/{RECIPE}" in there:
        if own.is_file() and source in there and read(folder, source, 1 << 20) != own.read_bytes():
            reporter.warn(other_source_text(stored.key, folder))
        return ""
    if own.is_file():
        folder.upload(source, own)
    folder.upload(f"clips/{stored.key}/{RECIPE}", stored.path / RECIPE)
    return ""


def _push_clip(stored: StoredFormat, file: Path, folder: RemoteFolder, there: Mapping[str, int]) -> Copied:
    name = f"clips/{stored.key}/{file.parent.name}/{file.name}"
    if name in there:
        return PRESENT
    header = clipfile.checked_header(file)
    if header is None:
        return Copied(fault=f"{file}: damaged, so it is not shared; 'elrbench cache verify --remove' removes it")
    if header.checksum is None:
        return Copied(fault=f"{file}: has no checksum (older version), so it is not shared; remove it")
    return Copied(bytes=header.length) if folder.upload(name, file) else PRESENT


def _push_stage(stage: StoredStage, folder: RemoteFolder, there: Mapping[str, int]) -> Copied:
    """Copy the weights under the name of their digest, then the note."""
    note = f"stages/{stage.folder}/{NOTE}"
    if note in there:
        return PRESENT
    if fault := stage_fault(stage.note, stage.folder) or damage(stage.path, stage.note):
        return Copied(fault=f"stage {stage.folder}: {fault}, so it is not shared")
    size = (stage.path / WEIGHTS).stat().st_size
    folder.upload(f"stages/{stage.folder}/{stage.note['sha256']}.safetensors", stage.path / WEIGHTS)
    return Copied(bytes=size) if folder.upload(note, stage.path / NOTE) else PRESENT
