"""Read figures as papers print them: one YAML file per paper, with the rows of its tables.

    paper: acme-2024                      # the file's name
    title: Actions from Afar
    citation: Acme et al., ICCV 2024
    common: {metric: top1}                # for every figure, unless its table, column or row says otherwise
    tables:
      table2:
        printed: Table 2
        title: what each part adds
        common: {dataset: ucf101, protocol: 3splits, degradation: average-12x16}
        note: the caption counts five rows   # if the paper contradicts itself
        columns:
          net18: {printed: Net-18, backbone: net18}
        rows:
          ours: {printed: Ours, figures: [41.2], note: {net18: the text has 41.3}}

    systems:                              # known systems without a known figure: shown with `-`
      smith-2031: {printed: Afar Again, origin: "Smith, 2031", url: https://example.org, datasets: [ucf101], note: won}

The id of this figure is `acme-2024/table2/ours/net18`. Leave out what a paper does not state. A row's `origin` names
the authors of its system if the paper quotes it from elsewhere. `track` is the name of the degradation in tables, if it
differs: for `bicubic-14x14` at network size 112x112 it is `14x14-centre112`. A row's `protocol: ~` takes back what its
table or column states, for a figure that was measured otherwise. Sizes are height x width. `degradations` has a note
for the pages of all tracks with a degradation: `{average-HxW: blur and noise are guesses}`. Loads no plugin, no torch.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import METRICS as SCORES
from benchmark_core.strict_yaml import parse_yaml

WINDOWS = ("f1_macro_windows", "f1_macro_windows_logit0.5")  # over windows instead of clips
COSTS = ("gmacs", "mparams")  # MACs of one view in billions, parameters in millions; they need no dataset
METRICS = (*itertools.chain(*SCORES.values()), *WINDOWS, "f1", *COSTS)  # "f1": the paper does not state which F1
CONDITIONS = ("system", "dataset", "protocol", "degradation", "track", "backbone", "modality", "metric", "ceiling")
NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One reported figure, in percent, or a cost (`COSTS`). A field is empty if the paper does not state it.

    row, column: as printed. metric: "f1" if the paper does not state which F1. track: see the module.
    ceiling: an oracle: scored at full resolution, an upper bound.
    origin: authors of the system, if the paper quotes another's figure. notes: where the paper contradicts itself.
    """

    id: str
    paper: str
    table: str
    row: str
    column: str
    system: str
    metric: str
    value: float
    dataset: str = ""
    protocol: str = ""
    degradation: str = ""
    track: str = ""
    backbone: str = ""
    modality: str = ""
    ceiling: bool = False
    origin: str = ""
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Where it is printed, for example `cstat-2021, Table IV, SAT, Resnet-34`."""
        return ", ".join((self.paper, self.table, self.row, self.column))


@dataclass(frozen=True, kw_only=True)
class System:
    """A system without a known figure. datasets: those on which its authors are known to have measured it."""

    id: str
    paper: str
    system: str
    origin: str
    url: str
    datasets: tuple[str, ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A parsed file: figures by id, in the order of the tables, systems by id, and notes by degradation."""

    name: str
    title: str
    citation: str
    url: str
    figures: Mapping[str, Figure]
    systems: Mapping[str, System]
    degradations: Mapping[str, str]


def read_reported(text: str, where: str, name: str) -> Paper:
    """Parse a file's text as the paper `name`. Raises ElrError of one line: `where`, then table, row and column."""
    try:
        return _paper(_Node(parse_yaml(text, where), ""), name)
    except _Wrong as wrong:
        raise ElrError(f"{where}: {wrong}") from wrong


class _Wrong(ElrError):
    """An error in a file, without the file's name."""


@dataclass(frozen=True)
class _Node:
    """A part of the file, and its position for errors."""

    plain: Any
    where: str

    def mapping(self, *known: str) -> Mapping[str, Any]:
        """Return the mapping. Raises if it is not one, a key is not text, or a key is not in `known` (if given)."""
        at = self.where or "the file"
        if not isinstance(self.plain, Mapping) or not self.plain:
            raise _Wrong(f"{at} is {_short(self.plain)}, not a mapping")
        for key in self.plain:
            if not isinstance(key, str):
                raise _Wrong(f"{at}: the key {key!r} is not text; put it in quotes")
            if known and key not in known:
                raise _Wrong(f"{at}: {unknown('key', key, known)}")
        return self.plain

    def part(self, key: str) -> _Node:
        """Return the part under `key`. Raises if there is none."""
        if key not in self.plain:
            raise _Wrong(f"{self.where or 'the file'} has no '{key}'")
        return _Node(self.plain[key], f"{self.where} {key}".strip())

    def named_parts(self, key: str) -> Mapping[str, _Node]:
        """Return the named mappings under `key`."""
        part = self.part(key)
        for name in part.mapping():
            if not NAME.fullmatch(name):
                raise _Wrong(f"{part.where}: '{name}' is not a name; use lower-case letters, digits, '.', '+' and '-'")
        prefix = f"{self.where}, " if self.where else ""
        return {name: _Node(value, f"{prefix}{key.removesuffix('s')} {name}") for name, value in part.plain.items()}

    def text(self, key: str, default: str | None = None) -> str:
        """Return the text under `key` as one line."""
        if key not in self.plain and default is not None:
            return default
        value = self.part(key).plain
        if not isinstance(value, str) or not value.strip():
            raise _Wrong(f"{self.where} '{key}' is {_short(value)}, not text".strip())
        return " ".join(value.split())

    def conditions(self, key: str | None = None) -> dict[str, Any]:
        """Return the conditions (dataset, metric, …) in the mapping, or in the mapping under `key`."""
        node = self if key is None else self.part(key) if key in self.plain else _Node({}, "")
        if key is not None and node.plain:
            node.mapping(*CONDITIONS)
        found: dict[str, Any] = {
            name: "" if node.plain[name] is None else node.text(name)
            for name in CONDITIONS
            if name in node.plain and name != "ceiling"
        }
        if "ceiling" in node.plain:
            found["ceiling"] = node.plain["ceiling"]
            if not isinstance(found["ceiling"], bool):
                raise _Wrong(f"{node.where} 'ceiling' is {_short(found['ceiling'])}, not true or false")
        return found


