"""Render the report as one HTML file that makes no request.

Jinja's `autoescape` is on for all text; only files of this package are inserted unescaped. Data of plots are JSON in a
data block, which a browser does not execute. The page's Content-Security-Policy allows no request, and no script except
those of this package, identified by digest.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from benchmark_core.provenance import version_of
from benchmark_core.records.record import record_name
from benchmark_core.tables.cells import billions, millions, percent
from elrbench_plugins.commands.report import figures
from elrbench_plugins.commands.report.make import RunReport
from elrbench_plugins.pages.bundle import libraries
from elrbench_plugins.pages.html import data_script

LIBRARIES = ("d3.min.js", "plot.umd.min.js")  # Observable Plot needs d3; both are in pages/bundled with licences
SCRIPT, STYLE, TEMPLATE = "page.js", "page.css", "page.html"
TITLES = {
    "curves": "Training curves",
    "matrix": "Confusion matrix",
    "per_class": "Scores by class",
    "attention": "Attention maps",
    "enhanced": "Enhanced frames",
    "features": "Features (t-SNE)",
    "extremes": "Best and worst clips",
    "costs": "Cost",
    "streams": "Streams",
}


def render(report: RunReport) -> str:
    """Return the page. Needs Jinja (the extra `report`)."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    bundled = [each for each in libraries() if each.file in LIBRARIES]
    scripts = [each.content().decode() for each in bundled] + [_own(SCRIPT)]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"name": _name, "percent": percent, "millions": millions, "billions": billions}
    template = environment.from_string(_own(TEMPLATE))
    record, multi = report.run.record, report.run.record["hits"] is None
    fields, settings = figures.settings_of(record["plan"])
    return template.render(
        record=record,
        file=record_name(record),
        score=record["scores"][record["primary"]],
        multi=multi,
        threshold=figures.threshold_of(record),
        panels=report.panels,
        why=report.why,
        titles=TITLES | ({"matrix": "Label co-occurrence"} if multi else {}),
        fields=fields,
        settings=settings,
        plots=Markup(data_script("plots", printable(_plots(report)))),
        policy=_policy(scripts),
        style=Markup(_own(STYLE)),
        scripts=[Markup(script) for script in scripts],
        libraries=bundled,
        version=version_of("elrbench") or "",
    )


def printable(value: Any) -> Any:
    r"""Return `value` with texts that HTML can hold: lone surrogates become `\udcff`, control characters `\x07`."""
    if isinstance(value, str):
        plain = value.encode(errors="backslashreplace").decode()
        return "".join(each if each in "\n\t" or not _control(each) else f"\\x{ord(each):02x}" for each in plain)
    if isinstance(value, dict):
        return {printable(key): printable(each) for key, each in value.items()}
    return [printable(each) for each in value] if isinstance(value, list | tuple) else value


def _control(character: str) -> bool:
    """Whether a character is a C0 or C1 control, most of which HTML cannot hold."""
    return ord(character) < 32 or 127 <= ord(character) < 160


def _name(value: Any) -> Any:
    """Escape a name from outside; `<bdi>` isolates its writing direction."""
    from markupsafe import Markup

    return Markup("<bdi>%s</bdi>") % printable(str(value))


def _plots(report: RunReport) -> dict[str, Any]:
    """Return the data that the script draws."""
    panels = report.panels
    matrix = {key: panels["matrix"][key] for key in ("classes", "counts", "n")}
    matrix["multi"] = report.run.record["hits"] is None
    drawn = {"matrix": matrix, "per_class": panels["per_class"], "metric": "F1" if matrix["multi"] else "recall"}
    return drawn | {name: panels[name] for name in ("curves", "features") if name in panels}


def _policy(scripts: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _own(name: str) -> str:
    return (files("elrbench_plugins.commands.report") / name).read_text(encoding="utf-8")
