"""An error names what caused it: the plugin, the path or the option, and not the cache or the working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_core.atomic import check_writable
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.decode import decode
from benchmark_core.errors import explain
from benchmark_core.plugin_loading import load_plugins
from elrbench import Drawn, ElrError

PYTHON = [sys.executable, "-m", "elrbench"]


def test_a_fifo_as_a_plugin_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "guest.py")
    with pytest.raises(ElrError, match="guest.py is a FIFO"):
        load_plugins([str(tmp_path / "guest.py")], installed=False)


def test_an_error_in_a_plugin_names_its_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "guest.py"
    for code in ("open('/nonexistent/lists')", "raise FileNotFoundError(2, 'lists')"):
        try:
            exec(compile(f"\n{code}", str(file), "exec"), {"__name__": "guest"})
        except OSError as error:
            line = explain(error)
        assert line is not None and f"{file}:2" in line and "lists" in line and "working directory" not in line


def test_a_clip_whose_code_cannot_read_a_file_is_a_bad_clip() -> None:
    def render(key: str) -> object:
        raise FileNotFoundError(2, "no sprite", key)

    with pytest.raises(BadClip, match="no sprite"):
        list(decode(Drawn(render, "{}")))  # type: ignore[arg-type]


def test_a_plugin_that_cannot_read_a_file_is_not_absent(tmp_path: Path) -> None:
    plugin = tmp_path / "reads.py"
    plugin.write_text("open('/nonexistent/lists')\n")
    with pytest.raises(ElrError, match="cannot be imported.*/nonexistent/lists"):
        load_plugins([str(plugin)], installed=False)
    with pytest.raises(ElrError, match="does not exist"):
        load_plugins([str(tmp_path / "absent.py")], installed=False)


@pytest.mark.parametrize("target", ["link", "nowhere"])
def test_a_broken_link_is_refused_before_work(target: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(ElrError, match="broken link.*--out"):
        check_writable(tmp_path / "link" / "run")


def test_an_unknown_user_in_a_path_is_one_line() -> None:
    asked = [*PYTHON, "data", "info", "folder:~no-such-user/clips"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "~" in done.stderr


def test_progress_needs_no_stderr() -> None:
    record = next((Path(__file__).parents[1] / "leaderboards" / "records").rglob("*.json"))
    asked = ["sh", "-c", 'exec "$@" 2>&-', "sh", *PYTHON, "verify", str(record), "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("{") and "error" not in done.stdout
