"""Estimates, and their cache on disk: one JSON file per plan in the cache folder. Imports no torch."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark_core.atomic import write_whole
from benchmark_core.canonical import digest_of
from benchmark_core.cost.structure import describe_plan
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import file_digest, versions
from benchmark_core.specs import Spec, defaults

FOLDER = "counts"  # in the cache folder


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Counts of one run: one seed and one fold.

    params: of the deployed recognizer. clip_macs: its MACs for a clip, which is all of its intervals.
    stages: MACs of training by stage key; runs that share a stage share its key. Empty if the number of
    training clips is not known without the dataset's folder, or if the method cannot run on tensors without data.
    unknown: why `stages` is empty. pool: passes over unlabelled clips, whose number is not known, are left out.
    """

    params: int
    clip_macs: float
    stages: Mapping[str, float]
    unknown: str = ""
    pool: bool = False

    @property
    def training_macs(self) -> float | None:
        """The sum over all stages, or None if it is unknown."""
        return None if self.unknown else sum(self.stages.values())


def training_clips(plan: Plan, components: Components) -> int | None:
    """Return the number of training clips in the plan's fold; None if it is not known without the dataset's folder."""
    dataset, options = components.dataset, components.options(plan, "dataset")
    if dataset.embedded:
        return len(dataset.read_index(None, plan.protocol, options).split(plan.fold, "train"))
    counts = dataset.counts.get(plan.protocol, {}).get(plan.fold)
    return None if counts is None or plan.classes or plan.holdout or options != defaults(dataset) else counts[0]


class CountCache:
    """Estimates under `root`, the cache folder. A file of other code or of another structure counts as absent."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    def read(self, plan: Plan, components: Components) -> Estimate | None:
        """Return the estimate of `plan`, or None if it is missing or its file is damaged."""
        try:
            found = json.loads(self._path(plan).read_bytes())
            if found.pop("key") != _key(plan, components):
                return None
            stages = {str(key): float(macs) for key, macs in found.pop("stages").items()}
            found = Estimate(stages=stages, **found)
            return found if _is_sound(found) else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def write(self, plan: Plan, components: Components, estimate: Estimate) -> None:
        """Write an estimate. Raises RunFailed if the folder cannot be written."""
        content = {"key": _key(plan, components), **asdict(estimate)}
        write_whole(self._path(plan), json.dumps(content).encode(), durable=False)

    def _path(self, plan: Plan) -> Path:
        return self.folder / f"{plan.digest}.json"


def _is_sound(found: Estimate) -> bool:
    numbers = (found.params, found.clip_macs)
    return all(type(one) in (int, float) for one in numbers) and type(found.unknown) is str and type(found.pool) is bool


def _key(plan: Plan, components: Components) -> str:
    """Return the digest of all that an estimate depends on: structures, number of clips, code and package versions."""
    structures = [describe_plan(stream, components) for stream in plan.streams]
    return digest_of([plan.digest, structures, training_clips(plan, components), _code_of(components), versions()])


def _code_of(components: Components) -> dict[str, str]:
    """Return the digest of the source of the core and of each package that brings a component."""
    specs: tuple[Spec, ...] = (
        components.dataset,
        components.degradation,
        components.enhancer,
        components.backbone,
        components.method,
    )
    modules = {"benchmark_core"}
    for target in (target for spec in specs for target in spec.targets.values()):
        plain = target.func if isinstance(target, functools.partial) else target
        modules.add(plain.partition(":")[0] if isinstance(plain, str) else plain.__module__)
    return {package: _source(package) for package in sorted({module.partition(".")[0] for module in modules})}


@functools.cache
def _source(package: str) -> str:
    """Return the digest of the Python files of a package or module; empty if there is no such package."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return ""
    if not spec.submodule_search_locations:
        return file_digest(Path(str(spec.origin)))
    digest = hashlib.sha256()
    for folder in map(Path, spec.submodule_search_locations):
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()
