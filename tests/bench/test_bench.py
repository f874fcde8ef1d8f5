"""The bench itself: that a short run measures, and that it sees what has become worse."""

import copy
import json
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

from tests.bench import growth, report, results
from tests.support import paths

FOLDER = paths.ROOT / "tests/bench"
# The whole of a short run, on a machine that does much else.
SECONDS_MAX = 200
RIVALS = ("nginx", "gateway", "gateway-no-store")


def window(requests_per_s, **changes):
    """A window's figures."""
    return {
        "requests_per_s": requests_per_s,
        "p50_ms": 1000 / requests_per_s,
        "p99_ms": 9.0,
        "cpu_s_per_1000": 100 / requests_per_s,
        "resident_mb": 20.0,
        "errors": 0,
        "forwarded": 1.0,
        **changes,
    }


def result_of(rates, cell="20ms-64"):
    """A result in which nginx makes 1,000 and the gateway these."""
    return {
        "burst": 5000,
        "windows": {
            cell: {
                "nginx": [window(1000) for _ in rates],
                "gateway": [window(rate) for rate in rates],
            }
        },
        "bursts": {"64": {"gateway": [1.6]}},
        "idle_mb": {"gateway": 11.0},
    }


class Quick(unittest.TestCase):
    """One short run, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.output = Path(cls.folder.name)
        cls.done = subprocess.run(
            [sys.executable, FOLDER / "bench.py", "--quick", "--only", ",".join(RIVALS),
             "--output", cls.output],
            capture_output=True, text=True, check=False, timeout=SECONDS_MAX,
        )  # fmt: skip
        if not (cls.output / "results.json").exists():
            raise AssertionError(f"the bench failed:\n{cls.done.stdout}{cls.done.stderr}")
        cls.result = json.loads((cls.output / "results.json").read_text("utf-8"))

    def test_every_rival_has_answered(self):
        for cell in ("20ms-16", "20ms-64"):
            for rival in RIVALS:
                for one in self.result["windows"][cell][rival]:
                    self.assertGreater(one["requests_per_s"], 1, (cell, rival, one))
                    self.assertGreater(one["p99_ms"], 20, (cell, rival, one))
                    self.assertGreater(one["forwarded"], 0.5, (cell, rival, one))

    def test_cpu_and_memory_are_the_gateways(self):
        for one in self.result["windows"]["20ms-64"]["gateway"]:
            self.assertGreater(one["cpu_s_per_1000"], 0)
            self.assertGreater(one["resident_mb"], 5)
        self.assertGreater(self.result["idle_mb"]["gateway"], 5)

    def test_bursts_are_timed(self):
        for clients in ("64", "256"):
            for took in self.result["bursts"][clients]["gateway"]:
                self.assertGreater(took, self.result["burst"] / 256 * 0.02)

    def test_table_goals_and_chart_are_written(self):
        self.assertIn("**gateway**, FastCGI, store on | 64 × 20 ms", self.done.stdout)
        self.assertIn("20 ms, 64 clients: share of nginx", self.done.stdout)
        chart = (self.output / "chart.svg").read_text("utf-8")
        xml.etree.ElementTree.fromstring(chart)
        self.assertIn("gateway, FastCGI, store on", chart)


class Comparing(unittest.TestCase):
    def test_the_same_is_not_worse(self):
        before = result_of([500, 510, 490])
        self.assertEqual(results.compare(before, copy.deepcopy(before)), [])

    def test_a_slower_machine_is_not_worse(self):
        now = result_of([500, 510, 490])
        for rivals in now["windows"].values():
            for windows in rivals.values():
                for one in windows:
                    one["requests_per_s"] /= 2
                    one["cpu_s_per_1000"] *= 2
                    one["p50_ms"] *= 2
        self.assertEqual(results.compare(result_of([500, 510, 490]), now), [])

    def test_what_lost_more_than_a_tenth_is_worse(self):
        worse = results.compare(result_of([500, 510, 490]), result_of([440, 445, 435]))
        self.assertEqual(
            {(row.rival, row.name, row.is_certain) for row in worse},
            {("gateway", name, True) for name in results.JUDGED},
        )

    def test_a_loss_within_the_spread_is_not_certain(self):
        worse = results.compare(result_of([500, 510, 420]), result_of([440, 505, 435]))
        self.assertIn(("requests_per_s", False), {(row.name, row.is_certain) for row in worse})

    def test_less_than_a_tenth_is_not_worse(self):
        self.assertEqual(results.compare(result_of([500]), result_of([470])), [])


class Judging(unittest.TestCase):
    def test_goals_are_met_or_missed(self):
        goals = {goal.what: goal for goal in results.goals(result_of([960, 970, 955]))}
        share = goals["20 ms, 64 clients: share of nginx"]
        self.assertTrue(share.is_met)
        self.assertAlmostEqual(share.measured, 0.96)
        self.assertTrue(goals["burst at 64 clients, times the ideal"].is_met)
        self.assertIsNone(goals["0 ms, 64 clients: share of nginx"].measured)
        self.assertFalse(goals["0 ms, 64 clients: share of nginx"].is_met)

    def test_errors_and_what_never_arrived_are_told(self):
        bad = result_of([500])
        bad["windows"]["20ms-64"]["gateway"][0].update(errors=3, forwarded=0.5)
        said = "\n".join(results.problems(bad))
        self.assertIn("3 errors", said)
        self.assertIn("only 50% was forwarded", said)

    def test_growth_is_an_exponent(self):
        self.assertAlmostEqual(growth.exponent([(0, 1.0), (10, 1.0), (1000, 1.0)]), 0)
        self.assertAlmostEqual(growth.exponent([(10, 1.0), (1000, 100.0)]), 1)


class Published(unittest.TestCase):
    def test_the_readme_shows_the_published_results(self):
        result = json.loads((paths.ROOT / report.PUBLISHED).read_text("utf-8"))
        for name, language in report.READMES.items():
            text = (paths.ROOT / name).read_text("utf-8")
            self.assertIn(report.section(result, language), text, name)
        self.assertEqual((paths.ROOT / report.CHART).read_text("utf-8"), report.chart(result))


if __name__ == "__main__":
    unittest.main()
