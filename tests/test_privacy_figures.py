"""Figures of `elrbench privacy` from records alone: guess, advantage, contrasts, what belongs together, the picture."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from run_records import bits, make_cost, make_record, put, put_scored

from benchmark_core.papers.collection import Library
from benchmark_core.scoring.hits import pack_hits
from benchmark_core.scoring.statistics import wilson
from benchmark_core.tables.load import load_leaderboard
from elrbench_plugins.commands.privacy.findings import Findings
from elrbench_plugins.commands.privacy.leakage import pareto
from elrbench_plugins.commands.privacy.payload import findings_json, findings_markdown, findings_text
from elrbench_plugins.commands.privacy.picture import points_of, privacy_picture
from elrbench_plugins.commands.privacy.size_curves import curves_picture
from elrbench_plugins.commands.privacy.stored import Places, findings_of
from elrbench_plugins.commands.privacy.text import CAUTION, points, sentences, succeeds, table, verification_table
from elrbench_plugins.commands.site.pages import build_site


def guess_of(hits: np.ndarray) -> dict[str, Any]:
    low, high = wilson(float(hits.mean()), len(hits))
    score = {"value": float(hits.mean()), "low": low, "high": high, "n": len(hits), "interval": "wilson95"}
    return {"scores": {"top1": score, "top5": score}, "hits": pack_hits(hits)}


def attack(hits: np.ndarray, guessed: np.ndarray | None = None, **fields: Any) -> dict[str, Any]:
    """Record of an attack on `acts:identity`, whose guess is right at the first four of twenty clips."""
    more = {"action_guess": guess_of(bits(0, 1, 2, 3) if guessed is None else guessed), **fields.pop("more", {})}
    return make_record(hits, **{"dataset": "acts:identity", "protocol": "again", "more": more, **fields})


def found_in(board: Path, **asked: Any) -> list[Findings]:
    loaded = load_leaderboard(board, whole=True)
    assert not loaded.problems
    return findings_of(loaded.runs, Places(None, board), **{"target": "identity", **asked})


def one(board: Path, **asked: Any) -> Findings:
    (found,) = found_in(board, **asked)
    return found


def test_the_advantage_is_over_the_guess_on_the_same_clips(tmp_path: Path):
    put(tmp_path, attack(bits(*range(10))), attack(bits(*range(2, 12)), seed=1), make_record(bits(*range(15))))
    (row,) = one(tmp_path).rows
    assert row.score is not None and row.acted is not None and row.advantage is not None
    assert (row.score.mean, row.score.std, row.acted.mean, row.guess) == (0.5, 0.0, 0.75, 0.2)
    assert row.advantage.value == pytest.approx(0.3)
    # Hits less those of the guess, summed over seeds: clips 0-1 are right in one seed and guessed in both, and so on.
    each = np.array([-1, -1, 0, 0, *[2] * 6, 1, 1, *[0] * 8])
    assert row.advantage.value == pytest.approx(each.sum() / 40)
    assert row.advantage.low > 0 and succeeds(row)
    assert row.chance == 1.0  # `make_record` has clips of one class only
    assert row.verification is None  # no predictions are next to the record


def test_attackers_of_one_name_are_told_apart_by_their_options(tmp_path: Path):
    settings = {"method.lr": 0.1, "dataset.rows": 64, "degradation.noise": 2}
    for size, epochs in (("6x8", 3), ("12x16", 3), ("12x16", 20)):
        put(
            tmp_path,
            attack(degradation=f"average-{size}", settings={**settings, "method.epochs": epochs}, hits=bits(1)),
        )
    put(tmp_path, attack(bits(1), method="probe", degradation="average-6x8", settings=settings))
    found = one(tmp_path)
    assert [row.attacker for row in found.rows] == [
        "mine/net18 (epochs=3)",
        "probe/net18",
        "mine/net18 (epochs=20)",
        "mine/net18 (epochs=3)",
    ]
    # A view is compared with the smallest one by the same attacker, and on one view the attackers with each other.
    assert [(each.after.attacker, each.before.attacker) for each in found.contrasts] == [
        ("mine/net18 (epochs=3)", "mine/net18 (epochs=3)"),
        ("mine/net18 (epochs=3)", "mine/net18 (epochs=20)"),
    ]


def test_networks_of_two_sizes_on_enlarged_views_are_told_apart(tmp_path: Path):
    for size in ([24, 32], [48, 64]):
        put(tmp_path, attack(bits(1), enhancer="zoom", size=size))
        put(tmp_path, attack(bits(1), enhancer="none", size=size, degradation=f"average-{size[0]}x{size[1]}"))
    assert sorted(row.attacker for row in one(tmp_path).rows) == [
        "mine/net18",
        "mine/net18",
        "mine/net18 (size=24x32)",
        "mine/net18 (size=48x64)",
    ]


def test_views_are_ordered_by_size_and_compared_on_the_same_clips(tmp_path: Path):
    for size, right in (("12x16", 12), ("6x8", 4), ("24x32", 18)):
        put(tmp_path, attack(bits(*range(right)), degradation=f"average-{size}"))
    put(tmp_path, attack(bits(*range(20)), method="teacher", degradation="average-6x8", more={"privileged": True}))
    found = one(tmp_path)
    assert [row.view for row in found.rows] == ["average-6x8", "average-12x16", "average-24x32", "high"]
    assert found.views == ("average-6x8", "average-12x16", "average-24x32")
    values = [(each.after.view, each.before.view, each.comparison.difference.value) for each in found.contrasts]
    assert values == [
        ("average-12x16", "average-6x8", pytest.approx(0.4)),
        ("average-24x32", "average-6x8", pytest.approx(0.7)),
    ]
    said = sentences(found)
    assert said[0].startswith("At average-6x8, the attacker (mine/net18 with bilinear) scores 20.0 % and does not")
    assert "On high views, teacher/net18 scores 100.0 %." in said
    assert "at average-12x16, average-24x32, but not at average-6x8" in said[-2] and said[-1] == CAUTION


def test_enhancers_are_compared_on_one_view(tmp_path: Path):
    put(tmp_path, attack(bits(*range(4)), enhancer="none", backbone="tiny"))
    put(tmp_path, attack(bits(*range(9)), enhancer="dbpn"), make_cost("net18-dbpn", params=params(enhancer=9)))
    put(tmp_path, attack(bits(*range(6)), enhancer="zoom"), make_cost("net18-zoom", params=params(enhancer=0)))
    found = one(tmp_path)
    assert [row.enhancer for row in found.rows] == ["none", "zoom", "dbpn"]  # by parameters, not by name
    assert [(each.after.enhancer, each.before.enhancer) for each in found.contrasts] == [
        ("dbpn", "zoom"),  # the same network
        ("zoom", "none"),  # another network of the same method
        ("dbpn", "none"),
    ]
    assert found.best("average-12x16") is found.rows[2]
    assert sentences(found)[0].startswith(
        "At average-12x16, the best of 3 attackers (mine/net18 with dbpn) scores 45.0 %"
    )
    assert "No attacker was run on high views" in sentences(found)[1]


def params(**parts: int) -> dict[str, int]:
    return {"total": 100, "backbone": 90, "enhancer": 0, "head": 10, **parts}


def test_actions_join_by_network_and_options_of_the_dataset(tmp_path: Path):
    put(tmp_path, attack(bits(*range(10)), settings=settings(**{"dataset.test": 20, "dataset.clothes": "own"})))
    put(tmp_path, make_record(bits(*range(15)), settings=settings(**{"dataset.test": 20})))
    put(tmp_path, make_record(bits(*range(16)), settings=settings(**{"dataset.test": 20}), backbone="net34"))
    fewer = make_record(bits(*range(17)), settings=settings(**{"dataset.test": 5}), seed=1)
    put(tmp_path, retracked(fewer, "acts,test=5"))
    found = one(tmp_path)
    assert found.rows[0].acted is not None and found.rows[0].acted.mean == 0.75
    assert found.actions == "acts, split1"


def settings(**own: Any) -> dict[str, Any]:
    return {"method.epochs": 20, **own}


def retracked(record: dict[str, Any], dataset: str) -> dict[str, Any]:
    from benchmark_core.records.checksum import add_checksum

    bare = {key: value for key, value in record.items() if key != "seal"}
    return add_checksum({**bare, "track": {**record["track"], "dataset": dataset}})


def test_each_track_and_protocol_has_findings_of_its_own(tmp_path: Path):
    put(tmp_path, attack(bits(1)), attack(bits(2), protocol="other"), attack(bits(3), dataset="acts:gender"))
    put(tmp_path, attack(bits(4), dataset="others:identity"))
    names = [(found.track, found.protocol) for found in found_in(tmp_path)]
    assert names == [("acts:identity", "again"), ("acts:identity", "other"), ("others:identity", "again")]
    assert [found.track for found in found_in(tmp_path, dataset="others")] == ["others:identity"]
    assert [found.protocol for found in found_in(tmp_path, protocol="other")] == ["other"]
    assert found_in(tmp_path, target="gender")[0].target == "gender"


def test_of_two_action_protocols_the_one_with_more_runs_is_shown(tmp_path: Path):
    put(tmp_path, attack(bits(1)), make_record(bits(1)), make_record(bits(2), protocol="b"))
    put(tmp_path, make_record(bits(3), protocol="b", seed=1))
    assert one(tmp_path).actions == "acts, b"
    assert one(tmp_path, action_protocol="split1").actions == "acts, split1"


def test_folds_that_are_missing_are_said(tmp_path: Path):
    put(tmp_path, attack(bits(1), folds=("1", "2")))
    found = one(tmp_path)
    assert table(found)[0]["identity top1"] == "1/2 folds"
    assert sentences(found) == [] and found.best("average-12x16") is None
    assert findings_json(found)["rows"][0]["attack"] is None


def test_without_actions_there_is_no_guess(tmp_path: Path):
    put(tmp_path, make_record(bits(*range(10)), dataset="acts:identity"))
    (row,) = one(tmp_path).rows
    assert row.guess is None and row.advantage is None
    assert table(one(tmp_path))[0]["advantage"] == "-" and "action top1" not in table(one(tmp_path))[0]


def test_several_labels_have_an_advantage_without_interval(tmp_path: Path):
    labels = np.tile([[1, 0], [0, 1]], (10, 1))
    logits = np.where(labels > 0, 1.0, -1.0)
    logits[:4] *= -1
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 20, "interval": "bootstrap95"}
    more = {"action_guess": {"scores": {"f1_macro": score}, "hits": None}}
    put_scored(tmp_path, labels, logits, classes="ab", dataset="acts:attributes", more=more)
    (row,) = one(tmp_path, target="attributes").rows
    assert row.advantage is not None and row.advantage.value == pytest.approx(0.3)
    assert math.isnan(row.advantage.low) and row.chance is None and row.verification is None
    assert points(row.advantage) == "+30.00" and succeeds(row)  # its own interval is above the guess
    assert findings_json(one(tmp_path, target="attributes"))["rows"][0]["advantage"]["low"] is None


def test_published_predictions_are_verified(tmp_path: Path):
    people = np.repeat([0, 1, 2], 8)
    put_scored(tmp_path, people, 3 * np.eye(3)[people], dataset="acts:identity")
    found = one(tmp_path)
    verified = found.rows[0].verification
    assert verified is not None and (verified.area.value, verified.error.value, verified.people) == (1.0, 0.0, 3)
    assert verification_table(found)[0]["ROC area"] == "100.00 (100.0 to 100.0)"
    assert found.rows[0].chance == pytest.approx(1 / 3)
    assert "95 % bootstrap over people" in findings_text(found)


def test_no_row_beats_those_of_the_front():
    rows = [
        (0.9, 0.5, 1.0),
        (0.8, 0.5, 1.0),
        (0.8, 0.2, 1.0),
        (0.9, 0.5, 0.5),
        (0.8, 0.2, 1.0),
    ]  # accuracy, leakage, MACs
    assert pareto(rows) == [False, False, True, True, True]


def test_recognizers_stand_at_the_best_attack_on_their_view(tmp_path: Path):
    put(tmp_path, attack(bits(*range(6))), make_record(bits(*range(15))), make_cost("net18-bilinear"))
    put(tmp_path, attack(bits(*range(9)), backbone="net34"), make_record(bits(*range(12)), backbone="net34"))
    found = one(tmp_path)
    points = points_of(found)
    assert [(point.acted.mean, point.leaked.mean) for point in points] == [(0.75, 0.45), (0.6, 0.45)]
    assert [point.front for point in points] == [True, False]  # the other's MACs are unknown
    content = privacy_picture(found)
    assert content is not None
    rings = [each for each in ElementTree.fromstring(content).iter() if each.tag.endswith("circle")]
    assert [ring.get("stroke") is None for ring in rings] == [True, False]
    assert "![accuracy and leakage](p.svg)" in findings_markdown(found, ["p.svg"])


def test_without_recognizers_there_is_no_picture(tmp_path: Path):
    put(tmp_path, attack(bits(1)))
    assert privacy_picture(one(tmp_path)) is None and curves_picture(one(tmp_path)) is None


def test_attacks_and_recognizers_are_drawn_over_sizes(tmp_path: Path):
    for size, right in (("6x8", 4), ("12x16", 12)):
        put(tmp_path, attack(bits(*range(right)), degradation=f"average-{size}"))
        put(tmp_path, make_record(bits(*range(15)), degradation=f"average-{size}"))
    content = curves_picture(one(tmp_path))
    assert content is not None
    words = {element.text for element in ElementTree.fromstring(content).iter()}
    assert {"identity, mine/net18, bilinear", "action, mine/net18, bilinear", "20.0", "60.0", "75.0"} <= words


def test_records_of_other_clips_are_not_compared(tmp_path: Path):
    put(tmp_path, attack(bits(1)))
    other = {"dataset": {"manifest": "cafe", "classes": 2}}
    put(tmp_path, attack(bits(2), degradation="average-6x8", more=other))
    found = one(tmp_path)
    assert not found.contrasts and "their data (manifests) are" in found.remarks[0]


def test_the_site_has_a_page_on_privacy_if_something_was_attacked(tmp_path: Path):
    put(tmp_path, make_record(bits(*range(15))), make_cost("net18-bilinear"))
    path = PurePosixPath("privacy.html")
    assert path not in build_site(tmp_path, Library({}, {})).files
    put(tmp_path, attack(bits(*range(12))), attack(bits(*range(9)), degradation="average-6x8"))
    text = build_site(tmp_path, Library({}, {})).files[path].decode()
    match = re.search(r'<script type="application/json" id="page">(.*?)</script>', text, flags=re.DOTALL)
    assert match
    page = json.loads(match[1])
    kinds = [block["kind"] for block in page["blocks"]]
    assert kinds == ["text", "heading", "text", "picture", "table", "text"]
    assert page["blocks"][1]["text"] == "acts:identity · again"
    assert page["blocks"][3]["data"].startswith("data:image/svg+xml;base64,")  # the page may load no file as a picture
    assert [row[1] for row in page["blocks"][4]["rows"]] == ["average-6x8", "average-12x16"]
    assert {"text": "Privacy", "url": "privacy.html", "here": True} in page["links"]
