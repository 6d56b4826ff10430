"""`elrbench privacy`: attacks from planning to published records, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from calling import Call, caller
from conftest import BUILTINS, TOY

from benchmark_core.catalog import Catalog, load_catalog
from elrbench import ElrError
from elrbench_plugins.commands.privacy.attacks import PrivacyRequest, privacy_suite

STRIPES = Path(__file__).with_name("stripes.py")
TINY = ("--budget", "smoke", "--size", "24x32", "--set", "method.lr=0.03", "--cache", "c")
LONGER = ("--set", "method.epochs=8", "--set", "method.batch=8")
BOTH = ("--attacker", "supervised/toynet,teacher/toynet")


@pytest.fixture(scope="module")
def people_catalog() -> Catalog:
    names = [f"elrbench_plugins.{name}" for name in BUILTINS]
    return load_catalog([*names, str(TOY), str(STRIPES)], entry_points=False)


@pytest.fixture
def call(
    people_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """`call("--dataset", …)` in an empty folder -> (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)
    run = caller(people_catalog, capsys, monkeypatch)
    return lambda *argv: run("privacy", *argv)


def rows_of(asked: PrivacyRequest, catalog: Catalog) -> dict[str, dict[str, Any]]:
    return {row.name: dict(row.fields) for row in privacy_suite(asked, catalog).rows}


# -- the runs


def test_the_default_attackers_see_low_views_as_they_are_and_one_sees_high_views(people_catalog: Catalog):
    asked = PrivacyRequest(dataset="puppets", target="identity", sizes="12x16,6x8", fields=(("budget", "small"),))
    rows = rows_of(asked, people_catalog)
    attacks = [name for name in rows if name.endswith(":identity")]
    assert attacks == [
        "average-6x8/supervised/native3d-s:identity",
        "average-6x8/probe:identity",
        "average-6x8/teacher:identity",  # once: high views do not depend on the size of low ones
        "average-12x16/supervised/native3d-s:identity",
        "average-12x16/probe:identity",
    ]
    assert [name for name in rows if name not in attacks] == [name.replace(":identity", ":action") for name in attacks]
    assert rows[attacks[0]] == {
        "method": "supervised",
        "backbone": "native3d-s",
        "dataset": "puppets:identity",
        "degradation": "average-6x8",
        "budget": "small",
    }
    assert rows["average-6x8/supervised/native3d-s:action"]["dataset"] == "puppets"


def test_with_an_enhancer_the_attacker_has_the_default_backbone(people_catalog: Catalog):
    asked = PrivacyRequest(
        dataset="puppets", target="identity", enhancers=("none", "bilinear", "bicubic"), size="48x64", action=False
    )
    rows = rows_of(asked, people_catalog)
    assert list(rows) == [
        "average-12x16/supervised/native3d-s:identity",
        "average-12x16/bilinear/supervised:identity",
        "average-12x16/bicubic/supervised:identity",
        "average-12x16/bilinear/probe:identity",
        "average-12x16/bicubic/probe:identity",
        "average-12x16/teacher:identity",
    ]
    sizes = {name: fields.get("size") for name, fields in rows.items()}
    assert sizes.pop("average-12x16/supervised/native3d-s:identity") is None  # it works at the low size
    assert set(sizes.values()) == {"48x64"}
    assert "backbone" not in rows["average-12x16/bilinear/supervised:identity"]


def test_clips_as_recorded_have_no_high_view(people_catalog: Catalog):
    rows = rows_of(PrivacyRequest(dataset="nagoya-fir", target="identity", action=False), people_catalog)
    assert list(rows) == ["native/supervised/native3d-s:identity", "native/probe:identity"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"enhancers": ("bilinear",), "attackers": ("teacher",)}, "--enhancer bilinear is used by no attacker"),
        ({"enhancers": ("none",), "attackers": ("probe",)}, "--enhancer none is used by no attacker"),
        ({"attackers": ("supervized",)}, "unknown method 'supervized'"),
        ({"degradations": ("native",), "sizes": "6x8"}, "degradation 'native' has no size"),
    ],
)
def test_what_would_be_silently_left_out_is_refused(people_catalog: Catalog, fields: dict[str, Any], said: str):
    with pytest.raises(ElrError, match=said):
        privacy_suite(PrivacyRequest(dataset="puppets", target="identity", **fields), people_catalog)


def test_recipe_sampling_and_modality_are_fields_of_every_network(call: Call):
    flags = ("--dataset", "puppets", "--attacker", "supervised/native3d-xs", "--budget", "smoke", "--dry-run")
    code, plain, err = call(*flags)
    assert code == 0 and "All rows: average-12x16, native3d-xs clip-24, 12x16" in plain, err
    code, asked, err = call(*flags, "--sampling", "clip-16", "--modality", "rgb+diff-early")
    assert code == 0 and "All rows: average-12x16, native3d-xs rgb+diff-early clip-16, 12x16" in asked, err
    code, asked, err = call(*flags, "--recipe", "modern")
    digests = [{line.split()[0] for line in text.splitlines() if "to run" in line} for text in (plain, asked)]
    assert code == 0 and all(len(each) == 2 for each in digests) and not digests[0] & digests[1], err


# -- end to end


