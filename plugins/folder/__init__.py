"""Anyone's clips without a plugin: `folder:PATH`, `low-folder:PATH` and `array:PATH`, labelled; `videos:PATH`, not."""

from __future__ import annotations

from dataclasses import replace

from elrbench import DatasetSpec, Option, Protocol, hookimpl

FOLDER = DatasetSpec(
    name="folder",
    summary="folder:PATH, your own clips: one folder per class, with videos or folders of pictures",
    licence="the licence of the clips",
    classes=(),
    protocols={"split": Protocol(summary="train and test by folders or lists", folds=("1",))},
    index="elrbench_plugins.folder.own_clips:read",
    at="elrbench_plugins.folder.own_clips:at",
    shared_clips="fail",
    layout="train/CLASS/* and test/CLASS/*; or CLASS/* with split.txt (lines 'CLASS/CLIP train' or 'CLASS/CLIP test'), "
    "or with train.txt and test.txt (lines 'CLASS/CLIP'); a clip is a video or a folder of numbered pictures",
    where="your own disk",
)

LOW_FOLDER = replace(
    FOLDER,
    name="low-folder",
    summary="low-folder:PATH, your own clips recorded at low size, of one or several sizes; layout as of folder:PATH",
    index="elrbench_plugins.folder.own_clips:read_low",
    at="elrbench_plugins.folder.own_clips:at_low",
    degradation="native",
    natively_low=True,
)

ARRAY = DatasetSpec(
    name="array",
    summary="array:PATH, your own clips of a sensor array: one folder per class, with NPY or CSV files",
    licence="the licence of the clips",
    classes=(),
    protocols={"split": Protocol(summary="train and test by folders or lists", folds=("1",))},
    index="elrbench_plugins.folder.arrays:read",
    at="elrbench_plugins.folder.arrays:at",
    degradation="native",
    natively_low=True,
    shared_clips="fail",
    options={
        "coldest": Option(default=15.0, low=-1e6, high=1e6, help="value that becomes grey level 0; below it is 0, too"),
        "hottest": Option(default=40.0, low=-1e6, high=1e6, help="value that becomes grey level 255"),
    },
    layout="folders and lists as of folder:PATH; a clip is an NPY file (frames, rows, columns), or a CSV file with one "
    "frame per line, whose size is in size.txt (24x32)",
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
    """Return datasets that read any folder."""
    return [FOLDER, LOW_FOLDER, ARRAY, VIDEOS]
