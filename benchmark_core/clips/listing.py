"""The clips that a dataset lists under its folder, and where a folder or a listed clip is not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.clips.index import Index
from benchmark_core.errors import ElrError
from benchmark_core.specs import DatasetSpec, Value


def list_clips(
    dataset: DatasetSpec, protocol: str, options: Mapping[str, Value], *, data: Path | None, bad_clips: str = "fail"
) -> Index:
    """The dataset's lists. ElrError where the folder, the lists or (with bad_clips "fail") any clip is not there."""
    if dataset.embedded and data is not None:
        raise ElrError(f"dataset '{dataset.name}' is drawn by code and takes no --data")
    if not dataset.embedded:
        if data is None:
            folder = dataset.folder or dataset.name
            raise ElrError(
                f"dataset '{dataset.name}' needs --data ROOT (or ELRBENCH_DATA with a folder {folder}/); "
                f"expected there: {dataset.layout}"
            )
        # A dataset without folds may be a single file, such as one video to predict.
        one_file = data.is_file() and not any(protocol.folds for protocol in dataset.protocols.values())
        if not one_file and (not data.is_dir() or not any(data.iterdir())):
            state = "is empty" if data.is_dir() else "is not there"
            raise ElrError(f"dataset '{dataset.name}': the folder {data} {state}; expected in it: {dataset.layout}")
    try:
        index = dataset.read_index(data, protocol, options)
    except OSError as error:
        raise ElrError(
            f"dataset '{dataset.name}': its lists cannot be read: {error}; expected under {data}: {dataset.layout}"
        ) from error
    if bad_clips == "fail":
        refuse_missing(dataset, index, data)
    return index


def refuse_missing(dataset: DatasetSpec, index: Index, data: Path | None) -> None:
    """ElrError where a listed clip is not on disk."""
    if index.missing:
        found = len(index.clips)
        listed = found + len(index.missing)
        raise ElrError(
            f"{dataset.name}: {len(index.missing)} of {listed} listed clips are not under {data} "
            f"(first: {index.missing[0]}); --bad-clips skip runs on the {found} found"
        )
