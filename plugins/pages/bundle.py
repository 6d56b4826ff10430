"""The bundled libraries: which, of what version and licence, and their bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.resources import files

from benchmark_core.strict_yaml import parse_yaml

_FOLDER = files("elrbench_plugins.pages") / "bundled"


@dataclass(frozen=True)
class Bundled:
    """A library in `bundled/libraries.yaml`.

    path: of the file in the package NAME@VERSION of the npm registry. text: the file of its licence's text. sha256: of
    the file's bytes, which are those of the package.
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
        """The library itself."""
        return (_FOLDER / self.file).read_bytes()

    def licence_text(self) -> str:
        """What its licence says, for the reader of a page that holds it."""
        return (_FOLDER / self.text).read_text(encoding="utf-8")


def libraries() -> tuple[Bundled, ...]:
    """In the order in which a page loads them."""
    rows = parse_yaml((_FOLDER / "libraries.yaml").read_text(encoding="utf-8"), "libraries.yaml")
    return tuple(Bundled(**{field.name: str(row[field.name]) for field in fields(Bundled)}) for row in rows)


def licences() -> str:
    """Names, versions, digests and licence texts of all, as one text to lie beside them."""
    parts = [f"{each.file}: {each.name} {each.version} ({each.licence})\nsha256 {each.sha256}\n\n{each.licence_text()}"
             for each in libraries()]  # fmt: skip
    return "\n----\n\n".join(parts)
