"""The command line: what it prints, how it ends, and what it does not import."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import load_commands
from benchmark_core.cli import COMMANDS, cli, main
from benchmark_core.cli.console import ConsoleReporter, columns
from benchmark_core.errors import ElrError

HERE = Path(__file__).parent
TOY = str(HERE / "toy.py")
SMALL_RUN = ("run", "--plugin", TOY, "--dataset", "toy", "--budget", "smoke", "--method", "supervised",
             "--set", "method.epochs=1", "--set", "method.batch=12")  # fmt: skip
PLUGINS = HERE.parent / "plugins"
BUILTINS = [
    f"elrbench_plugins.{'.'.join(path.parent.relative_to(PLUGINS).parts)}"
    for pattern in ("*/__init__.py", "trackers/*/__init__.py")
    for path in PLUGINS.glob(pattern)
]
FROM_PLUGINS = [name for name, spec in load_commands()[0].items() if str(spec.command).startswith("elrbench_plugins.")]
EVERY_COMMAND = [*COMMANDS, *FROM_PLUGINS]


real_load_catalog = catalog_module.load_catalog


def built_ins(extra=(), **_):
    return real_load_catalog([*BUILTINS, *extra], entry_points=False)


@pytest.fixture(autouse=True)
def built_in_plugins(monkeypatch):
    """The built-ins and what a test adds, whatever else is installed."""
    monkeypatch.setattr(catalog_module, "load_catalog", built_ins)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)


@pytest.fixture
def call(capsys):
    """`call("list", "--json")` -> (exit code, stdout, stderr)."""

    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def command_of(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


# -- help


def test_the_commands_are_these():
    assert list(COMMANDS) == ["run", "list", "show", "cost", "predict", "publish", "leaderboard", "verify"]
    assert FROM_PLUGINS == [
        "cache", "check", "compare", "contact-sheet", "data", "doctor", "export", "fuse", "hub", "new-plugin",
        "privacy", "report", "rerun", "schema", "site", "suite", "watch",
    ]  # fmt: skip
    assert cli.list_commands(click.Context(cli))[: len(COMMANDS)] == list(COMMANDS)
    assert set(EVERY_COMMAND) <= set(cli.list_commands(click.Context(cli)))


def test_help_lists_every_command_with_its_summary(call):
    _, out, _ = call("--help")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ") and len(line.split()) > 1)
    for name, spec in load_commands()[0].items():
        assert lines[name].startswith(spec.summary[:40])
    for name, summary in COMMANDS.items():
        assert lines[name].startswith(summary[:40])


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_help_begins_with_an_example(name, call):
    code, out, _ = call(name, "--help")
    assert code == 0
    body = [line.strip() for line in out.splitlines() if line.strip()]
    words = body[1].split()
    assert words[:2] == ["elrbench", name]
    command = command_of(name)
    if isinstance(command, click.Group):
        command = command.commands[words[2]]
    known = {option for param in command.params for option in param.opts}
    assert {word for word in words[2:] if word.startswith("--")} <= known


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_everything_has_json(name):
    command = command_of(name)
    for one in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert "--json" in {option for param in one.params for option in param.opts}


def test_without_a_command_it_prints_help(call):
    assert call() == call("--help")


def test_the_plan_flags_of_run_are_frozen():
    """What users and scripts rest on: a flag may be added here, and never taken away or renamed."""
    flags = {option for param in command_of("run").params for option in param.opts}
    assert flags == {
        "--method", "--dataset", "--classes", "--protocol", "--fold", "--split", "--degradation", "--enhancer",
        "--enhancer-weights", "--backbone", "--weights", "--modality", "--size", "--sampling", "--precision",
        "--budget", "--recipe", "--seed", "--set", "--holdout", "--test-views", "--processes", "--batch-norm",
        "--unlabelled", "--unlabelled-data", "--teacher", "--teacher-backbone", "--teacher-weights", "--teacher-size",
        "--teacher-frames", "--high-source", "--high-source-data",
        "--plugin", "--plan", "--data",
        "--bad-clips", "--shared-clips",
        "--device", "--out", "--cache", "--publish", "--folder", "--refit", "--track", "--validate",
        "--keep", "--dry-run", "--json",
    }  # fmt: skip


# -- what is not imported


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["show", "cstat"],
        ["run", "--method", "cstat", "--dataset", "puppets", "--dry-run"],
        ["leaderboard", "--check", "--folder", str(HERE.parent / "leaderboards")],
    ],
    ids=lambda argv: " ".join(argv[:2]),
)
def test_torch_stays_out(argv):
    heavy = ["torch", "av", "rich", "accelerate", "fvcore"]
    heavy += [] if argv[0] == "leaderboard" else ["pandas", "scipy", "tabulate"]
    heavy += [] if "--dry-run" in argv or argv[0] == "leaderboard" else ["numpy"]
    code = f"""
