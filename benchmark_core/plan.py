"""A plan: the names and numbers of one run, one fold and one seed. Two runs are the same iff their plans are equal."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.specs import Value


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Fully resolved. `settings` holds every option of every component as "KIND.KEY"."""

    method: str
    dataset: str
    protocol: str
    fold: str
    degradation: str
    high_source: str  # "" where high and low are views of the same clip; "self" on a natively low track
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

    def options(self, kind: str) -> dict[str, Value]:
        """The settings of one kind of component, without the prefix."""
        return {key.partition(".")[2]: value for key, value in self.settings.items() if key.startswith(f"{kind}.")}

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers, keys in a fixed order."""
        plain = dataclasses.asdict(self)
        plain["size"] = list(self.size)
        plain["settings"] = dict(sorted(self.settings.items()))
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Plan:
        """The inverse of `to_json`. ElrError where a field is missing or unknown."""
        known = {field.name for field in dataclasses.fields(cls)}
        if set(plain) != known:
            wrong = sorted(set(plain) ^ known)
            raise ElrError(f"the plan has missing or unknown fields: {', '.join(wrong)}; it is of another version")
        height, width = plain["size"]
        return cls(**{**plain, "size": (int(height), int(width)), "settings": dict(plain["settings"])})

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the sha256 of the canonical JSON."""
        return digest_of(self.to_json())


def digest_of(plain: object) -> str:
    """16 hex digits of the sha256 of `plain` as canonical JSON."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
