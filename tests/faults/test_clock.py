"""A clock that jumps strands nothing for longer than an interval."""

import unittest
from pathlib import Path

from tests.faults.gateways import Place, Served
from tests.faults.history import waiting
from tests.support import paths
from tests.support.process import wait_until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR, DAY = 3600, 86400
# A failing destination is tried every 5 s; what is behind follows at once.
INTERVAL_SECONDS = 12
DOWN = {"do": "status", "status": 503}


@unittest.skipUnless(LIBRARIES, "libfaketime is not installed")
@unittest.skipUnless(paths.BUILD == "release", "a sanitizer wants to be loaded first")
class Clock(unittest.TestCase):
    """The wall clock of a FastCGI process, and of plain CGI, is ours to set."""

    def setUp(self):
        self.place = Place(deadline_ms=500)
        self.addCleanup(self.place.close)
        self.clock = self.place.folder / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds):
        """Sets the clock so far from the true time."""
        self.clock.write_text(f"{seconds:+d}s")

    def jump(self, seconds):
        """An event waits when the clock jumps; another comes after it, and everything goes out."""
        served = Served(self.place, environment=self.environment)
        self.place.upstream.answer(DOWN, times=None)
        for alert in ("a", "b"):
            answer = served.post(self.place.history.post("i0", alert, "critical"))
            self.assertEqual(answer.outcome, "queued")
        self.set(seconds)
        self.assertEqual(served.post(self.place.history.post("i0", "a", "ok")).outcome, "queued")
        self.place.upstream.script.clear()
        wait_until(lambda: not waiting(self.place.store), INTERVAL_SECONDS, "an empty outbox")
        self.assertEqual(served.post(self.place.history.post("i0", "b", "ok")).outcome, "delivered")
        lines = served.log.read_text().splitlines()
        self.assertNotEqual(lines[0][:15], lines[-1][:15], "the clock has not jumped")
        self.assertEqual(self.place.problems(), [])
        self.set(0)
        answer = served.post(self.place.history.post("i0", "b", "critical"))
        self.assertEqual(answer.outcome, "delivered")
        self.assertEqual(self.place.problems(), [])

    def test_an_hour_back(self):
        self.jump(-HOUR)

    def test_a_day_ahead(self):
        self.jump(DAY)

    def test_a_day_ahead_and_back_between_drains(self):
        """What a drain in the future has put off is not put off for a day."""
        self.place.upstream.answer(DOWN, times=None)
        self.assertEqual(self.place.post_by_cgi(self.place.history.post("i0", "a", "critical")).outcome, "queued")  # fmt: skip
        self.set(DAY)
        for _ in range(4):
            self.place.let_pass(7)
            self.place.drain(environment=self.environment)
        self.set(0)
        self.place.upstream.script.clear()
        self.place.let_pass(7)
        self.place.drain(environment=self.environment)
        self.assertEqual(self.place.problems(), [])


if __name__ == "__main__":
    unittest.main()
