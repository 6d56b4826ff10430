"""JHMDB's own lists are distinguished from HMDB51's by their content."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from test_cli_data import Call, call
from test_jhmdb import root
from videos import film

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from elrbench_plugins.jhmdb import CLASSES, JHMDB

assert call and root  # fixtures


def write_own(root: Path, folder: str) -> None:
    """One training and one test clip of each class; they change places in the second list."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(CLASSES):
        for clip in range(2):
            film(root / "ReCompress_Videos" / name / f"own_{name}_f_cm_np1_fr_med_{clip}.avi", 4 * number, clip)
        for split in (1, 2, 3):
            parts = (2, 1) if split == 2 else (1, 2)
            lines = (f"own_{name}_f_cm_np1_fr_med_{clip}.avi {part}\n" for clip, part in enumerate(parts))
            (root / folder / f"{name}_test_split{split}.txt").write_text("".join(lines))


@pytest.mark.parametrize("folder", ["splits", "sub_splits"])
def test_own_lists_give_their_protocols(root: Path, folder: str) -> None:
    write_own(root, folder)
    index = JHMDB.read_index(root, "split1", {})
    assert (len(index.folds["1"].train), len(index.folds["1"].test)) == (21, 21) and not index.missing
    splits = JHMDB.read_index(root, "3splits", {})
    assert splits.folds["1"].train == splits.folds["2"].test == splits.folds["3"].train


def test_own_lists_and_hmdb51_s_may_be_there_together(root: Path) -> None:
    before = JHMDB.read_index(root, "hmdb51-split1", {}).folds
    write_own(root, "sub_splits")
    assert JHMDB.read_index(root, "hmdb51-split1", {}).folds == before


def test_one_kind_of_list_is_never_taken_for_the_other(root: Path) -> None:
    with pytest.raises(ElrError, match=r"no lists of JHMDB's own.*sub_splits/.*--protocol hmdb51-split1"):
        JHMDB.read_index(root, "split1", {})
    write_own(root, "splits")
    with pytest.raises(ElrError, match=r"JHMDB's own lists.*--protocol split1"):
        JHMDB.read_index(root, "hmdb51-split1", {})


def test_lists_of_some_classes_are_not_jhmdb_s_own(root: Path) -> None:
    write_own(root, "sub_splits")
    (root / "sub_splits" / "wave_test_split3.txt").unlink()
    with pytest.raises(ElrError, match="sub_splits"):
        JHMDB.read_index(root, "split1", {})


def test_info_says_whose_lists_the_protocols_are(call: Call) -> None:
    _, out, _ = call("data", "info", "jhmdb")
    assert "not comparable with published figures" in out.splitlines()[0]
    lists = {line.split()[0]: line for line in out.splitlines() if "list 1" in line}
    assert "not JHMDB's own" in lists["hmdb51-split1"] and "JHMDB's own list 1" in lists["split1"]


def test_verify_checks_own_lists_where_they_are(call: Call, catalog: Catalog, tmp_path: Path) -> None:
    mine = tmp_path / "jhmdb"
    write_own(mine, "sub_splits")
    shutil.copytree(mine / "sub_splits", mine / "splits")
    with (mine / "splits" / "wave_test_split1.txt").open("a") as file:
        file.write("unused.avi 0\n")
    flags = ("data", "verify", "jhmdb", "--data", str(mine))
    report = json.loads(call(*flags, "--json")[1])
    assert (report["protocols"]["split1"]["1"]["train"], report["notes"]) == (21, [])
    shutil.rmtree(mine / "sub_splits")
    report = json.loads(call(*flags, "--json")[1])
    assert not any(name.startswith("split") for name in report["protocols"])
    [note] = report["notes"]
    assert note.startswith("not verified: split1, split2, split3, 3splits (")
    assert all(line.startswith("hmdb51-") for line in report["counts"])  # far fewer clips are here
    code, _, err = call(*flags, "--protocol", "split1")
    assert code == 2 and "--protocol hmdb51-split1" in err
