"""Checks of a worker before anything trains: versions, plugins, the dataset's folders and the cache."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

from benchmark_core.atomic import write_whole
from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.file_lock import acquire
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.provenance import owners_of, versions
from elrbench_plugins.commands.suite.cluster.job import Job

CACHE_ID = "cache-id"  # file in the cache folder


def check_worker(job: Job, host: str) -> Catalog:
    """Return the catalog of this machine. ElrError, with its name, if the job cannot run here as at the head."""
    here = versions()
    other = [f"{name} {here.get(name)} ({version} at the head)" for name, version in job.versions.items()]
    other = [text for text, name in zip(other, job.versions, strict=True) if here.get(name) != job.versions[name]]
    if other:
        raise ElrError(f"worker {host} has {', '.join(other)}; install the same versions on every host")
    _check_folders(job, host)
    try:
        catalog = job.catalog()
        owners = owners_text(catalog, job.plan)
    except ElrError as error:
        raise ElrError(f"worker {host}: {error}") from error
    for kind, owner in job.owners.items():
        if owners.get(kind) != owner:
            raise ElrError(
                f"worker {host} has the {kind} of {owners.get(kind, 'no plugin')}, and the head that of {owner}; "
                "install the same plugins on every host"
            )
    return catalog


def owners_text(catalog: Catalog, plan: Plan) -> dict[str, str]:
    """Return kind of component -> plugin, distribution and version, or the digest of a plugin's file."""
    components: Components = components_of(catalog, plan)
    return {
        kind: f"{owner}{f' with digest {owner.digest}' if owner.digest else ''}"
        for kind, owner in owners_of(catalog, components).items()
    }


def cache_identity(cache: Path) -> str:
    """Return what is written in the cache's file `cache-id`, which is made if it is absent: once, by one process.

    "" if the file cannot be written, as in a read-only cache. Raises RunFailed if the cache cannot be locked.
    """
    path = cache / CACHE_ID
    if not path.exists():
        with contextlib.suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
            with acquire(path.with_suffix(".lock")):
                if not path.exists():
                    with contextlib.suppress(RunFailed):
                        write_whole(path, f"{uuid.uuid4().hex}\n".encode())
    return _read(path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _check_folders(job: Job, host: str) -> None:
    plan = job.plan
    folders = {
        f"dataset '{plan.dataset}'": job.data,
        f"dataset '{plan.unlabelled}'": job.extra.unlabelled,
        f"dataset '{plan.hr_source}'": job.extra.high_source,
        **{f"dataset '{name}'": folder for name, folder in job.folders.items()},
        **{f"checkpoint '{name}'": file for name, file in {**job.weights, **job.enhancer_weights}.items()},
    }
    for what, path in folders.items():
        if path is not None and not path.exists():
            raise ElrError(f"worker {host} does not have {what}: {path} does not exist there; use a shared folder")
    if job.cache_id and _read(job.cache / CACHE_ID) != job.cache_id:
        raise ElrError(
            f"worker {host} has another cache at {job.cache} than the head, so that stages would be trained twice; "
            "pass --cache with a folder on a shared file system"
        )
