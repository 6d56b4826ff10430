"""`elrbench compare A B`: selection of runs, printed and JSON output, differences per class."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import bits, make_record, put, put_scored

from benchmark_core.cli import main
from benchmark_core.records.record import read_record

# 20 clips of class a, 20 of b. One run has 18 and 10 of them right, the other 8 and 12, of which 8 and 10 in common.
TARGETS = np.repeat([0, 1], 20)
TRACK = ("--track", "acts/split1/average-12x16")
Call = Callable[..., tuple[int, str, str]]


def said(right_a: int, right_b: int) -> np.ndarray:
    """Logits by which the first so many clips of either class are right, and the rest of the other class."""
    right = np.concatenate([np.arange(20) < right_a, np.arange(20) < right_b])
    return np.where(right[:, None] == np.eye(2, dtype=bool)[TARGETS], 1.0, -1.0)


def several(wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of 40 clips in two classes, and logits that miss the first class on so many of its clips."""
    labels = np.stack([TARGETS == 0, np.arange(40) % 2 == 0], axis=1).astype(int)
    logits = np.where(labels > 0, 1.0, -1.0)
    logits[:wrong, 0] = -1.0
    return labels, logits


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """`call("a", "b", "--json")` -> (exit code, stdout, stderr), of the leaderboards in `tmp_path`."""

    def compare(*argv: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["compare", *map(str, argv), "--folder", str(tmp_path)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return compare


def refused(answer: tuple[int, str, str]) -> str:
    code, out, err = answer
    assert (code, out) == (2, "") and err.startswith("elrbench: error: ") and err.count("\n") == 1
    return err.removeprefix("elrbench: error: ").rstrip()


def told(answer: tuple[int, str, str]) -> dict[str, Any]:
    assert answer[0] == 0, answer
    found: dict[str, Any] = json.loads(answer[1])
    return found


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """The two runs, of methods `ours` and `plain`."""
    one = put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", method="ours")
    return one, put_scored(tmp_path, TARGETS, said(8, 12), classes="ab", method="plain")


EXPECTED = """\
A  ours   top1 70.00 %  seed 0  {a}
B  plain  top1 50.00 %  seed 0  {b}

A − B in top1: +20.00 points [+5.00, +35.00], n = 40 clips, 1 seed
  paired bootstrap over clips, 95 %; significant: the interval excludes zero
McNemar's exact test per seed:
  seed 0  only A right 10  only B right 2  p = 0.039
smallest detectable difference: 23.55 points (two-sided 5 %, power 80 %, observed discordance 30.0 %; \
Connor 1987, Biometrics 43)

classes by A − B in recall; * marks significant ones (exact test, 5 % over 2 classes, Holm):
  +50.0  n 20  A 90.0  B 40.0  p = 0.002  * a
  -10.0  n 20  A 50.0  B 60.0  p = 0.5      b
"""


def test_the_whole_of_what_is_printed(pair: tuple[Path, Path], call: Call) -> None:
    a, b = (read_record(path)["digest"][:8] for path in pair)
    code, out, err = call(*pair)
    # McNemar: 10 of 12 one way, 2 (1 + 12 + 66) / 2^12; class a: 10 of 10, 2 / 2^10; class b: 2 of 2, 2 / 4.
    # d = sqrt(0.3) (1.96 sqrt(40) + 0.8416 sqrt(40 + 0.8416² - 1.96²)) / (40 + 0.8416²)
    assert (code, out, err) == (0, EXPECTED.format(a=a, b=b), "")


def test_the_same_for_programs(pair: tuple[Path, Path], call: Call) -> None:
    found = told(call(*pair, "--json"))
    assert found["difference"]["value"] == pytest.approx(0.2) and found["significant"] is True
    assert found["mcnemar"] == [{"seed": 0, "only_a": 10, "only_b": 2, "p": pytest.approx(2 * 79 / 4096)}]
    smallest = found["smallest"]
    root = 0.3**0.5 * (1.959964 * 40**0.5 + 0.841621 * (40 + 0.841621**2 - 1.959964**2) ** 0.5)
    assert smallest["value"] == pytest.approx(root / (40 + 0.841621**2), rel=1e-5)
    assert (smallest["alpha"], smallest["power"], smallest["discordant"]) == (0.05, 0.8, pytest.approx(0.3))
    assert [(each["class"], each["p"], each["significant"]) for each in found["classes"]] == [
        ("a", pytest.approx(2 / 1024), True),
        ("b", pytest.approx(0.5), False),
    ]
    assert (found["n"], found["seeds"], found["metric"], found["differ"]) == (40, 1, "top1", {})


def test_a_run_and_itself(pair: tuple[Path, Path], call: Call) -> None:
    _, out, _ = call(pair[0], pair[0])
    assert "A − B in top1: +0.00 points [+0.00, +0.00], n = 40 clips, 1 seed" in out
    assert "not significant" in out
    assert "smallest detectable difference: none" in out and "discordance 0.0 %" in out


def test_two_degradations_are_compared_on_request(tmp_path: Path, call: Call) -> None:
    one = put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", degradation="average-24x32")
    other = put_scored(tmp_path, TARGETS, said(8, 12), classes="ab", degradation="average-6x8")
    assert "their degradations are average-24x32 and average-6x8" in refused(call(one, other))
    found = told(call(one, other, "--across-degradations", "--json"))
    assert found["difference"]["value"] == pytest.approx(0.2)
    assert found["differ"] == {"degradation": ["average-24x32", "average-6x8"]}


def test_records_alone_do_without_predictions(pair: tuple[Path, Path], call: Call) -> None:
    for path in pair:
        path.with_name(read_record(path)["predictions"]["file"]).unlink()
    found = told(call(*pair, "--json"))
    assert found["difference"]["value"] == pytest.approx(0.2)
    assert [(each["class"], each["n"], round(each["difference"], 6), each["p"]) for each in found["classes"]] == [
        ("a", 20, 0.5, None),
        ("b", 20, -0.1, None),
    ]
    _, out, _ = call(*pair)
    assert "not tested" in out


def test_predictions_that_were_changed_are_refused(pair: tuple[Path, Path], call: Call) -> None:
    file = pair[0].with_name(read_record(pair[0])["predictions"]["file"])
    file.write_bytes(b"")
    line = refused(call(*pair))
    assert line.startswith(str(file)) and "run its plan again" in line


def test_other_differences_of_the_plans_are_listed(tmp_path: Path, call: Call) -> None:
    one = put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", precision="bf16", budget="paper")
    other = put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", size=[64, 64], enhancer="nearest")
    _, out, _ = call(one, other)
    line = next(line for line in out.splitlines() if line.startswith("other differences: "))
    assert set(line.removeprefix("other differences: ").split(", ")) == {
        "precision bf16 | fp32", "budget paper | small", "size 96x128 | 64x64", "enhancer bilinear | nearest",
    }  # fmt: skip


# -- what A and B may be


def test_digests_and_run_folders(pair: tuple[Path, Path], call: Call, tmp_path: Path) -> None:
    a, b = (read_record(path)["digest"] for path in pair)
    whole = told(call(*pair, "--json"))
    assert told(call(a[:6], b, "--json")) == whole
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    for name in (pair[0].name, read_record(pair[0])["predictions"]["file"]):
        (run / name).write_bytes(pair[0].with_name(name).read_bytes())
    assert told(call(run, b, "--json")) == whole


def test_first_digits_of_several_and_of_none(tmp_path: Path, call: Call) -> None:
    digests = [read_record(put(tmp_path, make_record(seed=seed))[0])["digest"] for seed in range(60)]
    assert refused(call("0000f", "0000f")).endswith("records starts with '0000f'")
    folder = tmp_path / "records/acts/split1/average-12x16"
    (folder / f"mine-{digests[0][:4]}ffffffffffff.json").write_text("{}")
    line = refused(call(digests[0][:4], digests[1]))
    assert f"2 runs have a digest that starts with '{digests[0][:4]}': mine-" in line and "pass more digits" in line


def test_a_method_of_a_track_is_its_row(tmp_path: Path, call: Call) -> None:
    for seed, right in ((0, 18), (1, 16), (2, 17)):
        put_scored(tmp_path, TARGETS, said(right, 10), classes="ab", method="ours", seed=seed)
    for seed in (1, 0):
        put_scored(tmp_path, TARGETS, said(8, 12), classes="ab", method="plain", seed=seed)
    found = told(call("ours", "plain", *TRACK, "--json"))
    assert found["seeds"] == 2 and found["a"]["seeds"] == [0, 1]  # the third has none to pair with
    assert found["difference"]["value"] == pytest.approx((8 + 6) / 80) and found["n"] == 40
    assert [each["p"] for each in found["mcnemar"]] == [pytest.approx(2 * 79 / 4096), pytest.approx(2 * 56 / 1024)]
    # class a, clip by clip over both seeds: eight clips differ by 2 and two by 1, all one way
    assert found["classes"][0]["p"] == pytest.approx(2 / 1024)
    # discordant: (8 · 1² + 2 · 0.5² + 2 · 1²) / 40
    assert found["smallest"]["discordant"] == pytest.approx(10.5 / 40)
    assert "discordance (mean square over seeds) 26.2 %" in call("ours", "plain", *TRACK)[1]


def test_a_row_and_a_run_pair_by_seed(pair: tuple[Path, Path], tmp_path: Path, call: Call) -> None:
    put_scored(tmp_path, TARGETS, said(16, 10), classes="ab", method="ours", seed=1)
    found = told(call("ours", pair[1], *TRACK, "--json"))
    assert (found["seeds"], found["a"]["seeds"]) == (1, [0])


def test_an_ambiguous_method_is_refused_with_the_candidates(tmp_path: Path, call: Call) -> None:
    paths = [
        put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", budget=budget, seed=seed)
        for budget in ("small", "paper")
        for seed in (0, 1)
    ]
    first, *_, last = (read_record(path)["digest"] for path in paths)
    line = refused(call("mine", "mine", *TRACK))
    assert line.startswith("method 'mine' has 2 rows in acts/split1/average-12x16") and " mine@" in line
    assert "(budget small)" in line and "(budget paper)" in line
    put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", backbone="resnet34", settings={"method.lr": 0.5})
    line = refused(call("mine", "mine", *TRACK))
    assert "(resnet34 " in line and "method.lr" not in line  # the network tells this row from the others
    found = told(call(f"mine@{first[:6]}", f"mine@{last}", *TRACK, "--json"))
    assert found["differ"] == {"budget": ["small", "paper"]} and found["seeds"] == 2
    assert "'abcdabcd'" in refused(call("mine@abcdabcd", first, *TRACK))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ourz", "plain", *TRACK), "unknown method in acts/split1/average-12x16 'ourz'. Did you mean 'ours'?"),
        (("ours@", "gone@ab", *TRACK), "unknown method in acts/split1/average-12x16 'gone'"),
        (("ours", "plain"), "--track DATASET/PROTOCOL/DEGRADATION"),
        (("ours", "plain", "--track", "acts/split9"), "unknown track (DATASET/PROTOCOL/DEGRADATION) under"),
        (("ours", "plain", "--track", "acts/split2/average-12x16"), "Did you mean 'acts/split1/average-12x16'?"),
        (("ours", "plain", "--track", "../../etc"), "unknown track"),
        (("ours", "plain", "--track", "acts/spl"), "'acts/spl' under"),
        (("ours", "plain", "--track", "acts/spl"), "start with it: acts/split1/average-12x16"),
        (("deadbeef", "plain"), "starts with 'deadbeef'"),
    ],
)
def test_what_is_not_there(pair: tuple[Path, Path], call: Call, words: tuple[str, ...], message: str) -> None:
    assert message in refused(call(*words))


