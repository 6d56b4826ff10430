"""A dataset, a degradation and a learnt enhancer in one file. Nothing above the functions' insides imports torch."""

import csv

from benchmark_core import DatasetSpec, DegradationSpec, ElrError, EnhancerSpec, Option, Protocol, hookimpl
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile

ACTIONS = ("jump", "wave")


@hookimpl
def elr_datasets():
    """Videos in one folder, and a table of them."""
    return [
        DatasetSpec(
            name="listed",
            summary="videos beside a table of them",
            classes=ACTIONS,
            protocols={"own": Protocol(summary="the table's own parts", folds=("1",))},
            index="elrbench_kinds:index",
            layout="clips.csv, with columns file, action and part (train or test), and the files beside it",
        )
    ]


def index(root, protocol, options):
    """Lists clips and folds; decodes nothing. What is wrong with the folder is for its owner to read: an ElrError."""
    clips, parts, missing = [], {"train": [], "test": []}, []
    with (root / "clips.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["action"] not in ACTIONS or row["part"] not in parts:
                raise ElrError(f"{root / 'clips.csv'}: no such action or part: {row}")
            if not (root / row["file"]).is_file():
                missing.append(row["file"])  # --bad-clips says whether the run goes on
                continue
            source = VideoFile(root / row["file"])
            clips.append(Clip(id=row["file"], source=source, target=ACTIONS.index(row["action"])))
            parts[row["part"]].append(row["file"])
    fold = Fold(train=tuple(parts["train"]), test=tuple(parts["test"]))
    return Index(clips=tuple(clips), folds={"1": fold}, missing=tuple(missing))


@hookimpl
def elr_degradations():
    """Area averages in few grey levels; the low size is read from the name that is asked for."""
    levels = Option(default=16, low=2, high=256, help="grey levels of a channel")
    return [
        DegradationSpec(
            name="poster-HxW",
            summary="area averages in few grey levels",
            on_clip="elrbench_kinds:poster",
            options={"levels": levels},
        )
    ]


def poster(frames, low, options, seed):
    """Frames of a clip to uint8 (T, 3, h, w). Whatever is random is to be seeded by `seed` and the frame's number."""
    from benchmark_core.clips.resample import reduce, to_grey_levels

    step = 256 / options["levels"]
    return to_grey_levels((reduce(frames, low) / step).round() * step)


@hookimpl
def elr_enhancers():
    """Sub-pixel convolution, fitted on pairs of low and high frames before the method begins."""
    return [
        EnhancerSpec(
            name="espcn",
            summary="bilinear, and what a sub-pixel convolution adds to it",
            citation="Shi et al., Real-Time Single Image and Video Super-Resolution, 2016",
            factory="elrbench_kinds:espcn",
            check="elrbench_kinds:check",
            fit="elrbench_kinds:fit",
            needs_high=True,
            options={
                "width": Option(default=16, low=1, help="channels"),
                "epochs": Option(default=10, low=1, help="passes over the training clips"),
                "batch": Option(default=8, low=1, help="clips an update"),
                "lr": Option(default=1e-3, low=0.0, help="learning rate of Adam"),
            },
        )
    ]


def check(plan, components):
    """ElrError where it does not go with what else a plan names; called before data is touched."""
    scale(components.degradation.low, plan.size)


def scale(low, size):
    """By which whole number (h, w) is enlarged to (H, W); low is None where clips differ in size."""
    by = size[0] // low[0] if low else 0
    if not by or (low[0] * by, low[1] * by) != tuple(size):
        raise ElrError(f"enhancer 'espcn' enlarges by a whole number, which {low} to {size} is not; use --size")
    return by


def espcn(low, size, options):
    """A module from (N, 3, h, w) in [0, 1] to (N, 3, H, W)."""
    import torch
    from torch import nn
    from torch.nn.functional import interpolate

    class Espcn(nn.Module):
        def __init__(self):
            super().__init__()
            by, width = scale(low, size), options["width"]
            self.body = nn.Sequential(
                nn.Conv2d(3, width, 5, padding=2),
                nn.Tanh(),
                nn.Conv2d(width, 3 * by * by, 3, padding=1),
                nn.PixelShuffle(by),
            )

        def forward(self, view):
            return torch.clamp(interpolate(view, size, mode="bilinear") + self.body(view), 0, 1)

    return Espcn()


def fit(training, module):
    """One stage. While it is fitted, `training.options` are the enhancer's own."""
    needs = ("low", "high", "width", "epochs", "batch", "lr")
    training.stage("espcn", lambda net: learn(training, net), module, needs=needs)


def learn(training, net):
    """Whole frames: the box of an augmented view, where there is one, cuts what comes of both, and is left out here."""
    import torch

    options = training.options
    views = training.views("train", low=True, high=True)
    optimiser = torch.optim.Adam(net.parameters(), lr=options["lr"])
    for batch in training.epochs(views, options["epochs"], state=[net, optimiser]):
        low, high = (view.transpose(2, 3).flatten(0, 2) for view in (batch.low, batch.high))  # (B*K*T, 3, …)
        with training.autocast():
            made = net(low)
        loss = (made.float() - high).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        training.log(loss=loss)
