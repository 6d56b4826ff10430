"""Load reported figures and suites from the data files of installed packages.

Entry points of group `elrbench.papers` have the form NAME = PACKAGE. PACKAGE contains `*.yaml`, one file of reported
figures per paper, and `suites/*.yaml`. They are read as data: no code of the package runs, and no plugin is loaded.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points as installed_points
from importlib.resources import files
from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError, unknown
from benchmark_core.papers import GROUP
from benchmark_core.papers.reported import NAME, Figure, Paper, read_reported

if TYPE_CHECKING:
    from importlib.abc import Traversable


@dataclass(frozen=True, order=True)
class PapersOwner:
    """The entry point and package that hold data files, and their distribution."""

    entry: str
    package: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"'{self.entry}' ({self.distribution} {self.version})".replace(" )", ")")


@dataclass(frozen=True)
class DataFile:
    """A YAML file of a package, not parsed yet."""

    name: str  # the file's name without suffix
    text: str
    owner: PapersOwner

    @property
    def where(self) -> str:
        """Name of the file in errors."""
        return f"{self.name}.yaml of {self.owner}"


@dataclass(frozen=True)
class Library:
    """All reported figures, by paper, and all suite files, by name. Figures are parsed and checked, suites are not."""

    papers: Mapping[str, Paper]
    suites: Mapping[str, DataFile]

    def figure(self, key: str) -> Figure:
        """Return the figure with the id PAPER/TABLE/ROW/COLUMN. Raises ElrError with a suggestion if there is none."""
        paper = key.partition("/")[0]
        if paper not in self.papers:
            raise unknown("paper", paper, self.papers)
        figures = self.papers[paper].figures
        if key not in figures:
            raise unknown("printed figure", key, figures)
        return figures[key]

    def notes_on(self, degradation: str) -> tuple[str, ...]:
        """Return the papers' notes on a degradation as tables name it: `average-HxW: NOTE` for `average-12x16`."""
        name = re.sub(r"\d+x\d+", "HxW", degradation.partition(",")[0])
        notes = (paper.degradations.get(name) for paper in self.papers.values())
        return tuple(f"{name}: {note}." for note in notes if note)

    def suite(self, name: str) -> DataFile:
        """Return the file of a suite. Raises ElrError with a suggestion if there is none."""
        if name not in self.suites:
            raise unknown("suite", name, self.suites, "elrbench suite list")
        return self.suites[name]


def load_library(extra: Sequence[str] = (), *, entry_points: bool = True, problems: list[str] | None = None) -> Library:
    """Load the files of all installed packages and of `extra`, a list of package names.

    `ELRBENCH_BLOCK=a,b` leaves entry points out. entry_points: False leaves out installed packages.
    problems: errors are appended to this list, one line each, and the rest is loaded.

    Without `problems`, raises ElrError naming file and distribution if a file cannot be read, or if two files define
    the same paper or suite.
    """
    owners = [*(_installed() if entry_points else ()), *(PapersOwner(name, name, "given", "") for name in extra)]
    papers: dict[str, tuple[Paper, PapersOwner]] = {}
    suites: dict[str, DataFile] = {}

    @contextmanager
    def collect_problems() -> Iterator[None]:
        try:
            yield
        except ElrError as error:
            if problems is None:
                raise
            problems.append(str(error))

    for owner in owners:
        with collect_problems():
            root = _folder(owner)
            for file in _yaml_files(root, owner):
                with collect_problems():
                    if file.name in papers:
                        raise _clash("paper", file.name, papers[file.name][1], owner)
                    papers[file.name] = read_reported(file.text, file.where, file.name), owner
            for file in _yaml_files(root.joinpath("suites"), owner):
                with collect_problems():
                    if file.name in suites:
                        raise _clash("suite", file.name, suites[file.name].owner, owner)
                    suites[file.name] = file
    return Library({name: paper for name, (paper, _) in papers.items()}, dict(sorted(suites.items())))


def _installed() -> list[PapersOwner]:
    blocked = {name.strip() for name in os.environ.get("ELRBENCH_BLOCK", "").split(",")}
    found = {
        PapersOwner(point.name, point.value, point.dist.name if point.dist else point.value, _version(point.dist))
        for point in installed_points(group=GROUP)
        if point.name not in blocked
    }
    return sorted(found)


def _version(distribution: object) -> str:
    return str(getattr(distribution, "version", ""))


def _folder(owner: PapersOwner) -> Traversable:
    """Return the package's files without importing it."""
    try:
        spec = importlib.util.find_spec(owner.package)
        if spec is None or spec.loader is None and not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"the package {owner.package} does not exist")
        return files(importlib.util.module_from_spec(spec))
    except Exception as error:  # a parent package's code may raise anything
        raise ElrError(
            f"papers {owner}: {type(error).__name__}: {error}; correct it, uninstall {owner.distribution} or set "
            f"ELRBENCH_BLOCK={owner.entry}"
        ) from error


def _yaml_files(folder: Traversable, owner: PapersOwner) -> Iterator[DataFile]:
    """Yield the `*.yaml` files of one folder, by name."""
    found: Iterable[Traversable] = folder.iterdir() if folder.is_dir() else ()
    for entry in sorted(found, key=lambda entry: entry.name):
        name, dot, ending = entry.name.rpartition(".")
        if not dot or ending != "yaml" or not entry.is_file():
            continue
        if not NAME.fullmatch(name):
            raise ElrError(
                f"papers {owner}: file name {entry.name!r} is not valid; use lower-case letters, digits, '.', '+', '-'"
            )
        try:
            yield DataFile(name, entry.read_text(encoding="utf-8"), owner)
        except (OSError, UnicodeError) as error:
            raise ElrError(f"papers {owner}: {entry.name} cannot be read: {error}") from error


def _clash(kind: str, name: str, one: PapersOwner, other: PapersOwner) -> ElrError:
    first, second = sorted((one, other))
    return ElrError(
        f"{kind} '{name}' is defined twice, by {first} and {second}; uninstall one of them or set ELRBENCH_BLOCK"
    )
