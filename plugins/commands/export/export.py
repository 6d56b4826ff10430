"""Export a run: write its files, score them on the run's test clips, and keep the scores in `export.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark_core.atomic import write_whole
from benchmark_core.catalog import Catalog
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.errors import ElrError
from benchmark_core.exported.metadata import Metadata
from benchmark_core.exported.model import ExportedModel, read_exported
from benchmark_core.exported.predict import Run, predict_stored
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.progress import Reporter
from benchmark_core.provenance import file_digest, version_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record, part_folder, read_record
from benchmark_core.runs.loaded_run import WEIGHTS, load_run, predict_clips
from benchmark_core.runs.stored_clips import StoredClips, store_to_predict
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import Predictions
from elrbench import LoadedRun
from elrbench_plugins.commands.export.agreement import Agreement, agreement, by_id
from elrbench_plugins.commands.export.deployable import input_size
from elrbench_plugins.commands.export.describe import describe
from elrbench_plugins.commands.export.int8 import calibration_clips, write_int8
from elrbench_plugins.commands.export.onnx_model import write_model
from elrbench_plugins.commands.export.pt2 import Pt2Model, write_pt2

REPORT = "export.json"
Size = tuple[int, int]  # (h, w)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to write, and where the clips are.

    onnx: the float32 file; others are named after it. calibration: training clips for int8; 0: no int8 file.
    pt2: also write the graph for torch. missing: why there are no test clips to score on; "" if there are.
    """

    onnx: Path
    calibration: int
    pt2: bool
    data: Path | None
    cache: Path
    bad_clips: str
    reporter: Reporter
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """A file that was written.

    kind: `onnx`, `int8` or `pt2`. stream: modality. shape: of its frames, with letters for free sides.
    agreement, predictions: on the run's test clips; None if these are not here.
    calibrated: training clips that gave the ranges of int8.
    """

    kind: str
    path: Path
    stream: str
    shape: tuple[int | str, ...]
    agreement: Agreement | None = None
    predictions: Predictions | None = None
    calibrated: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the fields for `export.json`."""
        return {
            "kind": self.kind,
            "file": self.path.name,
            "bytes": self.path.stat().st_size,
            "sha256": file_digest(self.path),
            "stream": self.stream,
            "frames": list(self.shape),
            **({"calibration_clips": self.calibrated} if self.calibrated else {}),
            **_compared(self.agreement),
        }


@dataclass(frozen=True, kw_only=True)
class Export:
    """Files of a run.

    two_streams: the mean of the probabilities of its float32 files is the run's. fused: the agreement of this mean.
    missing: why nothing was scored; "" if files were.
    """

    folder: Path
    record: RunRecord
    files: tuple[ExportedFile, ...]
    two_streams: bool = False
    fused: Agreement | None = None
    missing: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the content of `export.json`."""
        record, metric = self.record, self.record["primary"]
        found: dict[str, Any] = {
            "kind": "export",
            "schema": 1,
            "digest": record["digest"],
            "method": record["plan"]["method"],
            "dataset": record["plan"]["dataset"],
            "made_with": version_of("elrbench") or "",
            "torch": version_of("torch") or "",
            "onnxruntime": version_of("onnxruntime") or "",
            "record": {"metric": metric, **record["scores"][metric]},
            "files": [each.to_json() for each in self.files],
        }
        if self.two_streams:
            names = [each.path.name for each in self.files if each.kind == "onnx"]
            found["fusion"] = {"rule": "mean of the files' probabilities", "files": names, **_compared(self.fused)}
        if self.missing:
            found["not_scored"] = self.missing
        return found


def _compared(found: Agreement | None) -> dict[str, Any]:
    """Return the fields of a comparison with the run. `agrees` is null if there was none."""
    return {"agrees": None} if found is None else found.to_json()


