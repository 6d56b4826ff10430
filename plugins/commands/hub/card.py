"""The model card: README.md with the Hub's YAML front matter, written from a run's record or an exported file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from benchmark_core.names import ComponentName
from benchmark_core.provenance import version_of
from benchmark_core.tables.cells import billions, changes
from benchmark_core.tables.markup import escape_markdown, markdown_table, one_line
from elrbench_plugins.commands.hub.model import Facts, SharedModel

TASK = "video-classification"
METRICS: Mapping[str, tuple[str, str]] = {
    "top1": ("accuracy", "top-1 accuracy"),
    "top5": ("accuracy", "top-5 accuracy"),
}
MOST_CLASSES = 200  # names on the card


def card_of(model: SharedModel, *, license: str, target: str) -> str:
    """Return the card. license: of the weights, "" if none was chosen. target: what `hub pull` gets."""
    facts = model.facts
    sections = (
        ("Scores", _scores(facts)),
        ("Data", _data(facts)),
        ("Training", _training(facts)),
        ("Cost", _cost(facts)),
        ("Use", _use(model, target)),
        ("Licence", _licence(facts, license)),
    )
    text = [
        f"---\n{_front_matter(model, license)}---\n",
        f"# {escape_markdown(title(facts))}\n",
        _summary(facts) + "\n",
    ]
    for heading, lines in sections:
        if body := "\n".join(lines):
            text.append(f"## {heading}\n\n{body}\n")
    return "\n".join(text)


def title(facts: Facts) -> str:
    """Return `supervised on native3d-s, 12x16 (jhmdb)`."""
    return f"{facts.plan['method']} on {facts.plan['backbone']}, {facts.size} ({facts.plan['dataset']})"


def _summary(facts: Facts) -> str:
    frames = "frames as recorded" if facts.size == "as recorded" else f"frames of {facts.size} pixels"
    kind = " (an oracle, which sees high views)" if facts.view == "high" else " in extreme-low-resolution video"
    return (
        f"A recognizer of {len(facts.classes)} actions{kind}. It takes {frames}. Trained and scored with elrbench on "
        f"{escape_markdown(facts.plan['dataset'])}."
    )


def _front_matter(model: SharedModel, license: str) -> str:
    facts, plan = model.facts, model.facts.plan
    base = [ComponentName.parse(str(plan[field])).base for field in ("method", "backbone", "dataset", "degradation")]
    tags = [
        "elrbench",
        "action-recognition",
        "extreme-low-resolution",
        "onnx" if model.form == "onnx" else "safetensors",
    ]
    metrics = []
    for name, score in facts.scores.items():
        kind, label = METRICS.get(name, ("f1" if name.startswith("f1") else name, name))
        metrics.append({"type": kind, "name": label, "value": round(score["value"], 6)})
    result = {
        "task": {"type": TASK, "name": "Action recognition"},
        "dataset": {"type": base[2], "name": f"{plan['dataset']}, {_protocol(facts)}, {plan['degradation']}"},
        "metrics": metrics,
    }
    fields = {
        "license": license or "unknown",
        "library_name": "elrbench",
        "pipeline_tag": TASK,
        "tags": list(dict.fromkeys([*tags, *base])),
        "model-index": [{"name": title(facts), "results": [result]}],
    }
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)


def _protocol(facts: Facts) -> str:
    if facts.record is not None:
        track = facts.record["track"]
        return f"{track['protocol']}, fold {facts.plan['fold']} of {len(track['folds'])}"
    return f"{facts.plan['protocol']}, fold {facts.plan['fold']}"


def _scores(facts: Facts) -> Iterator[str]:
    """One row per score. Those of an exported file are next to those of its run."""
    rows = []
    for name, score in facts.scores.items():
        row = {"score": escape_markdown(name), "value (%)": _percent(score["value"])}
        row |= {"95 % interval": _interval(score), "test clips": str(score["n"])}
        rows.append(row)
    yield markdown_table(rows)
    if (found := facts.exported) is not None:
        kind = "with 8-bit weights and activations" if found["kind"] == "int8" else "in float32"
        yield ""
        yield (
            f"These are the scores of the run. This file, {kind}, has {escape_markdown(found['metric'])} "
            f"{_percent(found['file_score']['value'])} [{_interval(found['file_score'])}] on the same clips, and gives "
            f"{found['same_classes']} of {found['clips']} clips the class that the run gives."
        )
    if facts.record is not None and facts.record["privileged"]:
        yield "\nThe run is an oracle: it was scored on high views."


def _data(facts: Facts) -> Iterator[str]:
    plan, record = facts.plan, facts.record
    yield from _list(
        ("dataset", plan["dataset"]),
        ("protocol", _protocol(facts)),
        ("degradation", " ".join([plan["degradation"], *_options(plan, "degradation")])),
        ("low size" if facts.view == "low" else "size of frames", facts.size),
        ("frames of a clip", facts.frames),
        ("test views", str(plan.get("test_views", ""))),
        ("unlabelled clips", str(plan.get("unlabelled", ""))),
        ("high views from", str(plan.get("high_source", ""))),
        (
            "clips",
            "" if record is None else f"{record['clips']['train']} for training, {record['clips']['test']} tested",
        ),
        ("digest of the clip list", "" if record is None else record["dataset"]["manifest"]),
        ("citation", facts.citation),
    )
    names = ", ".join(map(escape_markdown, facts.classes[:MOST_CLASSES]))
    more = len(facts.classes) - MOST_CLASSES
    yield f"- classes ({len(facts.classes)}): {names}{f', and {more} more' if more > 0 else ''}"


def _training(facts: Facts) -> Iterator[str]:
    plan, record = facts.plan, facts.record
    changed = [] if record is None else changes(record)
    yield from _list(
        ("method", plan["method"] + (" (a control)" if record is not None and record["control"] else "")),
        ("backbone", plan["backbone"]),
        ("enhancer", plan["enhancer"]),
        ("inputs", plan["modality"]),
        ("network size", "x".join(map(str, plan["size"]))),
        ("initial weights", facts.initial),
        ("teacher", str(plan.get("teacher", ""))),
        ("budget", "; ".join([plan["budget"], *changed])),
        ("seed", str(plan["seed"])),
        ("precision", plan["precision"]),
        ("digest of the plan", facts.digest),
        ("device", "" if record is None else record["device"]),
        ("software", "" if record is None else ", ".join(f"{name} {v}" for name, v in record["versions"].items())),
        ("plugins", "" if record is None else _plugins(record)),
    )
    for note in () if record is None else record.get("notes", ()):
        yield f"- note: {escape_markdown(note)}"
    if record is not None and record.get("shared_clips"):
        yield f"- note: {record['shared_clips']} training clips are also test clips, by content"


def _plugins(record: Mapping[str, Any]) -> str:
    """Return what must be installed to load the run: distributions with their versions."""
    owners = record["plugins"].values()
    return ", ".join(dict.fromkeys(f"{owner['distribution']} {owner['version']}".strip() for owner in owners))


def _cost(facts: Facts) -> Iterator[str]:
    for cost in facts.costs[:1]:  # parameters and MACs do not depend on the device
        yield from _list(
            ("parameters", f"{cost['params']['total']:,}"),
            ("MACs of a clip", f"{billions(cost['macs']['clip'], cost['understated'])} G"),
        )
    for cost in facts.costs:
        if cost["latency"] is not None:
            yield from _list(
                (f"latency of a clip on {cost['device']}", f"{cost['latency']['single']['median']:.3g} ms")
            )
        for mode in cost.get("cpu_latency", {}).get("modes", ()):  # type: ignore[attr-defined]
            if "single" in mode:
                how = f"{mode['engine']}, {mode['precision']}, {mode['threads']} threads"
                yield from _list(
                    (f"latency of a clip on {cost['device']} ({how})", f"{mode['single']['median']:.3g} ms")
                )
    if facts.exported is not None:
        yield from _list(("size of the file", f"{facts.exported['bytes'] / 1e6:.2f} MB"))


def _use(model: SharedModel, target: str) -> Iterator[str]:
    data = "clips"
    yield "```"
    yield f"elrbench hub pull {shlex.quote(one_line(target))} --out model"
    if model.form == "onnx":
        yield f"elrbench predict --model model/{model.main} --data {data}"
        yield f"elrbench watch clip.mp4 --model model/{model.main}{_degrade(model.facts)}"
    else:
        yield f"elrbench predict model --data {data}"
        yield "elrbench export model"
    yield "```"
    needs = "onnxruntime, and no torch" if model.form == "onnx" else "torch"
    yield f"\n`{data}` is a video, a folder of videos, or the dataset's folder. elrbench needs {needs}."
    yield f"\nThis card was written by elrbench {version_of('elrbench') or ''}".rstrip() + "."


def _degrade(facts: Facts) -> str:
    return "" if facts.view == "high" or facts.size == "as recorded" else f" --degrade {facts.size}"


def _licence(facts: Facts, license: str) -> Iterator[str]:
    for name, licence in facts.data.items():
        yield f"- data {escape_markdown(name)}: {escape_markdown(licence)}"
    yield f"- weights: {license or 'no licence was chosen'}"
    yield "\nThe licence of the data may restrict what the weights may be used for."


def _options(plan: Mapping[str, Any], kind: str) -> list[str]:
    settings = plan.get("settings", {})
    return [f"{key.partition('.')[2]}={value}" for key, value in settings.items() if key.startswith(f"{kind}.")]


def _list(*items: tuple[str, str]) -> Iterable[str]:
    """Return `- name: text` for each text that is not empty."""
    return [f"- {escape_markdown(name)}: {escape_markdown(text)}" for name, text in items if text]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _interval(score: Mapping[str, Any]) -> str:
    return f"{100 * score['low']:.2f} to {100 * score['high']:.2f}"
