"""A plan: the names and numbers of one run, one fold and one seed. Two runs are the same iff their plans are equal."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark_core.canonical import digest_of
from benchmark_core.clips.modality import streams
from benchmark_core.errors import ElrError
from benchmark_core.specs import Value


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Fully resolved. `settings` holds every option of every component as "KIND.KEY".

    Options marked as added are left out at their default, and so are the last four fields where they are empty.
    classes: those of the dataset that the run is restricted to, in the dataset's order; none where it has them all.
    unlabelled: the pool of clips without labels that a method may also learn from.
    teacher: the fitted network that is taken as the teacher instead of training one, METHOD@DIGEST of its weights.
    holdout: the share of the training clips that the run is tested on, instead of test clips.
    """

    method: str
    dataset: str
    protocol: str
    fold: str
    degradation: str
    high_source: str  # "" where high and low are views of the same clip; "self" or a dataset on a natively low track
    enhancer: str
    backbone: str
    weights: str
    modality: str
    size: tuple[int, int]  # (H, W), the same for low and high
    sampling: str
    precision: str
    budget: str
    seed: int
    settings: Mapping[str, Value]
    classes: tuple[str, ...] = ()
    unlabelled: str = ""
    teacher: str = ""
    holdout: float = 0.0

    @property
    def protocol_name(self) -> str:
        """The protocol as tables use it: other clips change it, `split1,classes=6-1a2b3c4d,fold=1,holdout=0.1`."""
        parts = [self.protocol]
        if self.classes:
            parts.append(f"classes={len(self.classes)}-{digest_of(list(self.classes))[:8]}")
        if self.holdout:
            parts.append(f"fold={self.fold},holdout={self.holdout}")  # one fold only, see `with_validation_split`
        return ",".join(parts)

    @property
    def source(self) -> str:
        """The dataset that high views come from; nothing where that is the plan's own."""
        return "" if self.high_source == "self" else self.high_source

    @property
    def streams(self) -> tuple[Plan, ...]:
        """The plans of its networks, one a modality: itself alone, unless it fuses several."""
        return tuple(dataclasses.replace(self, modality=stream) for stream in streams(self.modality))

    def options(self, kind: str) -> dict[str, Value]:
        """The settings of one kind of component, without the prefix."""
        return {key.partition(".")[2]: value for key, value in self.settings.items() if key.startswith(f"{kind}.")}

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers, keys in a fixed order; of the fields with a default, those that differ from it."""
        plain = dataclasses.asdict(self)
        plain["classes"] = list(self.classes)
        for field in _LATER:
            if not plain[field]:
                del plain[field]
        plain["size"] = list(self.size)
        plain["settings"] = dict(sorted(self.settings.items()))
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Plan:
        """The inverse of `to_json`. ElrError where a field is missing or unknown."""
        known = {field.name for field in dataclasses.fields(cls)}
        if set(plain) | _LATER != known:
            wrong = sorted((set(plain) | _LATER) ^ known)
            raise ElrError(f"the plan has missing or unknown fields: {', '.join(wrong)}; it is of another version")
        height, width = plain["size"]
        classes = tuple(plain.get("classes", ()))
        size, settings = (int(height), int(width)), dict(plain["settings"])
        return cls(**{**plain, "size": size, "settings": settings, "classes": classes})

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the sha256 of the canonical JSON."""
        return digest_of(self.to_json())


def read_size(flag: str, text: str, *, smallest: int = 1) -> tuple[int, int]:
    """(rows, columns) of "HxW". ElrError naming the flag otherwise, or where a side is under `smallest` pixels."""
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if not found or min(int(found[1]), int(found[2])) < smallest:
        bounds = "in pixels" if smallest == 1 else f"with sides of {smallest} to 9999"
        raise ElrError(f"{flag} {text} is not HxW {bounds}, e.g. 96x128")
    return int(found[1]), int(found[2])


_LATER = {field.name for field in dataclasses.fields(Plan) if field.default is not dataclasses.MISSING}
