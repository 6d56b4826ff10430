"""Plans of CSTAT on the toy that also learn from unlabelled clips."""

from __future__ import annotations

from typing import Any

from benchmark_core.plans.resolve import PlanRequest

ASKS = "method.unlabelled=attention"


def asked(dataset: str = "toy", *settings: str, **changes: Any) -> PlanRequest:
    numbers = ("method.batch=4", "method.epochs=1", "method.joint_epochs=1", *settings)
    fields = {"method": "cstat", "backbone": "toynet", "budget": "smoke", "size": "24x32", **changes}
    return PlanRequest(dataset=dataset, settings=numbers, **fields)
