"""Numbers for plots and tables, from predictions and the log. Needs no network and no clip."""

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
from elrbench_plugins.commands.report.read_run import Log

CONFUSED = 10  # pairs of confused classes that are listed
SHOWN_LABELS = 5  # predicted classes in a clip's caption

HELD_OUT = "holdout_"  # begins the names of scores on held-out clips in a log

_NUMBERED = re.compile(r"_\d+$")


def threshold_of(record: RunRecord) -> float:
    """Return the logit above which a multi-label run predicts a class: the threshold of its primary score."""
    return THRESHOLDS.get(record["primary"], 0.0)


def losses(predictions: Predictions) -> Floats:
    """Return the loss of each clip, (N,): cross-entropy, or mean binary cross-entropy for multi-label runs."""
    logits = predictions.logits
    if predictions.targets.ndim == 1:
        own = np.take_along_axis(logits, predictions.targets[:, None], axis=1)[:, 0]
        return np.asarray(np.logaddexp.reduce(logits, axis=1) - own)
    sign = np.where(predictions.targets > 0, -1.0, 1.0)
    mean: Floats = np.logaddexp(0, sign * logits).mean(axis=1)  # -log sigmoid(±logit)
    return mean


def probabilities(predictions: Predictions) -> Floats:
    """Return (N, C): softmax of single-label logits, sigmoid of multi-label logits."""
    logits = predictions.logits
    if predictions.targets.ndim == 1:
        return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)))
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def matrix(predictions: Predictions, threshold: float) -> npt.NDArray[np.int64]:
    """Return int (C, C): the number of clips of class i (row) for which class j (column) is predicted.

    Single-label: the confusion matrix. If logits are equal, the lower class number wins, as in scoring. Multi-label: a
    clip counts in several cells, so a row may sum to more than its clips.
    """
    count = len(predictions.classes)
    if predictions.targets.ndim == 1:
        found = np.zeros((count, count), dtype=np.int64)
        np.add.at(found, (predictions.targets, predictions.logits.argmax(axis=1)), 1)
        return found
    truth = (predictions.targets > 0).astype(np.int64)
    predicted = (predictions.logits > threshold).astype(np.int64)
    return np.asarray(truth.T @ predicted)


def confused(counts: npt.NDArray[np.int64], n: Sequence[int], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return pairs of confused classes, ordered by the share of the true class's clips."""
    share = counts / np.maximum(np.asarray(n), 1)[:, None]
    off = [(i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j]
    off.sort(key=lambda pair: (-share[pair], -counts[pair], pair))
    return [
        {"truth": classes[i], "said": classes[j], "clips": int(counts[i, j]), "of": int(n[i]), "share": share[i, j]}
        for i, j in off[:CONFUSED]
    ]


def per_class(record: RunRecord) -> list[dict[str, Any]]:
    """Return a row per class, in the dataset's order: name, clips, value, and for recalls the 95 % Wilson interval."""
    of = record["per_class"]
    rows = []
    for name, n, value in zip(of["classes"], of["n"], of["value"], strict=True):
        ends = wilson(value, n) if value is not None and record["hits"] is not None else (None, None)
        rows.append({"name": name, "n": n, "value": value, "low": ends[0], "high": ends[1]})
    return rows


def curves(log: Log) -> list[dict[str, Any]]:
    """Return a plot per stage and logged value; `sat_1`, `sat_2`, … are lines of one plot, `sat_*`.

    The loss is first, then scores on held-out clips.

    points: (epoch, value, name of the value). Epochs count from 1 through all training loops of a stage.
    """
    plots = []
    for stage, rows in log.items():
        named: dict[str, list[str]] = {}
        for figure in dict.fromkeys(key for row in rows for key in row if key != "epoch"):
            base = _NUMBERED.sub("", figure)
            named.setdefault(f"{base}_*" if base != figure else figure, []).append(figure)
        for title in sorted(named, key=lambda title: (title != "loss", not title.startswith(HELD_OUT))):
            points = [
                {"epoch": place + 1, "value": row[figure], "figure": figure}
                for figure in named[title]
                for place, row in enumerate(rows)
                if figure in row
            ]
            plots.append({"stage": stage, "title": title, "points": points})
    return plots


def held_out(log: Log, primary: str) -> list[dict[str, Any]]:
    """Return each stage's primary score on held-out clips: best and last as (epoch, fraction), number of scored epochs.

    Of equal scores, the first is the best. Epochs count from 1 through all training loops of a stage.
    """
    found = []
    for stage, rows in log.items():
        name = f"{HELD_OUT}{primary}"
        scored = [(place + 1, row[name]) for place, row in enumerate(rows) if name in row]
        if scored:
            best = max(scored, key=lambda each: each[1])
            found.append({"stage": stage, "best": best, "last": scored[-1], "epochs": len(scored)})
    return found


def is_right(predictions: Predictions, threshold: float) -> npt.NDArray[np.bool_]:
    """Return (n,): whether the top class is the label or, with several labels, whether all decisions are right."""
    if predictions.targets.ndim == 1:
        return np.asarray(np.argsort(-predictions.logits, 1, kind="stable")[:, 0] == predictions.targets)
    return np.asarray(((predictions.logits > threshold) == (predictions.targets > 0)).all(1))


def extremes(predictions: Predictions, among: Sequence[int], count: int, threshold: float, *, best: bool) -> list[int]:
    """Return up to `count` of the rows `among`: right clips of lowest loss (best), or wrong ones of highest loss.

    A clip with several labels is right if all its decisions are, and counts for its first class. Takes one clip of
    each class in turn, so that one easy class does not fill the list.
    """
    loss, right = losses(predictions), is_right(predictions, threshold)
    found = [row for row in among if right[row] == best]
    order = sorted(found, key=lambda row: (loss[row] if best else -loss[row], row))
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
    """Return a clip's class: the first if it has several, -1 if it has none."""
    target = predictions.targets[row]
    if predictions.targets.ndim == 1:
        return int(target)
    there = np.flatnonzero(target)
    return int(there[0]) if len(there) else -1


def clip_caption(predictions: Predictions, row: int, threshold: float) -> dict[str, Any]:
    """Return a clip's labels (`truth`) and predictions (`said`: name and probability, most probable first)."""
    found = probabilities(predictions)[row]
    order = np.argsort(-predictions.logits[row], kind="stable")
    if predictions.targets.ndim == 1:
        truth, said = [int(predictions.targets[row])], order[:3]
    else:
        truth = np.flatnonzero(predictions.targets[row]).tolist()
        above = predictions.logits[row] > threshold
        said = np.array([number for number in order if above[number]][:SHOWN_LABELS], dtype=np.int64)
    return {
        "id": predictions.ids[row],
        "truth": [predictions.classes[number] for number in truth],
        "said": [(predictions.classes[number], float(found[number])) for number in said],
        "of_truth": float(found[truth[0]]) if len(truth) == 1 else None,
        "right": bool(is_right(predictions, threshold)[row]),
    }


def settings_of(plan: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return fields and settings of a plan as text, in order."""
    fields = [(key, as_text(value)) for key, value in plan.items() if key != "settings"]
    return fields, [(key, as_text(value)) for key, value in plan["settings"].items()]


def as_text(value: Any) -> str:
    """Return a value as text: `96x128` for a size, names with commas, yes or no, `-` for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        numbers = all(isinstance(part, int) for part in value)
        return ("x" if numbers else ", ").join(map(str, value))
    return "-" if value in ("", None) else f"{value:.6g}" if isinstance(value, float) else str(value)
