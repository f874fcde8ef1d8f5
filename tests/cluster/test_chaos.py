"""A few rounds of chaos; `make test-cluster ROUNDS=1000` does more."""

import unittest

from tests.cluster.chaos import run_chaos

ROUNDS = 30


class Chaos(unittest.TestCase):
    """Three nodes, two database servers, one fault after the other."""

    def test_nothing_promised_is_lost_and_nothing_recovered_stays_open(self):
        problems, figures, faults = run_chaos(ROUNDS)
        print(f"chaos: {figures}; {dict(faults)}")
        self.assertEqual(problems, [], "\n".join(problems))
        self.assertGreater(figures["promised"], 100)


if __name__ == "__main__":
    unittest.main()
