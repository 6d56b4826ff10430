"""A job: one plan and everything that a worker needs to run it. Travels as JSON in the run folder."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark_core.atomic import write_whole
from benchmark_core.backbone_templates import add_backbone
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.errors import RunFailed
from benchmark_core.plans.lookup import find
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import file_digest
from benchmark_core.runs.context import ExtraPaths
from benchmark_core.weights_file import PREFIX, add_enhancer_weights, add_weights


@dataclass(frozen=True, kw_only=True)
class Job:
    """One plan, its folders and settings, and what the head's machine has installed.

    rows: names of the suite's rows that have the plan. out: run folder. data, extra: as in `RunContext`.
    folders: datasets at a folder, name in the plan -> folder. weights, enhancer_weights: name in the plan -> file.
    backbones: backbones of templates, as `add_backbone` takes them.
    plugins: values of --plugin. threads: of torch on the CPU. cache_id: see `cache_identity`.
    versions: of Python and packages. owners: kind of component -> its plugin, see `worker_check.owners_text`.
    macs: MACs of training by name of stage, for the ETA; empty if unknown. track, validate: as in `RunContext`.
    """

    rows: tuple[str, ...]
    plan: Plan
    out: Path
    cache: Path
    data: Path | None
    extra: ExtraPaths
    folders: Mapping[str, Path]
    weights: Mapping[str, Path]
    enhancer_weights: Mapping[str, Path]
    plugins: tuple[str, ...]
    bad_clips: str
    shared_clips: str | None
    device: str | None
    threads: int
    cache_id: str
    versions: Mapping[str, str]
    owners: Mapping[str, str]
    macs: Mapping[str, float] = field(default_factory=dict)
    track: tuple[str, ...] = ()
    validate: int = 0
    backbones: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers; paths are absolute, because a worker may start in another folder."""
        return {
            "rows": list(self.rows),
            "plan": self.plan.to_json(),
            "out": _absolute(self.out),
            "cache": _absolute(self.cache),
            "data": _absolute(self.data),
            "extra": {name: _absolute(path) for name, path in vars(self.extra).items()},
            "folders": {name: _absolute(path) for name, path in self.folders.items()},
            "weights": {name: _absolute(path) for name, path in self.weights.items()},
            "enhancer_weights": {name: _absolute(path) for name, path in self.enhancer_weights.items()},
            "plugins": [_absolute(Path(text)) if text.endswith(".py") else text for text in self.plugins],
            "bad_clips": self.bad_clips,
            "shared_clips": self.shared_clips,
            "device": self.device,
            "threads": self.threads,
            "cache_id": self.cache_id,
            "versions": dict(self.versions),
            "owners": dict(self.owners),
            "macs": dict(self.macs),
            "track": list(self.track),
            "validate": self.validate,
            "backbones": list(self.backbones),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Job:
        """Return the job of a `to_json` result."""
        paths = {
            name: {key: Path(path) for key, path in plain[name].items()}
            for name in ("folders", "weights", "enhancer_weights")
        }
        read = {
            "rows": tuple(plain["rows"]),
            "plan": Plan.from_json(plain["plan"]),
            "out": Path(plain["out"]),
            "cache": Path(plain["cache"]),
            "data": _path(plain["data"]),
            "extra": ExtraPaths(**{name: _path(path) for name, path in plain["extra"].items()}),
            "plugins": tuple(plain["plugins"]),
            "track": tuple(plain.get("track", ())),
            "backbones": tuple(plain.get("backbones", ())),
        }
        return cls(**{**plain, **paths, **read})

    def catalog(self) -> Catalog:
        """Return the catalog of this machine with the job's plugins, folders and files. ElrError if one is absent."""
        files = [Path(text) for text in self.plugins if text.endswith(".py")]
        digests = tuple(file_digest(file) for file in files if file.is_file())
        catalog = _loaded(self.plugins, digests)
        for name, folder in self.folders.items():
            catalog, _ = catalog.with_folder(name, folder)
        for text in self.backbones:
            catalog, _ = add_backbone(catalog, text)
        for file in self.weights.values():
            catalog, _ = add_weights(catalog, str(file))
        for file in self.enhancer_weights.values():
            catalog, _ = add_enhancer_weights(catalog, str(file))
        return catalog


@functools.lru_cache(maxsize=1)
def _loaded(plugins: tuple[str, ...], digests: tuple[str, ...]) -> Catalog:
    """Load plugins, once for all jobs of a process. digests: of the plugins' files, which may change meanwhile."""
    return load_catalog(extra=plugins)


def folders_of(plan: Plan, catalog: Catalog) -> dict[str, Path]:
    """Return the folders of the plan's datasets that the catalog holds by folder."""
    names = (plan.dataset, plan.unlabelled, plan.hr_source)
    return {name: catalog.folders[name] for name in names if name in catalog.folders}


def backbones_of(plan: Plan, catalog: Catalog) -> tuple[str, ...]:
    """Return the plan's backbones of templates, as `add_backbone` takes them."""
    named = [find(catalog.backbones, name)[0] for name in (plan.backbone, plan.teacher_backbone) if name]
    return tuple(spec.source for spec in named if spec.source)


def files_of(plan: Plan, catalog: Catalog) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the checkpoint files that the plan names: of backbones, and of the enhancer."""
    weights = {}
    for backbone, name in ((plan.backbone, plan.weights), (plan.teacher_backbone, plan.teacher_weights)):
        if name.startswith(PREFIX):
            file: Any = find(catalog.backbones, backbone)[0].weights[name]
            weights[name] = file.path
    named = str(plan.settings.get("enhancer.weights", ""))
    enhancer: Any = find(catalog.enhancers, plan.enhancer)[0]
    return weights, {named: enhancer.files[named].path} if named.startswith(PREFIX) else {}


@dataclass(frozen=True)
class JobFolder:
    """The files of a job, in `job/` of its run folder.

    | file       | what                                                              |
    |------------|-------------------------------------------------------------------|
    | job.json   | the job, written by the head                                      |
    | engine.json| executor and the job's id there, written by the head              |
    | state.json | state, written by the worker; before it starts, by the head       |
    | output.txt | what the worker prints                                            |
    | lock       | locked while a worker runs the plan                               |
    """

    run_folder: Path

    @property
    def digest(self) -> str:
        """Digest of the job's plan."""
        return self.run_folder.name

    @property
    def path(self) -> Path:
        """The folder `job/`."""
        return self.run_folder / "job"

    @property
    def job(self) -> Path:
        """The job as JSON."""
        return self.path / "job.json"

    @property
    def engine(self) -> Path:
        """Executor and id."""
        return self.path / "engine.json"

    @property
    def state(self) -> Path:
        """The state."""
        return self.path / "state.json"

    @property
    def output(self) -> Path:
        """The log."""
        return self.path / "output.txt"

    @property
    def lock(self) -> Path:
        """The lock of the running worker."""
        return self.path / "lock"

    def write_job(self, job: Job) -> None:
        """Write the job for a worker. Raises RunFailed if the folder cannot be written."""
        write_whole(self.job, json.dumps(job.to_json()).encode(), durable=False)

    def read_job(self) -> Job:
        """Return the job. Raises RunFailed if it cannot be read, such as on a machine that does not see the folder."""
        try:
            return Job.from_json(json.loads(self.job.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunFailed(
                f"the job {self.job} cannot be read ({reason}); pass --out with a folder that every worker sees"
            ) from error

    def write_engine(self, on: str, ident: str) -> None:
        """Write which executor has the job, and its id there."""
        write_whole(self.engine, json.dumps({"on": on, "id": ident}).encode(), durable=False)

    def read_engine(self) -> tuple[str, str]:
        """Return executor and id; two empty texts if the job was never started."""
        try:
            plain = json.loads(self.engine.read_bytes())
            return str(plain["on"]), str(plain["id"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", ""


def _absolute(path: Path | None) -> str | None:
    return None if path is None else os.path.abspath(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
