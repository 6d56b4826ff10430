"""List the clips of a dataset, and refuse folders and clips that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Index


def list_clips(
    dataset: DatasetSpec, protocol: str, options: Mapping[str, Value], *, data: Path | None, bad_clips: str = "fail"
) -> Index:
    """Return the index of a dataset. Raises ElrError if its folder, its lists or (with "fail") any clip is missing."""
    if dataset.embedded and data is not None:
        raise ElrError(f"dataset '{dataset.name}' is drawn by code and reads no folder; remove --data")
    if not dataset.embedded:
        if data is None:
            folder = dataset.folder or dataset.name
            raise ElrError(
                f"dataset '{dataset.name}' needs its files: pass --data DIR or set ELRBENCH_DATA to the folder "
                f"that contains '{folder}'; expected in it: {dataset.layout}. Where to get it: `elrbench data info "
                f"{dataset.name}`"
            )
        # A dataset without folds may be a single file, such as one video to predict.
        one_file = data.is_file() and not any(protocol.folds for protocol in dataset.protocols.values())
        if not one_file and (not data.is_dir() or not any(data.iterdir())):
            state = "is empty" if data.is_dir() else "does not exist"
            raise ElrError(f"dataset '{dataset.name}': the folder {data} {state}; expected in it: {dataset.layout}")
    try:
        index = dataset.read_index(data, protocol, options)
    except ElrError as error:
        inner = data / (dataset.folder or dataset.name) if data is not None else None
        if inner is None or not inner.is_dir():
            raise
        raise ElrError(f"{error}. Did you mean the folder {inner}?") from error
    except OSError as error:
        raise ElrError(
            f"dataset '{dataset.name}': its lists cannot be read: {error}; expected under {data}: {dataset.layout}"
        ) from error
    if bad_clips == "fail":
        refuse_missing(dataset, index, data)
    return index


def refuse_missing(dataset: DatasetSpec, index: Index, data: Path | None) -> None:
    """Raise ElrError if a listed clip is not on disk."""
    if index.missing:
        found = len(index.clips)
        listed = found + len(index.missing)
        raise ElrError(
            f"{dataset.name}: {len(index.missing)} of {listed} listed clips are not under {data} "
            f"(first: {index.missing[0]}); pass --bad-clips skip to run on the {found} found"
        )
