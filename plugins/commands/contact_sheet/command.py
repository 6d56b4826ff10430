"""The command `elrbench contact-sheet`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import cache_flag, data_flag, json_flag, plugin_flag
from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.plan import read_size
from benchmark_core.runs.request import cache_folder

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog
    from benchmark_core.specs import DegradationSpec, EnhancerSpec

NAMED = 10  # classes without clips that are printed; --json has all
PATH, COUNT = click.Path(path_type=Path), click.IntRange(1)


@click.command("contact-sheet")
@click.argument("dataset", metavar="DATASET")
@click.option("--out", type=PATH, metavar="FILE.png", required=True, help="Picture to write.")
@data_flag
@click.option("--protocol", metavar="NAME", help="Protocol whose training clips are drawn. Default: the first.")
@click.option("--degradation", metavar="NAME", help="Degradation that makes low views. Default: the dataset's.")
@click.option("--enhancer", metavar="NAME", help="Enhancer of the low views. Default: the one that most methods use.")
@click.option("--size", metavar="HxW", help="Network size. Default: a multiple of the low size, about 96 pixels high.")
@click.option("--clips", type=COUNT, metavar="N", help="Clips per class. Default: 1.")
@click.option("--frames", type=COUNT, metavar="N", help="Frames per clip. Default: 4.")
@click.option(
    "--columns",
    type=COUNT,
    metavar="N",
    help="Classes side by side. Default: as few as make the sheet no taller than wide.",
)
@click.option("--colours", type=click.IntRange(2, 256), metavar="N", help="Palette size, for a smaller file.")
@cache_flag
@plugin_flag
@json_flag
def command(dataset: str, out: Path, plugins: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """elrbench contact-sheet puppets --out puppets.png

    Draw a few frames of each class of a dataset: the high view, the low view, and the low view enhanced to network
    size.

    Needs the extra 'report' (Pillow).
    """
    from benchmark_core.catalog import load_catalog

    drawn = draw_picture(load_catalog(extra=plugins), dataset, out, asked)
    print_json(drawn) if as_json else click.echo(picture_text(drawn))


def draw_picture(catalog: Catalog, name: str, path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Write the PNG at `path` and return what is on it. asked: the other options of the command, or None.

    Raises ElrError for an unknown dataset, and for a path that cannot be written or is not a .png.
    """
    from benchmark_core.atomic import check_cache, check_writable, write_whole
    from benchmark_core.plans.resolve import with_options
    from elrbench_plugins.commands.data.command import find

    if path.suffix.lower() != ".png":
        raise ElrError(f"--out {path} is not a .png file; pass --out FILE.png")
    if path.is_dir():
        raise ElrError(f"--out {path} is a folder; pass a file name")
    check_writable(path.parent, "--out")
    cache = cache_folder(asked["cache"])
    check_cache(cache)
    catalog, dataset, options, root = find(catalog, name, asked["data"], None)
    protocol = asked["protocol"] or dataset.default_protocol
    if protocol not in dataset.protocols:
        raise unknown(f"protocol of dataset '{dataset.name}'", protocol, dataset.protocols)
    made, numbers = with_options(catalog, "degradation", asked["degradation"] or dataset.degradation)
    if asked["enhancer"] and cast("DegradationSpec", made).crop == "none":
        raise ElrError(f"dataset '{dataset.name}' is shown as recorded; remove --enhancer {asked['enhancer']}")
    enhancer, settings = with_options(catalog, "enhancer", asked["enhancer"] or usual_enhancer(catalog))

    from elrbench_plugins.commands.contact_sheet.sheet import contact_sheet

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


def usual_enhancer(catalog: Catalog) -> str:
    """Return the default enhancer of most methods. Raises ElrError if no method names one."""
    usual = Counter(
        str(method.defaults["enhancer"]) for method in catalog.methods.values() if "enhancer" in method.defaults
    )
    if not usual:
        raise ElrError("no method names an enhancer; pass --enhancer NAME (see 'elrbench list enhancers')")
    return usual.most_common(1)[0][0]


def picture_text(facts: dict[str, Any]) -> str:
    """Return the text for people of what `draw_picture` returns."""
    rows, columns = facts["picture"]
    clips = sum(len(one["clips"]) for one in facts["classes"])
    made = "as recorded" if facts["enhancer"] is None else f"high and low views by {facts['degradation']}"
    shown = f"clips: {clips}, classes: {len(facts['classes'])}, {made}; {columns} pixels wide, {rows} high"
    lines = [f"{facts['file']}: {shown}", *(f"left out: {one['clip']}: {one['reason']}" for one in facts["broken"])]
    if absent := facts["without_clips"]:
        names = ", ".join(absent[:NAMED])
        lines.append(f"no training clip of {names}" + (f" and {len(absent) - NAMED} more" * (len(absent) > NAMED)))
    return "\n".join(lines)
