"""`canary`: an alert and its recovery that show that the way to Flashduty is open."""

from tests.endpoints.test_outbox import (
    BROKEN,
    DONE,
    GUANCE_KEY,
    NO,
    NOT_FOUND,
    OTHER_KEY,
    STORE,
    OutboxTest,
    event_of,
)
from tests.support import settings

NETWORK = 5
NAME = "prod-guance"
ALERT_KEY = f"canary:{NAME}"


class Canary(OutboxTest):
    def setUp(self):
        super().setUp()
        self.post(event_of("first", 1), "delivered")

    def canary(self, status=DONE, name=NAME, config=None):
        """A run, as cron would do it."""
        done = self.run_it("canary", name, config=config)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        return done.stderr

    def went(self):
        """(status, key) of the canaries that arrived."""
        self.assertEqual(self.flashduty.violations, [])
        return [(e.status, e.key) for e in self.flashduty.events if e.alert_key == ALERT_KEY]

    def succeeded(self):
        """When a canary went through last; None: never."""
        rows = self.rows("SELECT value FROM counter WHERE name = 'canary_ms' AND integration = ?",
                         NAME)  # fmt: skip
        return rows[0][0] if rows else None

    def test_it_goes_the_whole_way_and_says_nothing(self):
        self.assertEqual(self.canary(), "")
        self.assertEqual(self.went(), [("Info", GUANCE_KEY), ("Ok", GUANCE_KEY)])
        event = self.flashduty.events[-2]
        self.assertEqual(event.title, "flashduty-gateway: canary of prod-guance")
        self.assertEqual(event.labels["canary"], "true")
        self.assertIsNotNone(self.succeeded())
        self.assert_adds_up()

    def test_it_can_be_sent_again_and_again(self):
        self.canary()
        first = self.succeeded()
        self.canary()
        self.assertEqual(len(self.went()), 4)
        self.assertGreater(self.succeeded(), first)

    def test_its_outcome_is_a_record(self):
        (record,) = self.records("canary", NAME)
        self.assertEqual(record["integration"], NAME)
        self.assertEqual(record["alert"]["outcome"], "delivered")
        self.assertEqual(record["recovery"]["outcome"], "delivered")

    def test_it_takes_the_integrations_labels_and_routes(self):
        routed = settings.guance_integration(
            labels=["team=payments"],
            routes=[{"name": "team", "match": ["labels.team == payments"],
                     "flashduty_key": OTHER_KEY}],
        )  # fmt: skip
        self.canary(config=self.configure_store(integrations=[routed]))
        self.assertEqual(self.went(), [("Info", OTHER_KEY), ("Ok", OTHER_KEY)])

    def test_an_integration_that_sends_nothing_is_still_silent(self):
        before = self.rows("SELECT value FROM counter WHERE name = 'alert_ms' AND integration = ?",
                           NAME)  # fmt: skip
        self.canary()
        self.assertEqual(
            self.rows("SELECT value FROM counter WHERE name = 'alert_ms' AND integration = ?", NAME),
            before,
        )

    def test_what_flashduty_rejects_is_no(self):
        self.flashduty.keys = ()
        words = self.canary(NO)
        self.assertIn("its alert is rejected: integration_key is invalid", words)
        self.assertIn("store: ", words)
        self.assertIsNone(self.succeeded())

    def test_what_waits_is_no_and_the_recovery_waits_behind_it(self):
        self.flashduty.answer(BROKEN, times=None)
        self.assertIn("its alert is queued", self.canary(NO))
        self.assertEqual([state for _, state in self.outbox()], ["waiting", "waiting"])
        self.assertIsNone(self.succeeded())

    def test_a_flashduty_that_is_not_there_is_the_network(self):
        config = self.configure_store(flashduty_url="http://127.0.0.1:9/push")
        self.canary(NETWORK, config=config)

    def test_an_integration_that_is_unknown_is_not_found(self):
        self.assertIn("nobody is no integration", self.canary(NOT_FOUND, "nobody"))

    def test_a_store_that_cannot_be_used_is_the_store(self):
        self.change("PRAGMA user_version = 99")
        self.assertIn("delivered, but without the store", self.canary(STORE))
        self.assertEqual(len(self.went()), 2)

    def test_a_store_that_is_not_there_yet_is_not_made(self):
        config = self.configure_store(store=f"sqlite:{self.sandbox.folder}/none.db")
        self.canary(STORE, config=config)
        self.assertFalse((self.sandbox.folder / "none.db").exists())

    def test_without_a_store_it_goes_all_the_same(self):
        self.canary(config=self.configure_store(store="none"))
        self.assertEqual(len(self.went()), 2)


del OutboxTest
