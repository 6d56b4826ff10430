"""Find a row's control: the same training without the idea of its method."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmark_core.names import split_method
from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.rows import TableRow

# Settings for the length of training. A row and its control have equal values of all that the control has.
_LENGTH = re.compile(r"method\.(batch|(\w+_)?epochs)")
_SCHEDULE = re.compile(r"method\.(warmup|step)_epochs")  # learning-rate schedule within a phase; equal if both have it


def control_of(row: TableRow, rows: Sequence[TableRow]) -> TableRow | None:
    """Return the row's control with its budget, components and training length, or None.

    It is the control that the row's method names, if the two have equal values of all settings that either changes,
    except for those without effect in the control. Otherwise it is a control of all methods with as many updates. Of
    several, the one with the most equal method settings is returned, then the first by key.
    """
    if row.first["control"] or row.first["privileged"]:
        return None
    declaring = _declaring(row, rows)
    name = _named_control(row.first, declaring.get("own_controls", {}))
    idle = {*declaring.get("idea_options", ())}
    named: dict[TableRow, int] = {}
    general: dict[TableRow, int] = {}
    for other in (each for each in rows if each is not row and each.shared_plan == row.shared_plan):
        equal = _equal_settings(row, other)
        if not _trains_as_long(row, other, equal) or not _same_clips(row, other):
            continue
        if name is not None and split_method(other.first["plan"]["method"]) == name:
            if all(equal.get(key, True) for key in {*row.first["changed"], *other.first["changed"]} - idle):
                named[other] = sum(equal.values())
        elif other.first["control"] and _as_many_updates(row, other):
            general[other] = sum(equal.values())
    found = named or general
    return max(found, key=found.__getitem__, default=None)


def is_control(record: RunRecord) -> bool:
    """Whether the run is a control of all methods, or one that its own method names."""
    base, variants = split_method(record["plan"]["method"])
    return record["control"] or any(
        (base, variants) == split_method(control) if ":" in control else set(control.split("+")) <= variants
        for control in record.get("own_controls", {}).values()
    )


def _declaring(row: TableRow, rows: Sequence[TableRow]) -> RunRecord:
    """Return a record with the controls that the row's method names; the row's if none has, as older ones do not."""
    base, _ = split_method(row.first["plan"]["method"])
    for record in (row.first, *(each.first for each in rows)):
        if "own_controls" in record and split_method(record["plan"]["method"])[0] == base:
            return record
    return row.first


def _named_control(record: RunRecord, declared: Mapping[str, str]) -> tuple[str, frozenset[str]] | None:
    """Return base and variants of the record's control, or None. declared: `own_controls` of its method."""
    base, variants = split_method(record["plan"]["method"])
    variant = next((each for each in declared if each in variants), "")
    control = declared.get(variant, "")
    if not control or is_control(record):
        return None
    return split_method(control) if ":" in control else (base, variants - {variant} | set(control.split("+")))


def _trains_as_long(row: TableRow, control: TableRow, equal: Mapping[str, bool]) -> bool:
    """Whether `row` has every training phase of `control`, with equal length. equal: `_equal_settings` of the two."""
    ours, theirs = row.first["plan"]["settings"], control.first["plan"]["settings"]
    phases = {key for key in theirs if _LENGTH.fullmatch(key) and not _SCHEDULE.fullmatch(key)}
    return phases <= ours.keys() and all(equal[key] for key in equal if _LENGTH.fullmatch(key))


def _same_clips(row: TableRow, control: TableRow) -> bool:
    """Whether both learn from the same clips.

    Unlabelled clips and clips of another dataset add phases that the control lacks; with high views from the row's own
    clips ("self"), its student learns from clips that are degraded again.
    """
    ours, theirs = (each.first["plan"] for each in (row, control))
    return all(ours.get(key, "") == theirs.get(key, "") for key in ("unlabelled", "high_source"))


def _as_many_updates(row: TableRow, control: TableRow) -> bool:
    """Whether the phases that `control` has are as long in `row`, together: a method may train two phases in one."""
    ours, theirs = (each.first["updates"] for each in (row, control))
    return sum(ours.get(phase, 0) for phase in theirs) == sum(theirs.values())


def _equal_settings(row: TableRow, other: TableRow) -> dict[str, bool]:
    """For each setting that both rows have, whether the values are equal."""
    ours, theirs = row.first["plan"]["settings"], other.first["plan"]["settings"]
    return {key: ours[key] == theirs[key] for key in ours if key in theirs}
