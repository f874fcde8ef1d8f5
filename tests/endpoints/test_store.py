"""The promise behind a 2xx, seen from outside: repeats, order, outages, limits, broken stores."""

import shutil
import sqlite3
import time
import unittest
from contextlib import closing

from tests.simulator import smn
from tests.support import settings
from tests.support.gateway import CGI, FASTCGI, GatewayTest, guance_event
from tests.support.process import wait_until

OUT_OF_ORDER = {"do": "status", "status": 503}
DEADLINE_MS = 500
# A destination that keeps failing is tried once in five seconds.
DRAIN_SECONDS = 12


def event_of(alert, status="critical", number=1, **changes):
    """An event of an alert, with an id of its own."""
    return guance_event(
        df_event_id=f"event-{alert}-{number}",
        df_status=status,
        df_monitor_checker_event_ref=alert,
        **changes,
    )


class Promises:
    """What holds for CGI and FastCGI alike."""

    def setUp(self):
        super().setUp()
        self.store = self.sandbox.folder / "gateway.db"

    def kept(self, vendor="guance", **changes):
        """A gateway with a store."""
        values = {"store": f"sqlite:{self.store}", "deadline_ms": DEADLINE_MS, **changes}
        return self.gateway(vendor, **values)

    def rows(self, sql):
        """What a query of the store says."""
        with closing(sqlite3.connect(self.store)) as store:
            return store.execute(sql).fetchall()

    def ledger(self):
        """Where everything is: place → count, of all integrations."""
        return dict(
            self.rows("SELECT place, sum(count) FROM ledger GROUP BY place HAVING sum(count) <> 0")
        )

    def arrived(self):
        """(alert, status) of what Flashduty has, in order."""
        return [(e.alert_key.removeprefix("guance:"), e.status) for e in self.flashduty.events]

    def drain(self, gateway, count):
        """Waits until that many events have arrived; CGI drains by a program of its own."""
        end = time.monotonic() + DRAIN_SECONDS
        while len(self.flashduty.events) < count and time.monotonic() < end:
            if self.mode == CGI:
                gateway.request(method="GET", path_info="/healthz")
            time.sleep(0.2)
        self.assertEqual(len(self.flashduty.events), count)
        self.assertEqual(self.flashduty.violations, [])

    def assert_queued(self, answer):
        """Answered 202, safe in the outbox."""
        self.assertEqual((answer.status, answer.outcome), (202, "queued"), answer.body)

    # ---- repeats and order ----

    def test_a_repeat_is_sent_once(self):
        guance = self.kept()
        self.assert_delivered(guance.post(event_of("a")))
        answer = guance.post(event_of("a"))
        self.assertEqual((answer.status, answer.outcome), (200, "duplicate"))
        self.assert_delivered(guance.post(event_of("a", number=2)), count=2)
        self.assertEqual(self.ledger(), {"received": 3, "delivered": 2, "duplicate": 1})

    def test_the_same_event_with_another_status_is_no_repeat(self):
        guance = self.kept()
        self.assert_delivered(guance.post(event_of("a")))
        self.assert_delivered(guance.post(event_of("a", "ok")), count=2)

    def test_an_older_event_turns_nothing_back(self):
        guance = self.kept()
        self.assert_delivered(guance.post(event_of("a", "ok", 2, timestamp=1795485700)))
        answer = guance.post(event_of("a", "critical", 1, timestamp=1795485699))
        self.assertEqual((answer.status, answer.outcome), (200, "stale"))
        self.assertEqual(self.arrived(), [("a", "Ok")])

    def test_a_clock_far_ahead_silences_nothing(self):
        guance = self.kept()
        ahead = int(time.time()) + 86400
        self.assert_delivered(guance.post(event_of("a", number=1, timestamp=ahead)))
        self.assert_delivered(guance.post(event_of("a", number=2, timestamp=1795485700)), count=2)

    def test_smn_messages_are_recognised_by_their_id(self):
        ces = self.kept("ces", smn=settings.trusting(self.keys))
        message = self.keys.sign(smn.notification("text", "subject"))
        self.assert_delivered(ces.post(message))
        self.assertEqual(ces.post(message).outcome, "duplicate")

    # ---- outages ----

    def test_an_outage_is_survived_in_order(self):
        guance = self.kept()
        self.flashduty.answer(OUT_OF_ORDER, times=None)
        for event in (event_of("a"), event_of("b", "warning"), event_of("a", "ok", 2)):
            self.assert_queued(guance.post(event))
        # The recovery waits for its alarm, whatever Flashduty would say.
        tries = [int(request["tries"]) for request in guance.requests]
        self.assertGreater(min(tries[:2]), 0)
        self.assertEqual(tries[2], 0)
        self.assertEqual(guance.post(event_of("a")).outcome, "duplicate")
        self.assertEqual(self.ledger(), {"received": 4, "queued": 3, "duplicate": 1})
        self.flashduty.script.clear()
        self.drain(guance, 3)
        alerts = self.arrived()
        self.assertLess(alerts.index(("a", "Critical")), alerts.index(("a", "Ok")))
        wait_until(lambda: self.ledger().get("delivered") == 3, what="the ledger")

    def test_what_flashduty_refuses_for_good_is_kept(self):
        self.flashduty.answer({"do": "error", "code": "NoLicense", "message": "told so"})
        answer = self.kept().post(event_of("a"))
        self.assertEqual((answer.status, answer.outcome), (202, "rejected"))
        self.assertEqual(answer.json["data"]["code"], "NoLicense")
        self.assertEqual(answer.json["data"]["message"], "told so")
        self.assertEqual(self.ledger(), {"received": 1, "rejected": 1})
        tries = self.rows("SELECT number, status, code, message FROM try")
        self.assertEqual(tries, [(1, 400, "NoLicense", "told so")])

    def test_an_array_is_answered_with_its_least_finished(self):
        self.flashduty.answer({"do": "error", "code": "NoLicense"}, key=None)
        answer = self.kept().post([event_of("a"), event_of("b")])
        self.assertEqual((answer.status, answer.outcome), (202, "rejected"))
        outcomes = sorted(alert["outcome"] for alert in answer.json["data"]["alerts"])
        self.assertEqual(outcomes, ["delivered", "rejected"])

    def test_alarm_and_recovery_in_one_array_keep_their_order(self):
        guance = self.kept()
        answer = guance.post([event_of("a"), event_of("a", "ok", 2)])
        self.assertIn(answer.status, (200, 202))
        self.drain(guance, 2)
        self.assertEqual(self.arrived(), [("a", "Critical"), ("a", "Ok")])

    def test_a_large_array_is_kept_whole(self):
        guance = self.kept(rate_per_second=0, rate_per_minute=0, deadline_ms=3000)
        answer = guance.post([event_of(f"alert-{number}") for number in range(300)])
        self.assertIn(answer.status, (200, 202), answer.body[:300])
        self.drain(guance, 300)

    # ---- limits ----

    def test_a_rate_is_kept_and_critical_ones_go_first(self):
        guance = self.kept(rate_per_second=2, rate_per_minute=100)
        severities = ["info", "warning", "info", "critical", "info", "critical"]
        # All at once: one by one the last might come when the first second is over.
        events = [event_of(f"alert-{number}", status) for number, status in enumerate(severities)]
        self.assertIn(guance.post(events).outcome, ("delivered", "queued"))
        self.drain(guance, 6)
        times = [event.time for event in self.flashduty.events]
        for first, third in zip(times, times[2:]):
            self.assertGreater(third - first, 0.95)
        late = [status for _, status in self.arrived()[2:]]
        self.assertEqual(late, ["Critical", "Critical", "Info", "Info"])

    def test_a_full_outbox_refuses_only_what_would_have_to_wait(self):
        guance = self.kept(outbox_limit=1)
        self.flashduty.answer(OUT_OF_ORDER, times=None)
        self.assert_queued(guance.post(event_of("a")))
        answer = guance.post(event_of("b"))
        self.assert_error(answer, 503, "full")
        self.assertIn("retry-after", answer.headers)
        self.flashduty.script.clear()
        self.drain(guance, 1)
        wait_until(lambda: self.ledger().get("delivered") == 1, what="the ledger")
        self.assert_delivered(guance.post(event_of("b")), count=2)
        self.assertEqual(self.ledger(), {"received": 3, "delivered": 2, "refused": 1})

    # ---- pass-through ----

    def pass_through(self, **changes):
        """A gateway that forwards with the key in the URL."""
        return self.kept(pass_through=True, integrations=None, **changes)

    def test_nothing_is_kept_for_a_key_that_flashduty_has_not_accepted(self):
        guance = self.pass_through()
        query = f"integration_key={settings.GUANCE_FLASHDUTY_KEY}"
        self.flashduty.answer(OUT_OF_ORDER, times=2 if self.mode == CGI else None)
        self.assert_error(guance.post(event_of("a"), query=query), 503, "not accepted yet")
        self.assertEqual(self.rows("SELECT count(*) FROM alert"), [(0,)])
        self.flashduty.script.clear()
        self.assert_error(guance.post(event_of("a"), query="integration_key=unknown"), 401)
        wait_until(lambda: self.ledger() == {"received": 2, "refused": 2}, what="the ledger")

    def test_a_key_that_was_accepted_is_kept(self):
        guance = self.pass_through()
        query = f"integration_key={settings.GUANCE_FLASHDUTY_KEY}"
        self.assert_delivered(guance.post(event_of("a"), query=query))
        self.assertEqual(guance.post(event_of("a"), query=query).outcome, "duplicate")
        self.flashduty.answer(OUT_OF_ORDER, times=None)
        self.assert_queued(guance.post(event_of("b"), query=query))
        self.flashduty.script.clear()
        self.drain(guance, 2)

    # ---- stores that cannot be used ----

    def broken(self, name):
        """A store of a kind that cannot be used."""
        if name == "a folder":
            self.store.mkdir()
        elif name == "no folder for it":
            self.store = self.sandbox.folder / "missing" / "gateway.db"
        elif name == "no database":
            self.store.write_bytes(b"this is no database\n" * 1000)
        else:
            with closing(sqlite3.connect(self.store)) as store:
                store.execute("CREATE TABLE later (x)")
                store.execute("PRAGMA user_version = 1000")

    def test_a_store_that_cannot_be_used_stops_no_page(self):
        for name in ("a folder", "no folder for it", "no database", "a newer store"):
            with self.subTest(name):
                self.flashduty.clear()
                self.store = self.sandbox.folder / f"{name.replace(' ', '-')}.db"
                self.broken(name)
                before = self.store.read_bytes() if self.store.is_file() else None
                guance = self.kept()
                self.assert_delivered(guance.post(event_of("a")))
                self.assertEqual(guance.requests[-1]["recorded"], "no")
                self.assertIn("the store cannot be used", guance.log)
                self.flashduty.answer(OUT_OF_ORDER, times=None)
                self.assert_error(guance.post(event_of("b")), 503, "store cannot be used")
                health = guance.request(method="GET", path_info="/healthz")
                self.assertEqual(health.status, 503)
                if before is not None:
                    self.assertEqual(self.store.read_bytes(), before)
                if self.mode == FASTCGI:
                    self.assertEqual(guance.stop(), 0)

    def test_a_locked_store_delays_a_page_by_half_a_second_at_most(self):
        guance = self.kept(deadline_ms=2000)
        self.assert_delivered(guance.post(event_of("a")))
        with closing(sqlite3.connect(self.store, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            self.assert_delivered(guance.post(event_of("b")), count=2)
            self.assertLess(time.monotonic() - started, 1.5)
            store.execute("ROLLBACK")
        self.assertLess(float(guance.requests[-1]["total_ms"]), 1200)
        self.assertEqual(guance.requests[-1]["recorded"], "no")
        self.assert_delivered(guance.post(event_of("c")), count=3)

    def test_what_waits_in_a_locked_store_is_not_overtaken(self):
        guance = self.kept(deadline_ms=1500)
        self.flashduty.answer(OUT_OF_ORDER, times=None)
        self.assert_queued(guance.post(event_of("a")))
        with closing(sqlite3.connect(self.store, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            self.flashduty.script.clear()
            answer = guance.post(event_of("a", "ok", 2))
            self.assert_error(answer, 503, "an earlier event of this alert waits")
            store.execute("ROLLBACK")
        self.assertEqual(self.arrived(), [])

    # ---- confirmations ----

    def confirming(self, **changes):
        """A CES gateway that trusts a console, and that console."""
        console = self.sandbox.enter(smn.Console(self.keys))
        section = settings.trusting(self.keys, console.port)
        ca_file = str(self.keys.ca_certificate)
        return self.kept("ces", smn=section, ca_file=ca_file, **changes), console

    def test_in_pass_through_a_confirmation_is_kept_for_a_key_that_was_accepted(self):
        ces, console = self.confirming(pass_through=True, integrations=None)
        query = f"integration_key={settings.CES_FLASHDUTY_KEY}"
        console.answer({"do": "status", "status": 500})
        signed = self.keys.sign(smn.confirmation(console.subscribe_url()))
        self.assert_error(ces.post(signed, query=query), 503, "could not be confirmed")
        self.assertEqual(self.rows("SELECT count(*) FROM confirmation"), [(0,)])
        self.assert_delivered(ces.post(self.keys.sign(smn.notification("plain")), query=query))
        console.answer({"do": "status", "status": 500})
        self.assert_queued(ces.post(signed, query=query))
        self.assertEqual(self.rows("SELECT count(*) FROM confirmation"), [(1,)])

    def test_a_confirmation_that_failed_is_carried_out_later(self):
        ces, console = self.confirming()
        console.answer({"do": "status", "status": 500})
        self.assert_queued(ces.post(self.keys.sign(smn.confirmation(console.subscribe_url()))))
        self.assertEqual(self.ledger(), {"received": 1, "confirming": 1})
        end = time.monotonic() + DRAIN_SECONDS
        while not console.confirmed and time.monotonic() < end:
            if self.mode == CGI:
                ces.request(method="GET", path_info="/healthz")
            time.sleep(0.2)
        self.assertEqual(console.confirmed, [smn.TOPIC_URN])
        wait_until(lambda: self.ledger() == {"received": 1, "confirmed": 1}, what="the ledger")

    # ---- the rest ----

    def test_a_browser_is_told_that_there_is_a_store(self):
        self.assertIn("it has a store", self.kept().request(method="GET").message)

    def test_everything_is_counted_once(self):
        guance = self.kept()
        guance.post(event_of("a"))
        guance.post({"df_title": "a test"})
        guance.post(b"{")
        guance.post(event_of("b"), query="integration_key=another-00000000000000")
        guance.request(method="GET")
        if self.mode == FASTCGI:
            self.assertEqual(guance.stop(), 0)
        rows = self.rows("SELECT * FROM ledger WHERE count <> 0 ORDER BY 1, 2")
        self.assertEqual(
            rows,
            [
                ("(none)", "received", 1),
                ("(none)", "refused", 1),
                ("prod-guance", "delivered", 1),
                ("prod-guance", "ignored", 1),
                ("prod-guance", "received", 3),
                ("prod-guance", "refused", 1),
            ],
        )

    def test_only_its_owner_may_read_the_store(self):
        self.assert_delivered(self.kept().post(event_of("a")))
        for path in self.sandbox.folder.glob("gateway.db*"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)


class PromisesOfCgi(Promises, GatewayTest):
    """A process for each request."""

    mode = CGI


class PromisesOfFastCgi(Promises, GatewayTest):
    """One process for all requests."""

    mode = FASTCGI

    def test_a_store_that_is_moved_away_is_noticed(self):
        guance = self.kept()
        self.assert_delivered(guance.post(event_of("a")))
        for path in self.sandbox.folder.glob("gateway.db*"):
            shutil.move(path, self.sandbox.folder / f"old-{path.name}")
        self.assert_delivered(guance.post(event_of("b")), count=2)
        self.assertEqual(self.rows("SELECT alert_key FROM alert"), [("guance:b",)])

    def test_another_process_goes_on_with_what_one_left(self):
        first = self.kept()
        self.flashduty.answer(OUT_OF_ORDER, times=None)
        self.assert_queued(first.post(event_of("a")))
        self.assertEqual(first.stop(), 0)
        self.flashduty.script.clear()
        self.kept()
        self.drain(first, 1)

    def test_a_new_key_of_an_integration_is_used_for_what_waits(self):
        first = self.kept()
        self.flashduty.answer(OUT_OF_ORDER, times=None)
        self.assert_queued(first.post(event_of("a")))
        self.assertEqual(first.stop(), 0)
        self.flashduty.script.clear()
        self.flashduty.keys = None
        changed = settings.guance_integration(flashduty_key="another-key-of-flashduty")
        self.kept(integrations=[changed])
        self.drain(first, 1)
        self.assertEqual(self.flashduty.events[0].key, "another-key-of-flashduty")


if __name__ == "__main__":
    unittest.main()
