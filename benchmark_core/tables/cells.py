"""What stands in the cells: names and numbers of a line, as text for people (Markdown) and in full (CSV)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS, track_path
from benchmark_core.records.record import record_name
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.rows import Interval

NOTHING = "-"
# Markup; an underscore between letters marks nothing up. What is made a link, an emoji or a formula without any, too.
_MARKUP = re.compile(
    r"[\\`*~|\[\]$]|@(?=[\w.-]*\.\w)|(?<![^\W_])_|_(?![^\W_])|:(?=//|[\w+-]+:)|(?<=www)\.", re.IGNORECASE
)
_FORMULA = ("=", "+", "-", "@")
_SHOWN_DIGESTS = 6
_INTERVALS = {"wilson95": "Wilson", "bootstrap95": "bootstrap"}


def flat(text: str) -> str:
    """One line: breaks, control characters and those that turn the direction of writing become spaces."""
    return "".join(char if char.isprintable() else " " for char in text)


def literal(text: str) -> str:
    """`text` as Markdown that shows just that: HTML, pipes and markup become character references, breaks spaces."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", html.escape(flat(text), quote=False))


def unformulated(text: str) -> str:
    """`text` as a CSV cell that a spreadsheet shows as text: one line, and with `'` before what would be a formula."""
    line = flat(text)
    return f"'{line}" if line.lstrip().startswith(_FORMULA) else line


def marked(cells: Mapping[str, str]) -> dict[str, str]:
    """A row of plain text as Markdown that shows just that, headings too."""
    return {literal(key): literal(cell) for key, cell in cells.items()}


def link(text: str, url: str) -> str:
    """Markdown that leads to `url`, which may come from anywhere; `text` alone where it is no web address."""
    if not re.match(r"https?://", url):
        return literal(text)
    return f"[{literal(text)}]({quote(url, safe=':/?&=#%~+,;')})"


def distinct(texts: Iterable[str]) -> str:
    """Each once, in order, with commas."""
    return ", ".join(dict.fromkeys(texts))


def percent(fraction: float | None, digits: int = 2) -> str:
    """41.25, or `-`."""
    return NOTHING if fraction is None else f"{100 * fraction:.{digits}f}"


def spread(score: Interval) -> str:
    """`41.25 ± 0.30`: mean and sample standard deviation over seeds."""
    return percent(score.mean) + ("" if score.std is None else f" ± {percent(score.std)}")


def names(line: RankedRow) -> dict[str, str]:
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
        "precision": plan["precision"],
        "budget": "; ".join([plan["budget"], *changes(record)]),
        "init": distinct(each["initialisation"] for each in line.row.records),
    }


def changes(record: RunRecord) -> list[str]:
    """`method.epochs=40` for each number that is not the budget's."""
    everything = {**record["plan"], **record["plan"]["settings"]}
    shown = []
    for key in record["changed"]:
        if key == "enhancer":  # it has a column
            continue
        value = everything.get(key, NOTHING)
        shown.append(f"{key}={'x'.join(map(str, value)) if isinstance(value, list) else value}")
    return shown


def interval_kinds(lines: Iterable[RankedRow]) -> str:
    """How the intervals of the lines' primary scores were made: `Wilson`."""
    kinds = (line.row.first["scores"][line.row.first["primary"]]["interval"] for line in lines)
    return distinct(_INTERVALS.get(kind, kind) for kind in kinds)


def updates(line: RankedRow) -> str:
    """Updates by stage: `student 1500, teacher 1500`; runs that differ are all named."""
    each = (", ".join(f"{stage} {n}" for stage, n in record["updates"].items()) for record in line.row.records)
    return "; ".join(dict.fromkeys(each)) or NOTHING


def plugins(line: RankedRow) -> str:
    """Plugins that the row's components came from, and who brought them: `cstat, resnet (elrbench 0.1.0)`."""
    found: dict[str, dict[str, None]] = {}
    for record in line.row.records:
        for owner in record["plugins"].values():
            found.setdefault(f"{owner['distribution']} {owner['version']}".strip(), {})[owner["plugin"]] = None
    return "; ".join(f"{', '.join(sorted(found[whose]))} ({whose})" for whose in sorted(found)) or NOTHING


def notes(line: RankedRow) -> list[str]:
    """Sentences that the row's runs left, each once."""
    return list(dict.fromkeys(note for record in line.row.records for note in record.get("notes", ())))


def links(line: RankedRow, root: str) -> str:
    """The digests' first digits, each a link to its record, `root` leading from the table to the leaderboards."""
    folder = f"{root}{RECORDS}/{track_path(line.row.first['track'])}"
    shown = line.row.records[:_SHOWN_DIGESTS]
    texts = [f"[{record['digest'][:8]}]({quote(f'{folder}/{record_name(record)}')})" for record in shown]
    more = len(line.row.records) - len(shown)
    return " ".join(texts + ([f"and {more} more"] if more else []))


def gpus(costs: Iterable[CostRecord]) -> list[str]:
    """Devices that a latency was taken on. A processor's time never enters a table."""
    return sorted({cost["device"] for cost in costs if cost["latency"]})


def latency(costs: Sequence[CostRecord], device: str) -> float | None:
    """Median milliseconds of one clip on `device`."""
    for cost in costs:
        if cost["device"] == device and cost["latency"]:
            return cost["latency"]["single"]["median"]
    return None


def latencies(costs: Sequence[CostRecord], devices: Sequence[str]) -> dict[str, str]:
    """A cell for each device, under its heading; one that is empty where there is no device."""
    found = {f"latency (ms), {device}": latency(costs, device) for device in devices} or {"latency (ms)": None}
    return {heading: NOTHING if ms is None else f"{ms:.3g}" for heading, ms in found.items()}


def enhancer_share(cost: CostRecord | None) -> float | None:
    """Of a view's multiply-adds, the fraction that are the enhancer's; None where there are none at all."""
    return cost["macs"]["enhancer"] / cost["macs"]["view"] if cost and cost["macs"]["view"] else None


def costs_of(cost: CostRecord | None, sampling: str) -> dict[str, str]:
    """Parameters, multiply-adds of a clip and the enhancer's share of them."""
    share = enhancer_share(cost)
    return {
        "params (M)": millions(cost["params"]["total"]) if cost else NOTHING,
        "MACs/clip (G)": _macs(cost, sampling) if cost else NOTHING,
        "enhancer, % of MACs": NOTHING if share is None else f"{100 * share:.3g}",
    }


def millions(count: float) -> str:
    """11.18"""
    return f"{count / 1e6:.2f}"


def billions(macs: float, understated: Sequence[str]) -> str:
    """1.782, or `≥ 1.782` of a lower bound."""
    return f"{'≥ ' if understated else ''}{macs / 1e9:.4g}"


def _macs(cost: CostRecord, sampling: str) -> str:
    figure = billions(cost["macs"]["clip"], cost["understated"])
    return f"{figure} a window" if sampling.startswith("windows-") else figure  # a clip has as many as it is long
