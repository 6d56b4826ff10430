"""setup.cfg names every package and plugin: what is missing there works in a checkout and is absent from the wheel."""

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("elrbench", "benchmark_core", "plugins")


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def package_name(folder: Path) -> str:
    parts = folder.relative_to(ROOT).parts
    return ".".join(("elrbench_plugins" if parts[0] == "plugins" else parts[0], *parts[1:]))


def test_packages_cover_every_folder_with_code(setup):
    listed = setup["options"]["packages"].split()
    on_disk = {package_name(path.parent) for top in CODE for path in (ROOT / top).rglob("*.py")}
    assert sorted(listed) == sorted(on_disk)


def test_every_package_has_an_init():
    for top in CODE:
        for path in (ROOT / top).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), f"{path.parent} has no __init__.py"


def test_package_data_covers_every_other_file(setup):
    others = {
        path
        for top in CODE
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    packed: set[Path] = set()
    for package, patterns in setup["options.package_data"].items():
        folder = ROOT / package.replace("elrbench_plugins", "plugins").replace(".", "/")
        for pattern in patterns.split():
            found = set(folder.glob(pattern))
            assert found, f"{package}: {pattern} matches nothing"
            packed |= found
    assert others == packed, "a wheel would lack these files"


def entry_points(setup, group: str) -> dict[str, str]:
    return dict(line.split(" = ") for line in setup["options.entry_points"][group].strip().splitlines())


def offers_hooks(folder: Path) -> bool:
    """Whether any file of the folder implements a hook."""
    return any("hookimpl" in path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))


def test_entry_points_cover_every_plugin(setup):
    """A folder of plugins/, its commands/ or its trackers/ is a plugin, papers' data without code, or without hooks."""
    listed, papers = entry_points(setup, "elrbench"), entry_points(setup, "elrbench.papers")
    folders = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")} - {"commands", "trackers"}
    shared = {name for name in folders if not offers_hooks(ROOT / "plugins" / name)} - {"reported"}
    assert shared == {
        "attention_transfer",
        "distillation",
        "lr_transforms",
        "pages",
        "storage",
        "svm_head",
        "test_kit",
        "video_pairs",
    }
    commands, trackers = (
        {path.parent.name for path in (ROOT / "plugins" / kind).glob("*/__init__.py")}
        for kind in ("commands", "trackers")
    )
    assert {**listed, **papers} == {
        name.replace("_", "-"): f"elrbench_plugins.{folder}{name}"
        for folder, names in (("", folders - shared), ("commands.", commands), ("trackers.", trackers))
        for name in names
    }
    assert not listed.keys() & papers.keys()
    for name in papers.values():
        folder = ROOT / "plugins" / name.removeprefix("elrbench_plugins.")
        code = [path.read_text() for path in folder.rglob("*.py")]
        assert code == [""], f"{name} is read as data: its code would never run"


def test_shared_code_has_a_home_of_its_own():
    """stat does not import from cstat, nor strong_kd from kd; shared packages import from no method but supervised."""
    refused = {
        "stat": {"cstat"},
        "cstat": {"stat"},
        "strong_kd": {"kd", "cstat", "stat"},
        "kd": {"strong_kd"},
        "attention_transfer": {"cstat", "stat", "kd", "strong_kd"},
        "distillation": {"cstat", "stat", "kd", "strong_kd"},
    }
    for name, others in refused.items():
        for path in (ROOT / "plugins" / name).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                found = {module.split(".")[1] for module in modules if module.startswith("elrbench_plugins.")}
                assert not found & others, f"{path} imports from {found & others}"


@pytest.mark.parametrize("extension", ["py", "cfg", "toml"])
def test_plugins_is_never_a_package_of_its_own(extension):
    """A top-level `plugins` would clash with other distributions', and load a second copy of each module."""
    paths = [path for path in ROOT.rglob(f"*.{extension}") if not {".venv", "build", "elrbench-runs"} & set(path.parts)]
    assert paths
    for path in paths:
        text = path.read_text(encoding="utf-8")
        if extension != "py":
            assert not any(line.strip().startswith("plugins.") for line in text.splitlines()), path
            continue
        for node in ast.walk(ast.parse(text)):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            assert not any(module.split(".")[0] == "plugins" for module in modules), f"{path}:{node.lineno}"


def test_pyproject_is_three_lines():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "[build-system]" and len(text.splitlines()) == 3


def test_constraints_pin_every_requirement(setup):
    pins = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    extras = setup["options.extras_require"]
    wanted = [
        setup["options"]["install_requires"],
        *(
            extras[name]
            for name in ("pretrained", "flow", "hub", "report", "slurm", "ray", "tensorboard", "docs", "test", "lint")
        ),
    ]
    for line in "\n".join(wanted).split():
        name = line.split(">=")[0].lower().replace("_", "-")
        assert name in pins, f"{name} is not pinned in constraints.txt"
