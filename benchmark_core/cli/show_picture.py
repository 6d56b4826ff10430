"""`elrbench show dataset NAME --picture FILE.png`: classes of a dataset as a contact sheet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmark_core.cli.console import ConsoleReporter
from benchmark_core.cli.flags import cache_folder
from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.plan import read_size

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog
    from benchmark_core.specs import DegradationSpec, EnhancerSpec

NAMED = 10  # classes without clips; --json has all


def draw_picture(catalog: Catalog, words: tuple[str, ...], path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Writes the PNG at `path` and tells what is on it. words: [KIND] NAME. asked: other flags, or None.

    Raises ElrError for an unknown name, another kind than a dataset, and a path that cannot be written or is no .png.
    """
    from benchmark_core.atomic import check_writable, write_whole
    from benchmark_core.cli.data import find
    from benchmark_core.plans.resolve import with_options

    _check_kind(catalog, words)
    if path.suffix.lower() != ".png":
        raise ElrError(f"--picture {path} is no .png; name the file FILE.png")
    if path.is_dir():
        raise ElrError(f"--picture {path} is a folder; name a file in it")
    check_writable(path.parent, "--picture")
    cache = cache_folder(asked["cache"])
    check_writable(cache, "--cache")
    catalog, dataset, options, root = find(catalog, words[-1], asked["data"], None)
    protocol = asked["protocol"] or dataset.default_protocol
    if protocol not in dataset.protocols:
        raise unknown(f"protocol of dataset '{dataset.name}'", protocol, dataset.protocols)
    made, numbers = with_options(catalog, "degradation", asked["degradation"] or dataset.degradation)
    if asked["enhancer"] and cast("DegradationSpec", made).crop == "none":
        raise ElrError(f"clips as recorded are shown as they are; leave out --enhancer {asked['enhancer']}")
    enhancer, settings = with_options(catalog, "enhancer", asked["enhancer"] or usual_enhancer(catalog))

    from benchmark_core.datasets.contact_sheet import contact_sheet

    sheet = contact_sheet(
        dataset,
        options,
        cast("DegradationSpec", made),
        numbers,
        cast("EnhancerSpec", enhancer),
        settings,
        protocol=protocol,
        size=None if asked["size"] is None else read_size("--size", asked["size"], smallest=8),
        clips=asked["clips"] or 1,
        frames=asked["frames"] or 4,
        columns=asked["columns"],
        colours=asked["colours"],
        data=root,
        cache=cache,
        reporter=ConsoleReporter(),
    )
    write_whole(path, sheet.png)
    return {"file": str(path), "bytes": len(sheet.png), **sheet.to_json()}


def refuse_without_picture(asked: dict[str, Any]) -> None:
    """ElrError where a flag of the picture is given and no picture is asked for."""
    for name, value in asked.items():
        if value is not None:
            raise ElrError(f"--{name} is for a dataset's picture: add --picture FILE.png, or leave it out")


def usual_enhancer(catalog: Catalog) -> str:
    """What most methods take where nothing else is asked for."""
    usual = Counter(
        str(method.defaults["enhancer"]) for method in catalog.methods.values() if "enhancer" in method.defaults
    )
    if not usual:
        raise ElrError("no method names an enhancer; give one with --enhancer, from 'elrbench list enhancers'")
    return usual.most_common(1)[0][0]


def picture_text(facts: dict[str, Any]) -> str:
    """`draw_picture` for people."""
    rows, columns = facts["picture"]
    clips = sum(len(one["clips"]) for one in facts["classes"])
    made = "as recorded" if facts["enhancer"] is None else f"high beside low by {facts['degradation']}"
    shown = f"clips: {clips}, classes: {len(facts['classes'])}, {made}; {columns} pixels wide, {rows} high"
    told = [f"{facts['file']}: {shown}", *(f"left out: {one['clip']}: {one['reason']}" for one in facts["broken"])]
    if absent := facts["without_clips"]:
        names = ", ".join(absent[:NAMED])
        told.append(f"no training clip of {names}" + (f" and {len(absent) - NAMED} more" * (len(absent) > NAMED)))
    return "\n".join(told)


def _check_kind(catalog: Catalog, words: tuple[str, ...]) -> None:
    from benchmark_core.cli.list import kind_of

    name = words[-1].partition(":")[0]
    kind = kind_of(words[0])[:-1] if len(words) == 2 else "dataset"
    if len(words) == 1 and name not in catalog.datasets:
        kind = next((kind for kind, section in catalog.sections.items() if name in section), kind)
    if kind != "dataset":
        raise ElrError(f"'{words[-1]}' is no dataset but a {kind}, of which there is no picture; leave out --picture")
