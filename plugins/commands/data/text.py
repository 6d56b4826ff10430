"""Texts that `elrbench data` prints, and a dataset's facts as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.cli.console import columns

if TYPE_CHECKING:
    from benchmark_core.specs import DatasetSpec
    from elrbench_plugins.commands.data.fill import Filled
    from elrbench_plugins.commands.data.verify import DataReport

NO_PROBLEM = "no problem: no clip is missing, broken, too short or duplicated"
SHOWN = 10  # problems of one kind that are printed; --json has all


def describe(spec: DatasetSpec, *, named: bool = True) -> dict[str, Any]:
    """Return a dataset's facts as plain names and numbers; unknown facts are left out.

    named: the dataset is found by its name under ELRBENCH_DATA. False for a folder of the user's own.
    """
    own = spec.embedded or spec.at is not None or not named
    facts = {
        "name": spec.name,
        "summary": spec.summary,
        "where": spec.where,
        "citation": spec.citation,
        "licence": spec.licence,
        "folder": "" if own else f"$ELRBENCH_DATA/{spec.folder or spec.name}",
        "layout": spec.layout,
        "task": spec.task,
        "metric": spec.metric,
        "embedded": spec.embedded,
        "natively_low": spec.natively_low,
        "degradation": spec.degradation,
        "unspecified": list(spec.unspecified),
        "protocols": {
            name: {
                "summary": protocol.summary,
                "folds": list(protocol.folds),
                "official": {fold: list(pair) for fold, pair in spec.counts.get(name, {}).items()},
            }
            for name, protocol in spec.protocols.items()
        },
        "classes": list(spec.classes),
    }
    return {key: value for key, value in facts.items() if value not in ("", [])}


def info_text(facts: Mapping[str, Any]) -> str:
    """Return the text for people of what `describe` returns."""
    labels = {
        "where": "where to get it",
        "metric": "primary metric",
        "natively_low": "natively low",
        "embedded": "drawn by code",
        "degradation": "default degradation",
    }
    plain = {True: "yes", False: "no"}
    rows = [
        (labels.get(key, key), plain[value] if isinstance(value, bool) else str(value))
        for key, value in facts.items()
        if key not in ("name", "summary") and not isinstance(value, (dict, list))
    ]
    lines = [f"{facts['name']}: {facts['summary']}", columns(rows, "  ")]
    if "unspecified" in facts:
        lines += ["", "not specified by the source", *(f"  - {line}" for line in facts["unspecified"])]
    lines += ["", "protocols (default: the first)"]
    protocols = []
    for name, protocol in facts["protocols"].items():
        protocols.append((name, "", protocol["summary"]))
        for fold, (train, test) in protocol["official"].items():
            protocols.append(("", f"fold {fold}", f"{train} train, {test} test"))
    lines.append(columns(protocols, "  "))
    if "classes" in facts:
        lines += ["", f"{len(facts['classes'])} classes", f"  {', '.join(facts['classes'])}"]
    return "\n".join(lines)


def verify_text(report: DataReport, default: str) -> str:
    """Return the report for people: what was found, then the problems, then the result."""
    facts = report.to_json()
    found = facts["frames"]
    span = (
        f"{found['fewest']} to {found['most']} per clip, median {found['median']}" if report.frames else "none decoded"
    )
    sizes = [f"{rows}x{across}" for rows, across in sorted(report.sizes, key=lambda size: size[0] * size[1])]
    lines = [
        f"{report.dataset}{f' at {report.root}' if report.root else ''}: {report.clips} clips",
        f"  {found['total']} frames ({span}), "
        + (f"{sizes[0]} to {sizes[-1]} ({len(sizes)} sizes)" if len(sizes) > 1 else "".join(sizes)),
    ]
    if report.pool:
        lines.append(f"  {report.pool} of the clips have no label")
    if report.unlisted:
        lines.append(f"  {report.unlisted} other files, which are in no list or are not clips")
    lines += [f"  note: {note}" for note in report.notes]
    if table := _folds_text(facts["protocols"]):
        lines += ["", table]
    if by_class := facts["protocols"].get(default):
        lines += ["", _classes_text(default, by_class)]
    problems: dict[str, list[str]] = {
        "missing": report.missing,
        "broken": [f"{clip}: {reason}" for clip, reason in report.broken.items()],
        "suspect": [f"{clip}: {signs}" for clip, signs in report.suspect.items()],
        "short": [
            f"{clip}: {frames} frames, fewer than {report.sampling} takes" for clip, frames in report.short.items()
        ],
        "double": [" = ".join(ids) for ids in report.double],
        "counts": report.counts,
    }
    for kind, entries in problems.items():
        if entries:
            more = [f"  … and {len(entries) - SHOWN} more; --json has all"] if len(entries) > SHOWN else []
            lines += ["", f"{kind}: {len(entries)}", *(f"  {entry}" for entry in entries[:SHOWN]), *more]
    found_problems = ", ".join(
        f"{len(entries)} {kind}" for kind, entries in problems.items() if entries and kind != "suspect"
    )
    result = f"problems: {found_problems}" if found_problems else NO_PROBLEM
    if report.suspect:
        result += f"; {len(report.suspect)} suspect (a warning; --strict makes it an error)"
    return "\n".join([*lines, "", result])


def _folds_text(protocols: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [("protocol", "fold", "train", "test", "published")]
    for protocol, folds in protocols.items():
        for fold, part in folds.items():
            official = "{} + {}".format(*part["official"]) if part["official"] else "-"
            rows.append((protocol, fold, str(part["train"]), str(part["test"]), official))
    return columns(rows, "  ") if len(rows) > 1 else ""


def _classes_text(protocol: str, folds: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table of training + test clips by class and fold."""
    names: Iterable[str] = next(iter(folds.values()))["classes"]
    rows = [("class", *(f"fold {fold}" for fold in folds))]
    for name in names:
        rows.append((name, *("{} + {}".format(*part["classes"][name]) for part in folds.values())))
    return f"  {protocol}, train + test\n{columns(rows, '  ')}"


def prepare_text(filled: Filled, folder: Path) -> str:
    """Return what was built, reused and left out."""
    report = filled.report
    lines = [f"{report.built} clips built, {report.reused} reused in {report.seconds:.1f} s: {folder}"]
    if filled.missing:
        lines.append(f"{len(filled.missing)} listed clips do not exist (first: {filled.missing[0]})")
    lines += [f"left out: {clip}: {reason}" for clip, reason in report.bad]
    return "\n".join(lines)
