"""Anyone's clips without writing a plugin: `folder:PATH`, labelled by folders, and `videos:PATH`, without labels."""

from __future__ import annotations

from benchmark_core import DatasetSpec, Protocol, hookimpl

FOLDER = DatasetSpec(
    name="folder",
    summary="folder:PATH, clips of one's own: a folder a class, videos or folders of pictures in it",
    licence="that of the clips",
    classes=(),
    protocols={"split": Protocol(summary="train and test as the folders or the lists say", folds=("1",))},
    index="elrbench_plugins.folder.labelled:read",
    at="elrbench_plugins.folder.labelled:at",
    layout="train/CLASS/* and test/CLASS/*; or CLASS/* with split.txt ('CLASS/CLIP train' or 'CLASS/CLIP test' a "
    "line), or with train.txt and test.txt ('CLASS/CLIP' a line); a clip is a video, or a folder of numbered pictures",
    where="on your own disk",
)

VIDEOS = DatasetSpec(
    name="videos",
    summary="videos:PATH, any tree of videos as a pool without labels, such as Kinetics or Sports-1M",
    licence="that of the clips",
    classes=(),
    protocols={"pool": Protocol(summary="every video under the folder, none of them scored", folds=())},
    index="elrbench_plugins.folder.pool:read",
    at="elrbench_plugins.folder.pool:at",
    layout="videos at any depth",
    where="on your own disk",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Two templates: each stands for any folder."""
    return [FOLDER, VIDEOS]
