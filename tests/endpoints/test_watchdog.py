"""The gateway pages about itself: once when something is wrong, once when it is over."""

from tests.endpoints.test_outbox import BROKEN, DONE, GUANCE_KEY, NO, OutboxTest, event_of
from tests.simulator import smn
from tests.simulator.server import Answer, ScriptedServer
from tests.support import settings

WATCHDOG_KEY = "canary-flashduty-key-of-the-watchdog"
MINUTE_MS = 60000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class SecondWay(ScriptedServer):
    """Whatever takes the text when Flashduty does not."""

    def respond(self, request):
        """Takes everything."""
        return Answer(200, b"ok")

    @property
    def url(self):
        """With a token in it, as chat bots have them."""
        return f"http://127.0.0.1:{self.port}/robot?token=canary-token"

    @property
    def texts(self):
        """What was posted, in order."""
        return [request.body.decode() for request in self.requests]


class WatchdogTest(OutboxTest):
    """With a key of its own; a drain, as by cron, looks once."""

    flashduty_keys = (*OutboxTest.flashduty_keys, WATCHDOG_KEY)
    section = {"flashduty_key": WATCHDOG_KEY}

    def configure_store(self, **changes):
        """A configuration with the section."""
        return super().configure_store(watchdog=self.section, **changes)

    def told(self):
        """(condition, status) of what the watchdog's key got, in order."""
        return [
            (event.labels["condition"], event.status)
            for event in self.flashduty.events
            if event.key == WATCHDOG_KEY
        ]

    def look(self, status=DONE):
        """A drain, whose words do not matter here."""
        done = self.run_it("drain")
        self.assertEqual(done.returncode, status, done.stderr)

    def outage(self):
        """Flashduty takes nothing of what comes with the integration's key."""
        self.flashduty.answer(BROKEN, times=None, key=GUANCE_KEY)

    def age(self, table, column, ms, where="1"):
        """As if it had happened earlier."""
        self.change(f"UPDATE {table} SET {column} = {column} - {ms} WHERE {where}")


class Waiting(WatchdogTest):
    def wait_for_long(self):
        """One that waits for six minutes."""
        self.outage()
        self.post(event_of("disk", 1), "queued")
        self.age("delivery", "created_ms", 6 * MINUTE_MS)

    def test_what_waits_too_long_is_told_once_and_once_more_when_it_is_over(self):
        self.wait_for_long()
        self.look(NO)
        self.look(NO)
        self.assertEqual(self.told(), [("waiting", "Critical")])
        (event,) = self.flashduty.events
        self.assertEqual(event.title, "flashduty-gateway: alerts of prod-guance wait")
        self.assertIn("1 of its deliveries wait for longer than 300 s", event.description)
        self.assertEqual(event.labels["integration"], "prod-guance")
        self.flashduty.script.clear()
        self.run_it("outbox", "retry", "--all")
        self.look()
        self.assertEqual(self.told(), [("waiting", "Critical"), ("waiting", "Ok")])
        self.look()
        self.assertEqual(len(self.told()), 2)
        self.assertEqual({e.alert_key for e in self.flashduty.events if e.key == WATCHDOG_KEY},
                         {event.alert_key})  # fmt: skip
        self.assert_adds_up()

    def test_what_waits_for_a_moment_is_not_told(self):
        self.outage()
        self.post(event_of("disk", 1), "queued")
        self.look()
        self.assertEqual(self.told(), [])

    def test_what_waited_only_for_a_drain_is_not_told(self):
        self.wait_for_long()
        self.flashduty.script.clear()
        self.change("UPDATE delivery SET due_ms = 1, scheduled_ms = 1")
        self.look()
        self.assertEqual(self.told(), [])
        self.assertEqual(len(self.flashduty.events), 1)

    def test_it_comes_again_when_it_happens_again(self):
        self.wait_for_long()
        self.look(NO)
        self.flashduty.script.clear()
        self.run_it("outbox", "retry", "--all")
        self.look()
        self.outage()
        self.post(event_of("heat", 1), "queued")
        self.age("delivery", "created_ms", 6 * MINUTE_MS, "state = 0")
        self.look(NO)
        self.assertEqual([status for _, status in self.told()], ["Critical", "Ok", "Critical"])


