"""Programs that tests start: ended by their own process id, every log of theirs looked through."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.canaries import KeyTold, refuse_keys_in_files

SANITIZER_FINDING = re.compile(
    r"ERROR: AddressSanitizer|runtime error:|WARNING: ThreadSanitizer|LeakSanitizer"
)


# How long a program's own children may outlive it, to end in an orderly way.
GROUP_SECONDS = 8
THREADS_DESCRIBED = 8


class SanitizerFinding(AssertionError):
    """A sanitizer reported a defect of the program under test."""


def refuse_findings(text, where):
    """Fails if a sanitizer's report stands in the text."""
    if SANITIZER_FINDING.search(text):
        raise SanitizerFinding(f"a sanitizer's report in {where}:\n{text[-8000:]}")


class Process:
    """A program with its output in a file."""

    def __init__(self, argv, output, **options):
        self.argv = [str(word) for word in argv]
        self.output_path = Path(output)
        options.setdefault("stdin", subprocess.DEVNULL)
        with open(self.output_path, "ab") as sink:
            self._popen = subprocess.Popen(
                self.argv, stdout=sink, stderr=sink, start_new_session=True, **options
            )

    @property
    def pid(self):
        """Its process id."""
        return self._popen.pid

    @property
    def output(self):
        """What it wrote so far, to either stream."""
        return self.output_path.read_text(errors="replace")

    def running(self):
        """Whether it has not ended."""
        return self._popen.poll() is None

    def wait(self, seconds=10):
        """Its exit status (negative: the signal that ended it)."""
        return self._popen.wait(seconds)

    def send_signal(self, number):
        """Sends a signal to it."""
        self._popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, seconds=15):
        """Asks it to end, insists if it does not, and returns its exit status.

        It leads its own process group: what it started itself and left behind (lighttpd does not
        wait for its FastCGI processes) gets a while to end too, and is then killed.
        """
        if self.running():
            self.send_signal(number)
        try:
            status = self.wait(seconds)
        except subprocess.TimeoutExpired:
            where = describe_threads(self.pid)
            self._kill_group()
            self.wait()
            raise AssertionError(
                f"{self.argv[0]} did not end after signal {number}; its threads were\n{where}"
                f"and its output\n{self.output[-4000:]}"
            ) from None
        end = time.monotonic() + GROUP_SECONDS
        while group_is_alive(self.pid) and time.monotonic() < end:
            time.sleep(0.02)
        self._kill_group()
        return status

    def _kill_group(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def read_of_thread(thread, name):
    """A file of a thread's folder in /proc, "" where there is none or it may not be read."""
    try:
        return (thread / name).read_text(errors="replace")
    except OSError:
        return ""


def describe_threads(pid):
    """Where its first threads stand, to find out why a program does not end."""
    lines = []
    for thread in sorted(Path("/proc").glob(f"{pid}/task/*"))[:THREADS_DESCRIBED]:
        status = read_of_thread(thread, "status")
        wanted = re.findall(r"^((?:State|SigPnd|ShdPnd|SigBlk|SigCgt):.*)$", status, re.MULTILINE)
        call = read_of_thread(thread, "syscall").strip()
        lines.append(f"{thread.name}: {', '.join(wanted)}; system call {call}")
        lines.append(read_of_thread(thread, "stack").rstrip())
    return "".join(f"{line}\n" for line in lines if line)


def group_is_alive(group):
    """Whether a process of the group runs; those that have ended but were not reaped do not."""
    for entry in Path("/proc").iterdir():
        try:
            # The fields after the program's name, which may itself hold spaces and parentheses.
            state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


class Sandbox:
    """A temporary folder and what runs in it; nothing of either is left after close()."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-"))
        # A web server that changes its user has to reach what lies in it.
        self.folder.chmod(0o755)
        self._endings = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, argv, name=None, **options):
        """Starts a program; its output goes to NAME.log in the folder."""
        name = name or Path(str(argv[0])).name
        process = Process(argv, self.folder / f"{name}.log", **options)
        self.defer(process.stop)
        return process

    def enter(self, manager):
        """Enters a context that ends with the sandbox, such as a simulator."""
        value = manager.__enter__()
        self.defer(lambda: manager.__exit__(None, None, None))
        return value

    def defer(self, ending):
        """Calls ending() on close, the latest first; it may fail by an AssertionError."""
        self._endings.append(ending)

    def close(self):
        """Ends everything, looks through all files, removes the folder; then says what was wrong."""
        problems = []
        for ending in reversed(self._endings):
            try:
                ending()
            except AssertionError as problem:
                problems.append(str(problem))
        for path in self.folder.rglob("*.log"):
            try:
                refuse_findings(path.read_text(errors="replace"), path.name)
            except SanitizerFinding as problem:
                problems.append(str(problem))
        try:
            refuse_keys_in_files(self.folder)
        except KeyTold as problem:
            problems.append(str(problem))
        shutil.rmtree(self.folder)
        if problems:
            raise AssertionError("\n\n".join(problems))


def wait_until(condition, seconds=10, what="the condition", process=None):
    """Waits until condition() is true; fails if it does not become so or if the program ends."""
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and not process.running():
            raise AssertionError(f"{process.argv[0]} ended, waiting for {what}:\n{process.output}")
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {seconds} s")
        time.sleep(0.02)


def runs_in(folder):
    """Whether a program was told of the folder and runs: what plain CGI leaves behind, for one."""
    needle = os.fsencode(folder)
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if needle in environment.read_bytes():
                return True
        except OSError:
            continue
    return False


def port_is_open(port):
    """Whether somebody listens on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for_port(port, process=None, seconds=15):
    """Waits until somebody listens on a TCP port of 127.0.0.1."""
    wait_until(lambda: port_is_open(port), seconds, f"port {port}", process)
