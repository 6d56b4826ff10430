"""The lines that `elrbench export` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def text(export: Mapping[str, Any], folder: Path) -> str:
    """Return the lines for the content of `export.json`. folder: of the files."""
    lines = []
    for each in export["files"]:
        shape = "x".join(map(str, each["frames"]))
        clips = f", calibrated on {each['calibration_clips']} training clips" if each["kind"] == "int8" else ""
        lines.append(f"{folder / each['file']}: {each['bytes'] / 1e6:.1f} MB, uint8 frames {shape}{clips}")
        lines += _compared(each)
    if "fusion" in export:
        names = " and ".join(export["fusion"]["files"])
        lines.append(f"fusion: average the probabilities of {names}")
        lines += _compared(export["fusion"])
    if reason := export.get("not_scored"):
        lines.append(
            f"the score was not checked: the run's test clips are not here; pass --data DIR to check it ({reason})"
        )
        return "\n".join(lines)
    return "\n".join([*lines, f"scores: {folder / 'export.json'}"])


def _compared(found: Mapping[str, Any]) -> list[str]:
    """Return the lines that compare a file with the run; none if it was not compared."""
    if found["agrees"] is None:
        return []
    run, file = (_score(found[key]) for key in ("run_score", "file_score"))
    lines = [
        f"  {found['metric']} of the run {run}, of the file {file}; {found['clips']} test clips",
        f"  same classes for {found['same_classes']} of {found['clips']} clips; probabilities differ by at most "
        f"{found['largest_difference']:.2g}",
    ]
    if found.get("kind") == "int8":
        if difference := found["difference"]:
            value, low, high = (f"{100 * difference[key]:+.2f}" for key in ("value", "low", "high"))
            lines.append(f"  file − run: {value} points [{low}, {high}], paired bootstrap over clips, 95 %")
    elif not found["agrees"]:
        lines.append(
            f"  the file does not agree with the run: the tolerance is {found['tolerance']:g}, and the same classes"
        )
    return lines


def _score(score: Mapping[str, float]) -> str:
    value, low, high = (100 * score[key] for key in ("value", "low", "high"))
    return f"{value:.2f} [{low:.1f}, {high:.1f}]"
