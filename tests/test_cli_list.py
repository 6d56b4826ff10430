"""`elrbench list` and `elrbench show`: components by kind and name."""

import json
import re
from pathlib import Path

import pytest
from built_ins import built_in_plugins, call

__all__ = ["built_in_plugins", "call"]  # fixtures

TOY = str(Path(__file__).with_name("toy.py"))


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


def test_show_says_what_the_variants_of_a_name_set(call):
    _, out, _ = call("show", "average-12x16:clean")
    assert out.endswith("variants of this name\n  clean  sigma_blur=0, sigma_noise=0\n")
    assert "variants of this name" not in call("show", "average-12x16")[1]
    assert json.loads(call("show", "cstat:stat", "--json")[1])["given"].keys() == {"stat"}
    code, _, err = call("show", "cstat:zzz")
    assert code == 2 and "unknown variant of method 'cstat': 'zzz'" in err


def test_show_knows_names_that_hold_a_colon(call):
    assert call("show", "puppets:identity")[1].startswith("dataset puppets:identity: drawn by code: who the figure is")


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
