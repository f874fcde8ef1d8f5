"""What the tests of single system calls have in common: requests of plain CGI, traced, and the drain that follows.

Of each run so many calls are tried as there is time for, evenly spread; FAULTS_EVERY=1 tries all.
"""

import os
import unittest

from tests.faults import system_calls
from tests.faults.gateways import Place
from tests.faults.system_calls import Tracer

EVERY = int(os.environ.get("FAULTS_EVERY", "25"))
DOWN = {"do": "error", "code": "InternalError", "status": 500}


def some(calls, every=EVERY):
    """So many of the calls, evenly spread, and the last of each name."""
    last = {call.name: call for call in calls}
    return [call for i, call in enumerate(calls) if i % every == 0 or last[call.name] is call]


@unittest.skipUnless(system_calls.is_available(), "strace cannot trace the program")
class Traced(unittest.TestCase):
    """Plain CGI, and the drain that follows."""

    # The shortest that may be configured: where Flashduty is down, each alert is tried until then.
    deadline_ms = 500

    def setUp(self):
        self.place = Place(deadline_ms=self.deadline_ms)
        self.addCleanup(self.place.close)
        self.tracer = Tracer(self.place.folder)
        self.number = 0
        self.hits = 0

    # ---- steps ----

    def new(self, word="critical", alert=None):
        """A message of an alert, of a new one unless told otherwise."""
        if alert is None:
            self.number += 1
            alert = f"a{self.number}"
        return self.place.history.post("i0", alert, word)

    def take(self, post):
        """Posts until it is taken, as a vendor does."""
        for _ in range(5):
            answer = self.place.post_by_cgi(post)
            if answer is not None and answer.status < 300:
                return answer
        self.fail(f"never taken: {post}")

    def calls_of_post(self, prepare=lambda: None):
        """The calls of a request."""
        prepare()
        self.place.post_by_cgi(self.new(), self.tracer.watch())
        return self.tracer.calls

    def kill_at(self, call):
        """A request killed at a call, repeated until it is taken, and its alert's recovery."""
        post = self.new()
        self.place.post_by_cgi(post, self.tracer.inject(call, "signal=KILL"))
        self.place.history.killed()
        self.hits += self.tracer.was_hit
        self.take(post)
        self.take(self.new("ok", post.alert))

    def be_down(self):
        """Flashduty fails at once, and nobody knows of it."""
        self.place.upstream.script.clear()
        self.place.upstream.answer(DOWN, times=None)
        if self.place.store.exists():
            self.place.forget_failures()

    def be_up(self):
        """Flashduty takes everything again."""
        self.place.upstream.script.clear()

    def end(self, what, tried):
        """All that waits goes out, and everything is in order."""
        self.be_up()
        for store in sorted(self.place.folder.glob("*.db")):
            self.place.use(store.name)
            if not self.place.drain_until_empty():
                print(f"{store.name} is not empty")
        print(f"{what}: {self.hits} of {tried} calls hit: {self.place.figures}")
        problems = self.place.problems()
        self.assertEqual(problems, [], "\n".join(problems))
        self.assertGreater(self.hits, tried // 2)
