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
    assert row["GPU latency (ms)"] == row["CPU latency (ms)"] == "-"


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
    assert (row["GPU latency (ms), A"], row["GPU latency (ms), B"]) == ("9", "2")
    assert "cpu:" not in made["costs.md"] and "GPU latency (ms), A" in made["acts/split1/average-12x16.md"]
    shown = [
        (row["device"], row["precision"], row["compiled"], row["1 clip (ms)"], row["clips/s"])
        for row in page["GPU latency"]
    ]
    assert shown == [
        ("cuda: A", "fp32", "no", "9 (9 to 9)", "-"),
        ("cuda: B", "fp32", "no", "2 (1.9 to 2.1)", "2000"),
        ("cuda: B", "bf16", "yes", "1 (0.9 to 1.1)", "-"),
        ("cuda: B", "fp32", "yes", "-", "-"),
    ]
    assert (
        page["GPU latency"][1]["peak memory (GiB)"] == "2.00"
        and page["GPU latency"][3]["failure"] == "no compiler &#124; here"
    )
    rows = list(csv.DictReader(io.StringIO(made["latency.csv"])))
    assert [row["single_median"] for row in rows] == ["9", "2", "1", ""]
    assert [row["gpu_latency_ms"] for row in csv.DictReader(io.StringIO(made["costs.csv"]))] == ["", "9", "2"]


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


def test_latency_on_a_cpu_has_columns_and_a_table_of_its_own(tmp_path: Path) -> None:
    """In columns of networks: eager, fp32, one thread. In its own table: a row per number of threads."""

    def mode(engine: str, threads: int, ms: float, **more: Any) -> dict[str, Any]:
        times = {"median": ms, "q1": ms, "q3": ms}
        many = {"batch": 4, **times, "clips_per_second": 4000 / ms, "peak_memory": 3 << 20}
        facts = {"engine": engine, "precision": "fp32", "threads": threads, "load": threads / 100}
        return {**facts, **({} if "failed" in more else {"single": times, "throughput": many}), **more}

    modes = [
        mode("eager", 1, 8.0),
        mode("eager", 2, 5.0),
        mode("onnxruntime", 1, 2.0),
        mode("onnxruntime", 2, 1.0, failed="no | such operator"),
        mode("onnxruntime", 1, 0.5, precision="int8"),
    ]
    on_cpu = {"threads": 2, "processor": "p", "load": 0.02, "limit": 0.1, "versions": {}, "modes": modes}
    describe = {**BARE, "backbone": "net18", "sampling": "1x1"}
    put(
        tmp_path,
        cost("net18-bilinear", describe, device="cpu: C (2 threads)", cpu_latency=on_cpu),
        cost("net18-bilinear", describe, device="cuda: A", ms=9.0),
        make_record(),
    )
    made = texts(tmp_path)
    page = sections(made["costs.md"])
    (row,) = page["Backbones"]
    assert (row["GPU latency (ms), A"], row["CPU latency (ms), C (2 threads)"]) == ("9", "8")
    assert "CPU latency (ms), C (2 threads)" in made["acts/split1/average-12x16.md"]
    one, two = page["CPU latency"]
    assert (one["threads"], one["eager (ms)"], one["onnxruntime (ms)"]) == ("1", "8 (8 to 8)", "2 (2 to 2)")
    assert (one["onnxruntime int8 (ms)"], one["load (%)"], one["eager (MiB)"]) == ("0.5 (0.5 to 0.5)", "1.0", "3")
    assert (one["onnxruntime (clips/s)"], one["batch"]) == ("2000", "4")
    assert (two["threads"], two["eager (ms)"], two["onnxruntime (ms)"]) == ("2", "5 (5 to 5)", "-")
    assert {entry["device"] for entry in page["GPU latency"]} == {"cuda: A"}
    rows = list(csv.DictReader(io.StringIO(made["cpu_latency.csv"])))
    assert len(rows) == 5 and rows[3]["failed"] == "no | such operator" and rows[3]["single_median"] == ""
    costs = list(csv.DictReader(io.StringIO(made["costs.csv"])))
    assert [(line["gpu_latency_ms"], line["cpu_latency_ms"]) for line in costs] == [("", "8"), ("9", "")]
    (track, *_) = csv.DictReader(io.StringIO(made["acts/split1/average-12x16.csv"]))
    assert (track["gpu_latency_ms cuda: A"], track["cpu_latency_ms cpu: C (2 threads)"]) == ("9", "8")
