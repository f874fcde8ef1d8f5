"""What all test modules of one run share: keys, certificates, port numbers.

tests/run.py names the folder in GATEWAY_TEST_SHARED; a module that runs alone makes its own.
"""

import atexit
import fcntl
import functools
import os
import random
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "GATEWAY_TEST_SHARED"
# Below the ports that the kernel hands out by itself, so that no outgoing connection takes one.
PORTS = range(10240, 32768)


@functools.cache
def folder():
    """The shared folder; readable to whichever user a web server changes to."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    own = Path(tempfile.mkdtemp(prefix="gateway-shared-"))
    own.chmod(0o755)
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


@contextmanager
def locked(name):
    """Only one process of the run at a time is inside, for each name."""
    with open(folder() / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port():
    """A TCP port of 127.0.0.1 that is free now and that no other module of the run will get."""
    for _ in range(1000):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                os.close(os.open(folder() / f"port-{port}", os.O_CREAT | os.O_EXCL))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port found")