class Rejected(WatchdogTest):
    def test_what_was_rejected_is_told_until_a_person_has_dealt_with_it(self):
        self.post_rejected(event_of("disk", 1))
        self.look()
        self.assertEqual(self.told(), [])
        self.age("delivery", "finished_ms", 2 * MINUTE_MS, "state = 2")
        self.look()
        self.assertEqual(self.told(), [("rejected", "Critical")])
        self.assertIn("InvalidParameter", self.flashduty.events[-1].description)
        self.run_it("outbox", "retry", "--all")
        self.look()
        self.assertEqual(self.told(), [("rejected", "Critical"), ("rejected", "Ok")])

    def test_an_alarm_that_is_itself_rejected_is_not_watched(self):
        self.post_rejected(event_of("disk", 1))
        self.age("delivery", "finished_ms", 2 * MINUTE_MS)
        self.flashduty.keys = (GUANCE_KEY,)
        self.look(NO)
        self.assertEqual(self.outbox(), [(1, "rejected"), (2, "rejected")])
        for _ in range(3):
            self.age("delivery", "finished_ms", 10 * MINUTE_MS)
            self.look()
        self.assertEqual(self.outbox(), [(1, "rejected"), (2, "rejected")])
        self.assert_adds_up()

    def test_what_was_told_before_a_change_of_the_key_goes_on_with_the_new_one(self):
        self.post_rejected(event_of("disk", 1))
        self.age("delivery", "finished_ms", 2 * MINUTE_MS)
        self.flashduty.answer(BROKEN, times=None, key=WATCHDOG_KEY)
        self.look(NO)
        self.assertEqual(self.outbox("--state", "waiting"), [(2, "waiting")])
        self.section = {"flashduty_key": GUANCE_KEY}
        self.config = self.configure_store()
        self.change("UPDATE destination SET failures = 0, probe_steady_ms = 0")
        self.look()
        self.assertEqual([event.key for event in self.flashduty.events], [GUANCE_KEY])


class WithoutASection(OutboxTest):
    def test_the_integrations_own_destination_is_told(self):
        self.post_rejected(event_of("disk", 1))
        self.change(f"UPDATE delivery SET finished_ms = finished_ms - {2 * MINUTE_MS}")
        self.run_it("drain")
        (event,) = self.flashduty.events
        self.assertEqual((event.key, event.labels["condition"]), (GUANCE_KEY, "rejected"))
        done = self.run_it("check")
        self.assertIn("paged to each integration's default destination", done.stdout)

    def test_nobody_is_told_in_pass_through(self):
        self.config = self.configure_store(integrations=None, pass_through=True)
        done = self.run_it("check")
        self.assertIn("paged to nobody", done.stdout)


class Subscriptions(WatchdogTest):
    def setUp(self):
        super().setUp()
        self.config = self.configure_store(smn=settings.trusting(self.keys))
        self.ces = self.start("ces", self.config)

    def test_a_removed_one_is_told_until_it_is_there_again(self):
        message = smn.confirmation("https://example.invalid/", "UnsubscribeConfirmation")
        self.assertEqual(self.ces.post(self.keys.sign(message)).outcome, "ignored")
        self.look()
        self.assertEqual(self.told(), [])
        self.age("subscription", "changed_ms", 2 * MINUTE_MS)
        self.look()
        self.assertEqual(self.told(), [("unsubscribed", "Warning")])
        self.assertIn(smn.TOPIC_URN, self.flashduty.events[-1].description)
        self.change("UPDATE subscription SET state = 0")
        self.look()
        self.assertEqual(self.told()[-1], ("unsubscribed", "Ok"))

    def test_a_removed_one_is_forgotten_after_some_days(self):
        message = smn.confirmation("https://example.invalid/", "UnsubscribeConfirmation")
        self.ces.post(self.keys.sign(message))
        self.age("subscription", "changed_ms", 2 * MINUTE_MS)
        self.look()
        self.age("subscription", "changed_ms", 3 * DAY_MS)
        self.look()
        self.assertEqual(self.told()[-1], ("unsubscribed", "Ok"))

    def test_one_that_cannot_be_confirmed_is_told(self):
        with smn.Console(self.keys) as console:
            console.answer({"do": "status", "status": 500}, times=None)
            self.config = self.configure_store(smn=settings.trusting(self.keys, console.port),
                                               ca_file=str(self.keys.ca_certificate))  # fmt: skip
            self.ces = self.start("ces", self.config)
            answer = self.ces.post(self.keys.sign(smn.confirmation(console.subscribe_url())))
            self.assertEqual(answer.status, 202, answer.body)
            self.age("confirmation", "received_ms", 6 * MINUTE_MS)
            self.look()
            self.assertEqual(self.told(), [("unconfirmed", "Warning")])
            console.script.clear()
            self.change("UPDATE confirmation SET due_ms = 1, scheduled_ms = 1")
            self.look()
            self.assertEqual(self.told()[-1], ("unconfirmed", "Ok"))

    def forge(self, count):
        """So many messages with a wrong signature."""
        message = self.keys.sign(smn.notification("text", "subject"))
        message["signature"] = message["signature"][::-1]
        for _ in range(count):
            self.assertEqual(self.ces.post(message).status, 403)

    def test_a_burst_of_refused_signatures_is_told_until_it_has_ended(self):
        self.forge(1)
        self.look()
        self.forge(9)
        self.look()
        self.assertEqual(self.told(), [])
        self.forge(1)
        self.look()
        self.assertEqual(self.told(), [("signatures", "Warning")])
        self.assertIn("change push_key", self.flashduty.events[-1].description)
        # A window is over, and its refusals were a burst; another passes without one.
        for _ in range(2):
            self.age("counter", "value", 5 * MINUTE_MS, "name = 'forged_mark_ms'")
            self.look()
        self.assertEqual(self.told(), [("signatures", "Warning"), ("signatures", "Ok")])

    def test_strangers_without_the_push_key_page_nobody(self):
        self.look()
        message = self.keys.sign(smn.notification("text", "subject"))
        for _ in range(20):
            answer = self.ces.post(message, query="integration_key=some-other-key-of-nobody")
            self.assertEqual(answer.status, 401)
        self.look()
        self.assertEqual(self.told(), [])


