"""The card of a shared model: what it states of the record, and which licence it needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from exported import Call, refused
from shared_models import FREE, call, finished, shared

from benchmark_core.catalog import Catalog
from benchmark_core.records.cost_record import read_cost
from benchmark_core.records.record import find_record, read_record, write_record
from elrbench import ElrError
from elrbench_plugins.commands.hub.licences import check_license, data_licences
from elrbench_plugins.commands.hub.manifest import CARD, MANIFEST
from elrbench_plugins.commands.hub.model_files import WEIGHTS

__all__ = ["call", "finished", "shared"]  # fixtures

pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")


def front_matter(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


# -- the card


def test_the_card_states_what_the_record_does(finished: Path, call: Call, tmp_path: Path) -> None:
    code, card, _ = call("hub", "push", finished, "hf://ada/toy", "--license", "cc-by-nc-4.0", "--dry-run")
    assert code == 0 and not (tmp_path / "shared").exists()
    record = read_record(find_record(finished))
    fields = front_matter(card)
    assert (fields["license"], fields["pipeline_tag"]) == ("cc-by-nc-4.0", "video-classification")
    assert {"elrbench", "supervised", "toynet", "toy", "average-12x16", "safetensors"} <= set(fields["tags"])
    (entry,) = fields["model-index"]
    (result,) = entry["results"]
    score = record["scores"]["top1"]
    assert result["task"]["type"] == "video-classification" and result["dataset"]["type"] == "toy"
    assert result["metrics"] == [{"type": "accuracy", "name": "top-1 accuracy", "value": round(score["value"], 6)}]
    (row,) = (line for line in card.splitlines() if line.startswith("| top1"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    interval = f"{100 * score['low']:.2f} to {100 * score['high']:.2f}"
    assert cells == ["top1", f"{100 * score['value']:.2f}", interval, "12"]
    (cost,) = (read_cost(path) for path in finished.glob("toynet-*.json"))
    for line in (
        "- dataset: toy",
        "- protocol: one, fold 1 of 1",
        "- degradation: average-12x16 sigma&#95;blur=0.25",
        "- low size: 12x16",
        "- clips: 24 for training, 12 tested",
        "- classes (3): left, right, moves",
        "- budget: smoke; size=24x32; method.batch=12",
        "- seed: 0",
        f"- digest of the plan: {record['digest']}",
        f"- parameters: {cost['params']['total']:,}",
        f"- MACs of a clip: {cost['macs']['clip'] / 1e9:.4g} G",
        "- frames of a clip: 2x1 (2 intervals of 1 frame)",
        "elrbench hub pull hf://ada/toy --out model",
        "elrbench predict model --data clips",
        "- data toy: not stated",
        "- weights: cc-by-nc-4.0",
    ):
        assert line.replace("&#95;", "_") in card.replace("&#95;", "_"), line


def test_names_from_a_record_are_text_on_the_card(finished: Path, call: Call, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    path = find_record(folder)
    record = dict(read_record(path))
    del record["seal"]
    write_record(folder, {**record, "notes": ["<script>alert(1)</script> [x](javascript:y)\n# heading"]})
    card = call("hub", "push", folder, "x", *FREE, "--dry-run")[1]
    assert "<script>" not in card and "[x](" not in card and "\n# heading" not in card and "&lt;script&gt;" in card


def test_a_dry_run_in_json_has_card_and_files(finished: Path, call: Call) -> None:
    code, out, _ = call("hub", "push", finished, "hf://ada/toy", *FREE, "--dry-run", "--json")
    told = json.loads(out)
    assert (code, told["state"]) == (0, "dry-run") and told["card"].startswith("---\nlicense: mit\n")
    assert set(told["files"]) >= {WEIGHTS, CARD}


# -- licences


def test_data_that_restricts_needs_a_licence(finished: Path, call: Call, tmp_path: Path) -> None:
    text = refused(call("hub", "push", finished, tmp_path / "shared"))
    assert "'toy'" in text and "not stated" in text and "--license NAME" in text
    assert not (tmp_path / "shared").exists()
    text = refused(call("hub", "push", finished, tmp_path / "shared", "--license", "Do what you want"))
    assert "identifier" in text


def test_which_datasets_restrict(catalog: Catalog) -> None:
    free = {"puppets", "puppets:identity", "puppets:verification", "tiny-puppets", "motions", "hmdb51"}
    found = set()
    for name in catalog.datasets:
        licences = data_licences({"dataset": name}, catalog)
        try:
            assert check_license(None, licences) == ""
            found.add(name)
        except Exception as error:
            assert f"'{name}'" in str(error) and str(catalog.datasets[name].licence) in str(error)
    assert found == free


@pytest.mark.parametrize(
    "licence",
    [
        "MIT for the code; the videos are for non-commercial research only",
        "CC BY 4.0, frames may not be redistributed",
        "CC BY 4.0, according to the authors; research only",
        "apache-2.0 annotations; videos: research only",
        "CC BY-NC 4.0",
        "",
    ],
)
def test_a_licence_with_conditions_needs_a_decision(licence: str) -> None:
    with pytest.raises(ElrError, match="pass --license NAME"):
        check_license(None, {"theirs": licence})


def test_every_dataset_of_a_plan_counts(catalog: Catalog) -> None:
    plan = {"dataset": "puppets", "unlabelled": "videos:film", "high_source": "jhmdb"}
    assert data_licences(plan, catalog) == {
        "puppets": "drawn by this project's code",
        "videos:film": "the licence of the clips",
        "jhmdb": "research use",
    }
    assert data_licences({"dataset": "theirs"}, catalog, "CC BY 4.0") == {"theirs": "CC BY 4.0"}
    assert check_license("other", {"jhmdb": "research use"}) == "other"


def test_a_new_licence_needs_no_replace(shared: Path, finished: Path, call: Call) -> None:
    assert call("hub", "push", finished, shared, "--license", "apache-2.0")[0] == 0
    assert json.loads((shared / MANIFEST).read_text())["license"] == "apache-2.0"
    assert front_matter((shared / CARD).read_text())["license"] == "apache-2.0"
