"""Format names, scores and costs of a ranked row as table cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import PlanFields, RunRecord
from benchmark_core.records.files import RECORDS, track_path
from benchmark_core.records.record import record_name
from benchmark_core.tables.controls import is_control
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.rows import Interval

NOTHING = "-"
_SHOWN_DIGESTS = 6
_INTERVALS = {"wilson95": "Wilson", "bootstrap95": "bootstrap"}


def distinct(texts: Iterable[str]) -> str:
    """Join the distinct texts with commas, in order of first occurrence."""
    return ", ".join(dict.fromkeys(texts))


def percent(fraction: float | None, digits: int = 2) -> str:
    """Format a fraction in %: `41.25`, or `-` for None."""
    return NOTHING if fraction is None else f"{100 * fraction:.{digits}f}"


def spread(score: Interval) -> str:
    """Format mean and sample standard deviation over seeds in %: `41.25 ± 0.30`."""
    return percent(score.mean) + ("" if score.std is None else f" ± {percent(score.std)}")


def names(ranked: RankedRow) -> dict[str, str]:
    """Return the cells that name the method, its components and its settings."""
    record = ranked.row.first
    plan = record["plan"]
    remarks = [f"high: {plan['high_source']}"] if plan["high_source"] else []
    remarks += [f"unlabelled: {plan['unlabelled']}"] if plan.get("unlabelled") else []
    remarks += [f"teacher: {plan['teacher'].partition('@')[0]}"] if plan.get("teacher") else []
    remarks += [f"teacher: {text}"] if (text := teacher_network(plan)) else []
    remarks += ["control"] if is_control(record) else []
    remarks += ["yardstick"] if record.get("yardstick") else []
    return {
        "method": plan["method"] + (f" ({', '.join(remarks)})" if remarks else ""),
        "backbone": plan["backbone"] + ("" if plan["modality"] == "rgb" else f" ({plan['modality']})"),
        "enhancer": plan["enhancer"],
        "size": "x".join(map(str, plan["size"])),
        "sampling": plan["sampling"],
        "precision": plan["precision"],
        "budget": "; ".join([plan["budget"], *processes(plan), *kept(plan), *changes(record)]),
        "init": distinct(each["initialisation"] for each in ranked.row.records),
    }


def teacher_network(plan: PlanFields | dict[str, Any]) -> str:
    """Describe the teacher's network as far as it differs from the student's: `resnet18 96x128 imagenet 4 frames`."""
    words = [plan.get("teacher_backbone", ""), "x".join(map(str, plan.get("teacher_size", [])))]
    frames = f"{plan['teacher_frames']} frames" if "teacher_frames" in plan else ""
    parts = [" ".join(filter(None, words)), plan.get("teacher_weights", ""), frames]
    return " ".join(filter(None, parts))


def processes(plan: PlanFields | dict[str, Any]) -> list[str]:
    """Return `processes=4` for a plan of several processes, and `batch_norm=sync`."""
    return [f"{key}={plan[key]}" for key in ("processes", "batch_norm") if plan.get(key)]


def kept(plan: PlanFields | dict[str, Any]) -> list[str]:
    """Return `keep=best` for a plan that chose epochs by held-out clips."""
    return [f"keep={plan['keep']}"] if plan.get("keep") else []


def changes(record: RunRecord) -> list[str]:
    """Return `method.epochs=40` for each setting that differs from the budget."""
    everything = {**record["plan"], **record["plan"]["settings"]}
    shown = []
    for key in record["changed"]:
        if key == "enhancer":  # it has a column
            continue
        value = everything.get(key, NOTHING)
        shown.append(f"{key}={'x'.join(map(str, value)) if isinstance(value, list) else value}")
    return shown


def interval_kinds(ranking: Iterable[RankedRow]) -> str:
    """Name the interval methods of the rows' primary scores: `Wilson`."""
    kinds = (ranked.row.first["scores"][ranked.row.first["primary"]]["interval"] for ranked in ranking)
    return distinct(_INTERVALS.get(kind, kind) for kind in kinds)


def updates(ranked: RankedRow) -> str:
    """Format optimizer updates per stage: `student 1500, teacher 1500`. Runs that differ are separated by `;`."""
    each = (", ".join(f"{stage} {n}" for stage, n in record["updates"].items()) for record in ranked.row.records)
    return "; ".join(dict.fromkeys(each)) or NOTHING


def plugins(ranked: RankedRow) -> str:
    """Format the plugins of the row's components by distribution: `cstat, resnet (elrbench 0.1.0)`."""
    found: dict[str, dict[str, None]] = {}
    for record in ranked.row.records:
        for owner in record["plugins"].values():
            found.setdefault(f"{owner['distribution']} {owner['version']}".strip(), {})[owner["plugin"]] = None
    return "; ".join(f"{', '.join(sorted(found[dist]))} ({dist})" for dist in sorted(found)) or NOTHING


def notes(ranked: RankedRow) -> list[str]:
    """Return the distinct notes of the row's records. A note on shared clips, with their largest number, is first."""
    shared = max(record.get("shared_clips", 0) for record in ranked.row.records)
    of = " of a fold" if ranked.row.folds > 1 else ""
    found = [f"{shared} training clips{of} are also test clips, by content"] if shared else []
    return found + list(dict.fromkeys(note for record in ranked.row.records for note in record.get("notes", ())))


def links(ranked: RankedRow, root: str) -> str:
    """Return Markdown links to the row's records, named by the first 8 digits of their digests.

    Args:
        ranked: the row.
        root: relative path from the page to the leaderboards folder, such as `../../../`.
    """
    folder = f"{root}{RECORDS}/{track_path(ranked.row.first['track'])}"
    shown = ranked.row.records[:_SHOWN_DIGESTS]
    texts = [f"[{record['digest'][:8]}]({quote(f'{folder}/{record_name(record)}')})" for record in shown]
    more = len(ranked.row.records) - len(shown)
    return " ".join(texts + ([f"and {more} more"] if more else []))


def enhancer_share(cost: CostRecord | None) -> float | None:
    """Return the enhancer's fraction of the MACs of one view; None if there is no cost or no MACs."""
    return cost["macs"]["enhancer"] / cost["macs"]["view"] if cost and cost["macs"]["view"] else None


def costs_of(cost: CostRecord | None, sampling: str) -> dict[str, str]:
    """Return the cells for parameters, MACs per clip and the enhancer's share of the MACs."""
    share = enhancer_share(cost)
    return {
        "params (M)": millions(cost["params"]["total"]) if cost else NOTHING,
        "MACs/clip (G)": _macs(cost, sampling) if cost else NOTHING,
        "enhancer, % of MACs": NOTHING if share is None else f"{100 * share:.3g}",
    }


def millions(count: float) -> str:
    """Format a count in millions: `11.18`."""
    return f"{count / 1e6:.2f}"


def billions(macs: float, understated: Sequence[str]) -> str:
    """Format MACs in units of 10^9: `1.782`, or `≥ 1.782` for a lower bound."""
    return f"{'≥ ' if understated else ''}{macs / 1e9:.4g}"


def _macs(cost: CostRecord, sampling: str) -> str:
    figure = billions(cost["macs"]["clip"], cost["understated"])
    return f"{figure} per window" if sampling.startswith("windows-") else figure  # a clip's length sets the count
