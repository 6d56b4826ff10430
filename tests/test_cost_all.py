"""`elrbench cost --all`: what is broken is one line, what was measured stands, and the rest is resumed."""

import json
import re
from pathlib import Path

import pytest
import torch
from run_records import make_cost, make_record, put

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, Owner, load_catalog
from benchmark_core.cli import main
from benchmark_core.cost import every
from benchmark_core.cost.every import Subject, measure, standing
from benchmark_core.errors import ElrError
from benchmark_core.records import publish
from benchmark_core.records.cost_record import already_measured, has_fewer_variants, read_cost, write_cost
from benchmark_core.specs.published import Published
from benchmark_core.tables import build_tables

CPU = torch.device("cpu")
OWNER = Owner("p", "elrbench-p", "1.0")
TOY = Path(__file__).with_name("toy.py")
BROKEN = """
from elrbench import BackboneSpec, EnhancerSpec, Published, hookimpl


def raises(*asked):
    raise RuntimeError("no such layer\\nmore of it")


@hookimpl
def elr_backbones():
    return [BackboneSpec(name="broken", summary="", factory=raises, published=(Published(size=(32, 32)),))]


@hookimpl
def elr_enhancers():
    at = Published(size=(24, 32))
    return [EnhancerSpec(name="from-nothing", summary="", factory=raises, published=(at,))]
"""


@pytest.fixture
def small(tmp_path: Path) -> Catalog:
    """A toy network, three interpolations, and two components that fail."""
    path = tmp_path / "broken.py"
    path.write_text(BROKEN, encoding="utf-8")
    return load_catalog(["elrbench_plugins.interpolation", str(TOY), str(path)], entry_points=False)


