"""TinyVIRAT: activities cropped from VIRAT's surveillance videos, 10 to 128 pixels, several labels per clip."""

from __future__ import annotations

from elrbench import DatasetSpec, Protocol, hookimpl

CLASSES = (  # order of the release's class_map.json, and of the columns of a submission
    "Opening",
    "Interacts",
    "Pull",
    "activity_carrying",
    "Entering",
    "vehicle_moving",
    "Exiting",
    "Loading",
    "Talking",
    "activity_running",
    "vehicle_turning_left",
    "vehicle_stopping",
    "Riding",
    "Closing",
    "activity_walking",
    "Push",
    "specialized_using_tool",
    "vehicle_starting",
    "specialized_miscellaneous",
    "activity_standing",
    "Transport_HeavyCarry",
    "activity_gesturing",
    "vehicle_turning_right",
    "specialized_talking_phone",
    "specialized_texting_phone",
    "Misc",
)


WINDOWS = "elrbench_plugins.tinyvirat.windows:window_scores"
ENTRY = '{"id", "video_id", "path", "dim", "label": [NAME, …]}, in a list or under "tubes"'

TINYVIRAT = DatasetSpec(
    name="tinyvirat",
    summary="12,829 crops of surveillance video as recorded, 10 to 128 pixels, one or several of 26 activities",
    citation="Demir et al., TinyVIRAT: Low-resolution Video Action Recognition, ICPR 2020",
    licence="research use, as VIRAT",
    classes=CLASSES,
    task="multi-label",
    metric="f1_macro",
    window_scores=WINDOWS,
    protocols={"train-test": Protocol(summary="train on tiny_train.json, test on tiny_test.json", folds=("1",))},
    counts={"train-test": {"1": (7663, 5166)}},
    index="elrbench_plugins.tinyvirat.index:read_first",
    degradation="native",
    natively_low=True,
    unspecified=(
        "kind of F1 in the paper's tables: its code's test script scores each whole window of 16 frames, with the mean "
        "over classes and a threshold of 0.5 on the logit: f1_macro_windows_logit0.5 in records. Tables here rank by "
        "f1_macro, per clip and with a threshold of 0.5 on the sigmoid",
    ),
    layout=f"videos/{{train,test}}/PATH.mp4, tiny_train.json and tiny_test.json of {ENTRY}",
    where="https://www.crcv.ucf.edu/datasets/ugur/TinyVIRAT.zip",
)

TINYVIRAT_V2 = DatasetSpec(
    name="tinyvirat-v2",
    summary="20,258 crops with labels, and the 6,097 unlabelled test clips of the Tiny Actions challenge",
    citation="Tiny Actions Challenge, CVPR 2021; Demir et al., TinyVIRAT, ICPR 2020",
    licence="research use, as VIRAT",
    classes=CLASSES,
    task="multi-label",
    metric="f1_macro",
    window_scores=WINDOWS,
    protocols={"train-val": Protocol(summary="train on tiny_train_v2.json, test on tiny_val_v2.json", folds=("1",))},
    counts={"train-val": {"1": (16950, 3308)}},
    index="elrbench_plugins.tinyvirat.index:read_second",
    degradation="native",
    natively_low=True,
    unspecified=(
        "threshold of F1: the challenge ranks by the mean over classes and lets each entry choose its threshold; here "
        "it is f1_macro with a threshold of 0.5 on the sigmoid; the baseline's training code uses f1_samples_logit0.5",
    ),
    answer="elrbench_plugins.tinyvirat.answer:answer",
    layout=f"videos/{{train,val}}/PATH.mp4, tiny_train_v2.json and tiny_val_v2.json of {ENTRY}; for the challenge "
    "videos/test/NUMBER.mp4 and tiny_test_v2_public.json, without labels",
    where="https://www.crcv.ucf.edu/tiny-actions-challenge-cvpr2021/data/TinyVIRAT-v2.zip",
)

VIRAT_CROPS = DatasetSpec(
    name="virat-crops",
    summary="larger crops of VIRAT with TinyVIRAT's labels: high views for runs on TinyVIRAT",
    citation="Oh et al., A large-scale benchmark dataset for event recognition in surveillance video, CVPR 2011",
    licence="research use",
    classes=CLASSES,
    task="multi-label",
    metric="f1_macro",
    window_scores=WINDOWS,
    protocols={"train-test": Protocol(summary="train on crops_train.json, test on crops_test.json", folds=("1",))},
    index="elrbench_plugins.tinyvirat.index:read_crops",
    degradation="bicubic-14x14",
    unspecified=("crops that the paper pairs with low ones: no list was published, so users bring their own",),
    layout="videos/{train,test}/PATH.mp4, sides of 112 pixels or more, crops_train.json and crops_test.json of "
    + ENTRY,
    where="cut the crops from VIRAT's videos, https://viratdata.org",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Return both releases of TinyVIRAT, and the larger crops of VIRAT for high views."""
    return [TINYVIRAT, TINYVIRAT_V2, VIRAT_CROPS]
