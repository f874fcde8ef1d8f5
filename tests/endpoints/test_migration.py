"""A store that an earlier release made is brought up to date, and nothing in it is lost."""

import sqlite3
import time
from contextlib import closing

from tests.endpoints.test_outbox import OutboxTest, event_of
from tests.support import paths
from tests.support.process import runs_in, wait_until

# Written by the first program that had a store: delivered, rejected, expired, two that wait, and a repeat.
VERSION_1 = paths.ROOT / "tests/fixtures/stores/version-1.sql"
# Older than the first retry, younger than what the watchdog tells.
AGE_MS = 20000
TIMES = {
    "alert": ("received_ms",),
    "delivery": ("created_ms", "due_ms", "scheduled_ms", "finished_ms"),
    "seen": ("seen_ms",),
    "memory": ("changed_ms",),
    "destination": ("accepted_ms",),
}


def fill(store):
    """Makes a store of version 1 whose newest alert is AGE_MS old."""
    with closing(sqlite3.connect(store)) as database:
        database.executescript(VERSION_1.read_text())
        (newest,) = database.execute("SELECT max(received_ms) FROM alert").fetchone()
        shift = int(time.time() * 1000) - newest - AGE_MS
        for table, columns in TIMES.items():
            for column in columns:
                database.execute(
                    f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > 0", (shift,)
                )
        database.commit()


class Migration(OutboxTest):
    """From version 1."""

    def setUp(self):
        super().setUp()
        # Plain CGI leaves a program behind that drains.
        self.sandbox.defer(
            lambda: wait_until(lambda: not runs_in(self.sandbox.folder), 30, "the end of drains")
        )
        fill(self.store)

    def version(self):
        """The store's."""
        with closing(sqlite3.connect(self.store)) as database:
            return database.execute("PRAGMA user_version").fetchone()[0]

    def test_looking_leaves_it_as_it_is(self):
        done = self.run_it("status")
        self.assertIn("version 1", done.stderr)
        self.assertIn("the next alert, or a drain, brings it up to date", done.stderr)
        self.assertEqual((done.returncode, self.version()), (3, 1))

    def test_a_drain_sends_what_waits(self):
        self.drain()
        self.assertEqual(self.version(), 3)
        self.assertEqual(self.titles(), ["waiting number 1", "waiting number 2"])
        self.assertEqual(self.outbox(), [(3, "rejected"), (4, "expired")])
        self.assert_adds_up()

    def test_an_alert_does_it_too_and_repeats_are_known(self):
        self.post(event_of("new", 1), "delivered")
        self.assertEqual(self.version(), 3)
        self.post(event_of("delivered", 3), "duplicate")
        self.assert_adds_up()

    def test_what_was_rejected_can_be_retried(self):
        self.drain()
        self.assertEqual(self.results("retry", "3"), {3: "done"})
        self.drain()
        self.assertIn("rejected number 1", self.titles())
        self.assert_adds_up()


del OutboxTest
