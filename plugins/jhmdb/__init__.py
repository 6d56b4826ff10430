"""JHMDB: 928 trimmed clips of 21 of HMDB51's classes, split by HMDB51's official lists or by JHMDB's own."""

from __future__ import annotations

from elrbench import DatasetSpec, Protocol, hookimpl

CLASSES = (
    "brush_hair",
    "catch",
    "clap",
    "climb_stairs",
    "golf",
    "jump",
    "kick_ball",
    "pick",
    "pour",
    "pullup",
    "push",
    "run",
    "shoot_ball",
    "shoot_bow",
    "shoot_gun",
    "sit",
    "stand",
    "swing_baseball",
    "throw",
    "walk",
    "wave",
)

OWN = ", as in published figures on JHMDB; for folders that have these lists"

JHMDB = DatasetSpec(
    name="jhmdb",
    summary="928 trimmed clips of 21 of HMDB51's classes, 240x320 pixels, 15 to 40 frames; the default protocols use "
    "HMDB51's lists, so their scores are not comparable with published figures on JHMDB",
    citation="Jhuang et al., Towards Understanding Action Recognition, ICCV 2013",
    licence="research use",
    classes=CLASSES,
    protocols={
        "hmdb51-split1": Protocol(
            summary="HMDB51's official list 1, not JHMDB's own: 665 train, 257 test", folds=("1",)
        ),
        "hmdb51-split2": Protocol(
            summary="HMDB51's official list 2, not JHMDB's own: 505 train, 248 test", folds=("2",)
        ),
        "hmdb51-split3": Protocol(
            summary="HMDB51's official list 3, not JHMDB's own: 511 train, 241 test", folds=("3",)
        ),
        "hmdb51-3splits": Protocol(
            summary="the mean over HMDB51's three official lists, not JHMDB's own", folds=("1", "2", "3")
        ),
        **{
            f"split{fold}": Protocol(summary=f"JHMDB's own list {fold}{OWN}", folds=(fold,), optional=True)
            for fold in "123"
        },
        "3splits": Protocol(
            summary=f"the mean over JHMDB's own three lists{OWN}", folds=("1", "2", "3"), optional=True
        ),
    },
    counts={
        "hmdb51-split1": {"1": (665, 257)},
        "hmdb51-split2": {"2": (505, 248)},
        "hmdb51-split3": {"3": (511, 241)},
        "hmdb51-3splits": {"1": (665, 257), "2": (505, 248), "3": (511, 241)},
    },
    where="http://jhmdb.is.tue.mpg.de (videos and its own splits); the default protocols also need HMDB51's lists of "
    "these classes, CLASS_test_splitN.txt of testTrainMulti_7030_splits: copy them to splits/ from "
    "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
    index="elrbench_plugins.jhmdb.index:read",
    layout="ReCompress_Videos/CLASS/*.avi and splits/CLASS_test_splitN.txt: HMDB51's lists ('FILE 1' train, '2' test, "
    "'0' unused) or JHMDB's own (no '0'); JHMDB's own may be in sub_splits/ instead",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return JHMDB."""
    return [JHMDB]
