"""What stands in the cells: names and numbers of a line, as text for people (Markdown) and in full (CSV)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.files import RECORDS, track_path
from benchmark_core.records.record import RunRecord, record_name
from benchmark_core.tables.lines import Line

NOTHING = "-"
_MARKUP = re.compile(r"[\\`*~|\[\]]|(?<![^\W_])_|_(?![^\W_])")  # an underscore between letters marks nothing up
_SHOWN_DIGESTS = 6


def literal(text: str) -> str:
    """`text` as Markdown that shows just that: HTML, pipes and markup become character references, breaks spaces."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", html.escape(flat, quote=False))


def distinct(texts: Iterable[str]) -> str:
    """Each once, in order, with commas."""
    return ", ".join(dict.fromkeys(texts))


def percent(fraction: float | None, digits: int = 2) -> str:
    """41.25, or `-`."""
    return NOTHING if fraction is None else f"{100 * fraction:.{digits}f}"


def names(line: Line) -> dict[str, str]:
    """What was run: the cells that hold names."""
    record = line.row.first
    plan = record["plan"]
    marks = [f"high: {plan['high_source']}"] if plan["high_source"] else []
    marks += [f"unlabelled: {plan['unlabelled']}"] if plan.get("unlabelled") else []
    marks += [f"teacher: {plan['teacher'].partition('@')[0]}"] if plan.get("teacher") else []
    marks += ["control"] if record["control"] else []
    return {
        "method": plan["method"] + (f" ({', '.join(marks)})" if marks else ""),
        "backbone": plan["backbone"] + ("" if plan["modality"] == "rgb" else f" ({plan['modality']})"),
        "enhancer": plan["enhancer"],
        "size": "x".join(map(str, plan["size"])),
        "sampling": plan["sampling"],
        "budget": "; ".join([plan["budget"], *changes(record)]),
        "init": distinct(each["initialisation"] for each in line.row.records),
    }


def changes(record: RunRecord) -> list[str]:
    """`method.epochs=40` for each number that is not the budget's."""
    everything = {**record["plan"], **record["plan"]["settings"]}
    shown = []
    for key in record["changed"]:
        value = everything.get(key, NOTHING)
        shown.append(f"{key}={'x'.join(map(str, value)) if isinstance(value, list) else value}")
    return shown


def updates(line: Line) -> str:
    """Updates by stage: `student 1500, teacher 1500`; runs that differ are all named."""
    each = (", ".join(f"{stage} {n}" for stage, n in record["updates"].items()) for record in line.row.records)
    return "; ".join(dict.fromkeys(each)) or NOTHING


def plugins(line: Line) -> str:
    """Distributions, with versions, that the row's components came from."""
    owners = [owner for record in line.row.records for owner in record["plugins"].values()]
    return distinct(sorted(f"{owner['distribution']} {owner['version']}".strip() for owner in owners)) or NOTHING


def links(line: Line, root: str) -> str:
    """The digests' first digits, each a link to its record, `root` leading from the table to the leaderboards."""
    folder = f"{root}{RECORDS}/{track_path(line.row.first['track'])}"
    shown = line.row.records[:_SHOWN_DIGESTS]
    texts = [f"[{record['digest'][:8]}]({quote(f'{folder}/{record_name(record)}')})" for record in shown]
    more = len(line.row.records) - len(shown)
    return " ".join(texts + ([f"and {more} more"] if more else []))


def gpus(lines: Iterable[Line]) -> list[str]:
    """Devices that a latency was taken on. A processor's time never enters a table."""
    return sorted({cost["device"] for line in lines for cost in line.costs if cost["latency"]})


def latency(costs: Sequence[CostRecord], device: str) -> float | None:
    """Median milliseconds of one clip on `device`."""
    for cost in costs:
        if cost["device"] == device and cost["latency"]:
            return cost["latency"]["single"]["median"]
    return None
