"""The process of way.py, from outside."""

import json
import os
import socket
import sys
from pathlib import Path

from tests.support.process import wait_until

PROGRAM = Path(__file__).with_name("way.py")
OPEN, SILENT, CLOSED = "open", "silent", "closed"


class Ways:
    """Ways are numbered in the order of their pairs of ports: (where one listens, where it leads)."""

    def __init__(self, sandbox, ports):
        path = sandbox.folder / "ways.socket"
        argv = [f"{port}={target}" for port, target in ports]
        process = sandbox.start([sys.executable, PROGRAM, path, *argv], name="ways")
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sandbox.defer(self._control.close)
        self._control.settimeout(10)
        wait_until(path.exists, 15, "the ways", process)
        wait_until(lambda: self._can_connect(path), 15, "the ways", process)

    def _can_connect(self, path):
        try:
            self._control.connect(os.fspath(path))
            return True
        except OSError:
            return False

    def order(self, numbers, **order):
        """Gives an order to some ways and waits until it is done; how many connections each has had."""
        self._control.sendall(json.dumps({"ways": list(numbers), **order}).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            piece = self._control.recv(4096)
            if not piece:
                raise AssertionError("the ways ended")
            answer += piece
        return json.loads(answer)

    def cut(self, numbers):
        """Ends all connections of these ways; new ones are taken."""
        self.order(numbers, cut=True)

    def become(self, numbers, state, cut=False):
        """Opens, silences or closes these ways; with cut the connections that they have end."""
        self.order(numbers, state=state, cut=cut)
