"""Write the files of a new plugin from the templates of its kind.

Templates are complete files. Three words stand for names: `component-name` for the component's and the package's,
`elrbench_component_name` for the module's, and `COMPONENT` for words in the README.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from benchmark_core.errors import ElrError
from elrbench_plugins.commands.new_plugin.kinds import Kind
from elrbench_plugins.commands.new_plugin.names import PluginNames

TEMPLATES = Path(__file__).with_name("templates")
COMMON: Mapping[str, str] = {  # file of the package -> its template
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    ".gitignore": "gitignore.txt",
    ".github/workflows/ci.yml": "ci.yml.txt",
}


def package_files(names: PluginNames, kind: Kind) -> dict[PurePosixPath, str]:
    """Return path in the package -> content."""
    templates = {
        **COMMON,
        f"{names.module}.py": f"{kind.kind}.py.txt",
        f"tests/test_{names.module}.py": f"test_{kind.kind}.py.txt",
    }
    words = {
        "elrbench_component_name": names.module,
        "component-name": names.name,
        "COMPONENT_KIND": kind.kind,
        "COMPONENT_NAME": kind.component(names.name),
        "COMPONENT_EXAMPLE": kind.example(names.name),
    }
    files = {}
    for path, template in templates.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        for word, name in words.items():
            text = text.replace(word, name)
        files[PurePosixPath(path)] = text
    return files


def write_package(folder: Path, names: PluginNames, kind: Kind) -> list[PurePosixPath]:
    """Write the package to a new `folder`, and return the paths in it.

    Raises ElrError if the folder exists. If writing fails, nothing is left of it.
    """
    files = package_files(names, kind)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise ElrError(f"{folder} exists, and nothing is overwritten; pass --out DIR or choose another name") from error
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder)
        raise
    return list(files)
