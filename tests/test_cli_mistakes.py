"""How the command line ends: one line and code 2 for a mistake, 1 for a failed run, a traceback for a bug."""

import pytest
from built_ins import built_in_plugins, call

from benchmark_core import catalog as catalog_module
from benchmark_core.cli import main

__all__ = ["built_in_plugins", "call"]  # fixtures

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
            "'../x' is neither the folder of a finished run nor a digest of 4 to 16 hex digits; 'elrbench run' prints ",
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
        (["check", "/nowhere/plugin.py"], "plugin /nowhere/plugin.py: the file does not exist"),
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