def test_attacks_run_once_are_published_and_read_again(call: Call):
    flags = ("--dataset", "stripes", "--sizes", "6x8", "--degradation", "average-HxW", *BOTH, *TINY, *LONGER)
    code, listed, err = call(*flags, "--dry-run")
    assert code == 0 and "0 of 4 runs are done" in listed, err
    code, out, err = call(*flags, "--publish", "--json")
    assert code == 0, err
    (found,) = json.loads(out)
    low, high = found["rows"]
    assert [row["view"] for row in found["rows"]] == ["average-6x8", "high"]
    # Stripes of 8 pixels are gone at 6x8, and the action is not.
    assert low["attack"]["low"] < 1 / 3 < low["attack"]["high"] and not low["exceeds_guess"]
    assert low["action"]["low"] > 1 / 3
    assert high["attack"]["value"] > 0.6 and high["exceeds_guess"] and high["informed"]
    assert high["verification"]["roc_area"]["value"] > 0.7
    assert low["guess"] == pytest.approx(1 / 3) and low["chance"] == pytest.approx(1 / 3)
    assert low["advantage"]["low"] <= 0 <= low["advantage"]["high"]
    assert low["macs"] > 0 and low["params"] > 0
    assert "and does not exceed a guess from the action (33.3 %)" in found["sentences"][0]
    root = ElementTree.fromstring(Path(found["picture"]).read_bytes())
    assert len([one for one in root.iter() if one.tag.endswith("circle")]) == 1
    assert "does not exceed" in Path(found["page"]).read_text()

    code, again, err = call(*flags, "--json")
    assert code == 0 and json.loads(again) == json.loads(out) and "[1/" not in err  # nothing is left to do
    code, out, err = call("--from-records", "--json")
    assert code == 0, err
    assert json.loads(out) == [{key: value for key, value in found.items() if key not in ("picture", "page")}]
    code, text, _ = call("--from-records", "--dataset", "stripes", "--out", "pages")
    assert code == 0 and text.splitlines()[0] == "stripes:identity, clips; actions: stripes, clips"
    assert Path("pages/privacy-stripes-identity-clips.svg").read_bytes() == Path(found["picture"]).read_bytes()


def test_verification_of_people_who_are_never_seen_in_training(call: Call):
    flags = ("--dataset", "puppets", "--target", "verification", "--attacker", "supervised/toynet", "--no-action")
    code, out, err = call(*flags, *TINY, "--json")
    assert code == 0, err
    (found,) = json.loads(out)
    (row,) = found["rows"]
    assert (row["metric"], row["chance"]) == ("pair_auc", 0.5) and found["protocol"] == "strangers"
    assert row["attack"]["value"] == row["verification"]["roc_area"]["value"]
    assert row["advantage"]["value"] == pytest.approx(row["attack"]["value"] - row["guess"])
    assert row["verification"]["people"] == 4


def test_an_attacker_on_shuffled_people_stays_at_chance_even_on_high_views(call: Call):
    flags = ("--dataset", "stripes", "--no-action", "--attacker", "teacher/toynet", "--set", "dataset.shuffled=1")
    code, out, err = call(*flags, *TINY, *LONGER, "--json")
    assert code == 0, err
    (row,) = json.loads(out)[0]["rows"]
    assert row["attack"]["low"] < row["chance"] < row["attack"]["high"]
    assert row["advantage"]["low"] <= 0 and not row["exceeds_guess"]
    assert abs(row["verification"]["roc_area"]["value"] - 0.5) < 0.1
    assert row["action"] is None and "picture" not in json.loads(out)[0]


def test_runs_that_fail_are_named_below_what_is_known(call: Call):
    diverging = ("--set", "method.lr=1e30", "--set", "method.optimiser=sgd")
    flags = ("--dataset", "stripes", "--no-action", "--attacker", "supervised/toynet", *TINY, *diverging)
    code, out, err = call(*flags, "--json")
    assert code == 1 and json.loads(out) == []
    assert err.splitlines()[-1].startswith("elrbench: failed: average-12x16/supervised/toynet:identity: ")


# -- bad input


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--dataset", "stripes:identity"), "names a target; pass --dataset stripes --target identity"),
        (("--dataset", "strips"), "unknown dataset 'strips'"),
        (("--dataset", "stripes", "--target", "gender"), "dataset 'stripes' has no target 'gender'"),
        (("--dataset", "strangers"), "'strangers' has no target 'identity': its protocol 'apart' keeps subjects apart"),
        (("--dataset", "jhmdb"), "dataset 'jhmdb' has no target 'identity'; datasets with that target: "),
        (
            ("--dataset", "stripes", "--protocol", "apart"),
            "apart keeps people apart: in fold 1, 1 of 1 people",
        ),
        (("--dataset", "alone"), "dataset 'alone:identity' has one class only"),
        (("--dataset", "stripes", "--set", "dataset.people=1"), "has clips of one person only"),
        (("--dataset", "stripes", "--seeds", "x"), "--seeds x is not a list"),
        (("--dataset", "stripes", "--attacker", "cstatt"), "unknown method 'cstatt'"),
        ((), "pass --dataset NAME"),
        (("--from-records", "--sizes", "6x8"), "--sizes has no effect with --from-records"),
        (("--from-records",), "the folder leaderboards does not exist"),
    ],
)
def test_bad_input_is_one_line(call: Call, argv: tuple[str, ...], said: str):
    extra = () if "--from-records" in argv or "--attacker" in argv else ("--attacker", "supervised/toynet")
    code, out, err = call(*argv, *extra)
    assert (code, out) == (2, "") and err.count("\n") == 1, err
    assert said in err


def test_a_board_without_attacks_is_said(call: Call, tmp_path: Path):
    (tmp_path / "leaderboards" / "records").mkdir(parents=True)
    code, _, err = call("--from-records", "--dataset", "stripes")
    assert code == 2 and "has no record of an attack on stripes:identity" in err
