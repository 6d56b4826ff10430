"""Compare the start of the command line with `import torch`. Run: pytest benchmarks/test_startup.py"""

import subprocess
import sys

import pytest

COMMAND = "from benchmark_core.cli import main; main()"


@pytest.mark.benchmark(group="startup", min_rounds=5)
@pytest.mark.parametrize(
    "argv",
    [["-c", "import torch"], ["-c", COMMAND, "--help"], ["-c", COMMAND, "list"]],
    ids=["import-torch", "help", "list"],
)
def test_startup(benchmark, argv):
    """Time the whole process. `--help` and `list` may take a quarter of `import torch`."""
    benchmark(lambda: subprocess.run([sys.executable, *argv], check=True, capture_output=True))
