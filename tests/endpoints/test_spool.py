"""A node whose database is out of reach: what it answers, what goes out, and what those see who look."""

import unittest

from tests.endpoints.test_outbox import BROKEN, NO, STORE, OutboxTest, event_of
from tests.endpoints.test_status import bearer
from tests.support import shared
from tests.support.gateway import CGI, FASTCGI
from tests.support.process import runs_in, wait_until
from tests.support.settings import STATUS_KEY


class Spool(OutboxTest):
    """Nobody listens where the database should be."""

    mode = FASTCGI

    def configure_store(self, **changes):
        url = f"postgresql://gateway@127.0.0.1:{shared.free_port()}/gateway"
        return self.configure(
            store=url, status_key=STATUS_KEY, deadline_ms=1500, **{"log_level": "debug", **changes}
        )

    @staticmethod
    def recovery_of(alert, number):
        """The n-th event of an alert, which ends it."""
        return event_of(alert, number, df_status="ok")

    def test_a_trigger_goes_out_and_a_recovery_waits_for_the_database(self):
        self.post(event_of("disk", 1), "delivered")
        answer = self.post(self.recovery_of("disk", 2), "queued")
        self.assertEqual(answer.status, 202)
        self.post(event_of("disk", 1), "duplicate")
        self.assertEqual(self.titles(), ["disk number 1"])
        self.assertEqual(self.guance.request(method="GET", path_info="/healthz").status, 200)

    def test_what_flashduty_does_not_take_is_sent_later_without_the_database(self):
        self.post_queued(event_of("disk", 1))
        wait_until(lambda: self.titles() == ["disk number 1"], 30, "the drainer's try")

    def test_a_request_does_not_wait_for_it_again_and_again(self):
        self.post(event_of("disk", 1), "delivered")
        for number in range(2, 12):
            self.post(event_of(f"disk-{number}", number), "delivered")
        slow = [r for r in self.guance.requests[1:] if float(r["store_ms"]) > 300]
        self.assertEqual(slow, [])

    def test_commands_say_what_the_spool_holds(self):
        self.post(event_of("disk", 1), "delivered")
        self.post(self.recovery_of("disk", 2), "queued")
        for words in (("status",), ("outbox", "list"), ("alert", "disk")):
            done = self.run_it(*words)
            self.assertEqual(done.returncode, STORE, done.stderr)
            self.assertIn("spool: 2 alerts that this node took", done.stderr)
        (record,) = self.records("outbox", "list", status=STORE)
        self.assertEqual((record["id"], record["state"]), (-2, "waiting"))
        self.assertIn("until the store can be reached", self.run_it("outbox", "list").stdout)

    def test_the_page_and_the_metrics_say_it(self):
        self.post(event_of("disk", 1), "delivered")
        self.post(self.recovery_of("disk", 2), "queued")
        status = self.start("status", self.config)
        look = {"method": "GET", "headers": bearer(), "content_type": None}
        page = status.request(**look)
        self.assertEqual(page.status, 503)
        self.assertIn("took while the database was out of reach: 2.", page.body.decode())
        metrics = status.request(path_info="/metrics", **look).body.decode()
        self.assertIn("\nflashduty_gateway_spool_alerts 2\n", metrics)
        self.assertIn("\nflashduty_gateway_store_up 0\n", metrics)


class SpoolOfCgi(Spool):
    """Each request finds out for itself."""

    mode = CGI
    test_a_request_does_not_wait_for_it_again_and_again = None
    test_what_flashduty_does_not_take_is_sent_later_without_the_database = None

    def setUp(self):
        super().setUp()
        # Plain CGI leaves a program behind that drains.
        self.sandbox.defer(
            lambda: wait_until(lambda: not runs_in(self.sandbox.folder), 30, "the end of drains")
        )

    def test_a_drain_sends_from_the_spool_and_says_what_is_wrong(self):
        self.flashduty.answer(BROKEN, times=None)
        self.post(event_of("disk", 1), "queued")
        self.flashduty.script.clear()
        wait_until(lambda: self._drained() == ["disk number 1"], 30, "the next try")
        done = self.run_it("drain")
        self.assertEqual((done.returncode, done.stdout), (NO, ""))
        self.assertIn("1 alerts wait in this node's spool", done.stderr)

    def _drained(self):
        self.run_it("drain")
        return self.titles()


del OutboxTest

if __name__ == "__main__":
    unittest.main()
