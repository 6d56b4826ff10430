"""Datasets drawn by code.

`puppets` has one action a clip, `tiny-puppets` several and is natively low, `motions` has random motions to learn from.
The target of `puppets:identity` and `puppets:verification` is the person.
"""

from __future__ import annotations

from dataclasses import replace

from elrbench import DatasetSpec, Option, Protocol, hookimpl

PUPPETS_CLASSES = (
    "phone",
    "drink",
    "scratch",
    "wave",
    "wave-flag",
    "punch",
    "throw",
    "walk",
    "carry",
    "jump",
    "sit",
    "kick",
)
TINY_CLASSES = (
    "standing",
    "walking",
    "running",
    "sitting",
    "jumping",
    "waving",
    "phoning",
    "carrying",
    "throwing",
    "talking",
    "vehicle-moving",
    "vehicle-stopping",
)
PEOPLE = tuple(f"person-{number:02d}" for number in range(40))  # the training people of `puppets`
MOTION_CLASSES = tuple(f"motion-{number:03d}" for number in range(128))

_SUBJECTS = Protocol(summary="train and test people differ in proportions, clothes and habits", folds=("1",))
# Difficulty was tuned on the clips of seed 0; the default seed draws clips that were not used for tuning.
_RECORDINGS = Protocol(
    summary="train and test clips show the same people in other scenes and from other sides", folds=("1",)
)
_STRANGERS = Protocol(
    summary="test clips show 40 other people, in other scenes: person-00 of the test clips is not that of training",
    folds=("1",),
)
_DRAW_SEED = Option(default=7, low=0, high=2**31 - 1, help="seed of people, scenes and movements")
_CLIPS = {
    "train": Option(default=600, low=1, high=999_999, help="number of training clips; a multiple of 12 is balanced"),
    "test": Option(default=2000, low=1, high=999_999, help="number of test clips"),
    "frames": Option(default=28, low=1, high=1000, help="frames per clip, plus or minus 4"),
    "rows": Option(default=128, low=32, high=1080, help="height of the picture in pixels"),
    "columns": Option(default=170, low=32, high=1920, help="width of the picture in pixels"),
    "cameras": Option(
        default=1,
        low=1,
        high=8,
        added=True,
        help="cameras around the figure, whose pictures are side by side; each has its own surroundings",
    ),
}


IDENTITY = DatasetSpec(
    name="puppets:identity",
    summary="drawn by code: who the figure is, of 40 people who differ in proportions, clothes and habits",
    licence="drawn by this project's code",
    classes=PEOPLE,
    protocols={"recordings": _RECORDINGS},
    index="elrbench_plugins.puppets.identity:index",
    options={
        **_CLIPS,
        "clothes": Option(
            default="own",
            choices=("own", "any"),
            help="own: a person always wears the same clothes; any: clothes change from clip to clip",
        ),
        "draw_seed": _DRAW_SEED,
    },
    budgets={"smoke": {"dataset.train": 48, "dataset.test": 48}},
)
VERIFICATION = replace(
    IDENTITY,
    name="puppets:verification",
    summary="drawn by code: do two clips show the same person, of 40 people never seen in training?",
    metric="pair_auc",
    protocols={"strangers": _STRANGERS},
    index="elrbench_plugins.puppets.identity:strangers",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return the datasets. Nothing is drawn until a clip is read."""
    return [
        DatasetSpec(
            name="puppets",
            summary="drawn by code: a figure in 12 actions; nine of them differ in a small object or a hand",
            licence="drawn by this project's code",
            classes=PUPPETS_CLASSES,
            protocols={"subjects": _SUBJECTS},
            index="elrbench_plugins.puppets.single:index",
            options={
                **_CLIPS,
                "draw_seed": _DRAW_SEED,
            },
            budgets={"smoke": {"dataset.train": 48, "dataset.test": 48}},
        ),
        IDENTITY,
        VERIFICATION,
        DatasetSpec(
            name="tiny-puppets",
            summary="drawn by code: people and vehicles in one or several of 12 activities at once, crops of 10 to "
            "128 pixels",
            licence="drawn by this project's code",
            task="multi-label",
            metric="f1_macro",
            window_scores="elrbench_plugins.tinyvirat.windows:window_scores",
            classes=TINY_CLASSES,
            protocols={"subjects": _SUBJECTS},
            index="elrbench_plugins.puppets.tiny:index",
            degradation="native",
            natively_low=True,
            options={
                "train": Option(default=1200, low=1, high=999_999, help="number of training clips"),
                "test": Option(default=1000, low=1, high=999_999, help="number of test clips"),
                "frames": Option(default=28, low=1, high=1000, help="frames per clip, plus or minus 4"),
                "smallest": Option(default=10, low=4, high=512, help="side of the smallest crop in pixels"),
                "largest": Option(default=128, low=4, high=512, help="side of the largest crop in pixels"),
                "draw_seed": _DRAW_SEED,
            },
            budgets={"smoke": {"dataset.train": 48, "dataset.test": 48}},
        ),
        DatasetSpec(
            name="motions",
            summary="drawn by code: a figure in 128 random motions, from near and far; to pre-train a recognizer",
            citation="Kataoka et al., Pre-training without Natural Images, ACCV 2020 (the idea: labels by formula)",
            licence="drawn by this project's code",
            classes=MOTION_CLASSES,
            protocols={"subjects": _SUBJECTS},
            index="elrbench_plugins.puppets.motions:index",
            options={
                "train": Option(
                    default=9600, low=1, high=999_999, help="number of training clips; a multiple of 128 is balanced"
                ),
                "test": Option(default=1280, low=1, high=999_999, help="number of test clips"),
                "frames": Option(default=32, low=1, high=1000, help="frames per clip, plus or minus 8"),
                "rows": Option(default=64, low=32, high=1080, help="height of the picture in pixels"),
                "columns": Option(default=85, low=32, high=1920, help="width of the picture in pixels"),
                "camera": Option(
                    default="level",
                    choices=("level", "above"),
                    added=True,
                    help="level: hand-held, from any side, near and far; above: still, at the ceiling",
                ),
                "draw_seed": _DRAW_SEED,
            },
            budgets={"smoke": {"dataset.train": 48, "dataset.test": 48}},
        ),
    ]
