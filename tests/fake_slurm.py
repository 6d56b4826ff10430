"""A Slurm for tests: sbatch, srun, squeue, scancel and scontrol as scripts that run jobs on this machine.

`install(folder)` writes the scripts. Jobs are files in `folder/jobs`: ID.json (options of sbatch), ID.state and others.
A job begins when those of its `afterany` have ended. `scontrol requeue` runs it again under its id.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
ALIVE = ("PENDING", "RUNNING")


def install(folder: Path) -> Path:
    """Write the programs; return the folder to put on the PATH."""
    (folder / "jobs").mkdir(parents=True)
    for name in PROGRAMS:
        script = folder / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/bash\nexec "{sys.executable}" "{__file__}" {name} "{folder}" "$@"\n')
        script.chmod(0o755)
    return folder / "bin"


def submitted(folder: Path) -> dict[str, dict[str, str]]:
    """Return id -> options of sbatch, in order."""
    files = sorted((folder / "jobs").glob("*.json"), key=lambda path: int(path.stem))
    return {path.stem: json.loads(path.read_text()) for path in files}


def state_of(jobs: Path, ident: str) -> str:
    path = jobs / f"{ident}.state"
    if (jobs / f"{ident}.cancelled").exists():
        return "CANCELLED"
    return path.read_text() if path.exists() else "UNKNOWN"


def sbatch(jobs: Path, script: str) -> None:
    found = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", Path(script).read_text(), flags=re.M)
    options = {key: value.strip("'\"") for key, value in found}
    if options.get("partition") == "absent":
        sys.exit("sbatch: error: invalid partition specified: absent")
    ident = str(1 + len(list(jobs.glob("*.json"))))
    (jobs / f"{ident}.json").write_text(json.dumps(options))
    (jobs / f"{ident}.state").write_text("PENDING")
    words = [sys.executable, __file__, "run", str(jobs.parent), ident, os.path.realpath(script)]
    none = subprocess.DEVNULL
    subprocess.Popen(words, start_new_session=True, stdin=none, stdout=none, stderr=none)
    print(f"Submitted batch job {ident}")


def run(jobs: Path, ident: str, script: str) -> None:
    options = json.loads((jobs / f"{ident}.json").read_text())
    waits = options.get("dependency", "").removeprefix("afterany:").split(":")
    while any(state_of(jobs, one) in ALIVE for one in waits if one):
        time.sleep(0.05)
    environment = {**os.environ, "SLURM_JOB_ID": ident, "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    again, content = jobs / f"{ident}.requeue", Path(script).read_text()
    while state_of(jobs, ident) in ALIVE:
        again.unlink(missing_ok=True)
        (jobs / f"{ident}.state").write_text("RUNNING")
        child = subprocess.Popen(["bash", "-c", content], env=environment, start_new_session=True)
        (jobs / f"{ident}.pid").write_text(str(child.pid))
        if state_of(jobs, ident) == "CANCELLED":  # after the look above, before the pid was written
            kill(child.pid)
        code = child.wait()
        if not again.exists():
            if state_of(jobs, ident) in ALIVE:
                (jobs / f"{ident}.state").write_text("COMPLETED" if code == 0 else "FAILED")
            return


def srun(jobs: Path, *words: str) -> None:
    files, rest = {}, list(words)
    while rest[0].startswith("--"):
        flag = rest.pop(0)
        if flag in ("--output", "--error"):
            files[flag] = rest.pop(0).replace("%j", os.environ["SLURM_JOB_ID"]).replace("%t", "0")
    for number, flag in ((1, "--output"), (2, "--error")):
        os.dup2(os.open(files[flag], os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.execvp(rest[0], rest)


def squeue(jobs: Path, *words: str) -> None:
    assert "--noheader" in words
    print("\n".join(ident for ident in submitted(jobs.parent) if state_of(jobs, ident) in ALIVE))


def scancel(jobs: Path, *idents: str) -> None:
    for ident in idents:  # all first: a job that waits for another must not begin when that one ends
        (jobs / f"{ident}.cancelled").touch()
    for ident in idents:
        if (jobs / f"{ident}.pid").exists() and (pid := (jobs / f"{ident}.pid").read_text()):
            kill(int(pid))


def kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def scontrol(jobs: Path, verb: str, ident: str) -> None:
    assert verb == "requeue"
    (jobs / f"{ident}.requeue").touch()


if __name__ == "__main__":
    verb, folder, *rest = sys.argv[1:]
    {"run": run, **{name: globals()[name] for name in PROGRAMS}}[verb](Path(folder) / "jobs", *rest)
