"""Compare the gradients of the weighted losses of an attention-transfer run on its backbone.

    python benchmarks/loss_shares.py elrbench-runs/3f2a90c14b7d5e68 --data /data/clips

Eq. 4 of CSTAT adds three losses, each with a weight. For each weighted loss, the script prints the norm of its gradient
over the parameters of the backbone, the ratio of that norm to the norm of the label loss, and the cosine between the
two gradients. Values are means over the first batches of training clips. *start*: the student alone is trained, and the
joint phase begins. *end*: the weights of the finished run. A trained confidence map has its initial values both times.
The single models come from the cache, and are trained if they are not in it.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.errors import ElrError

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.catalog import Catalog
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.runs.loaded_run import LoadedRun
    from benchmark_core.training.training import Training

LOSSES = {"ce": "w_ce", "sat": "w_sat", "tat": "w_tat"}


class Measured(Exception):
    """Raised at the start of the joint phase, when everything has been measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runfolder", type=Path, help="folder of a finished run of cstat or stat")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the dataset's folder; default: $ELRBENCH_DATA/FOLDER")
    parser.add_argument("--cache", type=Path, help="default: $ELRBENCH_CACHE, or ~/.cache/elrbench")
    parser.add_argument("--batches", type=int, default=8, help="number of batches; default: 8")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        result = measure(asked)
    except ElrError as error:
        print(f"loss_shares: error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result, indent=1) if asked.json else table(result))
    return 0


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Return norms and cosines by time (start, end) and loss."""
    from benchmark_core.catalog import load_catalog
    from benchmark_core.records.record import find_record, read_record
    from benchmark_core.runs.loaded_run import load_run

    if asked.batches < 1:
        raise ElrError(f"--batches {asked.batches} is not a number of batches; pass 1 or more")
    record = read_record(find_record(asked.runfolder))
    catalog, name = load_catalog().with_folder(record["plan"]["dataset"], asked.data)
    deployed = load_run(asked.runfolder, record, catalog, name)
    plan, components = deployed.plan, deployed.components
    options = components.options(plan, "method")
    if components.method.name not in ("cstat", "stat") or options["deploys"] != "joint":
        raise ElrError(f"{asked.runfolder} is a run of '{plan.method}', which has no joint phase with three losses")
    if plan.unlabelled or plan.hr_source or plan.teacher:
        raise ElrError(f"{asked.runfolder} was trained with extra data or an external teacher; pass a run without them")
    shares = joint_phase(deployed, catalog, asked)
    weights = {loss: options[option] for loss, option in LOSSES.items()}
    return {"run": asked.runfolder.name, "method": plan.method, "dataset": name, "seed": plan.seed,
            "batches": asked.batches, "weights": weights, **shares}  # fmt: skip


def joint_phase(
    deployed: LoadedRun, catalog: Catalog, asked: argparse.Namespace
) -> dict[str, dict[str, dict[str, float]]]:
    """Return "start" and "end" of the joint phase -> loss -> `norm` and `cosine`."""
    import torch

    from benchmark_core.cli.console import ConsoleReporter
    from benchmark_core.clips.locks import reader_lock
    from benchmark_core.provenance import owners_of
    from benchmark_core.runs.context import RunContext
    from benchmark_core.runs.prepare import prepare
    from benchmark_core.runs.request import cache_folder, data_root
    from benchmark_core.training.training import build_training
    from elrbench_plugins.attention_transfer.stages import fit_phases
    from elrbench_plugins.cstat.fit import pretrain

    plan, components, cache, reporter = deployed.plan, deployed.components, cache_folder(asked.cache), ConsoleReporter()
    root = data_root(catalog, plan.dataset, asked.data)
    found: dict[str, dict[str, dict[str, float]]] = {}

    def look(training: Training, teacher: Recognizer, student: Recognizer) -> None:
        found["start"] = gradients(training, teacher, student, asked.batches)
        student.load_state_dict(deployed.recognizer.state_dict())
        found["end"] = gradients(training, teacher, student, asked.batches)
        raise Measured

    with reader_lock(cache):
        data = prepare(plan, components, RunContext(out=cache, data=root, cache=cache, reporter=reporter))
        training = build_training(
            plan=plan,
            components=components,
            inputs=data.stage_inputs({kind: owner.identity for kind, owner in owners_of(catalog, components).items()}),
            make_views=data.training_views,
            device=torch.device("cpu"),
            cache=cache,
            reporter=reporter,
        )
        try:
            fit_phases(training, pretrain=pretrain, transfer=look, revision=0)
        except Measured:
            return found
    raise ElrError("the joint phase did not start")


def gradients(training: Training, teacher: Recognizer, student: Recognizer, count: int) -> dict[str, dict[str, float]]:
    """Return loss -> mean over batches of the norm of its weighted gradient, and of its cosine to the label loss."""
    import torch
    from torch.nn.functional import cosine_similarity

    options = training.options
    teacher.eval().requires_grad_(False)
    student.eval()
    parameters = [parameter for parameter in student.backbone.parameters() if parameter.requires_grad]
    seen: dict[str, list[tuple[float, float]]] = {loss: [] for loss in LOSSES}
    losses = terms_of(training, teacher, student)
    views = training.views("train", low=True, high=True)
    for number, host in enumerate(views.batches(int(options["batch"]), epoch=0)):
        if number == count:
            break
        directions: dict[str, Tensor] = {}
        for loss, value in losses(views.to_device(host, training.device)).items():
            weighted = value * float(options[LOSSES[loss]])
            parts = torch.autograd.grad(weighted, parameters, retain_graph=True, materialize_grads=True)
            directions[loss] = torch.cat([part.flatten().double() for part in parts])
            seen[loss].append(
                (float(directions[loss].norm()), float(cosine_similarity(directions["ce"], directions[loss], dim=0)))
            )
    return {
        loss: dict(zip(("norm", "cosine"), map(statistics.fmean, zip(*pairs, strict=True)), strict=True))
        for loss, pairs in seen.items()
    }


def terms_of(training: Training, teacher: Recognizer, student: Recognizer) -> Callable[[Any], Mapping[str, Tensor]]:
    """Return a function: batch -> three losses, by the method's own code, with the inner weights of the first epoch."""
    import torch

    from elrbench_plugins.attention_transfer.phase import compare, epochs_of, inner_weights
    from elrbench_plugins.cstat.fit import confidence_of
    from elrbench_plugins.cstat.losses import cosine_distance
    from elrbench_plugins.stat.fit import distance_of

    options = training.options
    ours = training.components.method.name == "cstat"
    measure = confidence_of(options, student) if ours else None
    if measure is not None:
        training.to_device(measure)
    distance = cosine_distance if ours else distance_of(options)
    inner = functools.partial(inner_weights, options, epoch=0, epochs=epochs_of(options, ""))

    def of(batch: Any) -> Mapping[str, Tensor]:
        with torch.no_grad():
            shown = teacher.trace(batch.high, batch.mask, batch.box)
        trace = student.trace(batch.low, batch.mask, batch.box)
        gaps = compare(trace, shown, batch.mask, measure, options, distance=distance)
        spatial, temporal = (gap @ gap.new_tensor(inner(len(gap))) for gap in (gaps.spatial, gaps.temporal))
        return {"ce": training.task_loss(trace.logits, batch.target), "sat": spatial, "tat": temporal}

    return of


def table(result: Mapping[str, Any]) -> str:
    """Return the result as text."""
    lines = [
        f"{result['method']} on {result['dataset']}, seed {result['seed']}: backbone gradients of the weighted losses",
        f"{'':6}{'weight':>8}" + "".join(f"{when:>12}{'share':>8}{'cosine':>8}" for when in ("start", "end")),
    ]
    for loss in LOSSES:
        line = f"{loss:6}{result['weights'][loss]:8.3f}"
        for when in ("start", "end"):
            of, labels = result[when][loss], result[when]["ce"]
            line += f"{of['norm']:12.4f}{of['norm'] / labels['norm']:8.3f}{of['cosine']:8.3f}"
        lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
