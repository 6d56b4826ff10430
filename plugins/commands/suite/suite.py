"""Read a suite from YAML: a list of rows with plan fields, or a matrix of fields, each combination a row.

    suite: acme-table2                    # equals the file name, if given
    title: effect of each part
    about: [choices that the paper does not specify]
    seeds: [0, 1, 2]                      # default: 0
    common: {dataset: ucf101}             # applies to every row
    rows:
      - {row: ours, figure: acme-2024/table2/ours/net18, method: "acme:both", set: {method.epochs: 20}}
      - {row: theirs, figure: acme-2024/table2/theirs/net18, run: none}

    matrix: {method: [supervised, cstat], dataset: [puppets, jhmdb], seed: [0, 1]}    # instead of rows

Without `fold`, every fold of the protocol is run. `unlabelled: videos:kinetics` names unlabelled clips without their
folder; the user passes it with `--unlabelled`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.planfile import FIELDS as REQUEST
from benchmark_core.plans.planfile import read_fields

KEYS = ("suite", "title", "about", "seeds", "common", "rows", "matrix")
FIELDS = tuple(name for name in REQUEST if name != "teacher")  # not `teacher`: rows train their own and share it
ROW = ("row", "figure", "run", "note")
SCHEMA = "elrbench schema suite"  # prints all keys
MOST = 5_000  # rows times seeds
_NAME = re.compile(r"[^\s,]+")


@dataclass(frozen=True, kw_only=True)
class SuiteRow:
    """One row.

    fields: fields of a `PlanRequest` except seed and settings. seeds: empty: those of the suite.
    figures: ids of its printed figures. run: False for a row that is only printed.
    """

    name: str
    figures: tuple[str, ...] = ()
    run: bool = True
    note: str = ""
    fields: Mapping[str, Any]
    settings: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Rows in order. seeds: for rows without seeds of their own. where: the file, for errors; "" if there is none."""

    name: str
    title: str
    about: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: tuple[SuiteRow, ...]
    where: str = ""

    @property
    def argument(self) -> str:
        """What names this suite on the command line."""
        return self.where if self.where.endswith((".yaml", ".yml")) else self.name

    def row_place(self, row: str) -> str:
        """Return how errors begin that concern a row: `mine.yaml, row ours`."""
        where = self.where or f"suite '{self.name}'"
        return f"{where}, row {row}"


def read_suite(plain: object, where: str, name: str) -> Suite:
    """Return the suite from parsed YAML. Raises ElrError that begins with `where` and names the row."""
    if not isinstance(plain, Mapping):
        raise ElrError(f"{where} is not a mapping with 'rows' or 'matrix'")
    for key in plain:
        if key not in KEYS:
            raise ElrError(f"{where}: {unknown('key', str(key), KEYS)}")
    if plain.get("suite", name) != name:
        raise ElrError(f"{where}: 'suite: {plain['suite']}' differs from the file name {name}")
    if ("rows" in plain) == ("matrix" in plain):
        found = "both" if "rows" in plain else "neither"
        raise ElrError(f"{where}: expected either 'rows' or 'matrix', but it has {found}")
    common = plain.get("common", {})
    if not isinstance(common, Mapping):
        raise ElrError(f"{where}: 'common' is {common!r}, not a mapping such as {{dataset: puppets}}")
    seeds = _seeds(_listed_seeds(plain, where), f"{where}: 'seeds'")
    if "rows" in plain:
        rows = _listed(plain["rows"], common, where)
    else:
        rows = _product(plain["matrix"], common, where)
    _check_count(sum(len(row.seeds or seeds) for row in rows), where)
    return Suite(
        name=name,
        title=_plain(plain, "title", where),
        about=_texts(plain.get("about", []), f"{where}: 'about'"),
        seeds=seeds,
        rows=_unique(rows, where),
        where=where,
    )


def _listed(plain: object, common: Mapping[str, Any], where: str) -> list[SuiteRow]:
    if not isinstance(plain, list) or not plain:
        raise ElrError(f"{where}: 'rows' is not a list of rows")
    return [_row(row, common, where, number) for number, row in enumerate(plain, 1)]


