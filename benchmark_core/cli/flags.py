"""Options that several commands share: fields of a plan, plugins, folders, device, JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmark_core.cli.console import results_only
from benchmark_core.errors import ElrError

F = TypeVar("F", bound=Callable[..., Any])

# Fields of a plan as the user types them. None: the dataset, the method and the budget decide.
PLAN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("--method",), "NAME", "Transfer method with variants: cstat, cstat:mlp+rc."),
    (("--dataset",), "NAME", "Dataset; 'elrbench list datasets' lists them."),
    (("--classes",), "A,B,C", "Use only these classes. Default: all."),
    (("--protocol",), "NAME", "Train/test protocol. Default: the first of the dataset."),
    (("--fold", "--split"), "NAME", "Fold of the protocol. Default: the first."),
    (("--holdout",), "FRACTION", "Test on this fraction of the training clips (whole groups), not on the test clips."),
    (
        ("--keep",),
        "best[-every-N]",
        "Score the epoch that is best on the held-out clips (needs --holdout). Default: the last.",
    ),
    (
        ("--degradation",),
        "NAME",
        "Makes low views; the name holds their size (height x width): average-12x16. Default: the dataset's.",
    ),
    (("--enhancer",), "NAME", "Enhancer that brings low views to network size. Default: the method's."),
    (("--enhancer-weights",), "FILE", "Load the enhancer from a public checkpoint instead of training it."),
    (("--backbone",), "NAME", "Feature extractor. Default: the method's."),
    (("--weights",), "NAME|FILE", "Initialisation: scratch, imagenet, or a checkpoint. Default: the backbone's."),
    (
        ("--modality",),
        "NAME",
        "rgb, flow, rgb+flow (two networks), or one network on rgb+dev+flow-early. Default: rgb.",
    ),
    (("--size",), "HxW", "Input size of the backbone, not of the low view: 96x128."),
    (
        ("--sampling",),
        "KxT",
        "Frames of a view: 4x5 (4 intervals of 5), 4x5s2 (stride 2), windows-16, clip-24 (of the whole clip).",
    ),
    (("--test-views",), "N+mirror", "Average views of a test clip: 3 (crops in time), mirror, 3+mirror. Default: one."),
    (("--precision",), "NAME", "fp32 or bf16."),
    (("--processes",), "N", "Processes that share each batch, one per GPU; see docs/running.md. Default: 1."),
    (("--batch-norm",), "NAME", "Batch normalisation by each process's own clips, or (GPUs) sync. Default: own."),
    (("--unlabelled",), "NAME", "Unlabelled clips for methods that use them: videos:PATH."),
    (("--teacher",), "DIR", "Run folder of a finished run; its network is the teacher."),
    (("--teacher-backbone",), "NAME", "The teacher's feature extractor. Default: the student's; see docs/running.md."),
    (("--teacher-weights",), "NAME", "The teacher's initialisation: scratch, imagenet. Default: its backbone's."),
    (("--teacher-size",), "HxW", "Size of the teacher's network and of high views. Default: the student's."),
    (("--teacher-frames",), "N", "Frames of a view that a 2D teacher sees. Default: 4, or all of a 2D student."),
    (("--high-source",), "NAME", "Dataset of larger clips, which gives high views to natively low clips."),
    (("--budget",), "NAME", "paper, small or smoke. Default: paper."),
    (("--recipe",), "NAME", "Named set of training options: modern. --set overrides single options."),
)


def plan_flags(function: F) -> F:
    """Add every field of a plan as an option, and `--plan`, `--set` and `--plugin`."""
    function = plugin_flag(function)
    text = "Set an option of a component: method.epochs=5. Repeatable."
    setting = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)
    text = "Random seed. Default: 0."
    seed = click.option("--seed", type=int, metavar="N", help=text)
    function = seed(setting(function))
    text = "YAML file with these fields, options under 'set'. Command-line options override it."
    planfile = click.option("--plan", "planfile", type=click.Path(path_type=Path), metavar="FILE", help=text)
    function = planfile(function)
    for names, metavar, text in reversed(PLAN):
        field = names[0].removeprefix("--").replace("-", "_")
        function = click.option(*names, field, metavar=metavar, help=text)(function)
    return function


def extra_data_flags(function: F) -> F:
    """Add `--unlabelled-data` and `--high-source-data`: folders of the extra datasets of a plan."""
    for name in ("unlabelled", "high-source"):
        text = f"Folder of the --{name} dataset. Default: $ELRBENCH_DATA/FOLDER; see `elrbench data info`."
        function = click.option(f"--{name}-data", type=click.Path(path_type=Path), metavar="DIR", help=text)(function)
    return function


def plugin_flag(function: F) -> F:
    """Add `--plugin FILE|MODULE`, repeatable."""
    text = "Load a plugin that is not installed. Repeatable."
    return click.option("--plugin", "plugins", multiple=True, metavar="FILE|MODULE", help=text)(function)


def data_flag(function: F) -> F:
    """Add `--data DIR`."""
    text = "Folder of the dataset. Default: $ELRBENCH_DATA/FOLDER; see `elrbench data info`."
    return click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help=text)(function)


def bad_clips_flag(function: F) -> F:
    """Add `--bad-clips fail|skip`."""
    choice = click.Choice(("fail", "skip"))
    return click.option(
        "--bad-clips", type=choice, default="fail", help="What to do if a clip cannot be read. Default: fail."
    )(function)


def shared_clips_flag(function: F) -> F:
    """Add `--shared-clips fail|warn`."""
    text = "What to do if a training clip has the content of a test clip. Default: the dataset's."
    return click.option("--shared-clips", type=click.Choice(("fail", "warn")), help=text)(function)


def device_flag(function: F) -> F:
    """Add `--device NAME`; see `pick_device`."""
    text = "cpu, cuda or cuda:1. Default: the first accelerator, else the CPU."
    return click.option("--device", metavar="NAME", help=text)(function)


def track_flag(function: F) -> F:
    """Add `--track NAME[:PROJECT]`, repeatable; see `make_trackers`."""
    text = "Log the run to an experiment tracker; 'elrbench list trackers' lists them. Repeatable."
    return click.option("--track", "track", multiple=True, metavar="NAME[:PROJECT]", help=text)(function)


def validate_flag(function: F) -> F:
    """Add `--validate N`; see `check_validate`."""
    text = "Score every N-th epoch on the clips of --holdout, for the log. Nothing is chosen by it."
    return click.option("--validate", type=click.IntRange(min=1), metavar="N", help=text)(function)


def json_flag(function: F) -> F:
    """Add `--json`: print the result as JSON, and nothing else on stdout."""

    def reserve(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
        if value and sys.stdout is not None and not ctx.resilient_parsing:
            ctx.find_root().with_resource(results_only())
        return value

    return click.option("--json", "as_json", is_flag=True, is_eager=True, callback=reserve, help="Print JSON.")(
        function
    )


def cache_flag(function: F) -> F:
    """Add `--cache DIR`."""
    text = "Cache of decoded clips and trained stages. Default: $ELRBENCH_CACHE or ~/.cache/elrbench."
    return click.option("--cache", type=click.Path(path_type=Path), metavar="DIR", help=text)(function)


def board_flag(function: F) -> F:
    """Add `--folder DIR`: the leaderboards folder."""
    text = "Leaderboards folder, with records/, costs/ and tables/."
    default = Path("leaderboards")
    return click.option(
        "--folder", type=click.Path(path_type=Path), metavar="DIR", default=default, show_default=True, help=text
    )(function)


def check_board(folder: Path) -> None:
    """Raise ElrError if the leaderboards folder to publish into is a file. A missing folder is created when needed."""
    if folder.exists() and not folder.is_dir():
        raise ElrError(f"--folder {folder} is a file; pass a folder")
