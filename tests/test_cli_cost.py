"""`elrbench cost` of a plan and of a network alone."""

import json
from pathlib import Path

import pytest
from built_ins import built_in_plugins, call

__all__ = ["built_in_plugins", "call"]  # fixtures


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
