"""What a program and all that it starts cost: CPU and resident memory, read from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Cost:
    """Of some processes: CPU seconds so far, those of their dead children included; bytes."""

    cpu_s: float
    resident_bytes: int


def _stat_fields(entry):
    """The fields of /proc/PID/stat after the name, which may hold spaces."""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def cost_of(sessions):
    """Of all processes in sessions, which are named by their leaders' process ids."""
    ticks = pages = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = _stat_fields(entry)
        except OSError:
            continue
        if int(fields[3]) in sessions:
            ticks += sum(map(int, fields[11:15]))
            pages += int(fields[21])
    return Cost(ticks / TICKS_A_SECOND, pages * PAGE_BYTES)


def cost_of_family(pid):
    """CPU seconds of a process and its children, living and dead: each may lead a session."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = _stat_fields(entry)
        except OSError:
            continue
        if int(entry.name) == pid or int(fields[1]) == pid:
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS_A_SECOND


def descriptors_of(pid):
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
