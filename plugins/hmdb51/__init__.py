"""HMDB51: 6,766 clips of 51 actions, cut from films and web videos, with its three official splits."""

from __future__ import annotations

from elrbench import DatasetSpec, Protocol, hookimpl

CLASSES = (  # sorted; the index is the label. class_list.txt has another order
    "brush_hair",
    "cartwheel",
    "catch",
    "chew",
    "clap",
    "climb",
    "climb_stairs",
    "dive",
    "draw_sword",
    "dribble",
    "drink",
    "eat",
    "fall_floor",
    "fencing",
    "flic_flac",
    "golf",
    "handstand",
    "hit",
    "hug",
    "jump",
    "kick",
    "kick_ball",
    "kiss",
    "laugh",
    "pick",
    "pour",
    "pullup",
    "punch",
    "push",
    "pushup",
    "ride_bike",
    "ride_horse",
    "run",
    "shake_hands",
    "shoot_ball",
    "shoot_bow",
    "shoot_gun",
    "sit",
    "situp",
    "smile",
    "smoke",
    "somersault",
    "stand",
    "swing_baseball",
    "sword",
    "sword_exercise",
    "talk",
    "throw",
    "turn",
    "walk",
    "wave",
)
SPLIT = (3570, 1530)  # training and test clips: 70 and 30 of each class
COUNTS = {number: SPLIT for number in "123"}

HMDB51 = DatasetSpec(
    name="hmdb51",
    summary="6,766 clips of 51 actions from films and web videos, 240 pixels high, three official splits",
    citation="Kuehne et al., HMDB: A Large Video Database for Human Motion Recognition, ICCV 2011",
    licence="CC BY 4.0, according to an archived copy of the authors' page "
    "(http://serre-lab.clps.brown.edu/resources/HMDB/), read on 2026-11-28",
    where="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
    classes=CLASSES,
    protocols={
        "3splits": Protocol(summary="the mean over the three official splits, as in papers", folds=tuple("123")),
        "split1": Protocol(summary="the first official split", folds=("1",)),
        "split2": Protocol(summary="the second official split", folds=("2",)),
        "split3": Protocol(summary="the third official split", folds=("3",)),
    },
    counts={"3splits": COUNTS, **{f"split{number}": {number: SPLIT} for number in COUNTS}},
    index="elrbench_plugins.hmdb51.index:read",
    layout="hmdb51_org/CLASS/*.avi and testTrainMulti_7030_splits/CLASS_test_splitN.txt ('FILE 1' train, '2' test, '0' "
    "unused)",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return HMDB51."""
    return [HMDB51]
