"""What docs/history.md says is what papers print and what the records say."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import pytest
from suite_rows import of

from benchmark_core.papers.collection import Library, load_library
from benchmark_core.papers.reported import Figure
from elrbench import Catalog

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
TABLES = ROOT / "leaderboards" / "tables"
JHMDB = "jhmdb/hmdb51-split1/average-12x16"
NOTES = {"clean": "average-12x16-clean", "14x14": "average-14x14", "": "average-12x16"}  # note of a cell -> track
DATA = {"HMDB51": "hmdb51", "IXMAS": "ixmas"}
SYSTEMS = {
    "Semi-coupled": "semi-coupled two-stream",
    "Fully-coupled": "fully-coupled two-stream",
    "Multi-siamese": "multi-siamese",
    "pLRN + TenneT": "pLRN+Tennet",
    "Purwanto et al.": "Purwanto et al. (I3D)",
    "TinyVIRAT": "Prog. DVSR",
}  # name on the page -> name in the reported files, if they differ
NOT_SYSTEMS = {"tennet", "teacher", "st-mhsa", "ensemble", "ensemble-distil", "probe"}
OTHER_NUMBERS = {"2.0"}  # the interval, checked below


def rows(heading: str) -> list[list[str]]:
    """Cells of the body rows of all tables of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in section.splitlines() if line[:2] == "| "]
    headers = {"year", "system", "what differs"}
    return [row for row in cells if row[0] not in headers]


def measured() -> dict[str, dict[str, list[dict[str, str]]]]:
    """Data set -> track -> rows of the published tables."""
    folders = {"JHMDB": TABLES / JHMDB.rpartition("/")[0], "puppets": TABLES / "puppets" / "subjects"}
    return {
        name: {
            path.stem: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
            for path in folder.glob("average-*.csv")
        }
        for name, folder in folders.items()
    }


SYSTEM_ROWS = [row for row in rows("The systems") if re.fullmatch(r"\d{4}", row[0])]
SIMPLE_ROWS = [row for row in rows("The systems") if not re.fullmatch(r"\d{4}", row[0])]
SOURCES = rows("Sources of printed figures")
MEASURED_CELLS = [
    (system, name, method, cell)
    for system, method, cells in (
        *((row[1], row[-1], row[4:6]) for row in SYSTEM_ROWS),
        *((row[0], row[-1], row[1:3]) for row in SIMPLE_ROWS),
    )
    for name, cell in zip(("JHMDB", "puppets"), cells, strict=True)
]


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def figure_of(library: Library, cell: str) -> Figure:
    return library.figure(cell.strip("`"))


def as_shown(row: dict[str, str]) -> str:
    """Score of a table's row as on the page: mean ± standard deviation in %, digest of the first record."""
    spread = f" ± {100 * float(row['std']):.2f}" if row["std"] else ""
    return f"{100 * float(row['mean']):.2f}{spread} `{row['digests'][:8]}`"


# -- printed figures


def test_every_source_is_the_reported_one(library: Library) -> None:
    assert len(SOURCES) >= 30
    for system, data, printed, protocol, low, streams, label, key in SOURCES:
        figure = figure_of(library, key)
        assert [system, data, printed, label] == [
            figure.system, figure.dataset, f"{figure.value:.2f} {figure.metric}", figure.label
        ]  # fmt: skip
        assert [protocol, low, streams] == [
            value or "-" for value in (figure.protocol, figure.degradation, figure.modality)
        ]


def test_the_fields_tables_are_the_printed_ones(library: Library) -> None:
    shown = rows("Two tables of the field")
    hmdb51, ixmas = ([row for row in shown if len(row) == length] for length in (6, 5))
    known = {row[-1] for row in SOURCES}
    for table, data in ((hmdb51, "hmdb51"), (ixmas, "ixmas")):
        figures = [figure_of(library, row[-1]) for row in table]
        assert [float(row[1]) for row in table] == [figure.value for figure in figures]
        assert [row[0] for row in table] == [figure.system for figure in figures]
        assert {figure.dataset for figure in figures} == {data} and {row[-1] for row in table} <= known
        assert [row[-3:-1] for row in table] == [[f.degradation or "-", f.modality or "-"] for f in figures]
        assert [figure.value for figure in figures] == sorted((f.value for f in figures), reverse=True)
        printed = {
            figure.value
            for paper, name in (("cstat-2021", "table5"), ("stat-2019", "table4"), ("purwanto-2019", "table3"))
            for key, figure in library.papers[paper].figures.items()
            if key.startswith(f"{paper}/{name}/") and figure.dataset == data
        }
        assert printed <= {figure.value for figure in figures}  # every figure of the three papers' comparisons
    assert [row[2] for row in hmdb51] == [figure_of(library, row[-1]).protocol or "-" for row in hmdb51]


@pytest.mark.parametrize("row", SYSTEM_ROWS, ids=lambda row: row[1])
def test_a_systems_printed_figures_have_a_source(row: list[str], library: Library) -> None:
    figures = [figure_of(library, source[-1]) for source in SOURCES]
    for part in row[3].split(", ") if row[3] != "-" else ():
        match = re.fullmatch(r"(HMDB51|IXMAS)(?: \((.*)\))? ([\d.]+)", part)
        assert match, part
        assert any(
            figure.value == float(match[3])
            and figure.dataset == DATA[match[1]]
            and figure.system == SYSTEMS.get(row[1], row[1])
            and (match[2] or "12x16") in f"{figure.degradation or '12x16 low quality'}"
            for figure in figures
        ), part


