"""The commands and the Python block of docs/deploy.md run, one after the other."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from exported import needs_export, without_torch
from videos import write_video

from benchmark_core.exported.metadata import Metadata

pytestmark = [needs_export, pytest.mark.slow]
PAGE = (Path(__file__).parents[1] / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.M | re.S)


def test_a_run_becomes_a_file_and_the_file_predicts(tmp_path: Path) -> None:
    commands = [shlex.split(line) for line in BLOCKS[0][1].replace("\\\n", " ").splitlines()]
    assert [words[1] for words in commands] == ["run", "export", "predict", "predict"]
    environment = {**os.environ, "ELRBENCH_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    for words in commands:
        torch_free = words[1] == "predict"
        argv = without_torch(*words[1:]) if torch_free else [sys.executable, "-m", *words]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["clips"] == 12
    write_video(tmp_path / "clip.mkv", [np.full((24, 32), 8 * level, np.uint8) for level in range(30)], "gray")
    (tmp_path / "clip.mkv").rename(tmp_path / "clip.mp4")
    watch = next(line for _, block in BLOCKS for line in block.splitlines() if line.startswith("elrbench watch clip"))
    done = subprocess.run(
        without_torch(*shlex.split(watch)[1:]), cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "30 frames" in done.stderr
    (share,) = (block for _, block in BLOCKS if block.startswith("elrbench hub push runs/tiny shared/tiny"))
    for line in share.splitlines():
        argv = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "12 test clips" in done.stdout
    (code,) = (block for language, block in BLOCKS if language == "python")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_key_of_the_metadata_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", PAGE, flags=re.M))))
    assert {"schema", *(field.name for field in fields(Metadata))} <= documented
