"""A clock that jumps strands nothing for longer than an interval."""

import os
import subprocess
import unittest

from tests.faults.gateways import Place, Served
from tests.faults.history import waiting
from tests.support import paths
from tests.support.process import wait_until

SOURCE = paths.ROOT / "tests/faults/set_clock.c"
HOUR, DAY = 3600, 86400
# A failing destination is tried every 5 s; what is behind follows at once.
INTERVAL_SECONDS = 12
DOWN = {"do": "status", "status": 503}


class Clock(unittest.TestCase):
    """The wall clock of a FastCGI process, and of plain CGI, is ours to set."""

    def setUp(self):
        self.place = Place(deadline_ms=500)
        self.addCleanup(self.place.close)
        self.clock = self.place.folder / "clock"
        self.set(0)
        library = self.place.folder / "set_clock.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        self.environment = {
            "LD_PRELOAD": str(library),
            "SET_CLOCK": str(self.clock),
            # It wants to be loaded first.
            "ASAN_OPTIONS": f"{paths.SANITIZER_OPTIONS['ASAN_OPTIONS']}:verify_asan_link_order=0",
        }

    def set(self, seconds):
        """Sets the clock so far from the true time."""
        new = self.clock.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.clock)

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
        hours = {line[:18] for line in served.log.read_text().splitlines()}
        self.assertGreater(len(hours), 1, "the clock has not jumped")
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
        answer = self.place.post_by_cgi(self.place.history.post("i0", "a", "critical"))
        self.assertEqual(answer.outcome, "queued")
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
