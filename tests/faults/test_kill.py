"""kill -9 at random moments of a FastCGI process, while vendors post and Flashduty fails."""

import random
import time
import unittest

from tests.faults.gateways import Killer, Place, Served
from tests.faults.load import Vendors

# A vendor's threads rest so long between two messages.
PAUSE_SECONDS = 0.15
# Flashduty is well again and processes are still killed.
DRAIN_AND_KILL_SECONDS = 3
# What killed processes were sending is taken up after 10 s at most.
EMPTY_SECONDS = 40
DRAINED_PER_SECOND = 100


def run_kills(count, pauses, seconds, processes=1, integrations=8, seed=1, **vendors):
    """Posts, kills, heals Flashduty, kills on, waits: (problems, figures)."""
    chance = random.Random(seed)
    with Place(integrations, seed=seed, deadline_ms=1500) as place:
        served = [Served(place, f"guance-{number}") for number in range(processes)]
        options = {"pause": PAUSE_SECONDS, "seed": seed, **vendors}
        posting = Vendors(place, [one.post for one in served], **options)
        with Killer(served, pauses, chance):
            with place.upstream.weather(seed):
                took = posting.run(count, seconds=seconds)
            time.sleep(DRAIN_AND_KILL_SECONDS)
        place.end_pauses()
        place.wait_until_empty(EMPTY_SECONDS + count // DRAINED_PER_SECOND)
        problems = place.problems()
        problems += [f"never taken: {post.title}" for post in posting.given_up]
        figures = place.figures
        figures["failed sends"] = place.upstream.script.failures
        figures["s of posting"] = round(took)
        return problems, figures


class Kill(unittest.TestCase):
    """In FastCGI."""

    def test_nothing_is_lost_doubled_or_overtaken(self):
        problems, figures = run_kills(800, (0.2, 0.8), seconds=12)
        print(f"killed at random: {figures}")
        self.assertEqual(problems, [])
        self.assertGreater(figures["kills"], 10)


if __name__ == "__main__":
    unittest.main()
