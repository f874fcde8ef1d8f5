"""Whoever looks for an alert's key in the log finds its whole way, over retries."""

import sqlite3
from contextlib import closing

from tests.support import settings
from tests.support.gateway import FASTCGI, FLASHDUTY_KEYS, GatewayTest, guance_event
from tests.support.process import wait_until

OTHER_KEY = "another-flashduty-key"
BROKEN = {"do": "error", "code": "InternalError", "status": 500}


class Log(GatewayTest):
    mode = FASTCGI
    flashduty_keys = (*GatewayTest.flashduty_keys, OTHER_KEY)

    def kept(self, **changes):
        """A gateway with a store."""
        store = f"sqlite:{self.sandbox.folder}/gateway.db"
        return self.gateway(store=store, deadline_ms=settings.SHORT_DEADLINE_MS, **changes)

    def make_due(self):
        """As if half a minute had passed."""
        with closing(sqlite3.connect(self.sandbox.folder / "gateway.db", timeout=10)) as store:
            with store:
                store.execute("UPDATE delivery SET due_ms = 1, scheduled_ms = 1 WHERE state = 0")

    def way_of(self, gateway, key):
        """(message, outcome) of each record with this alert key."""
        return [(r["msg"], r["outcome"]) for r in gateway.records if r.get("alert_key") == key]

    def test_an_alert_that_waits_and_is_delivered(self):
        guance = self.kept()
        self.flashduty.answer(BROKEN, times=None)
        answer = guance.post(guance_event())
        self.assertEqual(answer.outcome, "queued")
        key = answer.json["data"]["alert_key"]
        wait_until(lambda: ("drained", "queued") in self.way_of(guance, key), what="a retry")
        self.flashduty.script.clear()
        self.make_due()
        wait_until(lambda: ("drained", "delivered") in self.way_of(guance, key), what="the end")
        way = self.way_of(guance, key)
        self.assertEqual((way[0], way[-1]), (("request", "queued"), ("drained", "delivered")))
        first, last = guance.requests[0], [r for r in guance.records if r["msg"] == "drained"][-1]
        self.assertEqual(first["destinations"], "default=queued")
        self.assertIn("store_ms", first)
        expected = {
            "request_id": answer.headers["request-id"],
            "integration": "prod-guance",
            "severity": "Critical",
            "destination": "default",
            "flashduty_request_id": self.flashduty.events[0].request_id,
        }
        self.assertEqual(last, {**last, **expected})
        self.assertEqual(int(last["tries"]), len(self.flashduty.requests))

    def test_each_destination_with_what_became_of_it(self):
        routed = settings.guance_integration(
            routes=[{"name": "a", "match": ["severity == Critical"], "flashduty_key": OTHER_KEY},
                    {"name": "b", "match": ["title == *"],
                     "flashduty_key": FLASHDUTY_KEYS["guance"]}],
        )  # fmt: skip
        guance = self.kept(integrations=[routed])
        self.flashduty.keys = (OTHER_KEY,)
        guance.post(guance_event())
        self.assertEqual(guance.requests[0]["destinations"], "a=delivered,b=rejected")

    def test_the_alerts_of_an_array_have_a_record_each(self):
        guance = self.kept()
        events = [
            guance_event(df_event_id=f"event-{i}", df_monitor_checker_event_ref=f"ref-{i}")
            for i in range(3)
        ]
        answer = guance.post(events)
        for alert in answer.json["data"]["alerts"]:
            self.assertEqual(self.way_of(guance, alert["alert_key"]), [("alert", "delivered")])
        alerts = [record for record in guance.records if record["msg"] == "alert"]
        self.assertEqual({record["request_id"] for record in alerts},
                         {guance.requests[0]["request_id"]})  # fmt: skip
        self.assertEqual(alerts[0]["destinations"], "default=delivered")


del GatewayTest
