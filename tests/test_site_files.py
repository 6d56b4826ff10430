"""Files of the site: equal bytes from equal records, names as data alone, libraries, and nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath

import pytest
from run_records import make_record, put
from site_pages import NONE, blocks, full_board, library

from benchmark_core.cli import main
from benchmark_core.papers import collection as papers
from elrbench_plugins import pages
from elrbench_plugins.commands.site.pages import build_site
from elrbench_plugins.pages.bundle import libraries, licences
from elrbench_plugins.pages.html import data_script


def test_equal_records_make_equal_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "board", tmp_path / "other" / "board"
    full_board(one)
    for path in sorted((path for path in one.rglob("*.json")), reverse=True):
        copy = other / path.relative_to(one)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert build_site(one, library()).files == build_site(other, library()).files


def test_names_reach_a_page_as_data_alone(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!-- \u202egnp"
    put(tmp_path, make_record(more={"notes": [evil], "device": evil, "initialisation": evil}))
    for path, content in build_site(tmp_path, NONE).files.items():
        if path.suffix == ".html":
            text = content.decode()
            assert "alert(1)</script>" not in text and "<!--" not in text and "\u202e" not in text
            assert text.count("<script") == text.count("</script>") == 1 + len(re.findall(r"<script src=", text))
    (note,) = blocks(tmp_path, "table")[0]["opens"][0]["notes"]
    assert note == evil.replace("\u202e", " ")


def test_data_is_read_back_and_ends_no_element() -> None:
    value = {"a": ["</script>\"'&<!--", 1.5, None, "שלום"]}
    text = data_script("k", value)
    assert text.count("<") == 2 and json.loads(re.sub(r"</?script.*?>", "", text)) == value
    with pytest.raises(ValueError, match="JSON"):
        data_script("k", float("nan"))


def test_bundled_libraries_are_as_they_were_published() -> None:
    folder = Path(pages.__file__).parent / "bundled"
    told = {"libraries.yaml"}
    for each in libraries():
        assert hashlib.sha256(each.content()).hexdigest() == each.sha256, each.file
        assert (folder / each.file).read_bytes() == each.content()
        assert re.fullmatch(r"\d+\.\d+\.\d+", each.version) and each.licence in ("MIT", "ISC")
        assert "Permission" in each.licence_text() and each.licence_text() in licences() and each.why
        told |= {each.file, each.text}
    assert {path.name for path in folder.iterdir()} == told


def test_pages_ask_for_files_beside_them_alone(tmp_path: Path) -> None:
    full_board(tmp_path)
    files = build_site(tmp_path, library()).files
    for path, content in files.items():
        if path.suffix == ".html":
            asked = re.findall(r'(?:src|href)="([^"]*)"', content.decode())
            assert len(asked) > 5
            for url in asked:
                parts = [part for part in url.split("/") if part != ".."]
                up = url.count("..") == len(path.parts) - 1
                assert url == "data:," or (up and PurePosixPath(*parts) in files), url


def test_it_needs_no_torch(tmp_path: Path) -> None:
    full_board(tmp_path / "board")
    code = """
import sys
from benchmark_core.cli import main
sys.argv = ["elrbench", "site", "--folder", sys.argv[1], "--out", sys.argv[2]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
assert not {"torch", "av", "fvcore"} & set(sys.modules)
"""
    argv = [sys.executable, "-c", code, str(tmp_path / "board"), str(tmp_path / "site")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/index.html").is_file()


def test_what_is_left_out_is_named_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(papers, "installed_points", lambda group: list[EntryPoint]())
    put(tmp_path / "board", make_record(method="good"))
    (bad,) = put(tmp_path / "board", make_record(method="bad"))
    bad.write_text(bad.read_text()[:100])
    argv = ["site", "--folder", str(tmp_path / "board"), "--out", str(tmp_path / "site")]
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'site/index.html'}: 2 pages\n" and err.count("\n") == 1 and str(bad) in err
    with pytest.raises(SystemExit) as stopped:
        main([*argv, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 1 and told["pages"] == 2 and len(told["left_out"]) == 1
    assert not (tmp_path / "board/tables").exists()
