"""The command line. A command is a file of this folder, imported when needed; torch only where a network is built.

The group is in `app`: here, the sub-module `list` would hide the built-in.
"""

from benchmark_core.cli.app import COMMANDS, cli, main

__all__ = ["COMMANDS", "cli", "main"]
