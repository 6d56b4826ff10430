"""Check the decoded clips of a fold: classes without a training clip, and clips in both parts by content."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark_core.clips.store import ClipStore
from benchmark_core.counted import counted
from benchmark_core.errors import ElrError
from benchmark_core.runs.context import RunContext
from benchmark_core.specs import DatasetSpec
from benchmark_core.specs.index import Clip

NAMED = 3  # clips or classes in one message


def check_clips(
    dataset: DatasetSpec, train: Sequence[Clip], test: Sequence[Clip], store: ClipStore, context: RunContext
) -> int:
    """Return the number of training clips that have the content of a test clip, whose digest the store knows.

    Warns about them, and about classes without a training clip. Raises ElrError instead if there are shared clips and
    the context, or else the dataset, says "fail".
    """
    trained = {label for clip in train for label in clip.labels}
    if absent := [name for number, name in enumerate(dataset.classes) if number not in trained]:
        context.reporter.warn(f"no training clip for {len(absent)} of {len(dataset.classes)} classes: {_first(absent)}")
    tested = {store.content_key(clip.source): clip.id for clip in test}
    keys = ((clip.id, store.content_key(clip.source)) for clip in train)
    if shared := [f"{name} = {tested[key]}" for name, key in keys if key in tested]:
        also = "is also a test clip" if len(shared) == 1 else "are also test clips"
        found = f"{counted(len(shared), 'training clip')} {also}, by content: {_first(shared)}"
        if (context.shared_clips or dataset.shared_clips) == "fail":
            raise ElrError(f"{dataset.name}: {found}; remove them from one part, or pass --shared-clips warn")
        context.reporter.warn(found)
    return len(shared)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
