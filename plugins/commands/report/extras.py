"""What the page is made with beside the core: the extra `report`, imported when a page is made and not before."""

from __future__ import annotations

import importlib.util

from benchmark_core.errors import ElrError
from benchmark_core.extras import how_to_install

# Templates that escape by themselves, pictures as PNG and WebP, t-SNE.
MODULES = ("jinja2", "PIL", "sklearn")


def check_extra(modules: tuple[str, ...] = MODULES) -> None:
    """ElrError, one line with the command that installs it, where a module of the extra is not there."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ElrError(f"a report needs {how_to_install(module, 'report')} ({module} is missing)")