def export_run(folder: Path, record: RunRecord, catalog: Catalog, asked: Asked) -> Export:
    """Export the run in `folder`, or both runs of a fused run, and write `export.json` next to the files.

    Raises ElrError if test clips are not those of the run or a part of the network cannot be exported, RunFailed if
    torch fails.
    """
    streams = [part_folder(folder, record["digest"], part) for part in record.get("fused", ())]
    fused = None
    if streams:
        files: list[ExportedFile] = []
        originals: list[Predictions] = []
        for stream in streams:
            part = read_record(find_record(stream))
            path = asked.onnx.with_suffix(f".{part['plan']['modality']}{asked.onnx.suffix}")
            written, original = _one_run(stream, part, catalog, asked, path)
            files += written
            originals += [] if original is None else [original]
        means = [each.predictions for each in files if each.kind == "onnx" and each.predictions is not None]
        if not asked.missing:
            fused = agreement(fuse(originals), fuse(means), record["primary"], rounded=False)
    else:
        files, _ = _one_run(folder, record, catalog, asked, asked.onnx)
    done = Export(
        folder=folder,
        record=record,
        files=tuple(files),
        two_streams=bool(streams),
        fused=fused,
        missing=asked.missing,
    )
    content = json.dumps(done.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_whole(asked.onnx.parent / REPORT, content.encode())
    return done


def _one_run(
    folder: Path, record: RunRecord, catalog: Catalog, asked: Asked, path: Path
) -> tuple[list[ExportedFile], Predictions | None]:
    """Export one run. Returns its files, and the predictions of the torch recognizer; None without test clips."""
    loaded = load_run(folder, record, catalog)
    metadata = describe(loaded, record, file_digest(folder / WEIGHTS))
    if asked.missing:
        return _unscored(loaded, metadata, asked, path), None
    return _with_clips(loaded, metadata, record, asked, path, cache=asked.cache)


def _unscored(loaded: LoadedRun, metadata: Metadata, asked: Asked, path: Path) -> list[ExportedFile]:
    """Export one run without test clips. Frames have the size of its dataset, or network size if that is unknown."""
    size = loaded.components.dataset.recorded_size
    program = write_model(loaded, metadata, input_size(loaded, {size} if size else set()), path)
    kinds = {"onnx": path}
    if asked.pt2:
        kinds["pt2"] = path.with_suffix(".pt2")
        write_pt2(program, metadata, kinds["pt2"])
    shape = _shape(read_exported(path))
    return [
        ExportedFile(kind=kind, path=file, stream=loaded.plan.modality, shape=shape) for kind, file in kinds.items()
    ]


def _shape(model: ExportedModel) -> tuple[int | str, ...]:
    """Return the shape of the frames that a file takes, with letters for free sides."""
    return (model.batch or "B", model.intervals or "K", *model.view)


@holds_reader_lock
def _with_clips(
    loaded: LoadedRun, metadata: Metadata, record: RunRecord, asked: Asked, path: Path, *, cache: Path
) -> tuple[list[ExportedFile], Predictions]:
    stored, size, recorded = _test_clips(loaded, record, asked)
    expected = by_id(
        predict_clips(
            loaded,
            "test",
            data=asked.data,
            cache=cache,
            bad_clips=asked.bad_clips,
            device=torch.device("cpu"),
            reporter=asked.reporter,
        ),
        loaded.classes,
    )
    views = view_plan_of(loaded.plan, loaded.components)
    rounded = views.crop == "before" or bool(recorded - {size})
    program = write_model(loaded, metadata, size, path)
    model = read_exported(path)

    def scored(kind: str, file: Path, run: Run | None = None, calibrated: int = 0) -> ExportedFile:
        found = by_id(predict_stored(model, stored, views, "test", asked.reporter, run), loaded.classes)
        return ExportedFile(
            kind=kind,
            path=file,
            stream=loaded.plan.modality,
            shape=_shape(model),
            agreement=agreement(expected, found, record["primary"], rounded=rounded),
            predictions=found,
            calibrated=calibrated,
        )

    files = [scored("onnx", path)]
    if asked.pt2:
        write_pt2(program, metadata, path.with_suffix(".pt2"))
        files.append(scored("pt2", path.with_suffix(".pt2"), Pt2Model(path.with_suffix(".pt2"), model).logits))
    if asked.calibration:
        clips = calibration_clips(
            loaded, asked.calibration, stored, data=asked.data, cache=cache, reporter=asked.reporter
        )
        small = path.with_suffix(".int8.onnx")
        write_int8(model, clips, loaded, small, asked.reporter)
        files.append(scored("int8", small, read_exported(small).logits, len(clips.clips)))
    return files, expected


def _test_clips(loaded: LoadedRun, record: RunRecord, asked: Asked) -> tuple[StoredClips, Size, set[Size]]:
    """Store the run's test clips. Returns them, (h, w) of the frames that the file takes, and sizes of recorded clips.

    Raises ElrError if the clips are not those that the run was scored on.
    """
    plan, components = loaded.plan, loaded.components
    views = view_plan_of(plan, components)
    high = components.method.oracle
    options = components.options(plan, "dataset")
    stored = store_to_predict(
        components.dataset,
        plan,
        options,
        views,
        "test",
        high=high,
        data=asked.data,
        cache=asked.cache,
        bad_clips=asked.bad_clips,
        reporter=asked.reporter,
    )
    scored = record["scores"][record["primary"]]["n"]
    if len(stored.clips) != scored:
        raise ElrError(
            f"the run was scored on {scored} test clips of {plan.dataset}, and {len(stored.clips)} are found here; "
            "pass --data DIR of the run's clips"
        )
    recorded: set[Size] = set()
    if loaded.low_size is None:
        shown = views.high if high else views.low
        assert shown is not None
        reader = stored.store.reader(shown)
        recorded = {reader.size(clip) for clip in stored.clips}
    return stored, input_size(loaded, recorded), recorded


def agrees(done: Mapping[str, Any]) -> bool:
    """Return whether all float files of `export.json` were compared with the run and agree with it."""
    return all(each["agrees"] for each in done["files"] if each["kind"] != "int8")
