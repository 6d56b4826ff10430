"""Nagoya FIR: seven or five actions below a 16x16 thermal array on the ceiling, natively extreme-low-resolution."""

from __future__ import annotations

from dataclasses import replace

from elrbench import DatasetSpec, Option, Protocol, hookimpl

CLASSES = ("walk", "sitdown", "standup", "falling", "sit", "lie", "stand")
STOPPING = ("sit", "lie", "stand")  # one action in the authors' description of the release, and in nagoya-fir-5
CLASSES_5 = (*(name for name in CLASSES if name not in STOPPING), "stopping")
DAYS = {  # recording day -> letters of its subjects, from the description of the release
    "20170203": ("A", "B"),
    "20170206": ("C", "D"),
    "20170209": ("E", "F"),
    "20170210": ("G", "H", "I"),
}
PROTOCOLS = {"loso": tuple(DAYS), "loso-6": tuple(DAYS)[:3]}  # protocol -> days that it reads

SUBJECTS = {name: tuple(one for day in days for one in DAYS[day]) for name, days in PROTOCOLS.items()}
LIGHTS = ("dark", "light")  # the same scripts were recorded in a dark and in a lit room
OF_PEOPLE = {  # protocol of people -> protocol of nagoya-fir whose clips it has
    "recordings": "loso",
    "recordings-6": "loso-6",
    "one-day": "loso",
    "one-day-6": "loso-6",
    "days": "loso",  # of nagoya-fir:verification
    "days-6": "loso-6",
}
_CLIPS = 280  # of each subject: 40 of each of seven classes


def _spec(name: str, classes: tuple[str, ...], summary: str, index: str) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        folder="nagoya-fir",
        summary=f"{summary} of one person at a time, 16x16 far-infrared array, about 10 frames per second",
        citation="Kawashima et al., Action recognition from extremely low-resolution thermal image sequence, AVSS 2017",
        licence="CC BY-NC-SA 4.0",
        classes=classes,
        protocols={
            "loso": Protocol(
                summary="leave one of the nine subjects out: 2,520 clips", folds=SUBJECTS["loso"], pooled=True
            ),
            "loso-6": Protocol(
                summary="leave one of six subjects out, on the first three of four days: 1,680 clips",
                folds=SUBJECTS["loso-6"],
                pooled=True,
            ),
        },
        index=f"elrbench_plugins.nagoya_fir.index:{index}",
        degradation="native",
        natively_low=True,
        recorded_size=(16, 16),
        # Those of loso-6 were counted in the files. The fourth day was not available; published confusion matrices of
        # all nine subjects have 2,520 clips, 360 of each of seven classes.
        counts={
            protocol: dict.fromkeys(subjects, (_CLIPS * (len(subjects) - 1), _CLIPS))
            for protocol, subjects in SUBJECTS.items()
        },
        options={
            "coldest": Option(
                default=21.0,
                low=-50.0,
                high=200.0,
                unspecified=True,
                help="degrees Celsius of grey level 0; annotated rows have 22.1 to 26.1; one level is 0.024 degrees",
            ),
            "hottest": Option(
                default=27.0, low=-50.0, high=200.0, unspecified=True, help="degrees Celsius of grey level 255"
            ),
        },
        unspecified=("mapping of temperatures to grey levels: linear from 21 to 27 degrees Celsius is a guess",),
        layout="DATE/raw/*.csv (Time, PTAT, P000 to P255) and annotation/annotation_DATE_human.csv (FILE,START,END,"
        "LABEL,HUMAN), DATE one of " + ", ".join(DAYS),
        where="https://github.com/muralab/Low-Resolution-FIR-Action-Dataset",
    )


NAGOYA_FIR = _spec("nagoya-fir", CLASSES, "7 actions", "read")
NAGOYA_FIR_5 = _spec("nagoya-fir-5", CLASSES_5, "5 actions (sit, lie and stand are one: 'stopping')", "read_5")


IDENTITY = replace(
    NAGOYA_FIR,
    name="nagoya-fir:identity",
    summary="9 people by their actions, 16x16 far-infrared array: what a thermal array gives away",
    classes=SUBJECTS["loso"],
    protocols={
        "recordings": Protocol(
            summary="nine people: train on recordings in the light, test on those in the dark, and vice versa",
            folds=LIGHTS,
            pooled=True,
        ),
        "recordings-6": Protocol(
            summary="the same with the six people of the first three of four days", folds=LIGHTS, pooled=True
        ),
        "one-day": Protocol(
            summary="people of one day only, who share a room: train in the light, test in the dark; a fold per day",
            folds=PROTOCOLS["loso"],
            pooled=True,
        ),
        "one-day-6": Protocol(
            summary="the same on the first three of four days, with two people each",
            folds=PROTOCOLS["loso-6"],
            pooled=True,
        ),
    },
    counts={},
    index="elrbench_plugins.nagoya_fir.identity:read",
    unspecified=(
        *NAGOYA_FIR.unspecified,
        "protocols: no paper asks who the person is. People of different days differ in the temperature of the room, "
        "which `recordings` can tell and `one-day` cannot",
    ),
)


VERIFICATION = replace(
    IDENTITY,
    name="nagoya-fir:verification",
    summary="do two clips of one day show the same person, of two or three never seen in training? 16x16 array",
    metric="pair_auc",
    protocols={
        "days": Protocol(
            summary="leave the people of one of four days out; pairs of clips of that day", folds=PROTOCOLS["loso"]
        ),
        "days-6": Protocol(summary="the same with the first three of four days", folds=PROTOCOLS["loso-6"]),
    },
    index="elrbench_plugins.nagoya_fir.identity:read_strangers",
    unspecified=(*NAGOYA_FIR.unspecified, "protocols: no paper asks whether two clips show the same person"),
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return Nagoya FIR with seven and with five actions, and with people as classes: scores are not comparable."""
    return [NAGOYA_FIR, NAGOYA_FIR_5, IDENTITY, VERIFICATION]
