"""The database fails or cannot be reached: every alarm is answered 2xx, and what is promised holds."""

import time
import unittest

from tests.cluster.test_nodes import ClusterTest
from tests.cluster.ways import CLOSED, SILENT
from tests.support.process import wait_until

# How long a vendor waits: SMN for 5 s.
ANSWER_SECONDS = 4.5
BACK_SECONDS = 30


class DatabaseTest(ClusterTest):
    """A primary with a synchronous standby; every answer is in time, and 2xx."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self.cluster.open_ways)

    def post(self, node, word, alert=""):
        start = time.monotonic()
        answer = super().post(node, word, alert)
        self.assertIsNotNone(answer)
        self.assertLess(time.monotonic() - start, ANSWER_SECONDS)
        self.assertEqual(answer.status // 100, 2, answer.body)
        return answer

    def post_until(self, node, outcome, seconds=BACK_SECONDS):
        """Posts messages of alerts of their own until one is answered so: a node is back."""
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            number += 1
            if self.post(node, "critical", alert=f"-until-{node}-{number}").outcome == outcome:
                return
        self.fail(f"no {outcome} within {seconds} s")


class Outages(DatabaseTest):
    """The database is well, and some or all nodes cannot reach it."""

    def check_outage(self, nodes, state):
        """An outage for some nodes; all the others go on."""
        others = [number for number in range(3) if number not in nodes]
        for node in range(3):
            self.assertEqual(self.post(node, "critical", alert=f"-old-{node}").outcome, "delivered")
        with self.cluster.history.outage():
            self.cluster.lose_ways([self.nodes[node] for node in nodes], state, cut=state == CLOSED)
            for node in nodes:
                self.assertEqual(self.post(node, "critical", f"-new-{node}").outcome, "delivered")
                self.assertEqual(self.post(node, "ok", f"-new-{node}").outcome, "queued")
                self.assertEqual(self.post(node, "ok", f"-old-{node}").outcome, "queued")
                self.assertEqual(self.statuses(f"-new-{node}"), ["Critical"])
                self.assertEqual(self.statuses(f"-old-{node}"), ["Critical"])
            for node in others:
                # Who was cut off may have held the lock, for the seconds until the server takes it away.
                self.assertIn(self.post(node, "ok", f"-old-{node}").outcome, ("delivered", "queued"))
                self.wait_for("Critical", "Ok", alert=f"-old-{node}", seconds=BACK_SECONDS)
            self.cluster.open_ways()
            for node in nodes:
                self.wait_for("Critical", "Ok", alert=f"-new-{node}", seconds=BACK_SECONDS)
                self.wait_for("Critical", "Ok", alert=f"-old-{node}", seconds=BACK_SECONDS)
        self.assert_well()

    def test_all_nodes_are_refused(self):
        self.check_outage([0, 1, 2], CLOSED)

    def test_all_nodes_hear_nothing(self):
        self.check_outage([0, 1, 2], SILENT)

    def test_one_node_is_refused(self):
        self.check_outage([1], CLOSED)

    def test_one_node_hears_nothing(self):
        self.check_outage([1], SILENT)

    def test_a_recovery_through_another_node_than_its_alert_in_an_outage(self):
        with self.cluster.history.outage():
            self.cluster.lose_ways(self.nodes, CLOSED, cut=True)
            self.assertEqual(self.post(0, "critical").outcome, "delivered")
            self.assertEqual(self.post(1, "ok").outcome, "queued")
            self.cluster.open_ways()
            self.wait_for("Critical", "Ok", seconds=BACK_SECONDS)
        self.assert_well()

    def test_what_came_back_is_not_closed_by_the_recovery_before(self):
        """The node that has the recovery is out for longer than the others."""
        self.assertEqual(self.post(0, "critical").outcome, "delivered")
        with self.cluster.history.outage():
            self.cluster.lose_ways([self.nodes[1]], CLOSED, cut=True)
            self.assertEqual(self.post(1, "ok").outcome, "queued")
            self.assertEqual(self.post(0, "error").outcome, "delivered")
            self.cluster.open_ways()
            self.cluster.wait_until_empty()
        self.assertEqual(self.statuses(), ["Critical", "Warning"])
        self.assert_well()

    def test_the_same_message_in_an_outage_is_a_duplicate_of_the_node_and_of_all_when_it_is_over(self):
        message = self.cluster.history.post("i0", self.name, "critical")
        with self.cluster.history.outage():
            self.cluster.lose_ways(self.nodes, CLOSED, cut=True)
            outcomes = [self.nodes[0].post(message).outcome for _ in range(2)]
            self.assertEqual(outcomes, ["delivered", "duplicate"])
            self.cluster.open_ways()
            self.cluster.wait_until_empty()
            self.post_until(1, "delivered")
        wait_until(
            lambda: self.nodes[1].post(message).outcome == "duplicate", BACK_SECONDS, "a duplicate"
        )
        self.assert_well()

    def test_connections_that_are_cut_are_no_outage(self):
        for _ in range(3):
            with self.cluster.history.outage():
                self.cluster.ways.cut([way for node in self.nodes for way in node.ways])
            for node in range(3):
                self.post(node, "critical", alert=f"-{node}")
                self.post(node, "ok", alert=f"-{node}")
        for node in range(3):
            wait_until(lambda n=node: len(self.events(f"-{n}")) >= 6, BACK_SECONDS, "all of them")
        self.assert_well()

    def test_a_standby_that_does_not_answer(self):
        """Nothing is committed, and alarms go out."""
        self.assertEqual(self.post(2, "critical", "-old").outcome, "delivered")
        standby = self.cluster.database.standby
        with self.cluster.history.outage():
            standby.freeze(True)
            try:
                for node in range(3):
                    self.post(node, "critical", alert=f"-{node}")
                    self.assertEqual(self.statuses(f"-{node}"), ["Critical"])
                self.post(1, "ok", "-old")
            finally:
                standby.freeze(False)
            self.wait_for("Critical", "Ok", alert="-old", seconds=BACK_SECONDS)
        self.assert_well()


class Promotion(DatabaseTest):
    """The primary is lost, and the standby takes its place."""

    def check(self, is_silent):
        """Triggers go out while there is no primary; all else when there is one again."""
        self.assertEqual(self.post(0, "critical", "-old").outcome, "delivered")
        database = self.cluster.database
        lost = database.servers.index(database.primary)
        ways = [node.ways[lost] for node in self.nodes]
        with self.cluster.history.outage():
            if is_silent:
                self.cluster.ways.become(ways, SILENT)
            database.primary.kill()
            self.assertEqual(self.post(0, "critical", "-new").outcome, "delivered")
            self.assertEqual(self.post(1, "ok", "-old").outcome, "queued")
            database.standby.promote()
            database.primary, database.standby = database.standby, database.primary
            self.wait_for("Critical", "Ok", alert="-old", seconds=BACK_SECONDS)
            self.post(2, "ok", "-new")
            self.wait_for("Critical", "Ok", alert="-new", seconds=BACK_SECONDS)
            self.cluster.open_ways(cut=True)
            database.rebuild()
        self.assert_well()

    def test_the_primary_is_killed(self):
        self.check(is_silent=False)

    def test_the_primarys_machine_is_gone_and_nobody_says_so(self):
        self.check(is_silent=True)


if __name__ == "__main__":
    unittest.main()
