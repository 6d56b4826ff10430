"""Examine this machine: versions, devices, decoder, cache folder and plugins, and problems that would stop a run."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark_core.catalog import load_catalog
from benchmark_core.errors import ElrError
from benchmark_core.mounts import local_locks
from benchmark_core.provenance import version_of

DISTRIBUTIONS = (
    "elrbench", "torch", "numpy", "scipy", "pandas", "tabulate", "pluggy", "PyYAML", "fvcore", "filelock",
    "av", "safetensors", "rich", "click",
)  # fmt: skip
LOW_ON_SPACE = 2 * 1024**3  # bytes: some thousand clips of 96x128 high views


@dataclass
class DoctorReport:
    """What was found. troubles: problems, one sentence each; empty if a run can start."""

    versions: dict[str, str | None] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    decoder: str = ""
    cache: dict[str, Any] = field(default_factory=dict)
    plugins: list[dict[str, Any]] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return dict(vars(self))

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield (item, what was found), for people."""
        yield "python", f"{platform.python_version()} on {platform.platform()}"
        for name, version in self.versions.items():
            yield name, version or "not installed"
        for device in self.devices:
            yield "device", device
        yield "decoder", self.decoder or "none"
        free = f"{self.cache['free'] / 1024**3:.1f} GiB free" if self.cache.get("free") is not None else "not writable"
        yield "cache", f"{self.cache['folder']}, {free}"
        for plugin in self.plugins:
            offers = ", ".join(f"{number} {kind}{'s' * (number > 1)}" for kind, number in plugin["offers"].items())
            origin = f"{plugin['distribution']} {plugin['version']}".rstrip()
            yield "plugin", f"{plugin['name']} ({origin}): {offers or 'nothing'}"
        for name in self.blocked:
            yield "blocked", f"{name} (ELRBENCH_BLOCK)"
        for trouble in self.troubles:
            yield "problem", trouble
        if not self.troubles:
            yield "result", "no problem found"


def examine(cache: Path, extra: Sequence[str] = ()) -> DoctorReport:
    """Examine everything. A problem becomes a line of `troubles` and does not hide the rest."""
    report = DoctorReport(versions={name: version_of(name) for name in DISTRIBUTIONS})
    report.troubles += [f"{name} is not installed" for name, version in report.versions.items() if version is None]
    for look in (_devices, _decoder):
        try:
            look(report)
        except ImportError as error:
            report.troubles.append(f"{error.name or error} cannot be imported: {error}")
    _cache(report, cache)
    _plugins(report, extra)
    return report


def _devices(report: DoctorReport) -> None:
    import torch

    from benchmark_core.training.device import describe_processor

    processor = f"{describe_processor()}; {os.cpu_count()} cores; threads used by torch: {torch.get_num_threads()}"
    report.devices.append(f"cpu: {processor}")
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        report.devices.append(f"cuda:{number}: {facts.name}, {facts.total_memory / 1024**3:.0f} GiB")


def _decoder(report: DoctorReport) -> None:
    import av

    library = ".".join(map(str, av.library_versions["libavcodec"]))
    wanted = ("h264", "mpeg4", "mjpeg", "vp9")
    missing = [codec for codec in wanted if codec not in av.codecs_available]
    report.decoder = f"PyAV {av.__version__}, libavcodec {library}"
    if missing:
        report.troubles.append(f"the video decoder does not support {', '.join(missing)}")


def _cache(report: DoctorReport, folder: Path) -> None:
    report.cache = {"folder": str(folder), "free": None}
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        report.troubles.append(f"the cache folder {folder} cannot be written; pass --cache DIR or set ELRBENCH_CACHE")
        return
    report.cache["free"] = shutil.disk_usage(existing).free
    if report.cache["free"] < LOW_ON_SPACE:
        free = f"less than {LOW_ON_SPACE // 1024**3} GiB are free in {existing}"
        report.troubles.append(f"{free}; pass --cache DIR or set ELRBENCH_CACHE")
    if reason := local_locks(existing):
        report.troubles.append(
            f"file locks in the cache folder {folder} exclude processes of this computer only ({reason}), so that runs "
            "refuse it; pass --cache DIR or set ELRBENCH_CACHE"
        )


def _plugins(report: DoctorReport, extra: Sequence[str]) -> None:
    report.blocked = [name.strip() for name in os.environ.get("ELRBENCH_BLOCK", "").split(",") if name.strip()]
    try:
        catalog = load_catalog(extra=extra)
    except ElrError as error:
        report.troubles.append(str(error))
        return
    for owner in catalog.plugins:
        kinds = Counter(kind for (kind, _), held in catalog.owners.items() if held == owner)
        facts = {"name": owner.plugin, "distribution": owner.distribution, "version": owner.version}
        report.plugins.append({**facts, "offers": dict(kinds)})
    if not catalog.methods:
        report.troubles.append("no plugin offers a method; reinstall elrbench so that its entry points are registered")
