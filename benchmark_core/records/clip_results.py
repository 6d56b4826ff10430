"""What a record says of single test clips: which were right, what was decided of each, and which clips they are."""

from __future__ import annotations

from benchmark_core.canonical import digest_of
from benchmark_core.errors import ElrError
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import Decisions
from benchmark_core.scoring.hits import unpack_hits, unpack_rows
from benchmark_core.scoring.statistics import Hits


def hits_of(record: RunRecord) -> Hits:
    """Which test clips were right, sorted by id: bool (N,). ElrError where the task has no hits."""
    if record["hits"] is None:
        raise ElrError(f"{record['digest']} is {record['track']['task']} and has no hits; compare its intervals")
    return unpack_hits(record["hits"], record["scores"][record["primary"]]["n"])


def decisions_of(record: RunRecord) -> Decisions:
    """What was decided of each test clip and class, clips sorted by id. ElrError where the record does not say."""
    if "decisions" not in record:
        raise ElrError(f"{record['digest']} is {record['track']['task']} and holds no decisions; compare its intervals")
    n, classes = record["scores"][record["primary"]]["n"], record["dataset"]["classes"]
    packed = record["decisions"]
    truth, predicted = (unpack_rows(packed[key], classes, n).T for key in ("truth", "predicted"))
    return Decisions(truth, predicted)


def clips_of(record: RunRecord) -> str:
    """Which clips a record trained and tested on: the manifest, and the digest of what was left out of it."""
    manifest, bad = record["dataset"]["manifest"], sorted(record["clips"]["bad"])
    return f"{manifest} less {len(bad)} ({digest_of(bad)[:8]})" if bad else manifest
