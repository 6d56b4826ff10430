"""The runs that `elrbench privacy` asks for, as a suite: each attacker on each view, and the recognizer next to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark_core.backbone_templates import add_backbone
from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.lookup import find
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from elrbench_plugins.commands.suite.sizes import degradations_at, read_sizes
from elrbench_plugins.commands.suite.suite import Suite, SuiteRow

NONE = "none"  # the enhancer of attackers that work at the low size
NATIVE, PLAIN, PROBE, INFORMED = "supervised/native3d-s", "supervised", "probe", "teacher"


@dataclass(frozen=True, kw_only=True)
class PrivacyRequest:
    """What the user asks for.

    dataset: with actions as classes. target: what the attacker predicts: `identity`.
    degradations, enhancers, attackers: names; empty: the defaults. sizes: "6x8,12x16", or None.
    protocol: of the target. action_protocol: of the actions. action: whether actions are recognised, too.
    fields: further fields of every plan, such as budget. size: of networks that do not work at the low size.
    """

    dataset: str
    target: str
    degradations: tuple[str, ...] = ()
    sizes: str | None = None
    enhancers: tuple[str, ...] = ()
    attackers: tuple[str, ...] = ()
    protocol: str | None = None
    action_protocol: str | None = None
    action: bool = True
    size: str | None = None
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def attacked(self) -> str:
        """Name of the dataset that the attackers are trained on: `puppets:identity`."""
        return f"{self.dataset}:{self.target}"


@dataclass(frozen=True)
class Attacker:
    """METHOD or METHOD/BACKBONE. native: works at the low size, without an enhancer. informed: sees high views."""

    name: str
    native: bool
    informed: bool

    @property
    def fields(self) -> dict[str, str]:
        """Fields of its plans."""
        method, slash, backbone = self.name.partition("/")
        return {"method": method, **({"backbone": backbone} if slash else {})}


def privacy_suite(asked: PrivacyRequest, catalog: Catalog) -> Suite:
    """Return one row per attack and, if asked for, one per recognizer. Row names end in what is predicted.

    Raises ElrError if a name is unknown, or an enhancer or attacker that the user named would not be used.
    """
    views = _views(asked, catalog)
    attackers = [_attacker(name, asked, catalog, views[0]) for name in _attackers(asked, catalog, views)]
    _refuse_unused(asked, attackers)
    rows = [row for view in views for attacker in attackers for row in _rows(asked, view, attacker, views[0])]
    return Suite(name=f"privacy-{asked.dataset}-{asked.target}", title="", about=(), seeds=(0,), rows=tuple(rows))


def _views(asked: PrivacyRequest, catalog: Catalog) -> list[str]:
    """Return the degradations, at each size if sizes are given."""
    named = asked.degradations or (catalog.datasets[asked.attacked].degradation,)
    if asked.sizes is None:
        return list(dict.fromkeys(named))
    sizes = read_sizes(asked.sizes)
    return list(dict.fromkeys(view for name in named for view in degradations_at(name, sizes)))


def _attackers(asked: PrivacyRequest, catalog: Catalog, views: Sequence[str]) -> Iterator[str]:
    """Yield the names of the attackers; by default those without and with enhancers, a probe, and the informed one."""
    if asked.attackers:
        yield from asked.attackers
        return
    if not asked.enhancers or NONE in asked.enhancers:
        yield NATIVE
    if set(asked.enhancers) - {NONE}:
        yield PLAIN
    yield PROBE
    if find(catalog.degradations, views[0])[0].crop != "none":  # clips as recorded have no high view
        yield INFORMED


def _attacker(name: str, asked: PrivacyRequest, catalog: Catalog, view: str) -> Attacker:
    """Resolve an attacker once, on the first view, to learn what it sees."""
    fields = Attacker(name, False, False).fields
    if "backbone" in fields:
        catalog, fields["backbone"] = add_backbone(catalog, fields["backbone"])
    plain: dict[str, Any] = dict(asked.fields)
    plan = resolve_plan(
        catalog,
        PlanRequest(dataset=asked.attacked, degradation=view, protocol=asked.protocol, **{**plain, **fields}),
    )
    components = components_of(catalog, plan)
    return Attacker(name, components.backbone.native, components.method.oracle)


def _refuse_unused(asked: PrivacyRequest, attackers: Sequence[Attacker]) -> None:
    """Raise ElrError if no attacker works with an enhancer that the user named."""
    if set(asked.enhancers) - {NONE} and all(each.native or each.informed for each in attackers):
        names = ", ".join(each.name for each in attackers)
        raise ElrError(
            f"--enhancer {','.join(asked.enhancers)} is used by no attacker ({names}); add --attacker {PLAIN}"
        )
    if NONE in asked.enhancers and not any(each.native for each in attackers):
        raise ElrError(
            f"--enhancer {NONE} is used by no attacker; add one that works at the low size: --attacker {NATIVE}"
        )


def _rows(asked: PrivacyRequest, view: str, attacker: Attacker, first: str) -> Iterator[SuiteRow]:
    """Yield the rows of an attacker on a view. The informed attacker is run with the first view only."""
    if attacker.informed and view != first:
        return
    enhancers: tuple[str | None, ...] = tuple(name for name in asked.enhancers if name != NONE)
    if attacker.native or attacker.informed or not enhancers:
        enhancers = (None,)  # the default: `none` for a backbone that works at the low size
    for enhancer in enhancers:
        fields = {**dict(asked.fields), **attacker.fields, "degradation": view}
        fields |= {"enhancer": enhancer} if enhancer else {}
        fields |= {"size": asked.size} if asked.size and not attacker.native else {}
        name = "/".join(filter(None, (view, enhancer, attacker.name)))
        attacked = {**fields, "dataset": asked.attacked}
        attacked |= {"protocol": asked.protocol} if asked.protocol else {}
        yield SuiteRow(name=f"{name}:{asked.target}", fields=attacked)
        if asked.action:
            acted = {**fields, "dataset": asked.dataset}
            acted |= {"protocol": asked.action_protocol} if asked.action_protocol else {}
            yield SuiteRow(name=f"{name}:action", fields=acted)
