"""A dataset, a degradation and a trained enhancer in one file. torch is imported inside functions only."""

import csv

from elrbench import (
    Clip,
    DatasetSpec,
    DegradationSpec,
    ElrError,
    EnhancerSpec,
    Fold,
    Index,
    Option,
    Protocol,
    VideoFile,
    hookimpl,
)

ACTIONS = ("jump", "wave")


@hookimpl
def elr_datasets():
    """Videos in one folder with a table that lists them."""
    return [
        DatasetSpec(
            name="listed",
            summary="videos in one folder with a table that lists them",
            classes=ACTIONS,
            protocols={"own": Protocol(summary="training and test part as in the table", folds=("1",))},
            index="elrbench_kinds:index",
            layout="clips.csv, with columns file, action and part (train or test), and the files next to it",
        )
    ]


def index(root, protocol, options):
    """List clips and folds without decoding. An ElrError tells the user what is wrong with the folder."""
    clips, parts, missing = [], {"train": [], "test": []}, []
    with (root / "clips.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["action"] not in ACTIONS or row["part"] not in parts:
                raise ElrError(f"{root / 'clips.csv'}: unknown action or part: {row}")
            if not (root / row["file"]).is_file():
                missing.append(row["file"])  # --bad-clips decides whether the run continues
                continue
            source = VideoFile(root / row["file"])
            clips.append(Clip(id=row["file"], source=source, target=ACTIONS.index(row["action"])))
            parts[row["part"]].append(row["file"])
    fold = Fold(train=tuple(parts["train"]), test=tuple(parts["test"]))
    return Index(clips=tuple(clips), folds={"1": fold}, missing=tuple(missing))


@hookimpl
def elr_degradations():
    """Area averages in few grey levels. The low size comes from the name: `poster-12x16`."""
    levels = Option(default=16, low=2, high=256, help="grey levels per channel")
    return [
        DegradationSpec(
            name="poster-HxW",
            summary="area averages in few grey levels",
            on_clip="elrbench_kinds:poster",
            options={"levels": levels},
        )
    ]


def poster(frames, low, options, seed):
    """Return uint8 (T, 3, h, w). Anything random must be seeded by `seed` and the frame number."""
    from benchmark_core.clips.resample import reduce, to_grey_levels

    step = 256 / options["levels"]
    return to_grey_levels((reduce(frames, low) / step).round() * step)


@hookimpl
def elr_enhancers():
    """Sub-pixel convolution, trained on pairs of low and high frames before the method starts."""
    return [
        EnhancerSpec(
            name="espcn",
            summary="bilinear plus a residual by sub-pixel convolution",
            citation="Shi et al., Real-Time Single Image and Video Super-Resolution, 2016",
            factory="elrbench_kinds:espcn",
            check="elrbench_kinds:check",
            fit="elrbench_kinds:fit",
            needs_high=True,
            options={
                "width": Option(default=16, low=1, help="channels"),
                "epochs": Option(default=10, low=1, help="passes over the training clips"),
                "batch": Option(default=8, low=1, help="clips per update"),
                "lr": Option(default=1e-3, low=0.0, help="learning rate of Adam"),
            },
        )
    ]


def check(plan, components):
    """Raise ElrError if the enhancer does not fit the rest of the plan. Called before data is read."""
    scale(components.degradation.low, plan.size)


def scale(low, size):
    """Return the whole number by which (h, w) is enlarged to (H, W). low is None if clips differ in size."""
    factor = size[0] // low[0] if low else 0
    if not factor or (low[0] * factor, low[1] * factor) != tuple(size):
        raise ElrError(f"enhancer 'espcn' enlarges by a whole number, but not {low} to {size}: choose another --size")
    return factor


def espcn(low, size, options):
    """Return a module from (N, 3, h, w) in [0, 1] to (N, 3, H, W)."""
    import torch
    from torch import nn
    from torch.nn.functional import interpolate

    class Espcn(nn.Module):
        def __init__(self):
            super().__init__()
            factor, width = scale(low, size), options["width"]
            self.body = nn.Sequential(
                nn.Conv2d(3, width, 5, padding=2),
                nn.Tanh(),
                nn.Conv2d(width, 3 * factor * factor, 3, padding=1),
                nn.PixelShuffle(factor),
            )

        def forward(self, view):
            return torch.clamp(interpolate(view, size, mode="bilinear") + self.body(view), 0, 1)

    return Espcn()


def fit(training, module):
    """Train one stage, on views with the plan's sampling. `training.options` are the enhancer's own here."""
    needs = ("low", "high", "sampling", "width", "epochs", "batch", "lr")
    training.stage("espcn", lambda net: learn(training, net), module, needs=needs)


def learn(training, net):
    """Train on whole frames. The crop box of augmented views (`batch.box`) is not needed here."""
    import torch

    options = training.options
    views = training.views("train", low=True, high=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=options["lr"])
    for batch in training.epochs(views, options["epochs"], state=[net, optimizer]):
        low, high = (view.transpose(2, 3).flatten(0, 2) for view in (batch.low, batch.high))  # (B*K*T, 3, …)
        with training.autocast():
            enhanced = net(low)
        loss = (enhanced.float() - high).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        training.step(optimizer)
        training.log(loss=loss)
