"""Read the per-clip results of a record: hits, decisions, and the identity of the clips."""

from __future__ import annotations

from benchmark_core.canonical import digest_of
from benchmark_core.errors import ElrError
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import Decisions
from benchmark_core.scoring.hits import unpack_hits, unpack_rows
from benchmark_core.scoring.statistics import Hits


def clip_hits(record: RunRecord) -> Hits:
    """Return which test clips are classified correctly, sorted by clip id: bool (N,). ElrError for multi-label."""
    if record["hits"] is None:
        raise ElrError(f"run {record['digest']} is {record['track']['task']} and has no hits; compare intervals")
    return unpack_hits(record["hits"], record["scores"][record["primary"]]["n"])


def clip_decisions(record: RunRecord) -> Decisions:
    """Return labels and predictions of each test clip, sorted by clip id. ElrError if the record does not have them."""
    if "decisions" not in record:
        raise ElrError(
            f"run {record['digest']} is {record['track']['task']} and has no per-clip decisions; compare intervals"
        )
    n, classes = record["scores"][record["primary"]]["n"], record["dataset"]["classes"]
    packed = record["decisions"]
    truth, predicted = (unpack_rows(packed[key], classes, n).T for key in ("truth", "predicted"))
    return Decisions(truth, predicted)


def clip_list(record: RunRecord) -> str:
    """Name the clips of a record: the digest of the manifest, and of the unreadable clips that were left out."""
    manifest, bad = record["dataset"]["manifest"], sorted(record["clips"]["bad"])
    return f"{manifest} less {len(bad)} ({digest_of(bad)[:8]})" if bad else manifest
