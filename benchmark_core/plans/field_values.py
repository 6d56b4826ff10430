"""Choose the value of a plan field: of a flag, a variant, a native backbone, a budget or the method's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark_core.clips.modality import check_modality
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import ComponentName
from benchmark_core.specs import BackboneSpec, MethodSpec, Value


@dataclass(frozen=True, kw_only=True)
class FieldValues:
    """Where the values of plan fields come from.

    name: of the method, with variants. asked: flags, None if not given. fixed: fields that variants fix, so that other
    flags are refused. budget: fields and options. native: fields that a native backbone has instead of the budget's.
    """

    method: MethodSpec
    name: ComponentName
    asked: Mapping[str, Any]
    fixed: Mapping[str, Value]
    budget: Mapping[str, Value]
    native: Mapping[str, str] = field(default_factory=dict)

    def usual(self, field_name: str, fallback: str = "") -> str:
        """Return what the variant, the budget or the method names; `fallback` if none does."""
        values = {**self.method.defaults, **self.budget, **self.fixed}
        return str(values.get(field_name, fallback))

    def pick(self, field_name: str, fallback: str = "") -> str:
        """Return the value of a plan field. Raises ElrError if a variant fixes another, or if there is none."""
        asked = self.asked[field_name]
        usual = str(self.fixed.get(field_name, self.native.get(field_name, self.usual(field_name, fallback))))
        if asked is not None and asked != self.fixed.get(field_name, asked):
            raise ElrError(f"method '{self.name}' fixes {field_name} {usual}; remove --{field_name} {asked}")
        found = usual if asked is None else str(asked)
        if not found:
            raise ElrError(f"method '{self.method.name}' has no default {field_name}; pass --{field_name}")
        return found

    def of_network(self, backbone: BackboneSpec) -> dict[str, str]:
        """Return the fields `weights`, `modality`, `sampling` and `precision`. ElrError if a value is unknown."""
        weights = self.pick("weights", backbone.default_weights)
        if self.asked["weights"] is None and backbone.native:
            weights = backbone.default_weights  # a budget names those of another network
        if weights not in ("scratch", *backbone.weights):
            raise unknown(f"weights of backbone '{backbone.name}'", weights, ("scratch", *backbone.weights))
        modality = check_modality(self.pick("modality", "rgb"))
        sampling = self.pick("sampling", backbone.sampling)
        if self.asked["sampling"] is None and backbone.dims == 3 and Sampling.parse(sampling).t == 1:
            sampling = backbone.sampling  # single frames are meant for the 2D backbone that the method or budget names
        precision = self.pick("precision", "fp32")
        if precision not in ("fp32", "bf16"):
            raise unknown("precision", precision, ("fp32", "bf16"))
        return {
            "weights": weights,
            "modality": modality,
            "sampling": str(Sampling.parse(sampling)),
            "precision": precision,
        }
