"""Make the executor that a request names. An engine's package is imported only if it is asked for."""

from __future__ import annotations

from pathlib import Path

from elrbench_plugins.commands.suite.cluster.executor import EngineRequest, Executor
from elrbench_plugins.commands.suite.cluster.local import LocalExecutor, visible_gpus


def make_executor(request: EngineRequest, out: Path) -> Executor:
    """Return the executor. out: parent of the run folders; Slurm's files are put below it.

    Raises ElrError if the engine is absent, or if its package is not installed.
    """
    if request.on == "slurm":
        from elrbench_plugins.commands.suite.cluster.slurm import SlurmExecutor

        return SlurmExecutor(request, out)
    if request.on == "ray":
        from elrbench_plugins.commands.suite.cluster.ray_cluster import RayExecutor

        return RayExecutor(request, out)
    return LocalExecutor(request, visible_gpus(request.device))