import sys
from benchmark_core import catalog
real = catalog.load_catalog
catalog.load_catalog = lambda extra=(), **_: real({BUILTINS!r}, entry_points=False)
from benchmark_core.cli import main
try:
    main({argv!r})
except SystemExit as stopped:
    assert stopped.code in (0, None) or {argv[0]!r} == "leaderboard", stopped.code
print("imported:", [name for name in {heavy!r} if name in sys.modules])
plugins = [name for name in sys.modules if name.startswith("elrbench_plugins.")]
print("plugins:", len(plugins) if {argv[0]!r} == "leaderboard" else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-2:] == ["imported: []", "plugins: 0"]


# -- list and show


def test_list_names_every_component(call, catalog):
    code, out, _ = call("list", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {(row["kind"], row["name"]) for row in rows} == {
        (kind, name) for kind, section in catalog.sections.items() for name in section
    }
    assert {row["plugin"] for row in rows if row["name"] == "cstat"} == {"elrbench_plugins.cstat"}


@pytest.mark.parametrize("kind", ["method", "methods"])
def test_list_takes_a_kind(call, kind):
    code, out, _ = call("list", kind)
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == {"method"}
    assert any(line.split()[1] == "cstat" for line in out.splitlines())


def test_list_takes_a_plugin_file(call):
    _, out, _ = call("list", "datasets", "--plugin", TOY, "--json")
    facts = {"kind": "dataset", "name": "toy", "summary": "squares"}
    assert {**facts, "plugin": "toy", "distribution": "toy.py", "version": ""} in json.loads(out)


def test_show_tells_all_that_a_spec_says(call, catalog):
    code, out, _ = call("show", "cstat", "--json")
    facts, spec = json.loads(out), catalog.methods["cstat"]
    assert code == 0
    assert facts["citation"] == spec.citation
    assert facts["unspecified"] == list(spec.unspecified)
    assert facts["variants"] == {key: dict(values) for key, values in spec.variants.items()}
    assert facts["default_variants"] == ["mlp", "rc"]
    assert set(facts["budgets"]) == {"paper", "small", "smoke"}
    assert {key: option["default"] for key, option in facts["options"].items()} == {
        key: option.default for key, option in spec.options.items()
    }


def test_show_for_people_marks_judgement(call):
    code, out, _ = call("show", "method", "cstat:mlp")
    assert code == 0
    line = next(line for line in out.splitlines() if line.strip().startswith("confidence_threshold "))
    assert "0.5 *" in line and "(0 to 1)" in line
    assert "* not specified by the source" in out


def test_show_fills_in_a_template(call):
    _, out, _ = call("show", "average-6x8", "--json")
    assert json.loads(out)["low"] == [6, 8]


def test_show_asks_which_of_two_kinds(call, tmp_path):
    plugin = tmp_path / "two.py"
    plugin.write_text(
        "from elrbench import MethodSpec, hookimpl\n\n\n@hookimpl\ndef elr_methods():\n"
        '    return [MethodSpec(name="nearest", summary="", fit="x:y")]\n'
    )
    code, _, err = call("show", "nearest", "--plugin", str(plugin))
    assert code == 2
    assert re.match(r"elrbench: error: 'nearest' .*enhancer.*method.*: elrbench show KIND nearest\n$", err)
    assert call("show", "method", "nearest", "--plugin", str(plugin))[0] == 0


# -- the user's mistakes: one line, exit 2

HELP = "see 'elrbench {} --help'"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rnu"], "unknown command 'rnu'. Did you mean 'run'?"),
        (["run", "--metod", "x"], "'elrbench run' has no option '--metod'. Did you mean '--method'?"),
        (["run", "--low", "12x16"], "'elrbench run' has no option '--low'. The low size is part of "),
        (["run", "--resume"], "'elrbench run' has no option '--resume'. An interrupted run continues when "),
        (["frobnicate"], "unknown command 'frobnicate'; see `elrbench --help`"),
        (
            ["run", "--method", "cstat", "--dataset", "puppets", "--set", "method.lr=-1.0"],
            "--set method.lr=-1 is below 0; pass 0 or more (default: 0.001)",
        ),
        (["run", "--seed", "x"], f"invalid value for '--seed': 'x' is not a valid integer; {HELP.format('run')}"),
        (["run", "--method"], "option '--method' requires an argument; "),
        (["show"], f"missing argument '[KIND] NAME'; {HELP.format('show')}"),
        (["show", "cstatt"], "unknown component 'cstatt'. Did you mean 'cstat'?"),
        (["show", "backbone", "resnet43"], "unknown backbone 'resnet43'. Did you mean 'resnet34'?"),
        (["show", "a", "b", "c"], "'elrbench show' takes one component, as NAME or KIND NAME, not 3 words"),
        (["list", "backbon"], "unknown kind of component 'backbon'. Did you mean 'backbones'?"),
        (["run", "--dataset", "puppets"], "no method is given: pass --method NAME; 'elrbench list methods' "),
        (["run", "--method", "cstat"], "no dataset is given: pass --dataset NAME; 'elrbench list datasets' "),
        (["run", "--method", "cstatt", "--dataset", "puppets"], "unknown method 'cstatt'. Did you mean 'cstat'?"),
        (
            ["run", "--method", "cstat", "--dataset", "puppets", "--set", "method.epoch=3"],
            "unknown setting 'method.epoch'. Did you mean 'method.epochs'?",
        ),
        (
            ["run", "--method", "cstat", "--dataset", "puppets", "--set", "method.epochs"],
            "--set 'method.epochs' is not KEY=VALUE, e.g. --set method.epochs=3",
        ),
        (
            ["run", "--method", "supervised", "--dataset", "jhmdb"],
            "dataset 'jhmdb' needs its files: pass --data DIR or set ELRBENCH_DATA ",
        ),
        (
            ["run", "--method", "supervised", "--dataset", "jhmdb", "--data", "/nowhere"],
            "dataset 'jhmdb': the folder /nowhere does not exist; pass --data DIR ",
        ),
        (
            ["run", "--method", "supervised", "--dataset", "puppets", "--data", "/"],
            "dataset 'puppets' is drawn by code and reads no folder; remove --data /",
        ),
        (
            ["publish", "../x"],
            "'../x' is neither a run folder nor a digest of 4 to 16 hex digits; 'elrbench run' prints both",
        ),
        (
            ["publish", "abcd", "--out", "/nowhere"],
            "no run starts with 'abcd': /nowhere holds no runs; pass a run folder",
        ),
        (["leaderboard", "--folder", "/nowhere"], "the folder /nowhere does not exist; pass --folder "),
        (["cost", "--classes", "3"], "--backbone is missing: "),
        (["cost", "--backbone", "resnet18"], "--classes is missing: "),
        (
            ["cost", "--backbone", "resnet18", "--classes", "3", "--size", "big"],
            "--size big is not HxW in pixels, e.g. 96x128",
        ),
        (["cost", "--backbone", "resnet18", "--seed", "1"], "--seed needs a plan: pass --method and --dataset"),
        (
            ["cost", "--backbone", "resnet18", "--classes", "clap,wave"],
            "--classes clap,wave: ",
        ),
        (
            ["cost", "--method", "supervised", "--dataset", "puppets", "--classes", "3"],
            "with --dataset, --classes takes class names, ",
        ),
        (
            ["run", "--method", "supervised", "--dataset", "jhmdb", "--classes", "catch,wav"],
            "unknown class of dataset 'jhmdb': 'wav'. Did you mean 'wave'?",
        ),
        (["check", "nothing"], "unknown plugin 'nothing'. "),
        (["check", "/nowhere/plugin.py"], "--plugin /nowhere/plugin.py: the file does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_is_one_line(argv, message, call):
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert err.startswith(f"elrbench: error: {message}")
    assert err.count("\n") == 1
    if not message.endswith(" "):
        assert err == f"elrbench: error: {message}\n"


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(catalog_module, "load_catalog", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["list"])


def test_a_failed_run_exits_1(call, monkeypatch):
    from benchmark_core.errors import RunFailed

    def fail(**_):
        raise RunFailed("the loss is nan")

    monkeypatch.setattr(catalog_module, "load_catalog", fail)
    assert call("list") == (1, "", "elrbench: error: the loss is nan\n")


# -- run, publish, leaderboard


def test_dry_run_prints_the_plan(call, catalog):
    from benchmark_core.plans.resolve import PlanRequest, resolve_plan

    flags = ("--method", "cstat", "--dataset", "puppets", "--budget", "small", "--seed", "2", "--size", "48x64")
    code, out, _ = call("run", *flags, "--set", "method.epochs=3", "--dry-run", "--json")
    request = PlanRequest(
        method="cstat", dataset="puppets", budget="small", seed=2, size="48x64", settings=("method.epochs=3",)
    )
    plan = resolve_plan(catalog, request)
    assert code == 0
    assert json.loads(out) == {"digest": plan.digest, "plan": plan.to_json()}
    assert call("run", *flags, "--dry-run")[1].splitlines()[1].split() == ["method", "cstat:mlp+rc"]


def test_a_plan_comes_from_a_file_and_flags_come_on_top(call, tmp_path):
    (tmp_path / "plan.yaml").write_text(
        "method: cstat\ndataset: puppets\nbudget: small\nseed: 1\nset:\n  method.epochs: 5\n  method.batch: 4\n"
    )
    from_file = ("--plan", str(tmp_path / "plan.yaml"), "--seed", "2", "--set", "method.epochs=3")
    plan = ("--method", "cstat", "--dataset", "puppets", "--budget", "small", "--seed", "2")
    flags = (*plan, "--set", "method.epochs=3", "--set", "method.batch=4")
    assert call("run", *from_file, "--dry-run") == call("run", *flags, "--dry-run")
    assert call("run", "--plan", str(tmp_path / "none.yaml"))[0] == 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of one epoch: its folder, what it printed, and the cache."""
    folder = tmp_path_factory.mktemp("run")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_module, "load_catalog", built_ins)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.chdir(folder)
        with pytest.raises(SystemExit) as stopped:
            main([*SMALL_RUN, "--cache", "cache", "--json"])
    assert not stopped.value.code, err.getvalue()
    return folder, json.loads(out.getvalue()), err.getvalue()


def test_a_run_leaves_a_record(finished):
    folder, told, progress = finished
    record = told["record"]
    assert told["folder"] == f"elrbench-runs/{record['digest']}"
    files = {path.name for path in (folder / told["folder"]).iterdir()}
    assert {f"supervised-{record['digest']}.json", "recognizer.safetensors", record["predictions"]["file"]} <= files
    assert record["scores"]["top1"]["n"] == 12
    assert record["plan"]["settings"]["method.epochs"] == 1
    assert "student" in progress and "\x1b" not in progress  # plain lines, not a bar


def test_a_run_writes_nowhere_else(finished):
    folder, _, _ = finished
    assert {path.name for path in folder.iterdir()} == {"elrbench-runs", "cache"}


def test_a_second_run_reuses_the_stage(finished, call, monkeypatch, tmp_path):
    folder, told, progress = finished
    monkeypatch.chdir(folder)
    code, out, err = call(*SMALL_RUN, "--cache", "cache", "--out", str(tmp_path))
    value = told["record"]["scores"]["top1"]["value"]
    assert code == 0
    assert out.splitlines()[1].split()[:2] == ["top1", f"{100 * value:.1f}"]
    assert out.splitlines()[-1] == f"run folder: {tmp_path}"
    (spent,) = re.findall(r"^student: trained in (.+)$", progress, re.MULTILINE)
    assert f"student: reused from the cache, where it was trained in {spent}\n" in err


def test_publish_and_leaderboard(finished, call, monkeypatch, tmp_path):
    folder, told, _ = finished
    monkeypatch.chdir(folder)
    digest, board = told["record"]["digest"], tmp_path / "board"
    board.write_text("")
    code, _, err = call("publish", digest, "--folder", str(board))
    assert code == 2 and f"--folder {board} is a file" in err
    board.unlink()
    code, out, _ = call("publish", digest[:8], "--folder", str(board), "--json")
    assert code == 0 and board.is_dir()  # the folder is created
    written = [Path(path) for path in json.loads(out)["written"]]
    assert all(path.is_file() and board in path.parents for path in written)
    assert json.loads(written[-1].read_text()) == told["record"]
    [run] = (folder / "elrbench-runs").iterdir()
    assert call("publish", str(run), "--folder", str(board), "--json")[0] == 0
    again = run.with_name(f"{run.name}-again")  # as 'elrbench rerun' names it: the digest does not lead there
    again.mkdir()
    assert call("publish", digest, "--folder", str(board), "--json")[0] == 0
    again.rmdir()

    stale, diff, _ = call("leaderboard", "--check", "--folder", str(board))
    assert stale == 1 and "supervised" in diff
    code, out, _ = call("leaderboard", "--folder", str(board))
    assert code == 0 and all(Path(line).is_file() for line in out.splitlines())
    assert any("supervised" in Path(line).read_text() for line in out.splitlines() if line.endswith(".md"))
    assert call("leaderboard", "--check", "--folder", str(board))[0] == 0


def test_a_run_folder_is_for_one_plan(finished, call, monkeypatch):
    folder, told, _ = finished
    monkeypatch.chdir(folder)
    code, _, err = call(*SMALL_RUN, "--seed", "1", "--cache", "cache", "--out", told["folder"])
    digest = told["record"]["digest"]
    what = f"{told['folder']} holds the run {digest} of another plan (supervised-{digest}.json); pass another --out"
    assert (code, err) == (2, f"elrbench: error: {what}\n")


def test_an_unwritable_place_is_a_mistake(call, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call(*SMALL_RUN, "--out", str(tmp_path / "file" / "run"), "--cache", str(tmp_path / "cache"))
    assert code == 2 and err.startswith("elrbench: error: ") and str(tmp_path / "file" / "run") in err


def test_data_root_comes_from_the_environment(catalog, monkeypatch, tmp_path):
    from benchmark_core.runs.request import data_root

    (tmp_path / "jhmdb").mkdir()
    monkeypatch.setenv("ELRBENCH_DATA", str(tmp_path))
    assert data_root(catalog, "jhmdb", None) == tmp_path / "jhmdb"
    assert data_root(catalog, "jhmdb", tmp_path) == tmp_path
    assert data_root(catalog, "puppets", None) is None
    monkeypatch.setenv("ELRBENCH_DATA", str(tmp_path / "other"))
    with pytest.raises(ElrError, match="does not exist"):
        data_root(catalog, "jhmdb", None)


# -- cost, doctor


def test_cost_of_a_bare_backbone_is_the_papers(call):
    flags = "--backbone resnet34 --classes 101 --sampling 1x1 --size 256x340 --no-latency --json"
    code, out, _ = call("cost", *flags.split())
    record = json.loads(out)
    assert code == 0
    assert record["params"]["total"] == 21336485  # CSTAT, section IV.B: 21.34 M
    assert float(f"{record['macs']['view']:.4e}") == 6.5068e9  # 6.51 G
    assert record["latency"] is None


def test_cost_of_a_plan_is_published(call, tmp_path):
    flags = ("--method", "supervised", "--dataset", "puppets", "--budget", "smoke", "--device", "cpu")
    code, out, _ = call("cost", *flags, "--no-latency", "--publish", "--folder", str(tmp_path))
    assert code == 0
    assert "- (not measured)" in out
    path = Path(out.splitlines()[-1].removeprefix("published: "))
    record = json.loads(path.read_text())
    assert record["describe"]["backbone"] == "resnet18" and record["describe"]["low"] == [12, 16]
    assert path.parent == tmp_path / "costs"


def test_cost_on_a_native_track_needs_a_size(call):
    flags = ("cost", "--method", "supervised", "--dataset", "tiny-puppets", "--budget", "smoke", "--device", "cpu")
    code, _, err = call(*flags)
    assert code == 2 and "--low HxW" in err
    code, out, _ = call(*flags, "--low", "20x30", "--no-latency", "--json")
    assert code == 0 and json.loads(out)["low_size"] == [20, 30]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--backbone", "native3d-xs"), "--size 12x16"),
        (("--backbone", "native3d-xs", "--size", "4x5"), "sides of 6"),
        (
            ("--backbone", "native3d-xs", "--size", "12x16", "--enhancer", "bicubic", "--low", "12x16"),
            "remove --enhancer",
        ),
        (("--backbone", "resnet18", "--size", "96x128", "--modality", "rgb+dev-early"), "a 3D --backbone"),
    ],
)
def test_cost_of_a_network_alone_refuses_what_it_cannot_take(call, flags, words):
    code, _, err = call("cost", "--classes", "3", *flags)
    assert code == 2 and words in err


def test_doctor_tells_what_stands_in_the_way(call, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    code, out, _ = call("doctor", "--cache", str(tmp_path / "file" / "cache"), "--json")
    report = json.loads(out)
    assert code == 1
    assert any("cannot be written" in trouble for trouble in report["troubles"])
    assert report["versions"]["torch"] and report["devices"][0].startswith("cpu: ")
    resnet = next(plugin for plugin in report["plugins"] if plugin["name"] == "elrbench_plugins.resnet")
    assert resnet["offers"] == {"backbone": 2}


def test_doctor_names_a_clash(call, tmp_path, monkeypatch):
    plugin = tmp_path / "again.py"
    plugin.write_text(
        "from elrbench import MethodSpec, hookimpl\n\n\n@hookimpl\ndef elr_methods():\n"
        '    return [MethodSpec(name="cstat", summary="", fit="x:y")]\n'
    )
    code, out, _ = call("doctor", "--cache", str(tmp_path), "--plugin", str(plugin), "--json")
    assert code == 1
    assert any("'cstat' is offered by two plugins" in trouble for trouble in json.loads(out)["troubles"])


# -- console


def test_plain_lines_without_a_terminal():
    stream = io.StringIO()
    with ConsoleReporter(stream).steps("student, epoch 1/2", 4, unit="steps") as advance:
        for step in range(4):
            advance(1, label=f"student, epoch {step // 2 + 1}/2", loss=0.25)
    (line,) = stream.getvalue().splitlines()
    assert re.fullmatch(r"student, epoch 2/2: 4/4 steps in \d+\.\d s, loss 0\.25", line)


def test_plain_lines_come_every_ten_seconds(monkeypatch):
    from benchmark_core.cli import console

    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(console.time, "monotonic", lambda: float(next(now)))
    stream = io.StringIO()
    with ConsoleReporter(stream).steps("student", 12) as advance:
        for _ in range(12):
            advance()
    assert 2 <= stream.getvalue().count("\n") <= 8


def test_a_bar_on_a_terminal():
    stream = io.StringIO()
    with ConsoleReporter(stream, terminal=True).steps("student", 2) as advance:
        advance(2, loss=0.5)
    assert "student" in stream.getvalue() and "2/2" in stream.getvalue()


def test_columns():
    assert columns([("a", "bb", "c"), ("aaa", "b", "")], indent=" ") == " a    bb  c\n aaa  b"
    assert columns([]) == ""
