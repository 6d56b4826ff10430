"""Load of the machine from other processes, read from /proc. A time on a CPU means little without it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.errors import RunFailed

PROC = Path("/proc")
LIMIT = 0.1  # largest load of a figure that is kept
# Fields of a `cpuN` line: user, nice, system, idle, iowait, irq, softirq, steal; guest times are part of user and nice.
IDLE, COUNTED = slice(3, 5), slice(0, 8)


class BusyMachine(RunFailed):
    """Other processes used too much of the CPUs while a time was taken."""

    def __init__(self, load: float, limit: float) -> None:
        super().__init__(
            f"other processes used {100 * load:.0f} % of this machine's CPUs while latency was measured, and at most "
            f"{100 * limit:g} % is accepted; end them and repeat, or pass --max-load or --no-latency"
        )


@dataclass(frozen=True)
class Ticks:
    """Clock ticks since the machine started, on the CPUs that this process may use.

    total: of all states. busy: not idle; includes `steal`, the ticks that a hypervisor gave to other machines.
    own: used by this process and its finished children.
    """

    total: int
    busy: int
    own: int

    def load_until(self, later: Ticks) -> float:
        """Return the fraction of CPU time from here to `later` that other processes used, 0 to 1.

        0 if no tick has passed. The rounding of ticks may make this process seem busier than its CPUs.
        """
        total = later.total - self.total
        others = later.busy - self.busy - (later.own - self.own)
        return min(1.0, max(0.0, others / total)) if total else 0.0


def usable_cpus() -> list[int]:
    """Return the numbers of the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def read_ticks(proc: Path = PROC) -> Ticks | None:
    """Return the ticks so far, or None on a system without /proc/stat."""
    try:
        lines = Path(f"{proc}/stat").read_text(encoding="ascii").splitlines()
        # The process's name, in brackets, may contain spaces. utime, stime, cutime, cstime are fields 14 to 17.
        own = Path(f"{proc}/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[11:15]
    except OSError:
        return None
    names = {f"cpu{number}" for number in usable_cpus()}
    cpus = [list(map(int, line.split()[1:])) for line in lines if line.split(" ", 1)[0] in names]
    total = sum(sum(cpu[COUNTED]) for cpu in cpus)
    return Ticks(total, total - sum(sum(cpu[IDLE]) for cpu in cpus), sum(map(int, own)))
