"""Several processes for one plan: their number, and what cannot be trained by several."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.plans.components import Rule
from benchmark_core.specs import Value

MOST = 1024
NORMS = ("own", "sync")


def read_processes(asked: str | int | None) -> int:
    """Return the number of processes as plans hold it: 0 for one. Raises ElrError if it is not from 1 to 1024."""
    if asked is None:
        return 0
    text = str(asked)
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise ElrError(f"--processes {asked} is not a whole number from 1 to {MOST}")
    return int(text) if int(text) > 1 else 0


def read_batch_norm(asked: str | None, processes: int) -> str:
    """Return `--batch-norm` as plans hold it: "" for own statistics. Raises ElrError if it is unknown or unused."""
    if asked is None:
        return ""
    if asked not in NORMS:
        raise ElrError(f"--batch-norm {asked} is not one of {', '.join(NORMS)}")
    if asked == "sync" and not processes:
        raise ElrError("--batch-norm sync has no effect on one process; add --processes N or remove it")
    return "" if asked == "own" else asked


def check_batch(what: str, batch: int, clips: int, processes: int) -> None:
    """Raise ElrError if the processes cannot share batches of `batch` clips out of `clips`. what: for the message."""
    if batch % processes:
        raise ElrError(f"{what}: {_uneven(batch, processes)}")
    if clips < processes:
        raise ElrError(f"{what}: there are {clips} clips for {processes} processes; pass a smaller --processes")


def uneven_batches(settings: Mapping[str, Value], processes: int) -> dict[str, int]:
    """Return the settings that are numbers of clips per update and cannot be shared equally: `method.batch`."""
    found = {}
    for key, value in settings.items():
        name = key.partition(".")[2]
        batch = name == "batch" or (name.endswith("_batch") and name != "micro_batch")  # not of one backward pass
        if batch and processes and int(value) % processes:
            found[key] = int(value)
    return found


def uneven_text(settings: Mapping[str, Value], processes: int) -> str:
    """Return what is wrong with the first of `uneven_batches`, "" if there is none."""
    for key, batch in uneven_batches(settings, processes).items():
        return f"{key}: {_uneven(batch, processes)}"
    return ""


PROCESS_RULES: tuple[Rule, ...] = (
    Rule(
        "one-process",
        lambda plan, components: plan.processes > 1 and "one-process" in components.method.needs,
        "method '{plan.method}' is trained by one process, not by {plan.processes}; remove --processes",
    ),
    Rule(
        "processes-share-batch",
        lambda plan, components: bool(uneven_batches(plan.settings, plan.processes)),
        "{uneven}",
    ),
    Rule(
        "processes-one-value",
        lambda plan, components: (
            plan.processes > 1
            and plan.settings.get("method.batch") == plan.processes
            and Sampling.parse(plan.sampling).k == 1
            and not plan.batch_norm
        ),
        "batch normalisation cannot average over one clip with one interval, which is what each of {plan.processes} "
        "processes has of a batch; use a larger method.batch or fewer --processes",
    ),
)


def _uneven(batch: int, processes: int) -> str:
    near = max(processes, batch // processes * processes)
    return f"{processes} processes cannot share a batch of {batch} clips equally; use e.g. a batch of {near}"
