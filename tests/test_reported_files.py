"""Files of printed figures: what one gives, and what it may not say."""

from __future__ import annotations

import pytest
from acme_paper import FILE

from benchmark_core.papers.reported import read_reported
from elrbench import ElrError


def test_a_file_gives_its_figures_in_the_order_of_its_cells():
    paper = read_reported(FILE, "acme-2024.yaml", "acme-2024")
    assert (paper.name, paper.title, paper.citation) == ("acme-2024", "Actions from Afar", "Acme et al., ICCV 2024")
    assert [(key.partition("/")[2], figure.value) for key, figure in paper.figures.items()] == [
        ("table2/alone/net18", 40.5),
        ("table2/alone/net34", 41.0),
        ("table2/ours/net18", 48.25),  # an empty cell is none
        ("table2/theirs/net18", 12.0),
        ("table2/theirs/net34", 13.0),
    ]
    figure = paper.figures["acme-2024/table2/ours/net18"]
    assert (figure.system, figure.dataset, figure.protocol, figure.backbone) == ("Ours", "acts", "split1", "net18")
    assert figure.notes == ("the caption counts three rows", "the text has 48.52")
    assert figure.label == "acme-2024, Table 2, Ours, Net-18"
    assert not figure.degradation and not figure.modality and not figure.ceiling  # the paper does not say
    assert paper.figures["acme-2024/table2/theirs/net34"].origin == "Smith, 1999"


def test_a_file_may_name_systems_alone():
    text = "paper: p\ntitle: t\ncitation: c\nsystems: {x: {printed: X, origin: o, datasets: [acts], note: n}}\n"
    paper = read_reported(text, "p.yaml", "p")
    (system,) = paper.systems.values()
    assert not paper.figures and (system.id, system.system, system.datasets) == ("p/x", "X", ("acts",))
    with pytest.raises(ElrError, match="the file has no 'tables'"):
        read_reported(text.partition("systems:")[0], "p.yaml", "p")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("40.5, 41]", "405, 41]", "row alone, column net18: 405 is not a percentage from 0 to 100"),
        ("40.5, 41]", "-1, 41]", "-1 is not a percentage"),
        ("40.5, 41]", ".nan, 41]", "nan is not a percentage"),
        ("40.5, 41]", "yes, 41]", "True is not a percentage"),
        ("40.5, 41]", "'40.5', 41]", "'40.5' is not a percentage"),
        ("40.5, 41]", "40.5]", "[40.5], not a list of 2, one for each column"),
        ("{printed: Alone", "{printed: 7", "alone 'printed' is 7, not text"),
        ("{printed: Alone, ", "{", "alone has no 'printed'"),
        ("protocol: split1", "protocl: split1", "unknown key 'protocl'. Did you mean 'protocol'?"),
        ("title: what", "titel: what", "table table2: unknown key 'titel'. Did you mean 'title'?"),
        ("metric: top1", "metric: top11", "unknown metric 'top11'. Did you mean 'top1'?"),
        ("common: {metric: top1}", "", "'metric' is missing"),
        ("dataset: acts, ", "", "'dataset' is missing"),
        ("{printed: Alone, ", "{printed: Alone, backbone: net18, ", "both have 'backbone'"),
        ("{printed: Ours, ", "{printed: Ours, system: Alone, ", "same conditions as row alone, column net18"),
        ("note: {net18:", "note: {net81:", "unknown key 'net81'. Did you mean 'net18'?"),
        ("      ours:", "      alone:", "'alone' is given twice"),
        ("      ours:", "      Ours/../x:", "'Ours/../x' is not a name"),
        ("paper: acme-2024", "paper: acme", "'paper: acme', but the file is called acme-2024"),
        ("{printed: Alone, ", "{printed: Alone, ceiling: 1, ", "'ceiling' is 1, not true or false"),
        ("tables:", "tables: !!python/object/apply:os.getcwd []\nx:", "not YAML: could not determine a constructor"),
        (FILE, "", "the file is None, not a mapping"),
        ("tables:", "systems: {x: {printed: X}}\ntables:", "system x has no 'origin'"),
        (
            "tables:",
            "systems: {x: {printed: X, origin: o, datasets: acts}}\ntables:",
            "'datasets' is 'acts', not a list",
        ),
        ("tables:", "systems: {x: {printed: X, origin: o, figure: 3}}\ntables:", "system x: unknown key 'figure'"),
        ("tables:", "systems: {X y: {printed: X, origin: o}}\ntables:", "'X y' is not a name"),
        ("tables:", "systems:\ntables:", "systems is None, not a mapping"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(old: str, new: str, message: str):
    assert old in FILE
    with pytest.raises(ElrError) as caught:
        read_reported(FILE.replace(old, new, 1), "acme-2024.yaml", "acme-2024")
    assert str(caught.value).startswith("acme-2024.yaml") and message in str(caught.value)
    assert "\n" not in str(caught.value)
