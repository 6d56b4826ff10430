"""Schedules of the learning rate: steps after a warm-up, and one cycle."""

from __future__ import annotations

import pytest

from benchmark_core.training.recipe import schedule_of

STEP = {"warmup_epochs": 5, "step_epochs": 20, "step_factor": 0.1}


@pytest.mark.parametrize(("epoch", "factor"), [(0, 0), (2.5, 0.5), (5, 1), (19.9, 1), (20, 0.1), (40, 0.01)])
def test_the_papers_schedule(epoch: float, factor: float) -> None:
    assert schedule_of({"schedule": "step", **STEP}, 50)(epoch) == pytest.approx(factor, abs=1e-6)


def test_one_cycle_starts_at_a_25th_peaks_at_three_tenths_and_ends_near_zero() -> None:
    run = schedule_of({"schedule": "one-cycle", **STEP}, 10)
    assert (run(0), run(3)) == (pytest.approx(1 / 25), pytest.approx(1)) and run(10) == pytest.approx(4e-6)