def test_a_folder_without_records_is_no_unknown_track(tmp_path: Path, call: Call) -> None:
    assert "no records under" in refused(call("ours", "plain", *TRACK))


def test_other_clips_do_not_pair(pair: tuple[Path, Path], tmp_path: Path, call: Call) -> None:
    other = put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", dataset="others")
    assert "datasets are acts and others" in refused(call(pair[0], other))
    smaller = put_scored(tmp_path, TARGETS, said(18, 10), classes="ab", degradation="average-6x8")
    assert refused(call(pair[0], smaller)).endswith("; to compare them anyway, pass --across-degradations")


def test_a_record_edited_by_hand_is_refused(pair: tuple[Path, Path], call: Call) -> None:
    pair[0].write_text(pair[0].read_text().replace('"fp32"', '"bf16"'))
    assert refused(call(*pair)).startswith(f"{pair[0]}: its checksum does not match")


# -- several labels


@pytest.mark.parametrize("decisions", [True, False], ids=["from the record", "from the predictions"])
def test_several_labels_compare_f1(tmp_path: Path, call: Call, decisions: bool) -> None:
    one, other = (
        put_scored(tmp_path, *several(wrong), classes="ab", method=name, decisions=decisions)
        for name, wrong in (("ours", 0), ("plain", 10))
    )
    found = told(call(one, other, "--json"))
    # class a: 20 of 20 against 10 of 20, F1 2 · 10 / (20 + 10); b is equal
    assert found["difference"]["value"] == pytest.approx((1 - 2 / 3) / 2)
    assert 0 < found["difference"]["low"] < 1 / 6 < found["difference"]["high"]
    assert found["mcnemar"] == [] and found["metric"] == "f1_macro" and found["smallest"]["discordant"] is None
    first, second = found["classes"]
    assert (first["class"], first["n"], first["a"], first["b"]) == ("a", 20, 1.0, pytest.approx(2 / 3))
    assert first["significant"] is True and first["p"] < 0.01  # 2 of 2^10 swaps are as far
    assert (second["class"], second["difference"], second["p"], second["significant"]) == ("b", 0.0, 1.0, False)
    _, out, _ = call(one, other)
    assert "A − B in f1_macro: +16.67 points" in out and "McNemar" not in out
    assert "randomisation test, 10,000 swaps" in out and "normal approximation" in out


