"""The bundled browser libraries, with their versions and licences."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.resources import files

from benchmark_core.strict_yaml import parse_yaml

_FOLDER = files("elrbench_plugins.pages") / "bundled"


@dataclass(frozen=True)
class Bundled:
    """A library listed in `bundled/libraries.yaml`.

    Attributes:
        file: file name in `bundled/`.
        name: package on the npm registry.
        version: version of the package.
        path: path of the file in the package.
        licence: SPDX identifier.
        text: file with the licence text.
        sha256: digest of the file, which equals the package's file.
        why: reason for the library.
    """

    file: str
    name: str
    version: str
    path: str
    licence: str
    text: str
    sha256: str
    why: str

    def content(self) -> bytes:
        """Return the library."""
        return (_FOLDER / self.file).read_bytes()

    def licence_text(self) -> str:
        """Return the text of its licence."""
        return (_FOLDER / self.text).read_text(encoding="utf-8")


def libraries() -> tuple[Bundled, ...]:
    """Return the libraries in the order in which a page loads them."""
    rows = parse_yaml((_FOLDER / "libraries.yaml").read_text(encoding="utf-8"), "libraries.yaml")
    return tuple(Bundled(**{field.name: str(row[field.name]) for field in fields(Bundled)}) for row in rows)


def licences() -> str:
    """Return names, versions, digests and licence texts of all libraries as one text."""
    parts = [f"{each.file}: {each.name} {each.version} ({each.licence})\nsha256 {each.sha256}\n\n{each.licence_text()}"
             for each in libraries()]  # fmt: skip
    return "\n----\n\n".join(parts)
