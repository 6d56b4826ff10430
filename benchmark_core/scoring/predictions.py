"""Read and write `predictions.csv.gz`: the logits of each test clip, sufficient to score a run again.

    id,target,clap,wave             single-label: one class number
    id,targets,clap,wave            multi-label: "0;1", or empty
    s03/clap 07,0,1.234,-0.5678
    id,clap,wave                    without labels: cannot be scored, and is not read here
    id,label,probability,clap,wave  with the columns of `predicted_labels`: for readers, and is not read here

Rows are sorted by id. Logits have 4 significant digits, which keeps their signs and so every prediction at probability
0.5. Scores are computed from the rounded logits, so that a record can be checked against its file exactly.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.atomic import write_whole
from benchmark_core.errors import ElrError
from benchmark_core.regular_file import read_regular
from benchmark_core.scoring.scores import Scored, score
from benchmark_core.scoring.statistics import Floats

DIGITS = ".4g"
LARGEST = 1 << 30  # bytes of a predictions file, packed or not
NO_COLUMNS: Mapping[str, Sequence[str]] = {}


@dataclass(frozen=True)
class Predictions:
    """Clips sorted by id: targets int (N,) or 0/1 (N, C), logits (N, C)."""

    ids: tuple[str, ...]
    targets: npt.NDArray[Any]
    logits: Floats
    classes: tuple[str, ...]

    def scored(self, metric: str = "") -> Scored:
        """Return the scores of these clips. metric: of the dataset; see `score`."""
        return score(self.logits, self.targets, self.classes, metric)


def write_predictions(
    path: Path,
    ids: Sequence[str],
    targets: npt.NDArray[Any] | None,
    logits: npt.NDArray[Any],
    classes: Sequence[str],
    columns: Mapping[str, Sequence[str]] = NO_COLUMNS,
) -> Path:
    """Write predictions atomically. The same input gives the same bytes.

    Args:
        path: file to write.
        ids: clip ids (N).
        targets: int (N,), 0/1 (N, C), or None.
        logits: (N, C).
        classes: class names (C).

    Raises:
        ElrError: if two clips have the same id.
    """
    labelled = len(ids) if targets is None else len(targets)
    if not len(ids) == labelled == len(logits) or np.shape(logits)[1] != len(classes):
        raise ValueError(f"{len(ids)} ids, {labelled} targets and logits {np.shape(logits)} do not fit")
    repeated = len(ids) - len(set(ids))
    if repeated:
        raise ElrError(f"{repeated} test clips share an id with another; the dataset must give each clip its own id")
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")  # RFC 4180. With "\n", Python does not quote "\r" in an id
    rows.writerow(["id", *_heading(targets), *columns, *classes])
    for row in sorted(range(len(ids)), key=lambda row: ids[row]):
        cells = [] if targets is None else [_cell(targets[row])]
        cells += [texts[row] for texts in columns.values()]
        rows.writerow([ids[row], *cells, *(format(float(logit), DIGITS) for logit in logits[row])])
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:  # no name and no time in the bytes
        file.write(text.getvalue().encode(errors="surrogateescape"))
    return write_whole(path, packed.getvalue())


def _heading(targets: npt.NDArray[Any] | None) -> list[str]:
    return [] if targets is None else ["targets" if np.ndim(targets) == 2 else "target"]


def _cell(target: Any) -> str:
    """Format one class number, or the indices of the ones in 0/1 (C,)."""
    return ";".join(map(str, np.flatnonzero(target))) if np.ndim(target) else str(int(target))


def read_predictions(path: Path, largest: int = LARGEST) -> Predictions:
    """Invert `write_predictions`. ElrError naming file and line if the file is not valid, or above `largest` bytes."""
    packed = io.BytesIO(read_regular(path, LARGEST))
    try:
        with gzip.open(packed) as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise ValueError(f"it unpacks to more than {largest:,} bytes, too many for its clips and classes")
        text = io.StringIO(content.decode("utf-8", errors="surrogateescape"), newline="")
        header, *rows = csv.reader(text, strict=True)
    except (OSError, EOFError, zlib.error, csv.Error, ValueError) as error:
        raise ElrError(f"{path} cannot be read as predictions ({error}); run its plan again") from error
    if header[:1] != ["id"] or header[1:2] not in (["target"], ["targets"]) or len(header) < 3 or not rows:
        raise ElrError(f"{path} is not a predictions file, or has no clips: its header is {','.join(header[:3])}…")
    classes = tuple(header[2:])
    ids, targets, logits = [], [], []
    for line, row in enumerate(rows, start=2):
        try:
            ids.append(row[0])
            targets.append(_target(row[1], header[1] == "targets", len(classes)))
            logits.append([float(cell) for cell in row[2:]])
            if len(row) != len(header):
                raise ValueError(f"{len(row)} cells, not {len(header)}")
        except (ValueError, IndexError) as error:
            raise ElrError(f"{path}, row {line}: {error}; the file was edited or truncated") from error
    if list(ids) != sorted(set(ids)):
        raise ElrError(f"{path}: clip ids are not sorted or not unique; the file was edited")
    return Predictions(tuple(ids), np.asarray(targets), np.asarray(logits, dtype=np.float64), classes)


def as_written(
    ids: Sequence[str], targets: npt.NDArray[Any], logits: npt.NDArray[Any], classes: Sequence[str]
) -> Predictions:
    """Return what `read_predictions` reads after `write_predictions`: clips sorted by id, logits rounded."""
    order = sorted(range(len(ids)), key=lambda row: ids[row])
    rounded = np.array([[float(format(float(logit), DIGITS)) for logit in logits[row]] for row in order])
    return Predictions(tuple(ids[row] for row in order), targets[order], rounded, tuple(classes))


def _target(text: str, multi: bool, classes: int) -> int | list[int]:
    numbers = [int(part) for part in text.split(";")] if text or not multi else []
    if not all(0 <= number < classes for number in numbers) or (not multi and len(numbers) != 1):
        raise ValueError(f"'{text}' is not a target among {classes} classes")
    return [int(number in numbers) for number in range(classes)] if multi else numbers[0]
