"""Find the clips of a run, or say why its test clips are not here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark_core.catalog import Catalog
from benchmark_core.clips.listing import list_clips
from benchmark_core.errors import ElrError
from benchmark_core.plans.other_clips import clips_to_predict
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import dataset_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.request import data_root
from benchmark_core.specs import defaults


@dataclass(frozen=True, kw_only=True)
class AtHand:
    """Where the clips of a run are.

    catalog: with the run's dataset. data: its folder; None if its clips are drawn by code, or are not here.
    missing: why there are no test clips; "" if there are.
    """

    catalog: Catalog
    data: Path | None
    missing: str = ""


def clips_at_hand(record: RunRecord, catalog: Catalog, data: Path | None) -> AtHand:
    """Return where the clips of a run are. data: folder that the user names.

    Raises ElrError if the user names a folder and it is not the dataset's. Nothing is decoded.
    """
    plan = Plan.from_json(record["plan"])
    try:
        found, name = catalog.with_folder(plan.dataset, data)
        root = data_root(found, name, data)
        if data is None and root is not None:
            spec = dataset_of(found, plan)
            options = defaults(spec) | plan.options("dataset")
            index = list_clips(spec, plan.protocol, options, data=root, bad_clips="skip")
            clips_to_predict(index, plan, "test", name=name, data=root)
    except ElrError as error:
        if data is not None:
            raise
        return AtHand(catalog=catalog, data=None, missing=str(error))
    return AtHand(catalog=found, data=root)
