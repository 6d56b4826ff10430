"""What is shared: the files of a run folder or of an exported file, and the facts that its card states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from benchmark_core.catalog import Catalog
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName
from benchmark_core.plans.lookup import find
from benchmark_core.provenance import refuse_absent
from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.finished import costs_in
from benchmark_core.records.record import find_record, printed_scores, read_record, record_name
from benchmark_core.records.stored import stored_bytes
from benchmark_core.specs import Spec
from elrbench_plugins.commands.hub.licences import data_licences
from elrbench_plugins.commands.hub.model_files import EXPORT, WEIGHTS, check_safetensors, exported_entry


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a card says about a recognizer.

    digest: of its plan. scores: of the run. size: what its frames are, `12x16` or `as recorded`. view: low, or high of
    an oracle. citation, initial: of the data; where the backbone's weights started, with their licence.
    record: of the run; None for an exported file without one. exported: the file's entry in `export.json`.
    """

    plan: Mapping[str, Any]
    digest: str
    classes: Sequence[str]
    multi_label: bool
    metric: str
    scores: Mapping[str, Mapping[str, Any]]
    size: str
    view: Literal["low", "high"]
    data: Mapping[str, str]
    citation: str
    initial: str
    record: RunRecord | None
    costs: tuple[CostRecord, ...]
    exported: Mapping[str, Any] | None = None

    @property
    def frames(self) -> str:
        """How a clip is sampled: `4 intervals of 1 frame`."""
        sampling = Sampling.parse(str(self.plan["sampling"]))
        intervals, frames = f"{sampling.k} interval{'s' * (sampling.k != 1)}", f"frame{'s' * (sampling.t != 1)}"
        return f"{sampling} ({intervals} of {sampling.t} {frames})"


@dataclass(frozen=True, kw_only=True)
class SharedModel:
    """Files by the name under which they are shared, and the facts for the card, which is not yet one of them."""

    form: Literal["run", "onnx"]
    source: Path
    files: Mapping[str, Path]
    facts: Facts

    @property
    def main(self) -> str:
        """Name of the file with the weights."""
        return next(iter(self.files))


def model_of(path: Path, catalog: Catalog) -> SharedModel:
    """Return the model in a run folder, or in an exported file. Raises ElrError if `path` is neither or is damaged."""
    if path.suffix == ".onnx" and not path.is_dir():
        return _exported(path, catalog)
    if not path.is_dir():
        raise ElrError(f"{path} is neither a run folder nor a file that 'elrbench export' wrote (FILE.onnx)")
    return _run(path, catalog)


def _run(folder: Path, catalog: Catalog) -> SharedModel:
    path = find_record(folder)
    record = read_record(path)
    if fused := record.get("fused"):
        raise ElrError(
            f"{folder} is the mean of two runs, {' and '.join(fused)}, and has no recognizer of its own; share the run "
            "folder of each"
        )
    refuse_absent(record["plugins"], catalog)
    stored_bytes(record, folder)
    weights = folder / WEIGHTS
    check_safetensors(weights)
    plan = cast(Mapping[str, Any], record["plan"])
    facts = Facts(
        plan=plan,
        digest=record["digest"],
        classes=record["per_class"]["classes"],
        multi_label=record["track"]["task"] == "multi-label",
        metric=record["primary"],
        scores=printed_scores(record),
        size=_size(plan, catalog, oracle=record["privileged"]),
        view="high" if record["privileged"] else "low",
        data=data_licences(plan, catalog),
        citation=_spec(catalog, "dataset", plan["dataset"]).citation,
        initial=_initial(plan, record["initialisation"], catalog),
        record=record,
        costs=tuple(costs_in(folder, record["structure"]).values()),
    )
    predictions = record["predictions"]["file"]
    files = {WEIGHTS: weights, record_name(record): path, predictions: folder / predictions}
    return SharedModel(form="run", source=folder, files=files, facts=facts)


def _exported(path: Path, catalog: Catalog) -> SharedModel:
    from benchmark_core.exported.model import read_exported

    about = read_exported(path).metadata
    entry, _ = exported_entry(path.parent / EXPORT, path)
    record = _record_next_to(path, about.digest)
    scores = {about.metric: {**entry["run_score"], "n": entry["clips"]}} if record is None else printed_scores(record)
    size = about.low or "as recorded"
    facts = Facts(
        plan=about.plan,
        digest=about.digest,
        classes=about.classes,
        multi_label=about.multi_label,
        metric=about.metric,
        scores=scores,
        size="x".join(map(str, entry["frames"][-2:])) if about.view == "high" or about.stream == "flow" else size,
        view=about.view,
        data=data_licences(about.plan, catalog, about.licence),
        citation=about.citation,
        initial=_initial(about.plan, str(about.plan["weights"]), catalog),
        record=record,
        costs=() if record is None else tuple(costs_in(path.parent, record["structure"]).values()),
        exported=entry,
    )
    return SharedModel(form="onnx", source=path, files={path.name: path, EXPORT: path.parent / EXPORT}, facts=facts)


def _record_next_to(path: Path, digest: str) -> RunRecord | None:
    """Return the record of the run `digest` in the folder of `path`, if it is there and valid."""
    for found in sorted(path.parent.glob(f"*-{digest}.json")):
        try:
            record = read_record(found)
        except ElrError:
            continue
        if record["digest"] == digest:
            return record
    return None


def _spec(catalog: Catalog, kind: str, name: str) -> Spec:
    return catalog.sections[kind].spec_of(name)


def _size(plan: Mapping[str, Any], catalog: Catalog, *, oracle: bool) -> str:
    """Return what the frames of the recognizer are: `12x16`, or `as recorded` for clips of several sizes."""
    if oracle:
        return "x".join(map(str, plan.get("teacher_size") or plan["size"]))
    low = find(catalog.degradations, plan["degradation"])[0].low
    low = low or catalog.datasets.spec_of(plan["dataset"]).recorded_size
    return "as recorded" if low is None else "x".join(map(str, low))


def _initial(plan: Mapping[str, Any], initialisation: str, catalog: Catalog) -> str:
    """Return how the backbone's weights started, with the licence that the backbone states for its checkpoints."""
    base = ComponentName.parse(plan["backbone"]).base
    licence = catalog.backbones[base].licence if base in catalog.backbones else ""
    return f"{initialisation} ({licence})" if licence and plan["weights"] != "scratch" else initialisation
