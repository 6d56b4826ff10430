"""How to install an optional dependency. Every error that names an extra takes its remedy from here."""

from __future__ import annotations

import re
import shlex
from importlib import metadata

DISTRIBUTION = "elrbench"


def install_command(extra: str) -> str:
    """The command that installs an extra of this project, for a checkout and for an installed wheel.

    extra: a name in `setup.cfg` under `options.extras_require`, such as "flow".
    Returns: "pip install -e '.[flow]' in a checkout, or pip install PACKAGE …", with the packages of the extra.
    """
    checkout = f"pip install -e '.[{extra}]' in a checkout"
    packages = _packages(extra)
    return f"{checkout}, or pip install {shlex.join(packages)}" if packages else checkout


def how_to_install(module: str, extra: str) -> str:
    """What a component lacks and the command that installs it.

    module: the module that cannot be imported. extra: the extra that brings it, "PACKAGE[EXTRA]" for an extra of
        another package, or "" if no extra brings it.
    """
    if not extra:
        return f"the module '{module}', which is not installed"
    if "[" in extra:
        return f"the module '{module}': pip install '{extra}'"
    return f"the extra '{extra}': {install_command(extra)}"


def _packages(extra: str) -> list[str]:
    """Requirements of the extra, from the installed metadata; none if there is no metadata or no such extra."""
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return []
    marked = (requirement.partition(";") for requirement in requirements)
    wanted = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
    return [name.strip() for name, _, marker in marked if wanted.search(marker)]
