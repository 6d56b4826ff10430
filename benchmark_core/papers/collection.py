"""What papers say, as data files of installed packages: reported figures, and suites that name them.

Entry points of group `elrbench.papers`, NAME = PACKAGE: PACKAGE holds `*.yaml`, a file of reported figures a paper, and
`suites/*.yaml`. They are read as data: no code of the package runs, and no plugin is loaded.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points as installed_points
from importlib.resources import files
from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError, unknown
from benchmark_core.papers.reported import NAME, Figure, Paper, read_reported

if TYPE_CHECKING:
    from importlib.abc import Traversable

GROUP = "elrbench.papers"


@dataclass(frozen=True, order=True)
class Bringer:
    """The entry point, the package behind it, and the distribution that it came in."""

    entry: str
    package: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"'{self.entry}' ({self.distribution} {self.version})".replace(" )", ")")


@dataclass(frozen=True)
class DataFile:
    """A YAML file of a package, unread."""

    name: str  # the file's, without its ending
    text: str
    bringer: Bringer

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"{self.name}.yaml of {self.bringer}"


@dataclass(frozen=True)
class Library:
    """Everything that papers' packages hold. Figures are read and checked; suites are files by name."""

    papers: Mapping[str, Paper]
    suites: Mapping[str, DataFile]

    def figure(self, key: str) -> Figure:
        """The figure of an id, PAPER/TABLE/ROW/COLUMN. ElrError with did-you-mean where there is none."""
        paper = key.partition("/")[0]
        if paper not in self.papers:
            raise unknown("paper", paper, self.papers)
        figures = self.papers[paper].figures
        if key not in figures:
            raise unknown("printed figure", key, figures)
        return figures[key]

    def suite(self, name: str) -> DataFile:
        """The suite's file. ElrError with did-you-mean where there is none."""
        if name not in self.suites:
            raise unknown("suite", name, self.suites)
        return self.suites[name]


def load_library(extra: Sequence[str] = (), *, entry_points: bool = True, problems: list[str] | None = None) -> Library:
    """Of all installed packages and of `extra`, names of packages. `ELRBENCH_BLOCK=a,b` leaves entry points out.

    Raises ElrError naming file and distribution where a file cannot be read, or a paper or suite is brought twice.
    With `problems`, these are told there, a line each, and the rest is loaded.
    """
    bringers = [*(_installed() if entry_points else ()), *(Bringer(name, name, "given", "") for name in extra)]
    papers: dict[str, tuple[Paper, Bringer]] = {}
    suites: dict[str, DataFile] = {}

    @contextmanager
    def told() -> Iterator[None]:
        try:
            yield
        except ElrError as error:
            if problems is None:
                raise
            problems.append(str(error))

    for bringer in bringers:
        with told():
            root = _folder(bringer)
            for file in _yaml_files(root, bringer):
                with told():
                    if file.name in papers:
                        raise _clash("paper", file.name, papers[file.name][1], bringer)
                    papers[file.name] = read_reported(file.text, file.where, file.name), bringer
            for file in _yaml_files(root.joinpath("suites"), bringer):
                with told():
                    if file.name in suites:
                        raise _clash("suite", file.name, suites[file.name].bringer, bringer)
                    suites[file.name] = file
    return Library({name: paper for name, (paper, _) in papers.items()}, dict(sorted(suites.items())))


def _installed() -> list[Bringer]:
    blocked = {name.strip() for name in os.environ.get("ELRBENCH_BLOCK", "").split(",")}
    found = {
        Bringer(point.name, point.value, point.dist.name if point.dist else point.value, _version(point.dist))
        for point in installed_points(group=GROUP)
        if point.name not in blocked
    }
    return sorted(found)


def _version(distribution: object) -> str:
    return str(getattr(distribution, "version", ""))


def _folder(bringer: Bringer) -> Traversable:
    """The package's files: found, and not imported."""
    try:
        spec = importlib.util.find_spec(bringer.package)
        if spec is None or spec.loader is None and not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"there is no package {bringer.package}")
        return files(importlib.util.module_from_spec(spec))
    except Exception as error:  # a parent package's code may raise anything
        raise ElrError(
            f"papers {bringer}: {type(error).__name__}: {error}; mend it, uninstall {bringer.distribution} or set "
            f"ELRBENCH_BLOCK={bringer.entry}"
        ) from error


def _yaml_files(folder: Traversable, bringer: Bringer) -> Iterator[DataFile]:
    """The `*.yaml` of one folder, by name."""
    found: Iterable[Traversable] = folder.iterdir() if folder.is_dir() else ()
    for entry in sorted(found, key=lambda entry: entry.name):
        name, dot, ending = entry.name.rpartition(".")
        if not dot or ending != "yaml" or not entry.is_file():
            continue
        if not NAME.fullmatch(name):
            raise ElrError(f"papers {bringer}: the file {entry.name!r} is not named in lower-case letters and digits")
        try:
            yield DataFile(name, entry.read_text(encoding="utf-8"), bringer)
        except (OSError, UnicodeError) as error:
            raise ElrError(f"papers {bringer}: {entry.name} cannot be read: {error}") from error


def _clash(kind: str, name: str, one: Bringer, other: Bringer) -> ElrError:
    first, second = sorted((one, other))
    return ElrError(
        f"{kind} '{name}' is brought twice, by {first} and {second}; uninstall one of them or set ELRBENCH_BLOCK"
    )
