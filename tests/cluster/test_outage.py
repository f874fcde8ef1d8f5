"""The database is down for a third of the time; `make test-cluster OUTAGE=3600` does it for an hour."""

import unittest

from tests.cluster.outage import run_outage

SECONDS = 45


class Outage(unittest.TestCase):
    """Three nodes and no database for a while."""

    def test_everything_is_answered_2xx_and_nothing_recovered_stays_open(self):
        problems, figures = run_outage(SECONDS)
        print(f"outage: {figures}")
        self.assertEqual(problems, [], "\n".join(problems))
        self.assertGreater(figures["promised"], 100)


if __name__ == "__main__":
    unittest.main()
