"""Plugins come in, specs come out: the catalog of everything a plan may name."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from benchmark_core import hookspecs
from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import check_component_name, placed_name
from benchmark_core.papers.collection import GROUP as PAPERS
from benchmark_core.specs import (
    KINDS,
    BackboneSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Spec,
)

GROUP = "elrbench"
S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Owner:
    """Who brought a component: the plugin, and the distribution (or file, with its digest) that it came in."""

    plugin: str
    distribution: str
    version: str
    digest: str = ""

    @property
    def identity(self) -> str:
        """What tells components of one name apart: the distribution, or a file's content, wherever it lies."""
        return self.digest or self.distribution

    def __str__(self) -> str:
        return f"'{self.plugin}' ({self.distribution} {self.version})".replace(" )", ")")


class Section(Mapping[str, S], Generic[S]):
    """The components of one kind by name. A template (`average-HxW`) answers for every size."""

    def __init__(self, kind: str, specs: Mapping[str, S]) -> None:
        self.kind = kind
        self._specs = dict(sorted(specs.items()))

    def __getitem__(self, name: str) -> S:
        if name in self._specs:
            return self._specs[name]
        for spec in self._specs.values():
            if isinstance(spec, DegradationSpec) and spec.pattern and (match := spec.pattern.fullmatch(name)):
                low = (int(match[1]), int(match[2]))
                return dataclasses.replace(spec, name=name, low=low)
        raise unknown(self.kind, name, self._specs)

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]
        except (ElrError, TypeError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)


@dataclass(frozen=True)
class Catalog:
    """Everything that plugins offer. `catalog.backbones["resnet34"].build(classes=101)` is a torch module."""

    datasets: Section[DatasetSpec]
    degradations: Section[DegradationSpec]
    enhancers: Section[EnhancerSpec]
    backbones: Section[BackboneSpec]
    methods: Section[MethodSpec]
    owners: Mapping[tuple[str, str], Owner]
    plugins: tuple[Owner, ...]
    places: Mapping[str, Path] = field(default_factory=dict)  # folders of the datasets that `placed` added

    @property
    def sections(self) -> Mapping[str, Section[Spec]]:
        """Kind -> its components."""
        every = (self.datasets, self.degradations, self.enhancers, self.backbones, self.methods)
        return {section.kind: section for section in every}  # type: ignore[misc]

    def owner(self, spec: Spec) -> Owner:
        """Who brought `spec`; a template's owner also owns what was made from it."""
        if (spec.kind, spec.name) in self.owners:
            return self.owners[spec.kind, spec.name]
        for name, listed in self.sections[spec.kind].items():
            if isinstance(listed, DegradationSpec) and listed.pattern and listed.pattern.fullmatch(spec.name):
                return self.owners[spec.kind, name]
        raise unknown(spec.kind, spec.name, self.sections[spec.kind])

    def placed(self, text: str, data: Path | None = None, flag: str = "--data") -> tuple[Catalog, str]:
        """Adds the dataset of a template at a folder: `folder:/data/My clips` is `folder:my-clips` from then on.

        With the folder given apart, as `data`, what follows the colon is the name: `folder:my-clips`, the form that
        plans and records hold. Any other text comes back as it is, with this catalog. flag: what gives `data`.

        Raises ElrError where a template stands without a folder, there is no such folder, it is not laid out as due, or
        another folder goes by its name already.
        """
        base, _, rest = text.partition(":")
        if text in self.places and data is not None and not _same(data, self.places[text]):
            raise _two_folders(text, self.places[text], data)
        if text in self.places or base not in self.datasets or self.datasets[base].at is None:
            return self, text
        template = self.datasets[base]
        if data is not None and rest and placed_name(base, rest) != text:
            raise ElrError(f"dataset '{text}' names a folder, and so does {flag} {data}; leave out one of the two")
        if data is None and not rest:
            raise ElrError(f"dataset '{base}' stands for any folder of clips: name it, as in {base}:/data/clips")
        folder = Path(rest).expanduser() if data is None else data
        if not folder.is_dir():
            raise ElrError(f"dataset '{text}': there is no folder {folder}; expected in it: {template.layout}")
        spec = template.place(Path(os.path.abspath(folder)))  # a link keeps its own name
        if data is not None and rest:
            spec = dataclasses.replace(spec, name=text)
        if spec.name in self.places and not _same(folder, self.places[spec.name]):
            raise _two_folders(spec.name, self.places[spec.name], folder)
        owners = {**self.owners, (spec.kind, spec.name): self.owners[template.kind, base]}
        datasets = Section(self.datasets.kind, {**self.datasets, spec.name: spec})
        return dataclasses.replace(
            self, datasets=datasets, owners=owners, places={**self.places, spec.name: folder}
        ), spec.name