def test_several_labels_without_decisions_or_predictions(tmp_path: Path, call: Call) -> None:
    path = put_scored(tmp_path, *several(1), classes="ab", decisions=False)
    file = read_record(path)["predictions"]["file"]
    path.with_name(file).unlink()
    line = refused(call(path, path))
    assert file in line and "run its plan again" in line


def test_a_track_ranked_by_top5_compares_top1_and_says_so(tmp_path: Path, call: Call) -> None:
    hits = (bits(*range(15)), bits(*range(10)))
    paths = put(
        tmp_path,
        *(
            make_record(right, method=name, more={"primary": "top5"})
            for name, right in zip(("ours", "plain"), hits, strict=True)
        ),
    )
    found = told(call(*paths, "--json"))
    # top5 is 1.0 in both; 15 and 10 of 20 clips have the right class first
    assert found["metric"] == "top1" and found["difference"]["value"] == pytest.approx(0.25)
    assert (found["a"]["score"], found["b"]["score"]) == (0.75, 0.5)
    assert "ours   top1 75.00 %" in call(*paths)[1]


def test_many_classes_show_both_ends_and_the_significant_ones(tmp_path: Path, call: Call) -> None:
    targets = np.arange(480) % 40
    logits = np.eye(40)[targets]
    worse = logits.copy()
    worse[targets == 0] = -worse[targets == 0]
    names = [f"k{number:02}" for number in range(40)]
    one = put_scored(tmp_path, targets, logits, classes=names, method="a")
    other = put_scored(tmp_path, targets, worse, classes=names, method="b")
    _, out, _ = call(one, other)
    shown = [line for line in out.splitlines() if line.startswith("  ") and " n 12 " in line]
    assert len(shown) == 20 and shown[0].endswith("* k00") and "  20 classes in between" in out
    assert len(told(call(one, other, "--json"))["classes"]) == 40


