"""Check that the extra `report` is installed. Its modules are imported only when a page is made."""

from __future__ import annotations

import importlib.util

from benchmark_core.errors import ElrError
from benchmark_core.extras import how_to_install

# jinja2: templates that escape text. PIL: PNG and WebP. sklearn: t-SNE.
MODULES = ("jinja2", "PIL", "sklearn")


def check_extra(modules: tuple[str, ...] = MODULES) -> None:
    """Raise ElrError with the install command if a module of the extra is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ElrError(f"a report needs {how_to_install(module, 'report')} ({module} is missing)")
