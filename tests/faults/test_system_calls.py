"""A process killed at each system call of a delivery, and each system call failing in turn.

Of each run so many calls are tried as there is time for, evenly spread; FAULTS_EVERY=1 tries all.
"""

import os
import re
import unittest
from collections import Counter

from tests.faults import system_calls
from tests.faults.gateways import Place
from tests.faults.system_calls import Tracer
from tests.support import paths

EVERY = int(os.environ.get("FAULTS_EVERY", "25"))
DOWN = {"do": "error", "code": "InternalError", "status": 500}
# The shortest that may be configured.
DEADLINE_MS = 500
LATER_SECONDS = 20

# What a disk does to those who write, and to those who look. A sanitizer maps memory of its own, now
# more often, now less, so that it could be hit instead of the store.
WRITING = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "fchown", "fchmod")
MAPPING = ("mmap",) if paths.BUILD == "release" else ()
LOOKING = ("pread64", "newfstatat", "statfs", *MAPPING)
ERRORS = {
    **dict.fromkeys(WRITING, ("ENOSPC", "EIO", "EDQUOT")),
    **dict.fromkeys(LOOKING, ("EIO", "ENOMEM")),
    "fcntl": ("ENOLCK",),
    "openat": ("EMFILE", "ENOSPC", "EIO"),
    "rename": ("EIO",),
}
# Others of that name are none of the store's.
SIGN = {
    **dict.fromkeys(("openat", "newfstatat", "statfs", "unlink"), r"\.db"),
    "mmap": "MAP_SHARED",
    # Taking a lock. That one cannot be given back happens nowhere.
    "fcntl": "F_SETLK.*(RD|WR)LCK",
}
# What fails for ever fails for the connection to Flashduty, too.
SHARED = ("fcntl", "openat", "mmap")
SENDING = ("socket", "connect", "sendto", "recvfrom", "poll", "getsockopt", "setsockopt")


def some(calls, every=EVERY):
    """So many of the calls, evenly spread, and the last of each name."""
    last = {call.name: call for call in calls}
    return [call for i, call in enumerate(calls) if i % every == 0 or last[call.name] is call]


