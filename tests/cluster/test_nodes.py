"""Several nodes are one gateway: what one of them took, all know."""

import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from tests.cluster.nodes import Cluster
from tests.faults.gateways import flashduty_key
from tests.faults.test_burst import worst_window
from tests.support.process import wait_until

CLOCK_OFF_SECONDS = 120
DOWN = {"do": "status", "status": 503}
# A process that was killed while it sent is followed within 10 s; the machine may be busy.
TAKEN_OVER_SECONDS = 10.5
SOON_SECONDS = 20
RATE = 10
BY_SEVERITY = [
    {"name": "wake", "match": "severity == Critical", "flashduty_key": "key-that-wakes"},
    {"name": "mail", "match": "severity == Warning", "flashduty_key": "key-that-mails"},
]


class ClusterTest(unittest.TestCase):
    """One cluster for all tests of a class; each has alerts of its own."""

    changes = {"rate_per_second": 0, "rate_per_minute": 0, "deadline_ms": 1500}

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(**cls.changes)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.history.has_distinct_times = True
        cls.upstream = cls.cluster.upstream
        cls.nodes = cls.cluster.nodes

    def setUp(self):
        self.name = self.id().rpartition(".")[2]

    def tearDown(self):
        self.upstream.script.clear()
        self.upstream.lasting.clear()

    def post(self, node, word, alert=""):
        """Posts a new message of an alert of this test to a node; the answer."""
        message = self.cluster.history.post("i0", f"{self.name}{alert}", word)
        return self.nodes[node].post(message)

    def events(self, alert=""):
        """What Flashduty has accepted of an alert of this test."""
        title = f"i0 {self.name}{alert} #"
        return [event for event in self.upstream.events if event.title.startswith(title)]

    def statuses(self, alert=""):
        """Their severities."""
        return [event.status for event in self.events(alert)]

    def wait_for(self, *statuses, alert="", seconds=SOON_SECONDS):
        """Waits until Flashduty has accepted these of an alert."""
        wait_until(
            lambda: len(self.events(alert)) >= len(statuses), seconds, f"{statuses} at Flashduty"
        )
        self.assertEqual(self.statuses(alert), list(statuses))

    def assert_well(self):
        """Nothing waits before long, and nothing is wrong."""
        self.cluster.wait_until_empty()
        problems = self.cluster.problems()
        self.assertEqual(problems, [], "\n".join(problems))


