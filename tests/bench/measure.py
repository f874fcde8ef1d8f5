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


def _processes():
    """(process id, fields of its stat) of each that is there."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            yield int(entry.name), _stat_fields(entry)
        except OSError:
            continue


def _ticks(fields):
    """Of a process and its dead children."""
    return sum(map(int, fields[11:15]))


def cost_of(sessions):
    """Of all processes in sessions, which are named by their leaders' process ids."""
    found = [fields for _, fields in _processes() if int(fields[3]) in sessions]
    pages = sum(int(fields[21]) for fields in found)
    return Cost(sum(map(_ticks, found)) / TICKS_A_SECOND, pages * PAGE_BYTES)


def cost_of_family(pid):
    """CPU seconds of a process and its children, living and dead: each may lead a session."""
    found = [fields for own, fields in _processes() if pid in (own, int(fields[1]))]
    return sum(map(_ticks, found)) / TICKS_A_SECOND


def descriptors_of(pid):
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
