"""IXMAS: ten actors perform everyday actions three times each, filmed by five cameras at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from elrbench import DatasetSpec, Option, Protocol, hookimpl

ACTIONS = {  # number in the truth files -> name; 0 is no action, 13 and 14 are throws, which papers leave out
    1: "check-watch",
    2: "cross-arms",
    3: "scratch-head",
    4: "sit-down",
    5: "get-up",
    6: "turn-around",
    7: "walk",
    8: "wave",
    9: "punch",
    10: "kick",
    11: "point",
    12: "pick-up",
}
ACTORS = ("alba", "amel", "andreas", "chiara", "clare", "daniel", "florian", "hedlena", "julien", "nicolas")
CAMERAS = ("cam0", "cam1", "cam2", "cam3", "cam4")
REPETITIONS = (1, 2, 3)
SUBSETS = tuple(  # of cameras, as their numbers
    "".join(camera.removeprefix("cam") for camera in chosen)
    for count in range(1, len(CAMERAS) + 1)
    for chosen in combinations(CAMERAS, count)
)


def _spec(name: str, classes: tuple[str, ...], summary: str) -> DatasetSpec:
    actor = len(REPETITIONS) * len(CAMERAS) * len(classes)  # test clips of a fold, from the design of the recordings
    camera = len(REPETITIONS) * len(ACTORS) * len(classes)
    every = len(ACTORS) * actor
    return DatasetSpec(
        name=name,
        folder="ixmas",
        summary=summary,
        citation="Weinland et al., Free Viewpoint Action Recognition using Motion History Volumes, CVIU 2006",
        licence="research use",
        where="INRIA: http://4drepository.inrialpes.fr (RECORDING.pictures.tgz and truth.txt.tgz); EPFL: "
        "https://www.epfl.ch/labs/cvlab/data/data-ixmas10/ (original IXMAS ROIs, which papers on low resolution use)",
        unspecified=(
            "number of actions: papers give 11 actions and 1,800 videos, but 1,800 videos are 12 actions. The public "
            "code of Chen et al. (WACV 2017) has all twelve, as ixmas-12. ixmas-11 has INRIA's eleven (no 'point'). "
            "Scores of the two are not comparable",
            "clips: that code reads EPFL's release, in which the actor fills the frame, and resizes whole frames, as "
            "ixmas-12:epfl does. INRIA's pictures show the room; they are cropped to the aspect of the low view",
            "folds: that code leaves one actor out, all cameras together, which is the default. Few papers give folds",
        ),
        classes=classes,
        protocols={
            "loso-10": Protocol(summary="leave one actor out, all cameras together; pooled", folds=ACTORS, pooled=True),
            "loco-5": Protocol(summary="leave one camera out, all actors together; pooled", folds=CAMERAS, pooled=True),
        },
        # From the design of the recordings: each actor, action, repetition and camera once. Not verified on the files.
        counts={
            "loso-10": dict.fromkeys(ACTORS, (every - actor, actor)),
            "loco-5": dict.fromkeys(CAMERAS, (every - camera, camera)),
        },
        options={
            "release": Option(
                default="inria",
                choices=("inria", "epfl"),
                help="release of the clips: INRIA's pictures, cut by its truth files, or EPFL's videos, one per clip",
            )
        },
        variants={"epfl": {"release": "epfl"}},
        index="elrbench_plugins.ixmas.index:read_11" if len(classes) == 11 else "elrbench_plugins.ixmas.index:read_12",
        layout="INRIA's ACTORn_png/cam{0..4}/img%04d.png and ACTORn_truth.txt, one action number per frame; or, with "
        f"--dataset {name}:epfl, EPFL's ACTORn_ID_ACTION_camN_frames_FIRST_LAST.avi",
    )


IXMAS_12 = _spec("ixmas-12", tuple(ACTIONS.values()), "1,800 clips: 10 actors, 12 actions, 3 repetitions, 5 cameras")
IXMAS_11 = _spec(
    "ixmas-11",
    tuple(name for name in ACTIONS.values() if name != "point"),
    "1,650 clips: 10 actors, 11 actions (without 'point'), 3 repetitions, 5 cameras",
)


_PERFORMANCES = len(REPETITIONS) * len(ACTIONS)  # of an actor
IXMAS_12_JOINT = DatasetSpec(
    name="ixmas-12-joint",
    folder="ixmas",
    summary="360 clips of several cameras side by side: 10 actors, 12 actions, 3 repetitions",
    citation=IXMAS_12.citation,
    licence=IXMAS_12.licence,
    where=IXMAS_12.where,
    unspecified=(
        "several cameras: their pictures side by side, so that each has its part of the low view; five cameras of "
        "12x16 are average-12x80",
        "INRIA's pictures alone: EPFL's videos are cut around the actor for each camera",
    ),
    classes=tuple(ACTIONS.values()),
    protocols={"loso-10": Protocol(summary="leave one actor out; pooled", folds=ACTORS, pooled=True)},
    counts={"loso-10": dict.fromkeys(ACTORS, ((len(ACTORS) - 1) * _PERFORMANCES, _PERFORMANCES))},
    options={
        "cameras": Option(
            default=SUBSETS[-1], choices=SUBSETS, help="numbers of the cameras that a clip shows, in order"
        )
    },
    index="elrbench_plugins.ixmas.index:read_joint",
    layout="INRIA's ACTORn_png/cam{0..4}/img%04d.png and ACTORn_truth.txt, one action number per frame",
)


_CLIPS = len(CAMERAS) * len(ACTORS) * len(ACTIONS)  # of each repetition
IDENTITY = replace(
    IXMAS_12,
    name="ixmas-12:identity",
    summary="1,800 clips of IXMAS with the ten actors as classes",
    classes=ACTORS,
    protocols={
        "repetitions": Protocol(
            summary="leave one of three repetitions of each action out, all cameras together; pooled",
            folds=tuple(map(str, REPETITIONS)),
            pooled=True,
        )
    },
    counts={"repetitions": {str(number): ((len(REPETITIONS) - 1) * _CLIPS, _CLIPS) for number in REPETITIONS}},
    variants={},
    index="elrbench_plugins.ixmas.identity:read",
    layout=IXMAS_12.layout.replace("--dataset ixmas-12:epfl", "--set dataset.release=epfl"),
)


HALVES = {"first": ACTORS[5:], "second": ACTORS[:5]}  # fold -> actors who are tested
VERIFICATION = replace(
    IDENTITY,
    name="ixmas-12:verification",
    summary="do two clips of IXMAS show the same actor, of five never seen in training?",
    metric="pair_auc",
    protocols={
        "halves": Protocol(
            summary="train on five actors and test the other five, and vice versa, all cameras together",
            folds=tuple(HALVES),
        )
    },
    counts={"halves": dict.fromkeys(HALVES, (len(REPETITIONS) * _CLIPS // 2,) * 2)},
    index="elrbench_plugins.ixmas.identity:read_strangers",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return IXMAS with eleven and with twelve actions, with several cameras in a clip, and with actors as classes.

    They are datasets of their own, as their scores are not comparable.
    """
    return [IXMAS_11, IXMAS_12, IXMAS_12_JOINT, IDENTITY, VERIFICATION]
