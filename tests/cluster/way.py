#!/usr/bin/env python3
"""The ways from the nodes to the database servers, any of which can be cut, silenced or closed.

    way.py CONTROL_SOCKET LISTEN_PORT=TARGET_PORT…

A process of its own, so that what the tests do does not slow it down; ways.py starts it and gives it
orders. A way is open; or *silent*: connections are accepted and stand, and not a byte goes through, as
behind a firewall that drops everything; or *closed*: connections are refused. When a silent way
opens, what was sent meanwhile arrives after all.
"""

import json
import selectors
import socket
import struct
import sys

RESET = struct.pack("ii", 1, 0)
CHUNK_BYTES = 65536
BACKLOG = 128
OPEN, SILENT, CLOSED = "open", "silent", "closed"


class Pipe:
    """A connection and its other half. Bytes that were read are written before more are read."""

    def __init__(self, way, near, far):
        self.way = way
        self.ends = {near: far, far: near}
        self.waiting = {near: b"", far: b""}  # for whom → what it is to be sent
        self.is_ending = set()

    def close(self, is_reset=False):
        """Ends both halves."""
        self.way.pipes.discard(self)
        for end in self.ends:
            self.way.watch(end, 0)
            if is_reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.close()

    def watch(self):
        """Waits for what can happen next."""
        for end, other in self.ends.items():
            events = 0
            if self.way.state == OPEN:
                if not self.waiting[other] and end not in self.is_ending:
                    events |= selectors.EVENT_READ
                if self.waiting[end]:
                    events |= selectors.EVENT_WRITE
            self.way.watch(end, events, self)

    def go_on(self, end, events):
        """Moves bytes from or to one of its ends."""
        try:
            if events & selectors.EVENT_WRITE:
                sent = end.send(self.waiting[end])
                self.waiting[end] = self.waiting[end][sent:]
            if events & selectors.EVENT_READ:
                self._read(end)
        except BlockingIOError:
            pass
        except OSError:
            self.close(is_reset=True)
            return
        if self in self.way.pipes:
            self.watch()

    def _read(self, end):
        other = self.ends[end]
        data = end.recv(CHUNK_BYTES)
        if data:
            sent = 0
            try:
                sent = other.send(data)
            except BlockingIOError:
                pass
            self.waiting[other] = data[sent:]
            return
        self.is_ending.add(end)
        if len(self.is_ending) == 2:
            self.close()
        else:
            other.shutdown(socket.SHUT_WR)


class Way:
    """A port that leads to another."""

    def __init__(self, selector, port, target):
        self.selector, self.port, self.target = selector, port, target
        self.state = OPEN
        self.pipes = set()
        self.unborn = []
        self.count = 0
        self._watched = {}
        self._listener = None
        self._bind()
        self._listen()

    def watch(self, end, events, what=None):
        """Waits for events of a socket; 0: for none."""
        before = self._watched.pop(end, 0)
        if events:
            self._watched[end] = events
        if before and events:
            if before != events:
                self.selector.modify(end, events, what)
        elif before:
            self.selector.unregister(end)
        elif events:
            self.selector.register(end, events, what)

    def _bind(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", self.port))

    def _listen(self):
        self._listener.listen(BACKLOG)
        self.watch(self._listener, selectors.EVENT_READ, self)

    def _hush(self):
        """Nobody listens, and nobody else can have the port."""
        self.watch(self._listener, 0)
        self._listener.close()
        self._bind()

    def go_on(self):
        """Takes a connection. There is none if it was closed since that was seen."""
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        near.setblocking(False)
        if self.state == OPEN:
            self._connect(near)
        else:
            self.unborn.append(near)

    def _connect(self, near):
        far = socket.socket()
        try:
            far.connect(("127.0.0.1", self.target))
        except OSError:
            far.close()
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            near.close()
            return
        far.setblocking(False)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pipe = Pipe(self, near, far)
        self.pipes.add(pipe)
        self.count += 1
        pipe.watch()

    def cut(self):
        """Ends every connection."""
        for pipe in list(self.pipes):
            pipe.close(is_reset=True)
        for near in self.unborn:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            near.close()
        self.unborn = []

    def become(self, state):
        """Opens, silences or closes the way."""
        before, self.state = self.state, state
        if state == CLOSED:
            self.cut()
            if before != CLOSED:
                self._hush()
            return
        if before == CLOSED:
            self._listen()
        for pipe in list(self.pipes):
            pipe.watch()
        if state == OPEN:
            for near in self.unborn:
                self._connect(near)
            self.unborn = []


def serve(control, ways):
    """Moves bytes until whoever gives the orders goes away."""
    selector = selectors.DefaultSelector()
    all_ways = [Way(selector, *map(int, way.split("="))) for way in ways]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(control)
        listener.listen(1)
        master, _ = listener.accept()
    selector.register(master, selectors.EVENT_READ, None)
    while True:
        for key, events in selector.select():
            if isinstance(key.data, Way):
                key.data.go_on()
            elif isinstance(key.data, Pipe):
                if key.data in key.data.way.pipes:
                    key.data.go_on(key.fileobj, events)
            else:
                order = master.recv(CHUNK_BYTES)
                if not order:
                    return
                for line in order.splitlines():
                    obey(json.loads(line), all_ways)
                master.sendall(json.dumps([way.count for way in all_ways]).encode() + b"\n")


def obey(order, ways):
    """{"ways": [number…], "cut": true, "state": "open"}."""
    for number in order["ways"]:
        if order.get("cut"):
            ways[number].cut()
        if order.get("state"):
            ways[number].become(order["state"])


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
