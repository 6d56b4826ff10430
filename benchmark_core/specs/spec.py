"""Fields and checks that all specs share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from benchmark_core.errors import ElrError, RunFailed, exit_call
from benchmark_core.extras import how_to_install
from benchmark_core.specs.field_types import check_fields
from benchmark_core.specs.option import TYPES, Option, Value
from benchmark_core.specs.target import Target, resolve

NOTHING: Mapping[str, Any] = MappingProxyType({})
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Fields of every component.

    name: lower-case letters, digits, dots and dashes. summary: one line. citation, licence: as to be cited.
    unspecified: notes on what the paper leaves open.
    options: key -> option; a plan sets them with `--set KIND.KEY=VALUE`.
    variants: variant -> option values. `cstat:mlp+rc` merges `variants["mlp"]` and `variants["rc"]`. A method's variant
        may also set plan fields, such as `enhancer`, and options of other components, such as `enhancer.scale`.
    default_variants: variants of the bare name.
    budgets: budget name -> plan fields and `KIND.KEY` options to override. A method may override them for one of its
        variants only: `VARIANT:FIELD`, `VARIANT:KIND.KEY`.
    requires: optional modules that the component needs; a backbone needs them only for its weights.
    extra: what installs these modules: an extra of elrbench, or `PACKAGE[EXTRA]` of another package; empty if there is
        no such extra.
    plugin: the plugin that offers the component, for errors. The catalog sets it; plugins leave it empty.
    """

    kind: ClassVar[str] = ""
    name: str
    summary: str
    citation: str = ""
    licence: str = ""
    unspecified: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=lambda: NOTHING)
    variants: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: NOTHING)
    default_variants: tuple[str, ...] = ()
    budgets: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: NOTHING)
    requires: tuple[str, ...] = ()
    extra: str = ""
    plugin: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise ElrError if a field has a wrong type, or an option does not allow its default or a variant's value."""
        check_fields(f"{self.kind} '{self.name}'", self)
        for key, option in self.options.items():
            if type(option.default) not in TYPES:
                raise ElrError(
                    f"{self.kind} '{self.name}': the default of {key}, {option.default!r}, is not a number, a name, "
                    "true or false"
                )
            option.check(f"{self.kind} '{self.name}': the default of {key}", option.default)
        for variant, values in self.variants.items():
            for key, value in values.items():
                if key in self.options:
                    self.options[key].check(f"{self.kind} '{self.name}', variant {variant}: {key}", value)

    def load(self, target: Target) -> Callable[..., Any]:
        """Return `resolve(target)`. Raises ElrError with the command that installs a missing extra."""
        self.check_extra()
        return self.code(target)

    def code(self, target: Target) -> Callable[..., Any]:
        """Return `resolve(target)`; if it calls `sys.exit`, it raises RunFailed instead."""
        found = resolve(target)

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return found(*args, **kwargs)
            except SystemExit as error:
                raise RunFailed(f"{self}: {exit_call(error)}") from error

        return call

    def returned(self, field: str, value: object, kind: type[T]) -> T:
        """Return `value`, which the code of a field returned. Raises ElrError if it is not of type `kind`."""
        if not isinstance(value, kind):
            raise ElrError(f"{self}: {field} returned {type(value).__name__}, not {kind.__name__}")
        return value

    def __str__(self) -> str:
        """Text such as `plugin 'mine' (elrbench-mine 0.1): dataset 'toy'`."""
        return f"{f'plugin {self.plugin}: ' if self.plugin else ''}{self.kind} '{self.name}'"

    @property
    def targets(self) -> Mapping[str, Target]:
        """Field -> the code it names, "module:attribute" or a callable, for all fields that name code."""
        named = [one.name for one in fields(self) if str(one.type).startswith("Target")]
        return {name: getattr(self, name) for name in named if getattr(self, name) is not None}

    def check_code(self) -> None:
        """Import everything in `targets`. Raises ElrError naming the field that is wrong."""
        for name, target in self.targets.items():
            try:
                resolve(target)
            except ElrError as error:
                raise ElrError(f"{self}, field {name}: {error}") from error

    def check_extra(self) -> None:
        """Raise ElrError if a module in `requires` is not installed."""
        for module in self.requires:
            if importlib.util.find_spec(module) is None:
                raise ElrError(f"{self.kind} '{self.name}' needs {how_to_install(module, self.extra)}")


def defaults(spec: Spec) -> dict[str, Value]:
    """Return the default values of a spec's options."""
    return {key: option.default for key, option in spec.options.items()}