class Nodes(ClusterTest):
    """Three nodes that are well."""

    def test_the_same_message_through_another_node_is_a_duplicate(self):
        message = self.cluster.history.post("i0", self.name, "critical")
        outcomes = [node.post(message).outcome for node in self.nodes]
        self.assertEqual(outcomes, ["delivered", "duplicate", "duplicate"])
        self.assertEqual(self.statuses(), ["Critical"])
        self.assert_well()

    def test_the_same_message_through_all_nodes_at_once_is_sent_once(self):
        messages = [
            self.cluster.history.post("i0", f"{self.name}-{number}", "critical")
            for number in range(10)
        ]
        with ThreadPoolExecutor(6) as pool:
            for message in messages:
                answers = list(pool.map(lambda node, m=message: node.post(m), self.nodes * 2))
                self.assertEqual({answer.status // 100 for answer in answers}, {2})
        for number in range(len(messages)):
            self.wait_for("Critical", alert=f"-{number}")
        self.assert_well()

    def test_an_older_message_through_another_node_is_stale(self):
        history = self.cluster.history
        now = int(time.time())
        newer = history.post("i0", self.name, "ok", now)
        self.assertEqual(self.nodes[0].post(newer).outcome, "delivered")
        older = history.post("i0", self.name, "critical", now - 60)
        self.assertEqual(self.nodes[1].post(older).outcome, "stale")
        self.assertEqual(self.statuses(), ["Ok"])

    def test_what_waits_keeps_its_order_whichever_node_took_it(self):
        self.upstream.answer(DOWN, times=None, key=flashduty_key("i0"))
        for node, word in enumerate(("critical", "error", "ok")):
            answer = self.post(node, word)
            self.assertEqual((answer.status, answer.outcome), (202, "queued"))
        self.upstream.script.clear()
        self.wait_for("Critical", "Warning", "Ok")
        self.assert_well()

    def test_a_failing_destination_is_known_to_all(self):
        """It is probed by one delivery in five seconds, not by one of each node."""
        self.upstream.answer(DOWN, times=None, key=flashduty_key("i1"))
        history = self.cluster.history
        for number in range(6):
            self.nodes[number % 3].post(history.post("i1", f"{self.name}-{number}", "critical"))
        start, before = time.time(), len(self.upstream.requests)
        wait_until(lambda: time.time() > start + 6, 10)
        requests = [
            request for request in self.upstream.requests[before:]
            if request.parameter("integration_key") == flashduty_key("i1")
        ]  # fmt: skip
        self.assertLessEqual(len(requests), 2, [round(each.time - start, 1) for each in requests])
        self.upstream.script.clear()
        self.assert_well()

    def test_a_node_that_is_killed_while_it_sends_is_followed(self):
        self.upstream.script.once[flashduty_key("i0")] = {"do": "hang", "seconds": 30}
        message = self.cluster.history.post("i0", self.name, "critical")
        arrived = len(self.upstream.requests)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.nodes[0].post, message)
            wait_until(lambda: len(self.upstream.requests) > arrived, 10, "a request on its way")
            self.nodes[0].kill()
            killed_at = time.time()
            self.assertIsNone(answer.result())
        try:
            wait_until(self.events, TAKEN_OVER_SECONDS + 5, "another node's sending")
            took = self.events()[0].time - killed_at
            self.assertLess(took, TAKEN_OVER_SECONDS)
        finally:
            self.nodes[0].start()
        self.assertEqual(self.nodes[1].post(message).outcome, "duplicate")
        self.assertEqual(self.statuses(), ["Critical"])
        self.assert_well()

    def test_whoever_posts_through_the_load_balancer_hears_nothing_of_a_node_that_is_gone(self):
        self.nodes[1].kill()
        try:
            for number in range(12):
                message = self.cluster.history.post("i0", f"{self.name}-{number}", "critical")
                self.assertEqual(self.cluster.post(message).status, 200)
        finally:
            self.nodes[1].start()
        self.assert_well()


class Routes(ClusterTest):
    """A route each for two severities, and no default."""

    changes = {
        **ClusterTest.changes,
        "integration": {"flashduty_key": None, "unmatched": "drop", "routes": BY_SEVERITY},
    }

    def test_a_recovery_through_another_node_goes_where_its_alert_went(self):
        for node, word in enumerate(("critical", "error", "ok")):
            self.assertEqual(self.post(node, word).outcome, "delivered")
        got = sorted((event.key, event.status) for event in self.events())
        self.assertEqual(
            got,
            [
                ("key-that-mails", "Ok"),
                ("key-that-mails", "Warning"),
                ("key-that-wakes", "Critical"),
                ("key-that-wakes", "Ok"),
            ],
        )

    def test_a_recovery_of_nothing_goes_nowhere(self):
        self.assertEqual(self.post(0, "ok").outcome, "unrouted")
        self.assertEqual(self.events(), [])


class Rates(ClusterTest):
    """A rate for all nodes together."""

    changes = {**ClusterTest.changes, "rate_per_second": RATE}

    def test_all_nodes_together_keep_the_rate(self):
        def post(number):
            message = self.cluster.history.post("i0", f"{self.name}-{number}", "critical")
            return self.nodes[number % 3].post(message)

        count = 8 * RATE
        with ThreadPoolExecutor(12) as pool:
            statuses = {answer.status for answer in pool.map(post, range(count))}
        self.assertLessEqual(statuses, {200, 202})
        wait_until(lambda: len(self.upstream.events) >= count, 60, "all of them")
        times = [request.time for request in self.upstream.requests]
        # What was let go within a second by the store's clock arrives a moment later.
        self.assertLessEqual(worst_window(times, 0.9), RATE)
        self.assertLess(max(times) - min(times), 3 * count / RATE)
        self.assert_well()


class Clock(ClusterTest):
    """A node whose clock is two minutes ahead, and one whose clock is two minutes behind."""

    changes = {**ClusterTest.changes, "clocks": {1: CLOCK_OFF_SECONDS, 2: -CLOCK_OFF_SECONDS}}

    def test_the_clocks_are_wrong(self):
        for node in range(3):
            self.post(node, "critical", alert=f"-{node}")
        minutes = set()
        for node in self.nodes:
            log = node.log.read_text(encoding="utf-8")
            minutes.add(log.splitlines()[-1][: len("time=2026-11-24T02:47")])
        self.assertEqual(len(minutes), 3)

    def test_nothing_is_stale_that_is_not(self):
        for node, word in ((1, "critical"), (2, "error"), (0, "info"), (2, "ok"), (1, "critical"), (0, "ok")):
            self.assertEqual(self.post(node, word).outcome, "delivered")
        self.assertEqual(self.statuses(), ["Critical", "Warning", "Info", "Ok", "Critical", "Ok"])
        self.assert_well()

    def test_nothing_waits_for_the_wrong_time(self):
        self.upstream.answer(DOWN, times=None, key=flashduty_key("i0"))
        for alert in range(3):
            for step, word in enumerate(("critical", "ok")):
                answer = self.post((alert + step) % 3, word, alert=f"-{alert}")
                self.assertEqual((answer.status, answer.outcome), (202, "queued"))
        self.upstream.script.clear()
        for alert in range(3):
            self.wait_for("Critical", "Ok", alert=f"-{alert}")
        self.assert_well()

    def test_nobody_takes_over_from_a_node_that_is_alive(self):
        self.upstream.script.once[flashduty_key("i0")] = {"do": "hang", "seconds": 1}
        answers = [self.post(1, "critical"), self.post(2, "critical", alert="-other")]
        self.assertEqual([answer.outcome for answer in answers], ["delivered"] * 2)
        self.assert_well()
        self.assertEqual(self.statuses(), ["Critical"])


if __name__ == "__main__":
    unittest.main()
