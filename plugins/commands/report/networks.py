"""The networks of a run: its recognizer, and the networks of its stages that are still in the cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.provenance import file_digest
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.loaded_run import WEIGHTS, LoadedRun
from benchmark_core.training import stage_files


@dataclass(frozen=True, kw_only=True)
class ReportNetwork:
    """A network, named by the stage that trained it. high: its input is high views. last: it is the scored one."""

    name: str
    recognizer: Recognizer
    high: bool
    last: bool = False


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A stage whose network cannot be shown, and why."""

    name: str
    why: str


def networks_of(deployed: LoadedRun, record: RunRecord, folder: Path, cache: Path) -> Iterator[ReportNetwork | Missing]:
    """Yield the networks of the record's stages in training order, then the run's recognizer, one at a time.

    A stage whose weights equal the recognizer is not shown twice. A network sees high views if it was trained on high
    views only, else low views.
    """
    own = file_digest(folder / WEIGHTS)
    names: list[str] = []
    if teacher := record["plan"].get("teacher"):
        yield Missing(name=teacher, why="it was given with --teacher and is not a stage of this run")
    for stage in record["stages"]:
        path = cache / "stages" / f"{file_name(stage['name'])}-{stage['key']}"
        note = stage_files.read_note(path)
        if note is None:
            yield Missing(name=stage["name"], why=f"its stage is not in the cache ({path})")
        elif (broken := stage_files.damage(path, note)) is not None:
            yield Missing(name=stage["name"], why=f"{broken} ({path})")
        elif file_digest(path / stage_files.WEIGHTS) == own:
            names.append(stage["name"])
        else:
            yield _network(deployed, stage["name"], note, path / stage_files.WEIGHTS)
    yield ReportNetwork(
        name=" = ".join([*names, "the run's network"]),
        recognizer=deployed.recognizer,
        high=deployed.components.method.oracle,
        last=True,
    )


def _network(deployed: LoadedRun, name: str, note: dict[str, Any], weights: Path) -> ReportNetwork | Missing:
    """Return a stage's recognizer, with the method's head or with mean logits, whichever matches its weights."""
    numbers = note.get("numbers")
    inputs = numbers if isinstance(numbers, dict) else {}
    high = "high" in inputs and not {"low", "degradation"} & inputs.keys()  # older: `degradation`, not `low`
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        return Missing(name=name, why=f"its weights cannot be read ({error})")
    plan = deployed.plan.untrained
    for head in (None, "mean-logits"):
        try:
            fresh = recognizer_of(plan, deployed.components, high=high, head=head)
        except ElrError:  # the method's own head may not support high views
            continue
        if shapes(fresh.state_dict()) == shapes(state):
            fresh.load_state_dict(state)
            return ReportNetwork(name=name, recognizer=fresh.eval(), high=high)
    return Missing(name=name, why="it trained a part of a recognizer, not a whole one")


def shapes(state: dict[str, Tensor]) -> str:
    """Return names and shapes of tensors as text, for comparison."""
    return json.dumps({name: list(value.shape) for name, value in sorted(state.items())})
