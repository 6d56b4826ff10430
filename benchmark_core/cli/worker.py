"""`python -m benchmark_core.cli.worker`: one of the processes of a plan; see `runs.workers`, which starts it.

The first line of standard input is the request. When standard input closes, the process that started this one has
ended, and so does this one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any


def main() -> None:
    """Run the plan of the request as one rank and exit."""
    request = json.loads(sys.stdin.readline() or "null")
    if request is None:
        os._exit(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    code = _work(request)  # imports torch, which takes seconds, while the thread above already waits
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # without waiting for exchanges that will not come


def _work(request: Mapping[str, Any]) -> int:
    """Run the plan and return the exit code; leave an error for the process that started this one."""
    import dataclasses

    from benchmark_core.cli.console import ConsoleReporter
    from benchmark_core.errors import ElrError, RunFailed, explain
    from benchmark_core.runs.requests import read_request
    from benchmark_core.runs.runner import run
    from benchmark_core.runs.workers import leave_error

    rank = int(os.environ["RANK"])
    try:
        plan, catalog, context = read_request(request)
        run(plan, catalog, dataclasses.replace(context, reporter=ConsoleReporter(quiet=request["quiet"])))
    except ElrError as error:
        leave_error(rank, error)
        return error.exit_code
    except Exception as error:
        if (line := explain(error)) is None:
            traceback.print_exc()
            leave_error(rank, error)
        else:
            leave_error(rank, RunFailed(line))
        return 1
    return 0


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