@unittest.skipUnless(system_calls.is_available(), "strace cannot trace the program")
class SystemCalls(unittest.TestCase):
    """Plain CGI, and the drain that follows."""

    def setUp(self):
        self.place = Place(deadline_ms=DEADLINE_MS)
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

    # ---- kill ----

    def kill_at(self, call):
        """A request killed at a call, repeated until it is taken, and its alert's recovery."""
        post = self.new()
        self.place.post_by_cgi(post, self.tracer.inject(call, "signal=KILL"))
        self.place.history.killed()
        self.hits += self.tracer.was_hit
        self.take(post)
        self.take(self.new("ok", post.alert))

    def test_killed_at_a_call_of_a_delivery(self):
        self.take(self.new())
        calls = some(self.calls_of_post())
        for call in calls:
            self.kill_at(call)
        self.end("killed while delivering", len(calls))

    def test_killed_while_the_store_is_made(self):
        calls = some(self.calls_of_post())
        for i, call in enumerate(calls):
            self.place.use(f"fresh-{i}.db")
            self.kill_at(call)
        self.end("killed while making a store", len(calls))

    def test_killed_at_a_call_of_keeping(self):
        self.take(self.new())
        calls = some(self.calls_of_post(self.be_down), EVERY * 2)
        for call in calls:
            self.be_down()
            self.kill_at(call)
        self.end("killed while keeping", len(calls))

    def test_killed_at_a_call_of_a_drain(self):
        def stock():
            self.place.let_pass(LATER_SECONDS)
            self.be_down()
            post = self.new()
            self.take(post)
            self.take(self.new("ok", post.alert))
            self.take(self.new("info"))
            self.be_up()
            self.place.let_pass(LATER_SECONDS)

        self.take(self.new())
        stock()
        self.place.drain(self.tracer.watch())
        calls = some(self.tracer.calls, EVERY * 2)
        for call in calls:
            stock()
            self.place.drain(self.tracer.inject(call, "signal=KILL"))
            self.place.history.killed()
            self.hits += self.tracer.was_hit
        self.end("killed while draining", len(calls))

    # ---- errors ----

    def inject(self, call, what):
        """A request one of whose calls fails; its answer."""
        self.number += 1
        post = self.new(alert=f"{self.number}-{what}-{call.name}-{call.number}")
        answer = self.place.post_by_cgi(post, self.tracer.inject(call, what))
        self.hits += self.tracer.was_hit
        self.assertIsNotNone(answer, f"no answer: {call} {what}")
        return post, answer

    def of_store(self, calls, lasting=False):
        """Those calls that touch the store, or also fail to others if they go on to fail."""
        return [
            call
            for call in calls
            if call.name in ERRORS and re.search(SIGN.get(call.name, ""), call.line)
            if not (lasting and call.name in SHARED)
        ]

    def check_pages(self, calls, lasting):
        """Whatever fails in the store, an alert that Flashduty takes is answered delivered."""
        tried = 0
        answers = Counter()
        for call in calls:
            for error in ERRORS[call.name]:
                tried += 1
                post, answer = self.inject(call, f"error={error}{lasting}")
                answers[answer.status, answer.outcome] += 1
                with self.subTest(call=call, error=error):
                    self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer)
                self.take(self.new("ok", post.alert))
        return tried

    def test_no_error_of_the_store_stops_a_page(self):
        self.take(self.new())
        calls = some(self.of_store(self.calls_of_post()), max(1, EVERY // 2))
        tried = self.check_pages(calls, "")
        self.end("errors of the store", tried)

    def test_no_lasting_error_of_the_store_stops_a_page(self):
        self.take(self.new())
        calls = some(self.of_store(self.calls_of_post(), True), EVERY)
        self.place.history.may_repeat = True
        tried = self.check_pages(calls, "+")
        self.end("lasting errors of the store", tried)

    def test_an_error_while_the_store_is_made_stops_no_page(self):
        calls = some(self.of_store(self.calls_of_post(), True), EVERY)
        tried = 0
        self.place.history.may_repeat = True
        for call in calls:
            for error in ERRORS[call.name]:
                tried += 1
                self.place.use(f"fresh-{tried}.db")
                post, answer = self.inject(call, f"error={error}+")
                with self.subTest(call=call, error=error):
                    self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer)
                self.take(self.new("ok", post.alert))
        self.end("errors while making a store", tried)

    def test_what_cannot_be_kept_is_503_and_what_is_answered_2xx_is_kept(self):
        self.take(self.new())
        calls = some(self.of_store(self.calls_of_post(self.be_down), True), EVERY)
        tried = 0
        for call in calls:
            for lasting in ("", "+"):
                tried += 1
                self.be_down()
                post, answer = self.inject(call, f"error={ERRORS[call.name][0]}{lasting}")
                self.assertIn(answer.status, (202, 503), answer)
                self.take(post)
        self.end("errors while keeping", tried)

    def test_nothing_is_answered_2xx_that_was_not_synced(self):
        self.take(self.new())
        syncs = [
            call for call in self.calls_of_post(self.be_down) if call.name in ("fdatasync", "fsync")
        ]
        self.assertNotEqual(syncs, [])
        for call in syncs:
            self.be_down()
            post, answer = self.inject(call, "error=EIO+")
            self.assertEqual(answer.status, 503, answer)
            self.take(post)
        self.end("syncs that fail", len(syncs))

    def test_errors_of_the_network_are_faults_of_flashduty(self):
        self.take(self.new())
        calls = [
            call
            for call in self.calls_of_post()
            if call.name in SENDING and "fd=0" not in call.line
        ]
        self.place.history.may_repeat = True
        calls = some(calls, max(1, EVERY // 3))
        for call in calls:
            post, answer = self.inject(call, "error=ENETDOWN")
            self.assertIn(answer.status, (200, 202), (call, answer))
            self.take(self.new("ok", post.alert))
        self.end("errors of the network", len(calls))


if __name__ == "__main__":
    unittest.main()
