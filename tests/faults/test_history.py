"""The checker itself: it finds what it is there to find."""

import time
import unittest

from tests.faults.history import GUANCE_WORDS, History, check_history
from tests.faults.upstream import Accepted
from tests.support.answer import Answer

DELIVERED = Answer(200, {}, b'{"data":{"outcome":"delivered"}}')
QUEUED = Answer(202, {}, b'{"data":{"outcome":"queued"}}')
REFUSED = Answer(503, {}, b'{"error":{}}')


class Checker(unittest.TestCase):
    """A history of one alert with two events."""

    def setUp(self):
        self.history = History()
        self.first = self.history.post("i0", "a", "critical")
        self.second = self.history.post("i0", "a", "ok")
        self.history.answered(self.first, QUEUED)
        self.history.answered(self.second, QUEUED)

    def accepted(self, post, **changes):
        """The event of a message, accepted now."""
        status = GUANCE_WORDS[post.word]
        values = {
            "key": "k0",
            "event": {"title_rule": post.title, "event_status": status},
            "headers": {},
            "time": time.time(),
            "connection": 1,
            "request_id": f"r{time.monotonic_ns()}",
            **changes,
        }
        return Accepted(**values)

    def check(self, *events, noted=()):
        """What is wrong, in one text."""
        return "\n".join(check_history(self.history, events, {"i0": "k0"}, noted))

    def test_all_in_order(self):
        self.assertEqual(self.check(self.accepted(self.first), self.accepted(self.second)), "")

    def test_lost(self):
        self.assertIn("lost: i0 a #1", self.check(self.accepted(self.first)))

    def test_what_was_never_promised_is_not_lost(self):
        third = self.history.post("i0", "a", "critical")
        self.history.answered(third, REFUSED)
        self.assertEqual(self.check(self.accepted(self.first), self.accepted(self.second)), "")

    def test_overtaken(self):
        events = self.accepted(self.second), self.accepted(self.first)
        self.assertIn("out of order", self.check(*events))

    def test_again_after_a_later_one(self):
        unheard = self.accepted(self.first, is_unheard=True)
        events = unheard, self.accepted(self.second), self.accepted(self.first)
        self.assertIn("out of order", self.check(*events))

    def test_twice(self):
        events = self.accepted(self.first), self.accepted(self.first), self.accepted(self.second)
        self.assertIn("nobody was killed", self.check(*events))

    def test_twice_since_it_was_not_heard(self):
        unheard = self.accepted(self.first, is_unheard=True)
        events = unheard, self.accepted(self.first), self.accepted(self.second)
        self.assertEqual(self.check(*events), "")

    def test_twice_since_it_was_killed(self):
        self.history.killed()
        events = self.accepted(self.first), self.accepted(self.first), self.accepted(self.second)
        self.assertEqual(self.check(*events), "")

    def test_twice_although_it_was_written_down(self):
        self.history.killed()
        events = self.accepted(self.first), self.accepted(self.first), self.accepted(self.second)
        words = self.check(*events, noted=[events[0].request_id])
        self.assertIn("although the store knew", words)

    def test_twice_although_it_was_told(self):
        self.history.killed()
        self.history.answered(self.first, DELIVERED)
        again = self.accepted(self.first, time=time.time() + 1)
        words = self.check(self.accepted(self.first), again, self.accepted(self.second))
        self.assertIn("after the vendor was told", words)

    def test_what_has_recovered_is_open(self):
        with self.history.outage():
            third = self.history.post("i0", "a", "ok")
            self.history.answered(third, QUEUED)
        events = self.accepted(self.first), self.accepted(self.second), self.accepted(third)
        self.assertEqual(self.check(*events), "")
        self.assertIn("left open", self.check(*events[1:], events[0]))

    def test_what_is_open_was_closed_by_an_older_one(self):
        with self.history.outage():
            third = self.history.post("i0", "a", "critical")
            self.history.answered(third, QUEUED)
        events = self.accepted(self.first), self.accepted(third), self.accepted(self.second)
        self.assertIn("closed", self.check(*events))

    def test_an_outage_excuses_what_happened_in_it(self):
        with self.history.outage():
            third = self.history.post("i0", "a", "error")
            self.history.answered(third, QUEUED)
            fourth = self.history.post("i0", "a", "critical")
            self.history.answered(fourth, DELIVERED)
        now = time.time()
        events = [self.accepted(self.first), self.accepted(self.second)]
        events += [self.accepted(post, time=now) for post in (fourth, third, fourth)]
        self.assertEqual(self.check(*events), "")
        self.assertEqual(self.check(*events[:2], events[2]), "")
        self.assertIn("lost", self.check(*events[:2], events[3]))
        self.history.outages.clear()
        words = self.check(*events)
        for problem in ("out of order", "nobody was killed"):
            self.assertIn(problem, words)

    def test_elsewhere(self):
        events = self.accepted(self.first, key="k1"), self.accepted(self.second)
        self.assertIn("wrong destination", self.check(*events))

    def test_never_posted(self):
        self.second.number = 7
        self.assertIn("nobody posted", self.check(self.accepted(self.history.post("i", "b", "ok"), event={"title_rule": "x", "event_status": "Ok"})))  # fmt: skip


if __name__ == "__main__":
    unittest.main()
