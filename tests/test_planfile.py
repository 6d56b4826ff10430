"""Plans from YAML: fields, settings, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_core.plans.planfile import read_planfile
from elrbench import ElrError


def test_fields_and_settings(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("method: cstat\nfold: 1\nseed: 3\nset:\n  method.epochs: 5\n  method.tat_after_softmax: true\n")
    assert read_planfile(path) == {
        "method": "cstat", "fold": "1", "seed": 3, "settings": ("method.epochs=5", "method.tat_after_softmax=true"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: [cstat", ", line 1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("- cstat", " is not a mapping"),
        ("", " is not a mapping"),
        ("metod: cstat", ": unknown key 'metod'. Did you mean 'method'?"),
        ("method: {a: 1}", ": 'method' is {'a': 1}, not one name or number"),
        ("seed: ²", ": 'seed' is '²', not a whole number"),
        ("seed: two", ": 'seed' is 'two', not a whole number"),
        ("set: 3", ": 'set' is not a mapping"),
        ("set: {method.epochs: [1]}", ": set method.epochs is [1], not one name or number"),
        ("seed: 1\nseed: 2", ", line 1: not YAML: 'seed' is given twice"),
        ("fold: 2020-13-45", ": not YAML: month must be in 1..12"),
        (
            "method: a\x07b",
            ': not YAML: unacceptable character #x0007: special characters are not allowed in "<unicode '
            'string>", position 9',
        ),
        ("method: !!python/object/apply:os.system [ls]", ", line 1: not YAML: None"),
    ],
)
def test_one_line_for_each_mistake(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(ElrError) as caught:
        read_planfile(path)
    assert "\n" not in str(caught.value)
    if "python" in text:
        assert "could not determine a constructor" in str(caught.value)
    else:
        assert str(caught.value).startswith(f"{path}{message}")
