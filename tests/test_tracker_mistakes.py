"""A tracker that fails is off after one warning; a mistake is one line before anything trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from listening import Listening
from tracked_runs import Memory, catalog, forget, go, planned, points, with_trackers

from benchmark_core.catalog import Catalog
from elrbench import ElrError, TrackedRun, TrackerSpec

__all__ = ["catalog", "forget"]  # fixtures


# -- trackers that fail


class Failing(Memory):
    """Fails in the method that `fails` names."""

    fails: tuple[str, BaseException] = ("", RuntimeError())

    def begin(self, run: TrackedRun) -> None:
        super().begin(run)
        self._maybe("begin")

    def log(self, figures: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        super().log(figures)
        self._maybe("log")

    def end(self, record: Mapping[str, Any] | None) -> None:
        super().end(record)
        self._maybe("end")

    def _maybe(self, method: str) -> None:
        if self.fails[0] == method:
            raise self.fails[1]


@pytest.mark.parametrize("method", ["log", "end"])
@pytest.mark.parametrize("error", [RuntimeError("no\nnetwork."), SystemExit(3), ElrError("full")])
def test_a_tracker_that_fails_is_off_after_one_warning(
    toy_catalog: Catalog, tmp_path: Path, method: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "fails", (method, error))
    catalog, heard = with_trackers(toy_catalog, failing=Failing), Listening()
    result = go(planned(catalog), catalog, tmp_path, "failing", "memory", reporter=heard)
    (warning,) = heard.warnings
    assert "tracker 'failing' failed and is off" in warning and type(error).__name__ in warning and "\n" not in warning
    good = next(one for one in Memory.made if type(one) is Memory and hasattr(one, "run"))
    assert good.ended == [result.record] and len(points(good)["student/loss"]) == 6
    (bad,) = [one for one in Memory.made if isinstance(one, Failing)]
    assert len(bad.ended) == (method == "end")  # it is not asked again


def test_a_run_goes_on_if_its_position_cannot_be_kept(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise ElrError(f"{path} cannot be written")

    monkeypatch.setattr("benchmark_core.runs.tracking.write_whole", full)
    go(planned(catalog), catalog, tmp_path, "memory")
    assert len(points(Memory.last())["student/loss"]) == 6


# -- mistakes


def fails(project: str) -> None:
    raise OSError("no such server")


def refuses(project: str) -> None:
    raise ElrError("tracker 'refuses' has no login: run 'login'")


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (["memory", "memry"], r"unknown tracker 'memry'\. Did you mean 'memory'\?"),
        (["memory:a", "memory:b"], "--track memory is given twice"),
        (["absent"], "tracker 'absent' needs the module 'no_such_module', which is not installed"),
        (["fails"], "tracker 'fails' cannot be used: OSError: no such server; correct this or remove --track"),
        (["refuses"], "tracker 'refuses' has no login"),
        (["odd"], "tracker 'odd': its factory returned int, which has no 'begin'"),
        (["memory", "beginner"], "tracker 'beginner' cannot be used: ValueError: closed"),
        ([""], "unknown tracker ''"),
    ],
)
def test_a_mistake_is_one_line_before_anything_trains(
    toy_catalog: Catalog, tmp_path: Path, track: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "fails", ("begin", ValueError("closed")))
    absent = TrackerSpec(name="absent", summary="", factory=Memory, requires=("no_such_module",))
    catalog = with_trackers(toy_catalog, absent, fails=fails, refuses=refuses, odd=lambda project: 3, beginner=Failing)
    with pytest.raises(ElrError, match=said) as raised:
        go(planned(catalog), catalog, tmp_path, *track)
    assert raised.value.exit_code == 2 and "\n" not in str(raised.value)
    assert not list((tmp_path / "cache").glob("stages/*"))
    begun = [one for one in Memory.made if type(one) is Memory and hasattr(one, "run")]
    assert len(begun) == ("beginner" in track) and all(one.ended == [None] for one in begun)
