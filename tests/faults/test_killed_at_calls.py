"""A process killed at each system call of a delivery, and while it makes the store."""

import unittest

from tests.faults.traced import Traced, some


class KilledWhileDelivering(Traced):
    """Whoever dies at any point has lost nothing."""

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


if __name__ == "__main__":
    unittest.main()
