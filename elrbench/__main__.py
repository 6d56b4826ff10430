"""`python -m elrbench`: the same as `elrbench`."""

from benchmark_core.cli import main

main()
