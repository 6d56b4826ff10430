"""Anyone's clips without writing a plugin: `folder:PATH`, labelled by folders, and `videos:PATH`, without labels."""

from __future__ import annotations

from elrbench import DatasetSpec, Protocol, hookimpl

FOLDER = DatasetSpec(
    name="folder",
    summary="folder:PATH, your own clips: one folder per class, with videos or folders of pictures",
    licence="the licence of the clips",
    classes=(),
    protocols={"split": Protocol(summary="train and test by folders or lists", folds=("1",))},
    index="elrbench_plugins.folder.labelled:read",
    at="elrbench_plugins.folder.labelled:at",
    shared_clips="fail",
    layout="train/CLASS/* and test/CLASS/*; or CLASS/* with split.txt (lines 'CLASS/CLIP train' or 'CLASS/CLIP test'), "
    "or with train.txt and test.txt (lines 'CLASS/CLIP'); a clip is a video or a folder of numbered pictures",
    where="your own disk",
)

VIDEOS = DatasetSpec(
    name="videos",
    summary="videos:PATH, unlabelled videos at any depth of a folder, such as Kinetics or Sports-1M",
    licence="the licence of the clips",
    classes=(),
    protocols={"pool": Protocol(summary="every video in the folder; none is scored", folds=())},
    index="elrbench_plugins.folder.pool:read",
    at="elrbench_plugins.folder.pool:at",
    layout="videos at any depth",
    where="your own disk",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return two datasets that read any folder."""
    return [FOLDER, VIDEOS]