@pytest.fixture
def call(capsys, monkeypatch, small: Catalog):
    """`call("--only toynet")` -> (exit code, stdout, stderr) of `elrbench cost --all`, on the processor."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): small)

    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["cost", "--all", "--device", "cpu", *(() if "--engines" in argv else ("--no-latency",)), *argv])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "leaderboards"
    folder.mkdir()
    return folder


# -- the command


def states(out: str) -> dict[str, str]:
    """Component and setting -> state."""
    return {f"{cost['component']} {cost['setting']}": cost["state"] for cost in json.loads(out)["costs"]}


def test_what_is_broken_is_one_line_and_the_rest_goes_on(call):
    code, out, err = call()
    assert code == 1
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    assert "failed: RuntimeError: no such layer (plugin 'broken' (broken.py))" in rows["broken"]
    assert "more of it" not in out + err and "Traceback" not in out + err
    assert "failed: enhancer 'from-nothing'" in rows["from-nothing"]
    assert rows["toynet"].endswith("measured") and rows["bicubic"].endswith("measured")
    assert out.splitlines()[-1].endswith("9 measured, 2 failed")
    progress = [line for line in err.splitlines() if re.match(r"\d+/11 ", line)]
    assert len(progress) == 11 and progress[0].startswith("1/11 broken")


def test_it_is_json_too(call):
    code, out, _ = call("--only", "toynet,broken", "--json")
    told = json.loads(out)
    assert code == 1 and told["device"].startswith("cpu: ")
    broken, first, second = told["costs"]
    assert broken["state"] == "failed" and broken["error"].startswith("RuntimeError") and "record" not in broken
    assert (first["kind"], first["component"], first["state"]) == ("backbone", "toynet", "measured")
    assert first["record"]["describe"]["size"] == [256, 340] and second["record"]["describe"]["size"] == [224, 224]


def test_published_costs_stand_until_they_are_refreshed(call, board: Path, monkeypatch):
    flags = ("--only", "toynet,bicubic", "--publish", "--folder", str(board), "--json")
    code, out, _ = call(*flags)
    assert code == 0 and set(states(out).values()) == {"measured"}
    paths = sorted((board / "costs").iterdir())
    assert len(paths) == 4 and {str(path) for path in paths} == {cost["path"] for cost in json.loads(out)["costs"]}
    assert all(read_cost(path)["latency"] is None for path in paths)
    before = {path: path.read_bytes() for path in paths}

    def never(*asked, **more):
        raise AssertionError("measured again")

    with monkeypatch.context() as patched:
        patched.setattr(every, "cost_of", never)
        code, out, _ = call(*flags)
    assert code == 0 and set(states(out).values()) == {"kept"}
    paths[0].unlink()  # resumed: what is missing alone
    code, out, _ = call(*flags)
    assert code == 0 and sorted(states(out).values()) == ["kept", "kept", "kept", "measured"]
    code, out, err = call(*flags, "--refresh")
    assert set(states(out).values()) == {"measured"} and "replaced" not in err
    assert {path: path.read_bytes() for path in paths} == before


@pytest.mark.parametrize(
    "change",
    [
        {"versions": {"torch": "0.1"}},
        {"plugins": {"enhancer": {"name": "bicubic", "plugin": "other", "distribution": "other", "version": "9"}}},
    ],
    ids=["versions", "plugins"],
)
def test_what_other_versions_measured_is_measured_again(call, board: Path, change):
    flags = ("--only", "bicubic", "--publish", "--folder", str(board), "--json")
    call(*flags)
    path = sorted((board / "costs").iterdir())[0]
    write_cost(board / "costs", {**read_cost(path), **change})
    code, out, err = call(*flags)
    assert code == 0 and sorted(states(out).values()) == ["kept", "measured"]
    assert f"{path}: replaces an earlier measurement" in err


def test_each_record_is_written_as_soon_as_it_is_measured(call, board: Path, monkeypatch):
    real = every.measure

    def interrupted(subject, *more):
        if subject.spec.name == "bilinear":
            raise KeyboardInterrupt
        return real(subject, *more)

    monkeypatch.setattr(every, "measure", interrupted)
    flags = ("--only", "bicubic,bilinear", "--publish", "--folder", str(board))
    assert call(*flags)[0] != 0
    assert len(list((board / "costs").iterdir())) == 2
    monkeypatch.setattr(every, "measure", real)
    code, out, _ = call(*flags)
    assert code == 0 and "2 measured, 2 kept" in out


def test_a_record_that_cannot_be_read_is_one_line(call, board: Path):
    flags = ("--only", "bicubic", "--publish", "--folder", str(board))
    call(*flags)
    path = sorted((board / "costs").iterdir())[0]
    path.write_text(path.read_text()[:100])
    code, out, _ = call(*flags)
    assert code == 1 and f"failed: {path} is not valid JSON" in out and "1 kept, 1 failed" in out


def test_costs_alone_enter_no_table_of_a_track(call, board: Path):
    put(board, make_record(), make_cost("net18-bilinear"))
    before = build_tables(board)
    assert call("--only", "toynet,bicubic", "--publish", "--folder", str(board))[0] == 0
    after = build_tables(board)
    assert not after.problems
    tracks = [path for path in before.files if path.parent.name != "tables"]
    assert tracks and all(before.files[path] == after.files[path] for path in tracks)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("cost --all --backbone resnet34", "--backbone describes a single network"),
        ("cost --all --enhancer-weights x.pth", "--enhancer-weights describes a single network"),
        ("cost --all --plan p.yaml", "--plan describes a single network"),
        ("cost --all --low 12x16", "--low describes a single network"),
        ("cost --all --set method.lr=1", "--set describes a single network"),
        ("cost --all --refresh", "--refresh needs --all --publish"),
        ("cost --only resnet34", "--only needs --all"),
        ("cost --refresh --backbone resnet34", "--refresh needs --all"),
        ("cost --all --only resnet43", "unknown backbone or enhancer 'resnet43'. Did you mean 'resnet34'?"),
        (f"cost --all --publish --folder {__file__}", "is a file; pass a folder"),
    ],
)
def test_what_does_not_go_together_is_refused(flags, says, capsys, monkeypatch, catalog: Catalog):
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): catalog)
    with pytest.raises(SystemExit) as stopped:
        main(flags.split())
    err = capsys.readouterr().err
    assert stopped.value.code == 2 and says in err and len(err.splitlines()) == 1


# -- records that stand

TIMED = {"median": 1.0, "q1": 1.0, "q3": 1.0}
FULL = {"single": TIMED, "variants": [{"precision": "bf16", "compiled": False, "failed": "no"}]}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ({}, {}, True),
        ({}, {"versions": {"elrbench": "0.2.0"}}, False),
        ({"plugins": {"backbone": {"name": "a"}}}, {}, False),
        ({"plugins": {"backbone": {"name": "a"}}}, {"plugins": {"backbone": {"name": "a"}}}, True),
        ({"device": "cuda: G"}, {"device": "cuda: G"}, False),  # a GPU, and nothing timed
        ({"device": "cuda: G", "latency": {"single": TIMED}}, {"device": "cuda: G"}, False),  # not in full
        ({"device": "cuda: G", "latency": FULL}, {"device": "cuda: G"}, True),
    ],
)
def test_a_record_stands(old, new, same, tmp_path: Path):
    path = write_cost(tmp_path, {**make_cost("net"), **old})
    assert already_measured(path, {**make_cost("net"), "plugins": {}, **new}) is same
    assert not already_measured(tmp_path / "absent.json", make_cost("net"))


def test_a_record_of_another_structure_under_the_same_name_does_not_stand(tmp_path: Path):
    path = write_cost(tmp_path, make_cost("net"))
    with pytest.raises(ElrError, match="is the cost of the structure 'net', not of 'net!'"):
        already_measured(path, {**make_cost("net!"), "plugins": {}})


def test_what_a_run_timed_does_not_take_the_place_of_more(tmp_path: Path):
    """A run times itself in fp32 alone; `cost --all` had timed the same structure in full."""
    record = make_record()
    board, run = tmp_path / "board", tmp_path / "run"
    device = "cuda: G"
    full = write_cost(board / "costs", {**make_cost(record["structure"], device=device), "latency": FULL})
    thin = make_cost(record["structure"], device=device, ms=2.0)
    assert has_fewer_variants(full, thin) and not has_fewer_variants(full, {**thin, "versions": {"elrbench": "2"}})
    assert not has_fewer_variants(full, {**thin, "latency": FULL}) and not has_fewer_variants(
        full, {**thin, "latency": None}
    )
    assert not has_fewer_variants(tmp_path / "absent", thin)
    before = full.read_bytes()
    run_folder(run, record, thin)
    said: list[str] = []
    publish(run, board, say=said.append)
    assert full.read_bytes() == before and "more latency variants" in said[0]


def run_folder(folder: Path, record, cost) -> None:
    """As a run leaves it."""
    import gzip
    import hashlib

    from benchmark_core.records import write_record

    folder.mkdir()
    content = gzip.compress(b"id\n")
    (folder / record["predictions"]["file"]).write_bytes(content)
    record = {**record, "predictions": {**record["predictions"], "sha256": hashlib.sha256(content).hexdigest()}}
    write_record(folder, {key: value for key, value in record.items() if key != "seal"})
    write_cost(folder, cost)


def test_whose_code_was_measured(small: Catalog):
    """Of a file given by --plugin also its digest: it has no version."""
    spec = small.backbones["toynet"]
    owner = small.owner(spec)
    (whose,) = every.brought_by(spec, owner).values()
    assert whose["plugin"] == "toy" and whose["digest"] == owner.digest and len(owner.digest) == 16


def test_standing_reads_the_record_of_its_device(small: Catalog, tmp_path: Path):
    subject = Subject(small.enhancers["bicubic"], Published(low=(3, 4), size=(6, 8)))
    assert standing(subject, OWNER, CPU, tmp_path) is None
    write_cost(tmp_path, measure(subject, OWNER, CPU))
    found = standing(subject, OWNER, CPU, tmp_path)
    assert found is not None and found["describe"] == subject.describe()
    assert standing(subject, Owner("p", "elrbench-p", "2.0"), CPU, tmp_path) is None