def _row(plain: object, common: Mapping[str, Any], where: str, number: int) -> SuiteRow:
    if not isinstance(plain, Mapping):
        raise ElrError(f"{where}, row {number} is {plain!r}, not a mapping of a plan's fields")
    name = plain.get("row", f"{plain.get('method', common.get('method', 'row'))}#{number}")
    at = f"{where}, row {name}"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ElrError(f"{where}, row {number}: {name!r} is not a valid name; use no spaces and no commas")
    for key in plain:
        if key not in (*ROW, "set", *FIELDS):
            raise ElrError(f"{at}: {unknown('key', str(key), (*ROW, 'set', *FIELDS), SCHEMA)}")
    if plain.get("run", "plan") not in ("plan", "none"):
        raise ElrError(f"{at}: 'run' is {plain['run']!r}; expected 'none', which marks a figure that is only printed")
    figures = plain.get("figure", [])
    for key in common:
        if key not in ("set", *FIELDS):
            raise ElrError(f"{where}, common: {unknown('key', str(key), ('set', *FIELDS), SCHEMA)}")
    asked = read_fields({key: value for key, value in common.items() if key != "set"}, f"{where}, common")
    asked |= read_fields({key: value for key, value in plain.items() if key not in (*ROW, "set")}, at)
    settings = [
        text
        for place, part in ((f"{where}, common", common), (at, plain))
        for text in read_fields({"set": part["set"]} if "set" in part else {}, place).get("settings", ())
    ]
    seed = asked.pop("seed", None)
    return SuiteRow(
        name=name,
        figures=_texts([figures] if isinstance(figures, str) else figures, f"{at}: 'figure'"),
        run=plain.get("run", "plan") == "plan",
        note=_text(plain, "note", at),
        fields=asked,
        settings=tuple(settings),
        seeds=() if seed is None else (seed,),
    )


def _product(plain: object, common: Mapping[str, Any], where: str) -> list[SuiteRow]:
    """Return a row per combination of the axes' values; an axis `seed` gives each row its seeds."""
    if not isinstance(plain, Mapping) or not plain:
        raise ElrError(f"{where}: 'matrix' is not a mapping of fields to lists, such as {{method: [a, b]}}")
    axes: dict[str, list[Any]] = {}
    for key, values in plain.items():
        if key not in FIELDS or key == "classes":
            raise ElrError(
                f"{where}: {unknown('axis', str(key), [name for name in FIELDS if name != 'classes'], SCHEMA)}"
            )
        if key in common:
            raise ElrError(f"{where}: '{key}' is in both 'common' and the matrix")
        axes[key] = values if isinstance(values, list) else [values]
        if not axes[key]:
            raise ElrError(f"{where}: '{key}' of the matrix is empty")
    _check_count(math.prod(map(len, axes.values())), where)  # before the rows are made
    seeds = _seeds(axes.pop("seed"), f"{where}: the matrix's 'seed'") if "seed" in axes else ()
    named = [key for key, values in axes.items() if len(values) > 1] or ["method"]
    rows = []
    for number, values in enumerate(itertools.product(*axes.values()), 1):
        fields = dict(zip(axes, values, strict=True))
        name = "/".join(str(fields.get(key, common.get(key, "row"))) for key in named)
        row = _row({"row": name, **fields}, common, where, number)
        rows.append(SuiteRow(name=name, fields=row.fields, settings=row.settings, seeds=seeds or row.seeds))
    return rows


def _check_count(runs: int, where: str) -> None:
    """Raise ElrError if a suite has too many rows, counted once per seed."""
    if runs > MOST:
        raise ElrError(f"{where} has {runs:,} rows times seeds; the limit is {MOST:,}; split it into several suites")


def _unique(rows: list[SuiteRow], where: str) -> tuple[SuiteRow, ...]:
    twice = [name for name, times in Counter(row.name for row in rows).items() if times > 1]
    if twice:
        raise ElrError(f"{where}: two rows have the name '{twice[0]}'")
    for row in rows:
        for needed in ("method", "dataset") if row.run else ():
            if needed not in row.fields:
                raise ElrError(f"{where}, row {row.name}: it has no {needed}; add it to the row or to 'common'")
        if not row.run and not row.figures:
            raise ElrError(f"{where}, row {row.name}: 'run: none' needs a printed figure, but the row has none")
    return tuple(rows)


def _listed_seeds(plain: Mapping[str, Any], where: str) -> object:
    """Return the value of 'seeds'. ElrError for a number, which may be meant as the number of seeds."""
    seeds = plain.get("seeds", [0])
    if isinstance(seeds, int):
        raise ElrError(f"{where}: 'seeds' is {seeds!r}, not a list; write e.g. seeds: [0, 1, 2]")
    return seeds


def _seeds(plain: object, where: str) -> tuple[int, ...]:
    seeds = plain if isinstance(plain, list) else [plain]
    if not seeds or any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise ElrError(f"{where} is {plain!r}; expected whole numbers from 0")
    return tuple(dict.fromkeys(seeds))


def _texts(plain: object, where: str) -> tuple[str, ...]:
    if not isinstance(plain, list) or not all(isinstance(text, str) for text in plain):
        raise ElrError(f"{where} is {plain!r}; expected a list of texts")
    return tuple(" ".join(text.split()) for text in plain)


def _text(plain: Mapping[str, Any], key: str, where: str) -> str:
    return " ".join(_plain(plain, key, where).split())


def _plain(plain: Mapping[str, Any], key: str, where: str) -> str:
    value = plain.get(key, "")
    if not isinstance(value, str):
        raise ElrError(f"{where}: '{key}' is {value!r}; expected text")
    return value
