"""Text of a cost record on the terminal."""

from __future__ import annotations

from typing import Any

from benchmark_core.cli.console import columns


def as_text(record: dict[str, Any]) -> str:
    """Format a record; a latency that was not measured is `-`."""
    params, macs, latency = record["params"], record["macs"], record["latency"]
    rows = [
        ("structure", record["structure"]),
        *([("sum of", f"{len(record['streams'])} networks")] if "streams" in record else []),
        ("parameters", f"{params['total']:,} ({params['total'] / 1e6:.2f} M)"),
        *((f"  {name}", f"{count:,}") for name, count in params.items() if name != "total" and count),
        ("MACs per view", f"{macs['view'] / 1e9:.4f} G"),
        ("MACs per clip", f"{macs['clip'] / 1e9:.4f} G"),
    ]
    if macs["enhancer"]:
        rows.append(("  enhancer, per view", f"{macs['enhancer'] / 1e9:.4f} G"))
    if record["uncounted"]:
        rows.append(("uncounted operators", ", ".join(f"{name} x{n}" for name, n in record["uncounted"].items())))
    if record["understated"]:
        rows.append(("lower bound", f"uncounted and heavy: {', '.join(record['understated'])}"))
    if latency:
        rows += _latency(latency)
    elif "cpu_latency" in record:
        rows += _cpu_latency(record["cpu_latency"])
    else:
        rows.append(("latency per clip", f"- ({record.get('refused', 'not measured')})"))
    if flow := record.get("flow"):
        rows.append(("optical flow per field", f"{flow['field']:.2f} ms ({flow['algorithm']}, on the CPU)"))
    rows.append(("device", record["device"]))
    return columns(rows)


def _latency(latency: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows for one clip, for a batch, and for both in other precisions and compiled."""
    rows = [("latency per clip", _timed(latency["single"]))]
    if "throughput" in latency:
        rows.append((f"  batch of {latency['throughput']['batch']}", _timed(latency["throughput"])))
    for variant in latency.get("variants", ()):
        name = f"  {variant['precision']}{', compiled' if variant['compiled'] else ''}"
        if "failed" in variant:
            rows.append((name, f"- ({variant['failed']})"))
            continue
        rows.append((name, _timed(variant["single"])))
        rows.append((f"    batch of {variant['throughput']['batch']}", _timed(variant["throughput"])))
    return rows


def _cpu_latency(latency: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a heading, then rows for each engine, precision and number of threads."""
    rows = [("latency per clip", f"load from other processes at most {100 * latency['load']:.1f} %")]
    for mode in latency["modes"]:
        threads = f"{mode['threads']} thread{'s' if mode['threads'] > 1 else ''}"
        name = f"  {mode['engine']}{'' if mode['precision'] == 'fp32' else ' ' + mode['precision']}, {threads}"
        rows.append((name, f"- ({mode['failed']})" if "failed" in mode else _timed(mode["single"])))
        if "throughput" in mode:
            rows.append((f"    batch of {mode['throughput']['batch']}", _timed(mode["throughput"])))
    return rows


def _timed(timed: dict[str, Any]) -> str:
    """Format as `1.23 ms (1.22 to 1.25), 123 MiB`: median, quartiles, peak memory."""
    text = f"{timed['median']:.2f} ms ({timed['q1']:.2f} to {timed['q3']:.2f})"
    if "clips_per_second" in timed:
        text += f", {timed['clips_per_second']:.{0 if timed['clips_per_second'] >= 10 else 2}f} clips/s"
    return text + (f", {timed['peak_memory'] / 2**20:.0f} MiB" if "peak_memory" in timed else "")
