"""Whether the licence of training data restricts what may be done with weights. Datasets state it as a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName

# Licences without conditions on use; a source may follow. Any other text counts as a restriction, also one that nobody
# wrote.
FREE = re.compile(
    r"(cc0([ -]1\.0)?|cc[ -]by[ -][34]\.0|public domain|mit|apache[ -]2\.0|bsd[ -][23]-clause|"
    r"drawn by this project's code)(, according to [^;]*)?",
    re.IGNORECASE,
)
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.+-]{1,60}")
UNKNOWN = "not stated"


def data_licences(plan: Mapping[str, object], catalog: Catalog, stated: str = "") -> dict[str, str]:
    """Return the licence of each dataset of a plan: of labelled clips, unlabelled clips and high views.

    stated: the licence of the plan's dataset, if a file says it.
    """
    found = {}
    for field in ("dataset", "unlabelled", "high_source"):
        if name := str(plan.get(field) or ""):
            names = (name, ComponentName.parse(name).base)
            known = next((catalog.datasets[one].licence for one in names if one in catalog.datasets), "")
            found[name] = (stated if field == "dataset" and stated else known) or UNKNOWN
    return found


def check_license(given: str | None, data: Mapping[str, str]) -> str:
    """Return the licence of the weights, "" if none is given and none is needed.

    Raises ElrError if it is needed, or is not an identifier such as `cc-by-nc-4.0`.
    """
    if given is not None:
        if not IDENTIFIER.fullmatch(given):
            raise ElrError(
                f"--license {given!r} is not an identifier in lower case, such as apache-2.0, cc-by-nc-4.0 or other"
            )
        return given
    for name, licence in data.items():
        if not FREE.fullmatch(licence):
            raise ElrError(
                f"the run was trained on '{name}', whose licence is: {licence}. Decide under which licence the weights "
                "may be shared, and pass --license NAME, such as cc-by-nc-4.0 or other"
            )
    return ""