class Silence(WatchdogTest):
    section = {"flashduty_key": WATCHDOG_KEY, "silence_h": 2}

    def test_an_integration_gone_silent_is_told_until_an_alarm_comes(self):
        self.post(event_of("disk", 1), "delivered")
        self.look()
        self.age("counter", "value", 3 * HOUR_MS, "name = 'alert_ms'")
        self.look()
        self.assertEqual(self.told(), [])
        # Looked at for less than that: not known to be silent.
        self.age("counter", "value", 3 * HOUR_MS, "name = 'watched_ms'")
        self.look()
        self.assertEqual(sorted(self.told()), [("silent", "Warning")] * 2)
        words = {e.labels["integration"]: e.description for e in self.flashduty.events[1:]}
        self.assertIn("No alarm came since", words["prod-guance"])
        self.assertIn("No alarm ever came", words["prod-ces"])
        self.post(event_of("disk", 2), "delivered")
        self.look()
        self.assertEqual(self.told()[-1], ("silent", "Ok"))
        self.assertEqual(len(self.told()), 3)


class TheSecondWay(WatchdogTest):
    def setUp(self):
        self.robot = SecondWay()
        super().setUp()
        self.sandbox.enter(self.robot)

    def configure_store(self, **changes):
        """A configuration with a second way."""
        self.section = {"flashduty_key": WATCHDOG_KEY, "url": self.robot.url}
        return super().configure_store(**changes)

    def test_it_is_not_taken_while_flashduty_accepts(self):
        self.post_rejected(event_of("disk", 1))
        self.age("delivery", "finished_ms", 2 * MINUTE_MS)
        self.look()
        self.age("alarm", "changed_ms", 2 * MINUTE_MS)
        self.look()
        self.assertEqual(self.told(), [("rejected", "Critical")])
        self.assertEqual(self.robot.texts, [])

    def test_it_is_taken_when_flashduty_has_not_accepted_for_a_minute(self):
        self.flashduty.answer(BROKEN, times=None)
        self.post(event_of("disk", 1), "queued")
        self.age("delivery", "created_ms", 6 * MINUTE_MS)
        self.look(NO)
        self.assertEqual(self.robot.texts, [])
        self.age("alarm", "changed_ms", MINUTE_MS)
        self.look(NO)
        (text,) = self.robot.texts
        self.assertTrue(text.startswith("flashduty-gateway: alerts of prod-guance wait\n1 of"))
        request = self.robot.requests[0]
        self.assertEqual(request.headers["content-type"], "text/plain; charset=utf-8")
        self.look(NO)
        self.assertEqual(len(self.robot.texts), 1)
        self.flashduty.script.clear()
        self.change("UPDATE destination SET failures = 0, probe_steady_ms = 0")
        self.run_it("outbox", "retry", "--all")
        self.look()
        self.look()
        self.assertEqual(len(self.robot.texts), 2)
        self.assertTrue(self.robot.texts[1].startswith("OK: flashduty-gateway: alerts of"))
        self.assertEqual(self.told(), [("waiting", "Critical"), ("waiting", "Ok")])

    def test_it_is_taken_too_when_flashduty_rejects_the_alarm(self):
        self.post_rejected(event_of("disk", 1))
        self.age("delivery", "finished_ms", 2 * MINUTE_MS)
        self.flashduty.keys = (GUANCE_KEY,)
        self.look(NO)
        self.age("alarm", "changed_ms", MINUTE_MS)
        self.look()
        self.assertEqual(len(self.robot.texts), 1)

    def test_a_second_way_that_fails_is_tried_again(self):
        self.post_rejected(event_of("disk", 1))
        self.age("delivery", "finished_ms", 2 * MINUTE_MS)
        self.flashduty.keys = (GUANCE_KEY,)
        self.look(NO)
        self.age("alarm", "changed_ms", MINUTE_MS)
        self.robot.answer({"do": "status", "status": 500})
        self.look()
        self.look()
        self.assertEqual(len(self.robot.texts), 2)
        self.look()
        self.assertEqual(len(self.robot.texts), 2)


class AFullOutbox(WatchdogTest):
    def test_an_alarm_that_finds_no_room_is_told_later(self):
        self.post_rejected(event_of("disk", 1))
        self.age("delivery", "finished_ms", 2 * MINUTE_MS)
        self.outage()
        self.post(event_of("heat", 1), "queued")
        self.config = self.configure_store(outbox_limit=1)
        self.look()
        self.assertEqual(self.told(), [])
        self.config = self.configure_store()
        self.look()
        self.assertEqual(self.told(), [("rejected", "Critical")])
        self.assert_adds_up()


del OutboxTest, WatchdogTest
