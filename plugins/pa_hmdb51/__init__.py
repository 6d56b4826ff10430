"""PA-HMDB51: privacy attributes of 515 of HMDB51's clips: skin colour, face, gender, nudity and relationship.

The labels are what annotators saw in the pictures, not statements about the people in them.
"""

from __future__ import annotations

from typing import Literal

from elrbench import DatasetSpec, Protocol, hookimpl
from elrbench_plugins.hmdb51 import CLASSES as ACTIONS

ATTRIBUTES = {  # name in the files -> names of its values 0, 1, 2, …
    "skin_color": ("unidentifiable", "white", "brown-yellow", "black"),
    "face": ("invisible", "partial", "complete"),
    "gender": ("unidentifiable", "male", "female"),
    "nudity": ("none", "partial", "semi"),
    "relationship": ("unidentifiable", "identifiable"),
}
SEVERAL = ("skin_color", "gender")  # attributes that may have several values in one frame, such as [1, 2]
COEXISTING = "coexisting"  # their further class, for such frames

LABELS = "PrivacyAttributes"
WHOLE, TRIMMED = "5fold", "jhmdb-5fold"  # protocols
VIDEOS = {  # protocol -> dataset whose clips it takes, and its folder of videos
    WHOLE: ("hmdb51", "hmdb51_org"),
    TRIMMED: ("jhmdb", "ReCompress_Videos"),
}
# Test clips of each fold, counted in the published labels and, for JHMDB, among the names of its 928 clips.
TESTED = {WHOLE: (108, 108, 112, 78, 109), TRIMMED: (29, 16, 17, 12, 19)}
FOLDS = ("1", "2", "3", "4", "5")


def dashed(attribute: str) -> str:
    """Return an attribute's name in dataset and class names: `skin-color` for `skin_color`."""
    return attribute.replace("_", "-")


def classes_of(attribute: str) -> tuple[str, ...]:
    """Return the classes of an attribute as a single label: its values, then `coexisting` if it may have several."""
    return (*ATTRIBUTES[attribute], *([COEXISTING] if attribute in SEVERAL else []))


VALUES = tuple(f"{dashed(attribute)}-{value}" for attribute, values in ATTRIBUTES.items() for value in values)


def _spec(
    target: str,
    summary: str,
    classes: tuple[str, ...],
    *,
    task: Literal["single-label", "multi-label"] = "single-label",
    unspecified: tuple[str, ...] = (),
) -> DatasetSpec:
    """Return the dataset with one target. target: the part of its name after the colon; "" for the action."""
    return DatasetSpec(
        name=f"pa-hmdb51:{target}" if target else "pa-hmdb51",
        folder="pa-hmdb51",
        summary=summary,
        citation="Wu et al., Privacy-Preserving Deep Action Recognition: An Adversarial Learning Framework and A New "
        "Dataset, TPAMI, arXiv 1906.05675",
        licence="labels: non-commercial research, with a reference to the paper; clips: as hmdb51 and jhmdb",
        where="labels: https://github.com/VITA-Group/PA-HMDB51; clips: `elrbench data info hmdb51` or `jhmdb`",
        classes=classes,
        task=task,
        metric="map" if task == "multi-label" else "top1",
        protocols={
            WHOLE: Protocol(
                summary="HMDB51's 515 clips; five folds by film, a division of this project; pooled",
                folds=FOLDS,
                pooled=True,
                optional=True,
            ),
            TRIMMED: Protocol(
                summary="the 93 of these clips that JHMDB has, trimmed, with the labels of the whole clips; the same "
                "folds; pooled",
                folds=FOLDS,
                pooled=True,
                optional=True,
            ),
        },
        counts={
            protocol: {fold: (sum(tested) - test, test) for fold, test in zip(FOLDS, tested, strict=True)}
            for protocol, tested in TESTED.items()
        },
        unspecified=(
            "training clips: the paper trains attackers on VISPR's photographs and tests them on single frames of "
            "these clips, with five yes-or-no labels. Its cMAP is not comparable with scores of these folds",
            *unspecified,
            f"{TRIMMED}: labels are of frames of the whole clips, and which of these frames JHMDB kept is not known",
        ),
        index=f"elrbench_plugins.pa_hmdb51.index:read_{target.replace('-', '_') or 'actions'}",
        layout=f"{LABELS}/CLASS.json, and the clips: hmdb51_org/CLASS/*.avi (or in ../hmdb51) for {WHOLE}, "
        f"ReCompress_Videos/CLASS/*.avi (or in ../jhmdb) for {TRIMMED}",
    )


MOST = "label of a clip: frames have labels; a clip has the value of most of its frames, the earlier one of a tie"
ALL = "labels of a clip: frames have labels; a clip has every value that one of its frames has"
SUMMARIES = {
    "skin_color": "skin colour of the people in 515 of HMDB51's clips, as annotated",
    "face": "whether a face is visible in 515 of HMDB51's clips: invisible, partial or complete",
    "gender": "gender of the people in 515 of HMDB51's clips, as annotated",
    "nudity": "bare skin in 515 of HMDB51's clips: none, partial or semi",
    "relationship": "whether 515 of HMDB51's clips show how their people are related",
}

SPECS = {
    "": _spec("", "the actions of the 515 clips of HMDB51 that have labels of privacy attributes", ACTIONS),
    **{
        attribute: _spec(dashed(attribute), summary, classes_of(attribute), unspecified=(MOST,))
        for attribute, summary in SUMMARIES.items()
    },
    "attributes": _spec(
        "attributes",
        "all five privacy attributes of 515 of HMDB51's clips, as annotated",
        VALUES,
        task="multi-label",
        unspecified=(ALL,),
    ),
}


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return PA-HMDB51 with each of its targets: the action, one attribute, or all attributes."""
    return list(SPECS.values())
