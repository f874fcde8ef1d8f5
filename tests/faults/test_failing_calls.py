"""Each system call of a delivery failing in turn."""

import re
import unittest
from collections import Counter

from tests.faults.traced import EVERY, Traced, some
from tests.support import paths

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


class Failing(Traced):
    """What those have in common."""

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


class FailingWhileFlashdutyTakesAll(Failing):
    """Whatever the system refuses, an alert goes out."""

    # The default: what a slow machine takes for the traced store is no error of the store.
    deadline_ms = 3500

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


class FailingWhileFlashdutyIsDown(Failing):
    """Whatever the system refuses, an alert is kept or answered 503."""

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


if __name__ == "__main__":
    unittest.main()