def _same(one: Path, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def _two_folders(name: str, one: Path, other: Path) -> ElrError:
    return ElrError(f"two folders would both be '{name}': {one} and {other}; rename one, or link to it by another name")


def load_catalog(extra: Sequence[str] = (), *, entry_points: bool = True) -> Catalog:
    """The catalog of all installed plugins and of `extra`, each a FILE.py or a module's name.

    `ELRBENCH_BLOCK=a,b` leaves plugins out. Raises ElrError naming plugin and distribution where one fails to import,
    misspells a hook, or brings a name that another has brought.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    owners: dict[str, Owner] = {}
    for owner, module in [*(_installed() if entry_points else ()), *map(_named, extra)]:
        _register(manager, owner, module)
        owners[owner.plugin] = owner
    return _collect(manager, owners)


def _installed() -> Iterator[tuple[Owner, ModuleType]]:
    """Entry points of group `elrbench`, one by one, so that a failing one is named."""
    found = sorted(set(entry_points(group=GROUP)), key=lambda point: point.name)
    owners = {point: _owner_of(point) for point in found}
    for name, times in Counter(point.name for point in found).items():
        if times > 1:
            who = " and ".join(
                sorted(
                    {f"{owner.distribution} {owner.version}" for point, owner in owners.items() if point.name == name}
                )
            )
            raise ElrError(f"plugin '{name}' is installed twice, by {who}; uninstall one of them")
    blocked = {name.strip() for name in os.environ.get("ELRBENCH_BLOCK", "").split(",") if name.strip()}
    known = {point.name for point in found} | {point.name for point in entry_points(group=PAPERS)}
    for name in sorted(blocked - known):
        raise ElrError(f"ELRBENCH_BLOCK names '{name}', which is not installed; installed: {', '.join(sorted(known))}")
    for point in found:
        if point.name in blocked:
            continue
        owner = owners[point]
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            raise ElrError(
                f"plugin {owner} cannot be imported: {type(error).__name__}: {error}; "
                f"mend it, uninstall {owner.distribution} or set ELRBENCH_BLOCK={point.name}"
            ) from error
        yield owner, module


def _owner_of(point: EntryPoint) -> Owner:
    if point.dist is None:
        return Owner(point.name, point.value, "")
    return Owner(point.name, point.dist.name, point.dist.version)


def _named(text: str) -> tuple[Owner, ModuleType]:
    """A plugin given by hand: a python file, or the name of an importable module."""
    path = Path(text)
    try:
        if path.suffix != ".py":
            module = importlib.import_module(text)
            return Owner(text, "--plugin", ""), module
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        name = f"elrbench_plugin_{path.stem}_{digest}"  # two files of one name do not share what is cached
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return Owner(path.stem, path.name, "", digest), module
    except FileNotFoundError as error:
        raise ElrError(f"--plugin {text}: there is no such file") from error
    except (Exception, SystemExit) as error:
        raise ElrError(f"--plugin {text} cannot be imported: {type(error).__name__}: {error}") from error


def _register(manager: pluggy.PluginManager, owner: Owner, module: ModuleType) -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("elr_")]
    for name in vars(module):
        if (
            name.startswith("elr_")
            and callable(getattr(module, name))
            and not manager.parse_hookimpl_opts(module, name)
        ):
            raise ElrError(
                f"plugin {owner}: '{name}' is not decorated with @hookimpl, so it would be ignored; decorate it"
            )
    try:
        if manager.register(module, name=owner.plugin) is None:
            raise ElrError(f"plugin {owner} is blocked")
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        wrong = [name for name in vars(module) if manager.parse_hookimpl_opts(module, name) and name not in hooks]
        what = unknown("hook", wrong[0], hooks) if wrong else error
        raise ElrError(f"plugin {owner}: {what}") from error
    except ValueError as error:
        raise ElrError(f"plugin {owner} is given twice") from error


def _collect(manager: pluggy.PluginManager, plugins: Mapping[str, Owner]) -> Catalog:
    owners: dict[tuple[str, str], Owner] = {}

    def section(kind: type[S], hook: pluggy.HookCaller) -> Section[S]:
        specs: dict[str, S] = {}
        for implementation in hook.get_hookimpls():
            owner = plugins[implementation.plugin_name]
            try:
                offered = list(_call(implementation))
            except Exception as error:
                raise ElrError(
                    f"plugin {owner}: {hook.name}() raised {type(error).__name__}: {error}; "
                    f"mend it or set ELRBENCH_BLOCK={owner.plugin}"
                ) from error
            for spec in offered:
                if not isinstance(spec, kind):
                    raise ElrError(f"plugin {owner}: {hook.name}() returned {type(spec).__name__}, not {kind.__name__}")
                try:
                    check_component_name(spec.name)
                except ElrError as error:
                    raise ElrError(f"plugin {owner}: {error}") from error
                if spec.name in specs:
                    raise _clash(kind.kind, spec.name, owners[kind.kind, spec.name], owner)
                specs[spec.name] = _in_file(spec, implementation.plugin) if owner.digest else spec
                owners[kind.kind, spec.name] = owner
        return Section(kind.kind, specs)

    return Catalog(
        datasets=section(DatasetSpec, manager.hook.elr_datasets),
        degradations=section(DegradationSpec, manager.hook.elr_degradations),
        enhancers=section(EnhancerSpec, manager.hook.elr_enhancers),
        backbones=section(BackboneSpec, manager.hook.elr_backbones),
        methods=section(MethodSpec, manager.hook.elr_methods),
        owners=owners,
        plugins=tuple(plugins.values()),
    )


def _in_file(spec: S, module: Any) -> S:
    """The spec of a plugin that is a file: what it names in a module called as the file is in the file itself."""
    own = f"{Path(module.__file__).stem}:"
    moved: dict[str, Any] = {
        name: f"{module.__name__}:{target.removeprefix(own)}"
        for name, target in spec.targets.items()
        if isinstance(target, str) and target.startswith(own)
    }
    return dataclasses.replace(spec, **moved)


def _call(implementation: pluggy.HookImpl) -> Iterable[object]:
    offered = implementation.function()
    if not isinstance(offered, Iterable):
        raise TypeError(f"it returned {type(offered).__name__}, not an iterable of specs")
    return offered


def _clash(kind: str, name: str, one: Owner, other: Owner) -> ElrError:
    """Blames whichever of the two is not part of this distribution."""
    guest = one if other.distribution == GROUP else other
    drop = (
        "leave out --plugin"
        if guest.version == ""
        else f"uninstall {guest.distribution} or set ELRBENCH_BLOCK={guest.plugin}"
    )
    first, second = sorted((one, other), key=lambda owner: owner.plugin)
    return ElrError(f"{kind} '{name}' is offered by two plugins: {first} and {second}; {drop}")


__all__ = ["GROUP", "KINDS", "Catalog", "Owner", "Section", "load_catalog"]
