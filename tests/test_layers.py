"""Imports of the core go downwards, and the core names no method, dataset or backbone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from elrbench import Catalog

ROOT = Path(__file__).parents[1]
CORE = ROOT / "benchmark_core"
FILES = sorted(CORE.rglob("*.py"))

# A module imports from its own layer and from earlier ones. `tables` may import nothing but what TABLES lists.
LAYERS = (
    (
        "__init__",
        "errors",
        "counted",
        "names",
        "progress",
        "atomic",
        "regular_file",
        "strict_yaml",
        "canonical",
        "source_text",
        "extras",
        "file_lock",
        "mounts",
    ),
    ("specs", "hookspecs", "papers"),
    ("clips",),
    ("plugin_loading",),
    ("catalog", "weights_file", "backbone_templates"),
    ("plans",),
    ("networks",),
    ("training",),
    ("scoring",),
    ("records", "provenance"),
    ("cost",),
    ("runs",),
    ("exported",),
    ("tables",),
    ("cli",),
    ("api",),
)
SITE = CORE.parent / "plugins" / "commands" / "site"
PAGES = CORE.parent / "plugins" / "pages"
PRIVACY = CORE.parent / "plugins" / "commands" / "privacy"
TABLES = {"errors", "names", "records", "scoring", "tables", "atomic", "strict_yaml", "papers"}
STATISTICS = "benchmark_core.scoring.statistics"  # numpy and scipy alone; scoring.predict needs torch
HEAVY = {"torch", "pluggy", "scipy", "av", "fvcore", "accelerate", "torchmetrics", "elrbench_plugins"}


def part_of(module: str) -> str:
    """benchmark_core.clips.store -> clips; benchmark_core itself -> __init__."""
    return (module.split(".") + ["__init__"])[1]


def is_module(name: str) -> bool:
    return (CORE / name).is_dir() or (CORE / f"{name}.py").is_file()


def imports(path: Path, *, typing_too: bool = False) -> Iterator[tuple[str, int]]:
    """(module, line) of every import, those for type checkers left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            left_out |= {inner for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if node in left_out and not typing_too:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            if node.module == "benchmark_core":  # from benchmark_core import clips
                inside = [alias.name for alias in node.names if is_module(alias.name)]
                yield from ((f"benchmark_core.{name}", node.lineno) for name in inside)
                if len(inside) < len(node.names):
                    yield node.module, node.lineno
            else:
                yield str(node.module), node.lineno


MODULES = {
    ".".join(path.relative_to(CORE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}


def imported_modules(path: Path) -> set[str]:
    """Modules of the core that a file imports anywhere, for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= submodules or {str(node.module)}
    return found & MODULES.keys()


def layer_of(part: str) -> int:
    found = [number for number, parts in enumerate(LAYERS) if part in parts]
    assert found, f"benchmark_core/{part} is in no layer: add it to LAYERS"
    return found[0]


def own_part(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_imports_go_downwards(path: Path):
    own = layer_of(own_part(path))
    for module, line in imports(path):
        assert not module.startswith(("plugins", "elrbench_plugins", "tests")), f"line {line} imports {module}"
        if module.split(".")[0] == "benchmark_core" and path != CORE / "__init__.py":
            assert layer_of(part_of(module)) <= own, f"line {line} imports {module} from a layer above"


def test_the_layers_are_those_on_disk():
    on_disk = {own_part(path) for path in FILES}
    assert on_disk == {part for parts in LAYERS for part in parts}


def test_no_import_cycle_counting_imports_for_type_checkers():
    graph = {module: imported_modules(path) - {module} for module, path in MODULES.items()}
    while free := {module for module, needed in graph.items() if not needed & graph.keys()}:
        graph = {module: needed for module, needed in graph.items() if module not in free}
    cycles = {module: sorted(needed & graph.keys()) for module, needed in graph.items()}
    assert not cycles, f"these modules import each other, or import such modules: {cycles}"


TABLE_FILES = [path for path in FILES if own_part(path) == "tables"]
SITE_FILES = [
    *(path for path in (*SITE.rglob("*.py"), *PAGES.rglob("*.py")) if path.name not in ("__init__.py", "command.py")),
    *(PRIVACY / f"{name}.py" for name in ("leakage", "picture", "stored", "text", "findings")),
]
OWN = tuple(f"elrbench_plugins.{name}" for name in ("commands.site", "commands.privacy", "pages"))


@pytest.mark.parametrize("path", [*TABLE_FILES, *SITE_FILES], ids=str)
def test_tables_and_pages_need_records_alone(path: Path):
    for module, line in imports(path):
        if module.split(".")[0] == "benchmark_core":
            assert part_of(module) in TABLES or module == STATISTICS, f"line {line} imports {module}"
        assert module.startswith(OWN) or module.split(".")[0] not in HEAVY, f"line {line} imports {module}"


def constants(path: Path) -> Iterator[tuple[str, int]]:
    """(text, line) of string constants that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value, node.lineno


@pytest.fixture(scope="module")
def names(catalog: Catalog) -> set[str]:
    found = {name for section in (catalog.methods, catalog.datasets, catalog.backbones) for name in section}
    assert {"cstat", "supervised", "puppets", "resnet34"} <= found
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_names_no_component(path: Path, names: set[str]):
    # "teacher" is also a role in a transfer, the word that Training uses for the network on high views; a folder and
    # videos are also what they are, and an array is a list of JSON, but with a colon behind they name a template.
    for text, line in constants(path):
        base, colon, _ = text.partition(":")
        words = {"teacher"} if colon else {"teacher", "folder", "videos", "array"}
        assert base not in names - words, f"line {line} names '{text}'"


def test_the_search_finds_a_name(tmp_path: Path, names: set[str]):
    path = tmp_path / "bad.py"
    path.write_text('"""cstat"""\n\nif method == "cstat:mlp":\n    pass\n')
    assert list(constants(path)) == [("cstat:mlp", 3)]
