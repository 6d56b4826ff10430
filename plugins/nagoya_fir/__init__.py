"""Nagoya FIR: seven actions below a 16x16 thermal array on the ceiling, natively extreme-low-resolution."""

from __future__ import annotations

from elrbench import DatasetSpec, Option, Protocol, hookimpl

CLASSES = ("walk", "sitdown", "standup", "falling", "sit", "lie", "stand")
DAYS = {  # recording day -> letters of its subjects, from the description of the release
    "20170203": ("A", "B"),
    "20170206": ("C", "D"),
    "20170209": ("E", "F"),
    "20170210": ("G", "H", "I"),
}
PROTOCOLS = {"loso": tuple(DAYS), "loso-6": tuple(DAYS)[:3]}  # protocol -> days that it reads

SUBJECTS = {name: tuple(one for day in days for one in DAYS[day]) for name, days in PROTOCOLS.items()}
_SIX = dict.fromkeys(SUBJECTS["loso-6"], (1400, 280))

NAGOYA_FIR = DatasetSpec(
    name="nagoya-fir",
    summary="7 actions of one person at a time, 16x16 far-infrared array, about 10 frames per second",
    citation="Kawashima et al., Action recognition from extremely low-resolution thermal image sequence, AVSS 2017",
    licence="CC BY-NC-SA 4.0",
    classes=CLASSES,
    protocols={
        "loso": Protocol(summary="leave one of the nine subjects out", folds=SUBJECTS["loso"], pooled=True),
        "loso-6": Protocol(
            summary="leave one of six subjects out, on the first three of four days: 1,680 clips",
            folds=SUBJECTS["loso-6"],
            pooled=True,
        ),
    },
    index="elrbench_plugins.nagoya_fir.index:read",
    degradation="native",
    natively_low=True,
    counts={"loso-6": _SIX},
    options={
        "coldest": Option(
            default=21.0,
            low=-50.0,
            high=200.0,
            unspecified=True,
            help="degrees Celsius of grey level 0; annotated rows have 22.1 to 26.1, and one level is 0.024 degrees",
        ),
        "hottest": Option(
            default=27.0, low=-50.0, high=200.0, unspecified=True, help="degrees Celsius of grey level 255"
        ),
    },
    unspecified=("mapping of temperatures to grey levels: linear from 21 to 27 degrees Celsius is a guess",),
    layout="DATE/raw/*.csv (Time, PTAT, P000 to P255) and annotation/annotation_DATE_human.csv (FILE,START,END,LABEL,"
    "HUMAN), DATE one of " + ", ".join(DAYS),
    where="the authors: https://yasutomo57jp.github.io/en/",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return Nagoya FIR."""
    return [NAGOYA_FIR]
