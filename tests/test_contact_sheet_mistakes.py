"""`elrbench contact-sheet`: each mistake is one line, before anything is drawn or stored."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from contact_sheets import Call, call

__all__ = ["call"]  # fixtures

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["pupets", "--out", "T/a.png"], "unknown dataset 'pupets'. Did you mean 'puppets'?"),
        (["jhmdb", "--out", "T/a.png"], "dataset 'jhmdb' needs its files: pass --data DIR"),
        (["jhmdb", "--out", "T/a.png", "--data", "T/no"], "dataset 'jhmdb': the folder T/no does not exist; "),
        (["jhmdb", "--out", "T/a.png", "--data", "T/empty"], "dataset 'jhmdb': the folder T/empty is empty; "),
        (["puppets", "--out", "T/a.png", "--data", "T"], "dataset 'puppets' is drawn by code and reads no folder"),
        (["puppets", "--out", "T/a.jpg"], "--out T/a.jpg is not a .png file; pass --out FILE.png"),
        (["puppets", "--out", "T/a"], "--out T/a is not a .png file; pass --out FILE.png"),
        (["puppets", "--out", "T/folder.png"], "--out T/folder.png is a folder; pass a file name"),
        (["puppets", "--out", "T/file/a.png"], "the folder T/file cannot be created: T/file is a file; pass another "
         "folder with --out"),
        (["puppets", "--out", "/proc/a.png"], "the folder /proc is not writable ("),
        (["puppets", "--out", "T/a.png", "--cache", "T/file"], "the folder T/file cannot be created: T/file is a "),
        (["puppets", "--out", "T/a.png", "--size", "big"], "--size big is not HxW with sides of 8 to 9999, e.g. "),
        (["puppets", "--out", "T/a.png", "--size", "9999x9999"], "a sheet of "),
        (["puppets", "--out", "T/a.png", "--frames", "0"], "invalid value for '--frames': 0 is not in the range "),
        (["puppets", "--out", "T/a.png", "--colours", "257"], "invalid value for '--colours': 257 is not in the "),
        (["puppets", "--out", "T/a.png", "--protocol", "x"], "unknown protocol of dataset 'puppets': 'x'. Known: "),
        (["puppets", "--out", "T/a.png", "--degradation", "avrage-6x8"], "unknown degradation 'avrage-6x8'. "),
        (["puppets", "--out", "T/a.png", "--degradation", "native"], "degradation 'native' takes clips as "),
        (["puppets", "--out", "T/a.png", "--enhancer", "bilnear"], "unknown enhancer 'bilnear'. Did you mean "),
        (["puppets", "--out", "T/a.png", "--enhancer", "dbpn"], "enhancer 'dbpn' must be trained "),
        (["tiny-puppets", "--out", "T/a.png", "--enhancer", "nearest"], "dataset 'tiny-puppets' is shown as recorded"),
        (["videos:T/empty", "--out", "T/a.png"], "dataset 'videos:empty' has no labels"),
        (["folder", "--out", "T/a.png"], "dataset 'folder' "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_is_one_line(call: Call, tmp_path: Path, argv: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    here = [word.replace("T/", f"{tmp_path}/") if word != "T" else str(tmp_path) for word in argv]
    code, out, err = call(*here)
    assert (code, out) == (2, "")
    assert err.startswith("elrbench: error: " + message.replace("T/", f"{tmp_path}/")) and err.count("\n") == 1
    assert not (tmp_path / "a.png").exists() and not list(tmp_path.rglob("*.clip"))


@pytest.mark.parametrize("missing", ["PIL", "PIL.ImageFont"])
def test_without_pillow_the_extra_is_named(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in (missing, "PIL.ImageFont"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, err = call("puppets", "--out", tmp_path / "a.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("elrbench: error: ") and "the extra 'report': pip install -e '.[report]'" in err
    assert not (tmp_path / "a.png").exists()
