"""The script that measures the attention network's memory by a clip's chunks."""

from __future__ import annotations

import re

import pytest
from scripts import load_script

SHAPE = ["--shape", "1024", "1", "4", "4"]  # 64 KiB a chunk


def test_each_kind_has_its_memory_of_a_chunk(capsys: pytest.CaptureFixture[str]) -> None:
    memory = load_script("head_memory")
    assert memory.main([*SHAPE, "--chunks", "250", "50", "--memory", "4", "--frames", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["printed", "softmax"]
    for line in lines:
        each, chunks, frames = re.search(r"([\d.]+) MiB a chunk +(\d+) chunks in 4 GiB: (\d+) frames", line).groups()  # type: ignore[union-attr]
        assert 0.2 < float(each) < 4.0 and int(frames) == 16 * int(chunks)  # 3 to 64 maps' worth
        assert 2 * 1024 / float(each) < int(chunks) < 6 * 1024 / float(each)


def test_two_equal_sizes_tell_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load_script("head_memory").main(["--chunks", "8", "8"])
    assert "--chunks needs two different numbers" in capsys.readouterr().err
