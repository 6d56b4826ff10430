"""TinyVIRAT: activities cropped out of VIRAT's surveillance videos at 10 to 128 pixels, several labels a clip."""

from __future__ import annotations

from benchmark_core import DatasetSpec, Protocol, hookimpl

CLASSES = (  # in the order of the release's class_map.json, which is that of a submission's columns
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


ENTRY = '{"id", "video_id", "path", "dim", "label": [NAME, …]}, in a list or under "tubes"'

TINYVIRAT = DatasetSpec(
    name="tinyvirat",
    summary="12,829 natural crops of surveillance video, 10 to 128 pixels, one or several of 26 activities",
    citation="Demir et al., TinyVIRAT: Low-resolution Video Action Recognition, ICPR 2020",
    licence="research use, as VIRAT",
    classes=CLASSES,
    task="multi-label",
    metric="f1_macro",
    protocols={"train-test": Protocol(summary="trains on tiny_train.json, tests on tiny_test.json", folds=("1",))},
    counts={"train-test": {"1": (7663, 5166)}},
    index="elrbench_plugins.tinyvirat.index:read_first",
    degradation="native",
    natively_low=True,
    unspecified=(
        "which F1 the paper's tables hold: its code's test script has f1_macro_logit0.5, the mean over classes, a "
        "class being predicted where its logit, not its sigmoid, is above 0.5; tables here rank by f1_macro, of "
        "sigmoids above 0.5",
    ),
    layout=f"videos/{{train,test}}/PATH.mp4, tiny_train.json and tiny_test.json of {ENTRY}",
    where="https://www.crcv.ucf.edu/datasets/ugur/TinyVIRAT.zip",
)

TINYVIRAT_V2 = DatasetSpec(
    name="tinyvirat-v2",
    summary="20,258 such crops with labels, and the 6,097 test clips of the Tiny Actions challenge without",
    citation="Tiny Actions Challenge, CVPR 2021; Demir et al., TinyVIRAT, ICPR 2020",
    licence="research use, as VIRAT",
    classes=CLASSES,
    task="multi-label",
    metric="f1_macro",
    protocols={"train-val": Protocol(summary="trains on tiny_train_v2.json, tests on tiny_val_v2.json", folds=("1",))},
    counts={"train-val": {"1": (16950, 3308)}},
    index="elrbench_plugins.tinyvirat.index:read_second",
    degradation="native",
    natively_low=True,
    unspecified=(
        "which F1: the challenge ranks by the mean over classes, each entry with a threshold of its own; here it is "
        "f1_macro, of sigmoids above 0.5; its baseline's training code looks at f1_samples_logit0.5",
    ),
    answer="elrbench_plugins.tinyvirat.answer:answer",
    layout=f"videos/{{train,val}}/PATH.mp4, tiny_train_v2.json and tiny_val_v2.json of {ENTRY}; for the challenge "
    "videos/test/NUMBER.mp4 and tiny_test_v2_public.json, without labels",
    where="https://www.crcv.ucf.edu/tiny-actions-challenge-cvpr2021/data/TinyVIRAT-v2.zip",
)

VIRAT_CROPS = DatasetSpec(
    name="virat-crops",
    summary="larger crops of VIRAT with TinyVIRAT's labels: what a teacher sees where the student sees TinyVIRAT",
    citation="Oh et al., A large-scale benchmark dataset for event recognition in surveillance video, CVPR 2011",
    licence="research use",
    classes=CLASSES,
    task="multi-label",
    metric="f1_macro",
    protocols={"train-test": Protocol(summary="trains on crops_train.json, tests on crops_test.json", folds=("1",))},
    index="elrbench_plugins.tinyvirat.index:read_crops",
    degradation="bicubic-14x14",
    unspecified=("which crops the paper pairs with low ones: no list was published, so users bring their own",),
    layout="videos/{train,test}/PATH.mp4, sides of 112 pixels or more, crops_train.json and crops_test.json of "
    + ENTRY,
    where="crops are cut by the user out of VIRAT's videos, https://viratdata.org",
)


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Both releases, and the crops that a high view may be taken from."""
    return [TINYVIRAT, TINYVIRAT_V2, VIRAT_CROPS]
