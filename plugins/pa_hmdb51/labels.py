"""Read PA-HMDB51's labels: for each clip and attribute, ranges of frames with a value."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from benchmark_core.errors import ElrError
from elrbench_plugins.hmdb51 import CLASSES as ACTIONS
from elrbench_plugins.pa_hmdb51 import ATTRIBUTES, COEXISTING, LABELS, SEVERAL, VALUES, classes_of, dashed


@dataclass(frozen=True, slots=True)
class Range:
    """Consecutive frames with the same label. values: numbers of the attribute's values; several may coexist."""

    frames: int
    values: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """The labels of a clip. action: its class in HMDB51. file: its file name there. ranges: attribute -> its ranges."""

    action: str
    file: str
    ranges: Mapping[str, tuple[Range, ...]]

    def of_most_frames(self, attribute: str) -> int:
        """Return the class number of the value that most frames have; the earlier one of a tie."""
        names = classes_of(attribute)
        frames: Counter[int] = Counter()
        for one in self.ranges[attribute]:
            shown = [value for value in one.values if value or len(one.values) == 1]  # [0, 1] is 1: 0 is unidentifiable
            frames[shown[0] if len(shown) == 1 else names.index(COEXISTING)] += one.frames
        return frames.most_common(1)[0][0]

    def of_any_frame(self) -> tuple[int, ...]:
        """Return the numbers, in `VALUES`, of all values of all attributes that at least one frame has."""
        seen = {
            f"{dashed(attribute)}-{ATTRIBUTES[attribute][value]}"
            for attribute, ranges in self.ranges.items()
            for one in ranges
            for value in one.values
        }
        return tuple(number for number, name in enumerate(VALUES) if name in seen)


def read_labels(root: Path, owner: str, layout: str) -> Iterator[Labels]:
    """Yield the labels of all clips, by action and in the order of the files `PrivacyAttributes/ACTION.json`.

    owner, layout: name of the dataset and what its folder contains, for errors.
    Raises ElrError if a file is missing or damaged, or has an unknown value or a range that cannot be.
    """
    if not (root / LABELS).is_dir():
        raise ElrError(f"{owner}: the folder {root / LABELS} does not exist; expected in {root}: {layout}")
    for action in ACTIONS:
        path = root / LABELS / f"{action}.json"
        for file, entry in _entries(path, owner, layout).items():
            where = f"{owner}: {path.name}, clip {file!r}"
            if not isinstance(entry, dict):
                raise ElrError(f"{where}: expected an object of attributes, found {str(entry)[:40]!r}")
            ranges = {attribute: tuple(_ranges(where, attribute, entry.get(attribute))) for attribute in ATTRIBUTES}
            yield Labels(action=action, file=file, ranges=ranges)


def _entries(path: Path, owner: str, layout: str) -> dict[str, Any]:
    """Return file name -> labels of one action."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ElrError(f"{owner}: the labels {path} cannot be read: {reason}; expected: {layout}") from error
    if not isinstance(content, dict) or not content:
        raise ElrError(f"{owner}: the labels {path} are not an object with an entry for each clip; get the file again")
    return content


def _ranges(where: str, attribute: str, ranges: object) -> Iterator[Range]:
    """Yield the ranges of `[[first, last, value], …]`. They may leave frames out, and share their first or last frame.

    value: a number, or a list of numbers for attributes that may have several values at once.
    """
    expected = "[[FIRST, LAST, VALUE], …] with frames in order"
    if not isinstance(ranges, list) or not ranges:
        raise ElrError(f"{where}: '{attribute}' is {str(ranges)[:40]!r}, not {expected}; correct the file")
    end = 0
    for one in ranges:
        if not isinstance(one, list) or len(one) != 3 or not (_is_number(one[0]) and _is_number(one[1])):
            raise ElrError(f"{where}: '{attribute}' has {str(one)[:40]!r}, expected {expected}; correct the file")
        first, last, value = one
        if not end <= first <= last:
            raise ElrError(
                f"{where}: '{attribute}' has the range {first} to {last} after frame {end}; ranges must be in order"
            )
        end = last
        yield Range(frames=last - first + 1, values=_values(where, attribute, value))


def _values(where: str, attribute: str, value: object) -> tuple[int, ...]:
    names = ATTRIBUTES[attribute]
    values = value if isinstance(value, list) and value and attribute in SEVERAL else [value]
    for number in values:
        if not _is_number(number) or not 0 <= number < len(names):
            known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
            raise ElrError(f"{where}: '{attribute}' has the unknown value {str(number)[:40]!r}; values: {known}")
    return tuple(sorted(set(values)))


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