def _paper(root: _Node, name: str) -> Paper:
    root.mapping("paper", "title", "citation", "url", "common", "degradations", "tables", "systems")
    if root.text("paper") != name:
        raise _Wrong(f"it has 'paper: {root.text('paper')}', but the file is called {name}")
    figures: dict[str, Figure] = {}
    notes = root.part("degradations") if "degradations" in root.plain else None
    only_systems = "systems" in root.plain and "tables" not in root.plain
    for table, node in ({} if only_systems else root.named_parts("tables")).items():
        _add_table(figures, f"{name}/{table}", name, node, root.conditions("common"))
    return Paper(
        name=name,
        title=root.text("title"),
        citation=root.text("citation"),
        url=root.text("url", ""),
        figures=figures,
        systems=_systems(root, name) if "systems" in root.plain else {},
        degradations={key: notes.text(key) for key in notes.mapping()} if notes else {},
    )


def _systems(root: _Node, paper: str) -> dict[str, System]:
    found = {}
    for name, node in root.named_parts("systems").items():
        node.mapping("printed", "origin", "url", "datasets", "note")
        datasets = node.plain.get("datasets", [])
        if not isinstance(datasets, list) or not all(isinstance(dataset, str) for dataset in datasets):
            raise _Wrong(f"{node.where} 'datasets' is {_short(datasets)}, not a list of names")
        key = f"{paper}/{name}"
        found[key] = System(
            id=key,
            paper=paper,
            system=node.text("printed"),
            origin=node.text("origin"),
            url=node.text("url", ""),
            datasets=tuple(datasets),
            note=node.text("note", ""),
        )
    return found


def _add_table(figures: dict[str, Figure], prefix: str, paper: str, table: _Node, common: Mapping[str, Any]) -> None:
    table.mapping("printed", "title", "common", "note", "columns", "rows")
    table.text("title")
    common = {**common, **table.conditions("common")}
    columns = table.named_parts("columns")
    for column in columns.values():
        column.mapping("printed", "note", *CONDITIONS)
    seen: dict[tuple[object, ...], str] = {}
    for row_name, row in table.named_parts("rows").items():
        row.mapping("printed", "note", "origin", "figures", *CONDITIONS)
        row_notes = _cell_notes(row, columns)
        for (column_name, column), value in zip(columns.items(), _values(row, columns), strict=True):
            if value is None:
                continue
            key = f"{prefix}/{row_name}/{column_name}"
            of = {"system": row.text("printed"), **common, **_joined(row, column)}
            for needed in ("metric", "dataset"):
                if not of.get(needed) and (needed == "metric" or of["metric"] not in COSTS):
                    raise _Wrong(f"{row.where}, column {column_name}: '{needed}' is missing")
            if of["metric"] not in METRICS:
                raise _Wrong(f"{row.where}, column {column_name}: {unknown('metric', of['metric'], METRICS)}")
            conditions = tuple(of.get(part) for part in CONDITIONS)
            if conditions in seen:
                raise _Wrong(
                    f"{row.where}, column {column_name} has the same conditions as {seen[conditions]}; state how they "
                    "differ"
                )
            seen[conditions] = f"row {row_name}, column {column_name}"
            notes = (_note(table), _note(column), row_notes.get(column_name, ""))
            figures[key] = Figure(
                id=key,
                paper=paper,
                table=table.text("printed"),
                row=row.text("printed"),
                column=column.text("printed"),
                value=value,
                origin=row.text("origin", ""),
                notes=tuple(note for note in notes if note),
                **of,
            )


def _joined(row: _Node, column: _Node) -> dict[str, Any]:
    """Join the conditions of a row and a column. Raises if both state the same one; `~` states nothing."""
    stated = {key for key in row.conditions() if row.plain[key] is not None}
    if both := sorted(stated & column.conditions().keys()):
        raise _Wrong(f"{row.where} and {column.where} both have '{both[0]}'; remove one of them")
    return {**column.conditions(), **row.conditions()}


def _values(row: _Node, columns: Mapping[str, _Node]) -> list[float | None]:
    """Return a percentage per column, or None for an empty cell."""
    values = row.part("figures").plain
    if not isinstance(values, list) or len(values) != len(columns):
        raise _Wrong(f"{row.where} 'figures' is {_short(values)}, not a list of {len(columns)}, one for each column")
    for value, column in zip(values, columns, strict=True):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            raise _Wrong(f"{row.where}, column {column}: {_short(value)} is not a percentage from 0 to 100")
        assert math.isfinite(value)
    return [None if value is None else float(value) for value in values]


def _cell_notes(row: _Node, columns: Mapping[str, _Node]) -> Mapping[str, str]:
    """Return a row's note by column; a single text is used for all columns."""
    note = row.plain.get("note")
    if isinstance(note, Mapping):
        under = row.part("note")
        return {column: under.text(column) for column in under.mapping(*columns)}
    return dict.fromkeys(columns, _note(row))


def _note(node: _Node) -> str:
    return node.text("note", "")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
