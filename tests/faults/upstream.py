"""A Flashduty that fails as the real one and the way to it may, and remembers who cannot know."""

import random
import threading
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
        self.failures = 0

    def __getattr__(self, name):
        return getattr(self._script, name)

    def next_for(self, key):
        """The behaviour for a request."""
        with self._lock:
            fails = self._random.random() < self.probability
            behaviour = self._random.choice(PASSING + UNHEARD) if fails else None
            self.failures += fails
        behaviour = behaviour or self._script.next_for(key)
        self._met.behaviour = behaviour
        return behaviour

    @property
    def is_unheard(self):
        """Whether this thread's request will not be answered."""
        behaviour = getattr(self._met, "behaviour", {})
        return behaviour in UNHEARD


class Upstream(Flashduty):
    """The simulator. `fail`: how likely a request is to fail."""

    def __init__(self, seed=1, **options):
        super().__init__(**options)
        self.script = _Chance(self.script, seed)

    def fail(self, probability):
        """From now on requests fail with this probability."""
        self.script.probability = probability

    def _remember(self, event, violations):
        if event is not None:
            event = Accepted(**vars(event), is_unheard=self.script.is_unheard)
        super()._remember(event, violations)
