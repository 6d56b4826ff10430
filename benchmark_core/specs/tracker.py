"""The spec of an experiment tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark_core.specs.spec import Spec
from benchmark_core.specs.target import Target


@dataclass(frozen=True, kw_only=True)
class TrackerSpec(Spec):
    """An experiment tracker that follows runs. It never becomes part of a plan, a stage key or a record.

    factory: `factory(project: str) -> tracker`; project is an empty string if the user names none.
    """

    kind: ClassVar[str] = "tracker"
    factory: Target
