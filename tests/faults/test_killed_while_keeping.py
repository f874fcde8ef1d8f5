"""A process killed at each system call of keeping an alert, and of the drain that sends it."""

import unittest

from tests.faults.traced import EVERY, Traced, some

LATER_SECONDS = 20


class KilledWhileKeeping(Traced):
    """Whoever dies at any point has lost nothing."""

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


if __name__ == "__main__":
    unittest.main()