def test_classes_without_test_clips_are_left_out(tmp_path: Path, call: Call) -> None:
    """Class c has no test clip; the second run predicts it for some clips."""
    right = said(18, 10)
    three = np.concatenate([right, np.full((40, 1), -2.0)], axis=1)
    wrong = three.copy()
    wrong[:5, 2] = 2.0
    one = put_scored(tmp_path, TARGETS, three, classes="abc", method="one")
    other = put_scored(tmp_path, TARGETS, wrong, classes="abc", method="other")
    assert [each["class"] for each in told(call(one, other, "--json"))["classes"]] == ["a", "b"]
    assert "5 % over 2 classes" in call(one, other)[1]
    for path in (one, other):
        path.with_name(read_record(path)["predictions"]["file"]).unlink()
    assert {each["class"] for each in told(call(one, other, "--json"))["classes"]} == {"a", "b"}


@pytest.mark.parametrize("calls", [0, 5])
def test_multi_label_classes_without_test_clips_are_left_out(tmp_path: Path, call: Call, calls: int) -> None:
    labels, logits = several(3)
    labels = np.concatenate([labels, np.zeros((40, 1), dtype=int)], axis=1)
    logits = np.concatenate([logits, np.full((40, 1), -1.0)], axis=1)
    logits[:calls, 2] = 1.0
    path = put_scored(tmp_path, labels, logits, classes="abc")
    assert {each["class"] for each in told(call(path, path, "--json"))["classes"]} == {"a", "b"}


def test_no_torch_is_loaded(pair: tuple[Path, Path]) -> None:
    words = [str(path) for path in pair]
    code = (
        "import sys; from benchmark_core.cli import cli\n"
        f"cli.main(['compare', *{words!r}], standalone_mode=False)\n"
        "print([name for name in ('torch', 'av', 'scipy') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
