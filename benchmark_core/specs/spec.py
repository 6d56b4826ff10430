"""What components of all kinds have in common."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar

from benchmark_core.errors import ElrError
from benchmark_core.extras import how_to_install
from benchmark_core.specs.option import TYPES, Option, Value
from benchmark_core.specs.target import Target, resolve

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every component says of itself.

    variants: options that a suffix sets: `cstat:mlp+rc` merges `variants["mlp"]` and `variants["rc"]`; a method's may
        also name plan fields, such as the enhancer that it is for, and options of that: `enhancer.scale`.
    default_variants: what the bare name stands for.
    budgets: per budget name, plan fields and `KIND.KEY` options to override; of a method also what a variant of it
        stands for instead: `VARIANT:FIELD`, `VARIANT:KIND.KEY`.
    requires: modules that not every installation has; a backbone needs them for its weights only.
    extra: what installs them: an extra of elrbench, or `PACKAGE[EXTRA]` of a package of yours; nothing where the user
        is to find the module.
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

    def __post_init__(self) -> None:
        """ElrError where an option's default, or a variant's value of one, is not what the option itself takes."""
        for key, option in self.options.items():
            if type(option.default) not in TYPES:
                raise ElrError(
                    f"{self.kind} '{self.name}': the default of {key}, {option.default!r}, is no number, name, true or "
                    "false"
                )
            option.check(f"{self.kind} '{self.name}': the default of {key}", option.default)
        for variant, values in self.variants.items():
            for key, value in values.items():
                if key in self.options:
                    self.options[key].check(f"{self.kind} '{self.name}', variant {variant}: {key}", value)

    def load(self, target: Target) -> Callable[..., Any]:
        """`resolve(target)`, but an absent extra is named with the command that installs it."""
        self.check_extra()
        return resolve(target)

    @property
    def targets(self) -> Mapping[str, Target]:
        """Its fields that name code, where they do: field -> "module:attribute" or a callable."""
        named = [one.name for one in fields(self) if str(one.type).startswith("Target")]
        return {name: getattr(self, name) for name in named if getattr(self, name) is not None}

    def check_code(self) -> None:
        """Imports all that `targets` name; ElrError naming the field that is wrong."""
        for name, target in self.targets.items():
            try:
                resolve(target)
            except ElrError as error:
                raise ElrError(f"{self.kind} '{self.name}', its {name}: {error}") from error

    def check_extra(self) -> None:
        """ElrError where a module of the extra that it needs is not installed."""
        for module in self.requires:
            if importlib.util.find_spec(module) is None:
                raise ElrError(f"{self.kind} '{self.name}' needs {how_to_install(module, self.extra)}")


def defaults(spec: Spec) -> dict[str, Value]:
    """The spec's options at their defaults."""
    return {key: option.default for key, option in spec.options.items()}
