"""The catalog: every component that the loaded plugins offer, by kind and name."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import pluggy

from benchmark_core.errors import ElrError, RunFailed, exit_call, nearest, unknown
from benchmark_core.names import ComponentName, check_component_name, check_dataset_name, folder_dataset_name
from benchmark_core.plugin_loading import GROUP, Owner, load_plugins
from benchmark_core.specs import (
    KINDS,
    BackboneSpec,
    CommandSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Spec,
    TrackerSpec,
)

S = TypeVar("S", bound=Spec)
MOST = 10_000  # specs of one hook; a generator that gives more may be endless


class Section(Mapping[str, S], Generic[S]):
    """The components of one kind by name. A template such as `average-HxW` matches every size."""

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
        near = self._specs.get(nearest(name, self._specs))
        if isinstance(near, DegradationSpec) and near.pattern:
            example = near.name.replace("HxW", "12x16")
            raise ElrError(f"unknown {self.kind} '{name}'. Did you mean '{near.name}', e.g. {example}?")
        raise unknown(self.kind, name, self._specs, f"elrbench list {self.kind}s")

    def spec_of(self, text: str) -> S:
        """Return the spec of a name, with variants or without: of `ixmas-12:epfl`, and of `puppets:identity`."""
        return self[text if text in self else ComponentName.parse(text).base]

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
    commands: Section[CommandSpec]
    trackers: Section[TrackerSpec]
    owners: Mapping[tuple[str, str], Owner]
    plugins: tuple[Owner, ...]
    folders: Mapping[str, Path] = field(default_factory=dict)  # of the datasets that `with_folder` added
    extra: tuple[str, ...] = ()  # plugins that are not installed: files and modules
    installed: bool = True  # whether it has the installed plugins

    @property
    def sections(self) -> Mapping[str, Section[Spec]]:
        """Kind -> its components."""
        components = (self.datasets, self.degradations, self.enhancers, self.backbones, self.methods)
        every = (*components, self.commands, self.trackers)
        return {section.kind: section for section in every}  # type: ignore[misc]

    def owner(self, spec: Spec) -> Owner:
        """Return the plugin that offers `spec`. A spec made from a template has the owner of the template."""
        if (spec.kind, spec.name) in self.owners:
            return self.owners[spec.kind, spec.name]
        for name, listed in self.sections[spec.kind].items():
            if isinstance(listed, DegradationSpec) and listed.pattern and listed.pattern.fullmatch(spec.name):
                return self.owners[spec.kind, name]
            if isinstance(listed, BackboneSpec) and listed.at is not None and spec.name.startswith(f"{name}:"):
                return self.owners[spec.kind, name]
        raise unknown(spec.kind, spec.name, self.sections[spec.kind])

    def with_folder(self, text: str, data: Path | None = None, flag: str = "--data") -> tuple[Catalog, str]:
        """Add a dataset that reads a folder. `folder:/data/My clips` is added under the name `folder:my-clips`.

        A dataset without folds may also read a single file: `videos:/data/clip.avi`.
        data: the folder, if `text` is already the name that plans and records hold (`folder:my-clips`).
        flag: the option that sets `data`, for errors.
        Returns the extended catalog and the name. For the name of any other dataset, returns this catalog and `text`.
        Raises ElrError if no folder is given, the folder does not exist or has another layout, or another folder
        already has the name.
        """
        base, _, rest = text.partition(":")
        if text in self.folders and data is not None and not _same(data, self.folders[text]):
            raise _two_folders(text, self.folders[text], data)
        if text in self.folders or base not in self.datasets or self.datasets[base].at is None:
            return self, text
        template = self.datasets[base]
        if data is not None and rest and folder_dataset_name(base, rest) != text:
            raise ElrError(f"dataset '{text}' names a folder, and {flag} {data} names another; remove one of them")
        if data is None and not rest:
            raise ElrError(f"dataset '{base}' needs a folder of clips: write {base}:/data/clips")
        folder = Path(rest).expanduser() if data is None else data
        without_folds = not any(protocol.folds for protocol in template.protocols.values())
        if not folder.is_dir() and not (without_folds and folder.is_file()):
            raise ElrError(f"dataset '{text}': the folder {folder} does not exist; expected layout: {template.layout}")
        spec = template.at_folder(Path(os.path.abspath(folder)))  # not resolved: a symlink keeps its own name
        if data is not None and rest:
            spec = dataclasses.replace(spec, name=text)
        if spec.name in self.folders and not _same(folder, self.folders[spec.name]):
            raise _two_folders(spec.name, self.folders[spec.name], folder)
        owners = {**self.owners, (spec.kind, spec.name): self.owners[template.kind, base]}
        datasets = Section(self.datasets.kind, {**self.datasets, spec.name: spec})
        return dataclasses.replace(
            self, datasets=datasets, owners=owners, folders={**self.folders, spec.name: folder}
        ), spec.name

    def without_folder(self, text: str, classes: Sequence[str]) -> Catalog:
        """Add a dataset such as `folder:my-clips` whose folder is not here, with the classes of its run.

        The run's recognizer can then be loaded; the clips cannot be listed. Returns this catalog if it has the dataset,
        or if its name belongs to no template.
        """
        base = text.partition(":")[0]
        if text in self.folders or text == base or base not in self.datasets or self.datasets[base].at is None:
            return self
        spec = dataclasses.replace(self.datasets[base], name=text, classes=tuple(classes), at=None)
        owners = {**self.owners, (spec.kind, text): self.owners[spec.kind, base]}
        datasets = Section(self.datasets.kind, {**self.datasets, text: spec})
        return dataclasses.replace(self, datasets=datasets, owners=owners)


def _same(one: Path, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def _two_folders(name: str, one: Path, other: Path) -> ElrError:
    return ElrError(
        f"the folders {one} and {other} give one dataset name '{name}'; rename one or use a link with another name"
    )


def load_catalog(extra: Sequence[str] = (), *, entry_points: bool = True) -> Catalog:
    """The catalog of all installed plugins and of `extra`, each a FILE.py or a module name.

    `ELRBENCH_BLOCK=a,b` leaves plugins out. entry_points: False leaves out installed plugins.
    Raises ElrError that names plugin and distribution if a plugin cannot be imported, misspells a hook, or offers a
    name that another plugin offers.
    """
    plugins = load_plugins(extra, installed=entry_points)
    collected = _collect(plugins.manager, plugins.owners)
    return dataclasses.replace(collected, extra=tuple(extra), installed=entry_points)


def load_commands() -> tuple[Section[CommandSpec], list[ElrError]]:
    """Commands of all plugins that can be loaded, and the errors of those that cannot."""
    plugins = load_plugins(tolerant=True)
    found: dict[str, CommandSpec] = {}
    owners: dict[tuple[str, str], Owner] = {}
    hook = plugins.manager.hook.elr_commands
    for implementation in hook.get_hookimpls():
        owner = plugins.owners[implementation.plugin_name]
        try:
            found |= _offered(hook.name, implementation, CommandSpec, owner, found, owners)
        except ElrError as error:
            plugins.failures.append(error)
    return Section(CommandSpec.kind, found), plugins.failures


def _collect(manager: pluggy.PluginManager, plugins: Mapping[str, Owner]) -> Catalog:
    owners: dict[tuple[str, str], Owner] = {}

    def section(kind: type[S], hook: pluggy.HookCaller) -> Section[S]:
        specs: dict[str, S] = {}
        for implementation in hook.get_hookimpls():
            specs |= _offered(hook.name, implementation, kind, plugins[implementation.plugin_name], specs, owners)
        return Section(kind.kind, specs)

    return Catalog(
        datasets=section(DatasetSpec, manager.hook.elr_datasets),
        degradations=section(DegradationSpec, manager.hook.elr_degradations),
        enhancers=section(EnhancerSpec, manager.hook.elr_enhancers),
        backbones=section(BackboneSpec, manager.hook.elr_backbones),
        methods=section(MethodSpec, manager.hook.elr_methods),
        commands=section(CommandSpec, manager.hook.elr_commands),
        trackers=section(TrackerSpec, manager.hook.elr_trackers),
        owners=owners,
        plugins=tuple(plugins.values()),
    )


def _offered(
    hook: str,
    implementation: pluggy.HookImpl,
    kind: type[S],
    owner: Owner,
    known: Mapping[str, S],
    owners: dict[tuple[str, str], Owner],
) -> dict[str, S]:
    """The specs that one plugin returns from a hook, by name; their owner is added to `owners`."""
    try:
        returned = implementation.function()
        if not isinstance(returned, Iterable):
            raise ElrError(f"{hook}() returned {type(returned).__name__}, not a list of {kind.__name__}")
        offered = list(itertools.islice(returned, MOST + 1))
        if len(offered) > MOST:
            raise ElrError(f"{hook}() returned more than {MOST} specs; return a list of {kind.__name__}")
    except ElrError as error:
        raise ElrError(f"plugin {owner}: {error}") from error
    except SystemExit as error:
        raise RunFailed(f"plugin {owner}: {hook}(): {exit_call(error)}") from error
    except Exception as error:
        raise ElrError(
            f"plugin {owner}: {hook}() raised {type(error).__name__}: {error}; "
            f"correct it or set ELRBENCH_BLOCK={owner.plugin}"
        ) from error
    specs: dict[str, S] = {}
    for spec in offered:
        if not isinstance(spec, kind):
            raise ElrError(f"plugin {owner}: {hook}() returned {type(spec).__name__}, not {kind.__name__}")
        try:
            (check_dataset_name if isinstance(spec, DatasetSpec) else check_component_name)(spec.name)
        except ElrError as error:
            raise ElrError(f"plugin {owner}: {error}") from error
        if spec.name in known or spec.name in specs:
            raise _clash(kind.kind, spec.name, owners[kind.kind, spec.name], owner)
        placed = _in_file(spec, implementation.plugin) if owner.digest else spec
        specs[spec.name] = dataclasses.replace(placed, plugin=str(owner))
        owners[kind.kind, spec.name] = owner
    return specs


def _in_file(spec: S, module: Any) -> S:
    """The spec of a plugin file: targets that name a module called like the file are in the file itself."""
    own = f"{Path(module.__file__).stem}:"
    moved: dict[str, Any] = {
        name: f"{module.__name__}:{target.removeprefix(own)}"
        for name, target in spec.targets.items()
        if isinstance(target, str) and target.startswith(own)
    }
    return dataclasses.replace(spec, **moved)


def _clash(kind: str, name: str, one: Owner, other: Owner) -> ElrError:
    """The error for two plugins that offer one name. It advises to remove one that is not built in."""
    drop = " or ".join(
        f"uninstall {owner.distribution} or set ELRBENCH_BLOCK={owner.plugin}"
        if owner.version
        else f"leave out {owner.plugin if owner.distribution == '--plugin' else owner.distribution}"
        for owner in (one, other)
        if owner.distribution != GROUP
    )
    first, second = sorted((one, other), key=lambda owner: owner.plugin)
    return ElrError(f"{kind} '{name}' is offered by two plugins: {first} and {second}; {drop}")


__all__ = ["GROUP", "KINDS", "Catalog", "Owner", "Section", "load_catalog"]
