"""The system calls of a run, and runs in which one of them fails or is the last."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.faults.gateways import UNDER_STRACE
from tests.support import paths
from tests.support.cgi import program_environment

_CALL = re.compile(r"^(\w+)\(")
# Where the program itself begins: before it there is the dynamic linker's work.
BEGIN = "gateway.conf"


@dataclass(frozen=True)
class Call:
    """The n-th call of a name in a run, and how it looked."""

    name: str
    number: int
    line: str


def parse(trace):
    """The calls of a trace, from the program's beginning on."""
    counts = {}
    calls = []
    has_begun = False
    for line in trace.splitlines():
        match = _CALL.match(line)
        if not match:
            continue
        name = match.group(1)
        counts[name] = counts.get(name, 0) + 1
        has_begun = has_begun or BEGIN in line
        if has_begun:
            calls.append(Call(name, counts[name], line))
    return calls


class Tracer:
    """Makes strace's command line and reads what it wrote, in a folder."""

    def __init__(self, folder):
        self.file = Path(folder) / "strace.out"

    def watch(self):
        """Only writes down every call."""
        return ["strace", "-s", "64", "-o", str(self.file)]

    @property
    def calls(self):
        """Those of the latest run under watch()."""
        return parse(self.file.read_text(errors="replace"))

    def inject(self, call, what):
        """Does something at a call: what is strace's "error=…" or "signal=…"; "+": from it on."""
        when = f"{call.number}+" if what.endswith("+") else call.number
        what = what.removesuffix("+")
        return [
            "strace",
            "-o",
            str(self.file),
            "-e",
            f"trace={call.name}",
            "-e",
            f"inject={call.name}:{what}:when={when}",
        ]

    @property
    def was_hit(self):
        """Whether the latest run met its call."""
        text = self.file.read_text(errors="replace")
        return "(INJECTED)" in text or "+++ killed by SIGKILL" in text


def is_available():
    """Whether this user may trace a program that does not want to be looked into."""
    try:
        done = subprocess.run(
            ["strace", "-o", "/dev/null", str(paths.endpoint("guance"))],
            env=program_environment(None, {**UNDER_STRACE, "REQUEST_METHOD": "GET"}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except FileNotFoundError:
        return False
    return b"Status: 405" in done.stdout
