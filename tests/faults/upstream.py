"""A Flashduty that fails as the real one and the way to it may, and remembers who cannot know.

Besides the behaviours of tests/simulator/server.py there is one of bytes:

    {"do": "raw", "bytes": b"…", "times": 9, "then": "reset", "accept": True}

sends them as they are, so many times, and ends the connection, or resets it, or hangs; with
"accept" after the event took effect. `lasting` (Flashduty key → behaviour) says who meets what.
`script.once` is the same for the next request.
"""

import random
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass

from tests.simulator.flashduty import Event, Flashduty

# What happens to a request that fails. Of the last two Flashduty has taken the event, and nobody
# hears of it: the connection ends, or the answer takes longer than anybody waits.
PASSING = (
    {"do": "error", "code": "InternalError", "status": 500},
    {"do": "status", "status": 502, "body": "<html>Bad Gateway</html>"},
    {"do": "status", "status": 200, "body": "<html>Log in</html>"},
    {"do": "drop", "when": "before"},
    {"do": "drop", "when": "after"},
    {"do": "garbage"},
)
UNHEARD = (
    {"do": "drop", "when": "accepted"},
    {"do": "drip", "seconds": 60},
)
# How long it stays as it is.
WEATHER_SECONDS = (0.5, 3.0)
RESET = struct.pack("ii", 1, 0)


@dataclass
class Accepted(Event):
    """An event that was accepted; is_unheard: its answer never reached the gateway."""

    is_unheard: bool = False


class _Chance:
    """In place of a script: a request fails with a probability."""

    def __init__(self, script, seed):
        self._script = script
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._met = threading.local()
        self.probability = 0.0
        self.lasting = {}
        self.once = {}
        self.failures = 0

    def __getattr__(self, name):
        return getattr(self._script, name)

    def next_for(self, key):
        """The behaviour for a request."""
        with self._lock:
            fails = self._random.random() < self.probability
            behaviour = self._random.choice(PASSING + UNHEARD) if fails else None
            self.failures += fails
            behaviour = behaviour or self.once.pop(key, None)
        behaviour = behaviour or self.lasting.get(key) or self._script.next_for(key)
        self._met.behaviour = behaviour
        return behaviour

    @property
    def is_unheard(self):
        """Whether this thread's request will not be answered."""
        behaviour = getattr(self._met, "behaviour", {})
        return behaviour in UNHEARD or behaviour.get("do") == "raw"


class Upstream(Flashduty):
    """The simulator. `fail`: how likely a request is to fail."""

    def __init__(self, seed=1, **options):
        super().__init__(**options)
        self.script = _Chance(self.script, seed)

    def fail(self, probability):
        """From now on requests fail with this probability."""
        self.script.probability = probability

    @contextmanager
    def weather(self, seed):
        """Fails half the time: now not at all, now every other request, now all; then it is well."""
        chance = random.Random(seed)
        over = threading.Event()

        def run():
            while not over.wait(chance.uniform(*WEATHER_SECONDS)):
                self.fail(chance.choice((0.0, 0.5, 1.0)))

        self.fail(0.5)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.fail(0.0)

    @property
    def lasting(self):
        """Flashduty key → what all its requests meet."""
        return self.script.lasting

    def _handler(self):
        owner = self

        class Handler(super()._handler()):
            """Sends bytes, too."""

            def _act(self, behaviour, request):
                if behaviour["do"] == "raw":
                    self._send_raw(behaviour, request)
                else:
                    super()._act(behaviour, request)

            def _send_raw(self, behaviour, request):
                self.close_connection = True
                if behaviour.get("accept"):
                    owner.respond(request)
                for _ in range(behaviour.get("times", 1)):
                    if not self._write(behaviour["bytes"]):
                        return
                    if behaviour.get("pause") and owner._stopping.wait(behaviour["pause"]):
                        return
                if behaviour.get("then") == "hang":
                    owner._stopping.wait(60)
                elif behaviour.get("then") == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    self.connection.close()

        return Handler

    def _remember(self, event, violations):
        if event is not None:
            event = Accepted(**vars(event), is_unheard=self.script.is_unheard)
        super()._remember(event, violations)