def test_systems_are_in_order_of_time() -> None:
    assert len(SYSTEM_ROWS) >= 20
    assert [int(row[0]) for row in SYSTEM_ROWS] == sorted(int(row[0]) for row in SYSTEM_ROWS)
    text = PAGE.partition("\n## System by system\n")[2]
    for row in SYSTEM_ROWS:
        assert f"**{row[1]}**" in text, f"no paragraph on {row[1]}"


# -- measured figures


@pytest.mark.parametrize(
    ("system", "name", "method", "cell"), MEASURED_CELLS, ids=[f"{cell[0]} {cell[1]}" for cell in MEASURED_CELLS]
)
def test_a_measured_figure_is_the_published_one(system: str, name: str, method: str, cell: str) -> None:
    tracks = measured()[name]
    spec, backbone = (*re.findall(r"`([^`]+)`", method), "", "")[:2]

    def is_named(row: dict[str, str]) -> bool:
        network = row["backbone"].partition(" ")[0]
        return row["method"].partition(" ")[0] == spec and backbone in ("", network)

    if cell == "-":
        named = [row for row in tracks["average-12x16"] if is_named(row)]
        found = [as_shown(row) for row in named if f"`{row['digests'][:8]}`" not in PAGE]  # not that of another start
        assert not found, f"docs/history.md: {system} was run on {name}; replace '-' by one of {found}"
        return
    note = (re.findall(r" \((.*?)\)", cell) or [""])[0]
    (digest,) = re.findall(r"`(\w{8})`", cell)
    (row,) = [row for row in tracks[NOTES[note]] if digest in row["digests"]]
    assert cell.replace(f" ({note})", "") == as_shown(row)
    assert is_named(row)


def test_numbers_of_the_text_are_printed_or_measured(library: Library) -> None:
    text = re.sub(r"^\|.*$|^```.*?^```$|`[^`]*`", "", PAGE, flags=re.M | re.S)
    unfair = "\n".join(line for line in PAGE.splitlines() if line.startswith("|") and line in fairness())
    sources = {f"{figure_of(library, row[-1]).value:.2f}" for row in SOURCES}
    cells = {number for *_, cell in MEASURED_CELLS for number in re.findall(r"\d+\.\d+", cell)}
    hmdb51 = {
        key: figure_of(library, f"{key}").value
        for key in (
            "cstat-2021/table5/ours/hmdb51", "cstat-2021/table5/r2plus1d-34/hmdb51",
            "cstat-2021/table5/fully-coupled/hmdb51", "purwanto-2019/table3/i3d/hmdb51",
            "purwanto-2019/table3/ours/hmdb51",
            "stat-2019/table4/ours/top1",
        )
    }  # fmt: skip
    cstat, plain, coupled, i3d, purwanto, stat = hmdb51.values()
    differences = {f"{cstat - plain:.2f}", f"{cstat - purwanto:.2f}", f"{i3d - coupled:.2f}", f"{purwanto - i3d:.2f}"}
    assert (
        i3d - coupled > (purwanto - coupled) / 2 and plain - coupled > (stat - coupled) / 2
    )  # half of the largest step
    clips = 3 * 1530
    shares = [cstat / 100, purwanto / 100]
    assert f"{196 * math.sqrt(sum(share * (1 - share) / clips for share in shares)):.1f}" in OTHER_NUMBERS
    found = {number for number in re.findall(r"(?<![\d.])\d+\.\d{1,2}(?![\d.])", text + unfair)}
    known = {f"{float(number):.2f}" for number in sources | cells | differences}
    unknown = {number for number in found - OTHER_NUMBERS if f"{float(number):.2f}" not in known}
    assert not unknown - {"4.1", "4.3"}  # sections of Purwanto et al.


def fairness() -> str:
    return PAGE.partition("\n## What was not compared fairly\n")[2].partition("\n## ")[0]


# -- commands


def test_every_method_is_on_the_page(catalog: Catalog) -> None:
    named = {re.split(r"[`:]", method)[1] for _, _, method, _ in MEASURED_CELLS if method != "-"}
    missing = set(catalog.methods) - NOT_SYSTEMS - named
    assert not missing, f"add {sorted(missing)} to docs/history.md"


def test_rows_of_the_commands_exist() -> None:
    commands = re.findall(r"^elrbench suite (?:run|show) (leaderboards/\S+)(.*)$", PAGE, re.M)
    assert len(commands) >= 10
    for path, rest in commands:
        suite = of((ROOT / path).read_text(encoding="utf-8"), Path(path).stem)
        names = [row.name for row in suite.rows]
        for only in (re.findall(r"--only '?([^' ]+)'?", rest) or [""])[0].split(","):
            pattern = re.compile(only.replace("*", ".*"))
            assert not only or any(pattern.fullmatch(name) for name in names), f"{path}: {only}"
