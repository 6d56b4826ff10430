"""The page of costs: backbones, enhancers, recognizers, and latencies per device."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from run_records import make_cost, make_record, put

from benchmark_core.papers.collection import Library
from benchmark_core.tables import build_tables

BARE = {"enhancer": "none", "head": "mean-logits", "classes": 101, "size": [256, 340], "low": [256, 340], "options": {}}
ALONE = {"backbone": "none", "head": "none", "classes": 0, "sampling": "1x16", "options": {}}


def texts(board: Path) -> dict[str, str]:
    made = build_tables(board, Library({}, {}))
    assert made.problems == ()
    return {path.relative_to(board / "tables").as_posix(): text for path, text in made.files.items()}


def sections(page: str) -> dict[str, list[dict[str, str]]]:
    """Heading -> its table's rows."""
    found: dict[str, list[dict[str, str]]] = {}
    heading, header = "", []
    for line in page.splitlines():
        if line.startswith("## "):
            heading, header = line[3:], []
        elif line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if header:
                found.setdefault(heading, []).append(dict(zip(header, cells, strict=True)))
            header = header or cells
    return found


def cost(structure: str, describe: dict[str, Any], **more: Any) -> dict[str, Any]:
    return make_cost(structure, describe=describe, **more)


def test_each_kind_of_network_has_its_section(tmp_path: Path) -> None:
    put(
        tmp_path,
        cost("b2", {**BARE, "backbone": "net18", "sampling": "8x1", "size": [96, 128]}),
        cost(
            "b1",
            {**BARE, "backbone": "net18", "sampling": "1x1", "modality": "flow"},
            params={"total": 21_336_485, "backbone": 21_336_485, "enhancer": 0, "head": 0},
            macs={"view": 6.507e9, "clip": 6.507e9, "enhancer": 0.0},
        ),
        cost("e2", {**ALONE, "enhancer": "sr", "low": [14, 14], "size": [112, 112], "options": {"enhancer.units": 10}}),
        cost("e1", {**ALONE, "enhancer": "sr", "low": [14, 14], "size": [28, 28]}, understated=["aten::fft"]),
        cost(
            "r",
            {**BARE, "backbone": "net18", "enhancer": "sr", "head": "own", "sampling": "4x1", "low": None},
            macs={"view": 4e9, "clip": 16e9, "enhancer": 1e9},
        ),
    )
    page = sections(texts(tmp_path)["costs.md"])
    assert list(page) == ["Backbones", "Enhancers", "Recognizers"]
    backbones = [(row["backbone"], row["view"], row["params (M)"], row["MACs/view (G)"]) for row in page["Backbones"]]
    assert backbones == [
        ("net18", "8x1 of 96x128", "11.18", "0.15"),
        ("net18 (flow)", "1x1 of 256x340", "21.34", "6.507"),
    ]
    enhancers = [(row["enhancer"], row["from"], row["to"], row["MACs/view (G)"]) for row in page["Enhancers"]]
    assert enhancers == [("sr", "14x14", "28x28", "≥ 0.15"), ("sr (units=10)", "14x14", "112x112", "0.15")]
    (row,) = page["Recognizers"]
    assert (row["from"], row["head"], row["MACs/clip (G)"], row["enhancer, % of MACs"]) == (
        "as recorded",
        "own",
        "16",
        "25",
    )
    assert row["latency (ms)"] == "-"


def test_latency_is_of_the_gpus_that_are_named_in_every_variant(tmp_path: Path) -> None:
    def times(ms: float, **more: float) -> dict[str, float]:
        return {"median": ms, "q1": ms - 0.1, "q3": ms + 0.1, **more}

    latency = {
        "single": times(2.0),
        "throughput": times(16.0, batch=32, clips_per_second=2000.0, peak_memory=2**31),
        "variants": [
            {"precision": "bf16", "compiled": True, "single": times(1.0)},
            {"precision": "fp32", "compiled": True, "failed": "no compiler | here"},
        ],
    }
    describe = {**BARE, "backbone": "net18", "sampling": "1x1"}
    put(
        tmp_path,
        cost("net18-bilinear", describe),
        cost("net18-bilinear", describe, device="cuda: B", latency=latency),
        cost("net18-bilinear", describe, device="cuda: A", ms=9.0),
        make_record(),
    )
    made = texts(tmp_path)
    page = sections(made["costs.md"])
    (row,) = page["Backbones"]
    assert (row["latency (ms), cuda: A"], row["latency (ms), cuda: B"]) == ("9", "2")
    assert "cpu" not in made["costs.md"] and "latency (ms), cuda: A" in made["acts/split1/average-12x16.md"]
    shown = [
        (row["device"], row["precision"], row["compiled"], row["1 clip (ms)"], row["clips/s"])
        for row in page["Latency"]
    ]
    assert shown == [
        ("cuda: A", "fp32", "no", "9 (9 to 9)", "-"),
        ("cuda: B", "fp32", "no", "2 (1.9 to 2.1)", "2000"),
        ("cuda: B", "bf16", "yes", "1 (0.9 to 1.1)", "-"),
        ("cuda: B", "fp32", "yes", "-", "-"),
    ]
    assert (
        page["Latency"][1]["peak memory (GiB)"] == "2.00" and page["Latency"][3]["failure"] == "no compiler &#124; here"
    )
    rows = list(csv.DictReader(io.StringIO(made["latency.csv"])))
    assert [row["single_median"] for row in rows] == ["9", "2", "1", ""]
    assert [row["latency_ms"] for row in csv.DictReader(io.StringIO(made["costs.csv"]))] == ["", "9", "2"]


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    macs = {"view": 6_506_745_856.0, "clip": 52_053_966_848.0, "enhancer": 0.0}
    put(tmp_path, cost("b", {**BARE, "backbone": "net", "sampling": "8x1"}, macs=macs))
    (row,) = csv.DictReader(io.StringIO(texts(tmp_path)["costs.csv"]))
    assert (row["macs_view"], row["macs_clip"], row["params_total"]) == ("6506745856", "52053966848", "11176512")


def test_odd_descriptions_are_shown_and_break_nothing(tmp_path: Path) -> None:
    put(tmp_path, cost("a", {}), cost("b", {"backbone": ["x"], "options": [1], "size": "96", "low": {"h": 3}}))
    page = sections(texts(tmp_path)["costs.md"])
    assert [row["backbone"] for row in page["Recognizers"]] == ["-", "x"]


def test_without_costs_there_is_no_page(tmp_path: Path) -> None:
    put(tmp_path, make_record())
    assert "costs.md" not in texts(tmp_path) and "costs.md" not in texts(tmp_path)["README.md"]
