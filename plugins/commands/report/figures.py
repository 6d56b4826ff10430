"""What predictions and the log say, as plain numbers for plots and tables. No network and no clip."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import THRESHOLDS
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import Floats, wilson
from elrbench_plugins.commands.report.read import Log

CONFUSED = 10  # pairs of classes that are named
SHOWN_LABELS = 5  # predicted classes that a clip's caption names

_NUMBERED = re.compile(r"_\d+$")


def threshold_of(record: RunRecord) -> float:
    """Above which logit a class counts as predicted in a multi-label run: the primary score's own."""
    return THRESHOLDS.get(record["primary"], 0.0)


def losses(predictions: Predictions) -> Floats:
    """How wrong the network is of each clip, (N,): cross-entropy; of several labels the mean binary cross-entropy."""
    logits = predictions.logits
    if predictions.targets.ndim == 1:
        own = np.take_along_axis(logits, predictions.targets[:, None], axis=1)[:, 0]
        return np.asarray(np.logaddexp.reduce(logits, axis=1) - own)
    sign = np.where(predictions.targets > 0, -1.0, 1.0)
    mean: Floats = np.logaddexp(0, sign * logits).mean(axis=1)  # -log sigmoid(±logit)
    return mean


def probabilities(predictions: Predictions) -> Floats:
    """Softmax of single-label logits, sigmoid of others: (N, C)."""
    logits = predictions.logits
    if predictions.targets.ndim == 1:
        return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)))
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def matrix(predictions: Predictions, threshold: float) -> npt.NDArray[np.int64]:
    """Clips of class i (row) of which class j (column) is predicted: int (C, C).

    Single-label: the confusion matrix; of equal logits the lower class number wins, as in scoring. Multi-label: how
    often i is there while j is predicted, so that a row may sum to more than its clips.
    """
    count = len(predictions.classes)
    if predictions.targets.ndim == 1:
        found = np.zeros((count, count), dtype=np.int64)
        np.add.at(found, (predictions.targets, predictions.logits.argmax(axis=1)), 1)
        return found
    truth = (predictions.targets > 0).astype(np.int64)
    said = (predictions.logits > threshold).astype(np.int64)
    return np.asarray(truth.T @ said)


def confused(counts: npt.NDArray[np.int64], n: Sequence[int], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of different classes, those first of which the larger share of the true one's clips goes wrong."""
    share = counts / np.maximum(np.asarray(n), 1)[:, None]
    off = [(i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j]
    off.sort(key=lambda pair: (-share[pair], -counts[pair], pair))
    return [
        {"truth": classes[i], "said": classes[j], "clips": int(counts[i, j]), "of": int(n[i]), "share": share[i, j]}
        for i, j in off[:CONFUSED]
    ]


def per_class(record: RunRecord) -> list[dict[str, Any]]:
    """Name, clips, value, and of recalls the 95 % interval by Wilson: a row a class, in the dataset's order."""
    of = record["per_class"]
    rows = []
    for name, n, value in zip(of["classes"], of["n"], of["value"], strict=True):
        ends = wilson(value, n) if value is not None and record["hits"] is not None else (None, None)
        rows.append({"name": name, "n": n, "value": value, "low": ends[0], "high": ends[1]})
    return rows


def curves(log: Log) -> list[dict[str, Any]]:
    """A plot for each stage and kind of figure: `sat_1`, `sat_2`, … are lines of one plot, `sat_*`.

    loss comes first. points: (epoch, value, figure). A stage of several loops counts its epochs through, from 1.
    """
    plots = []
    for stage, rows in log.items():
        named: dict[str, list[str]] = {}
        for figure in dict.fromkeys(key for row in rows for key in row if key != "epoch"):
            base = _NUMBERED.sub("", figure)
            named.setdefault(f"{base}_*" if base != figure else figure, []).append(figure)
        for title in sorted(named, key=lambda title: title != "loss"):
            points = [
                {"epoch": place + 1, "value": row[figure], "figure": figure}
                for figure in named[title]
                for place, row in enumerate(rows)
                if figure in row
            ]
            plots.append({"stage": stage, "title": title, "points": points})
    return plots


def extremes(predictions: Predictions, among: Sequence[int], count: int, *, best: bool) -> list[int]:
    """Up to `count` of the clips `among` (row numbers) that are told best, or worst, by `losses`.

    One of each class in turn, so that a class that is easy throughout does not fill the row; of several labels a clip
    counts for its first.
    """
    loss = losses(predictions)
    order = sorted(among, key=lambda row: (loss[row] if best else -loss[row], row))
    taken: list[int] = []
    while len(taken) < min(count, len(order)):
        seen: set[int] = set()
        for row in order:
            kind = first_class(predictions, row)
            if row not in taken and kind not in seen and len(taken) < count:
                seen.add(kind)
                taken.append(row)
    return taken


def first_class(predictions: Predictions, row: int) -> int:
    """The clip's class; of several its first, of none -1."""
    target = predictions.targets[row]
    if predictions.targets.ndim == 1:
        return int(target)
    there = np.flatnonzero(target)
    return int(there[0]) if len(there) else -1


def told_of(predictions: Predictions, row: int, threshold: float) -> dict[str, Any]:
    """What a clip is, and what the network says it is: `truth`, names; `said`, (name, probability) by probability."""
    found = probabilities(predictions)[row]
    order = np.argsort(-predictions.logits[row], kind="stable")
    if predictions.targets.ndim == 1:
        truth, said = [int(predictions.targets[row])], order[:3]
        right = bool(order[0] == truth[0])
    else:
        truth = np.flatnonzero(predictions.targets[row]).tolist()
        above = predictions.logits[row] > threshold
        said = np.array([number for number in order if above[number]][:SHOWN_LABELS], dtype=np.int64)
        right = set(truth) == set(np.flatnonzero(above).tolist())
    return {
        "id": predictions.ids[row],
        "truth": [predictions.classes[number] for number in truth],
        "said": [(predictions.classes[number], float(found[number])) for number in said],
        "of_truth": float(found[truth[0]]) if len(truth) == 1 else None,
        "right": right,
    }


def settings_of(plan: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Fields and settings of a plan as text, in order."""
    fields = [(key, as_text(value)) for key, value in plan.items() if key != "settings"]
    return fields, [(key, as_text(value)) for key, value in plan["settings"].items()]


def as_text(value: Any) -> str:
    """`96x128` of a size, names with commas, yes or no; `-` of nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        numbers = all(isinstance(part, int) for part in value)
        return ("x" if numbers else ", ").join(map(str, value))
    return "-" if value in ("", None) else f"{value:.6g}" if isinstance(value, float) else str(value)
