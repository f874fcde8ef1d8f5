"""The command that looks after a store: whether it is whole, and one of an older release."""

import os
import sqlite3
from contextlib import closing

from tests.endpoints.test_migration import fill
from tests.endpoints.test_outbox import DONE, NO, STORE, USAGE, OutboxTest, event_of

VERSION = 3


class Check(OutboxTest):
    """store check."""

    def problems(self, status=NO):
        """What it finds wrong."""
        (record,) = self.records("store", "check", status=status)
        return record["problems"]

    def test_a_whole_store_is_counted(self):
        self.post(event_of("a", 1), "delivered")
        self.post_rejected(event_of("b", 1))
        self.post_queued(event_of("c", 1))
        (record,) = self.records("store", "check")
        self.assertEqual((record["version"], record["known_version"]), (VERSION, VERSION))
        self.assertEqual((record["alerts"], record["confirmations"]), (3, 0))
        counts = {state: count for state, count in record["deliveries"].items() if count}
        self.assertEqual(counts, {"delivered": 1, "rejected": 1, "waiting": 1})
        self.assertEqual(record["problems"], [])
        done = self.run_it("store", "check")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(f"version {VERSION}\n3 alerts, 0 subscriptions", done.stdout)
        self.assertIn("it is whole, adds up, and can be written\n", done.stdout)

    def test_what_does_not_add_up_is_told(self):
        self.post(event_of("a", 1), "delivered")
        with closing(sqlite3.connect(self.store)) as database, database:
            database.execute("UPDATE ledger SET count = count + 1 WHERE place = 'received'")
        self.assertIn("2 received, and 1 in all places together", self.problems()[0])

    def test_a_damaged_file_is_told(self):
        for number in range(30):
            self.post(event_of("a", number), "delivered")
        with closing(sqlite3.connect(self.store)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page_size = database.execute("PRAGMA page_size").fetchone()[0]
            (root,) = database.execute(
                "SELECT rootpage FROM sqlite_master WHERE name = 'delivery_by_alert'"
            ).fetchone()
        with open(self.store, "r+b") as file:
            file.seek((root - 1) * page_size)
            file.write(b"\xff" * page_size)
        done = self.run_it("store", "check")
        self.assertIn("the file is damaged: ", done.stdout + done.stderr)
        self.assertEqual(done.returncode, NO)

    def test_an_older_store_is_left_as_it_is(self):
        fill(self.store)
        self.store.chmod(0o600)
        (problem,) = self.problems()
        self.assertIn("store migrate brings it up to date", problem)
        with closing(sqlite3.connect(self.store)) as database:
            self.assertEqual(database.execute("PRAGMA user_version").fetchone(), (1,))

    def test_a_newer_store_is_told(self):
        self.post(event_of("a", 1), "delivered")
        with closing(sqlite3.connect(self.store)) as database:
            database.execute(f"PRAGMA user_version = {VERSION + 1}")
        self.assertIn("a newer release", self.problems()[0])

    def test_a_store_that_is_locked_is_told(self):
        self.post(event_of("a", 1), "delivered")
        with closing(sqlite3.connect(self.store, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            self.assertIn("it cannot be written: ", self.problems()[0])
            database.execute("ROLLBACK")
        self.assertEqual(self.problems(status=DONE), [])

    def test_where_there_is_none_none_is_made(self):
        done = self.run_it("store", "check")
        self.assertEqual(done.returncode, STORE)
        self.assertIn("there is no store", done.stderr)
        self.assertEqual(self.run_it("store", "migrate").returncode, STORE)
        self.assertFalse(os.path.exists(self.store))

    def test_a_text_is_no_store(self):
        self.store.write_text("This is no database, however long it is. " * 100)
        self.store.chmod(0o600)
        for action in ("check", "migrate"):
            done = self.run_it("store", action)
            self.assertEqual(done.returncode, STORE)
            self.assertIn("file is not a database", done.stderr)

    def test_other_words_are_refused(self):
        done = self.run_it("store", "mend")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('"mend" is neither check, migrate nor move', done.stderr)
        self.assertEqual(self.run_it("store").returncode, USAGE)


class Migrate(OutboxTest):
    """store migrate."""

    def test_an_older_store_is_brought_up_to_date(self):
        fill(self.store)
        self.assertEqual(self.records("store", "migrate"), [{"from": 1, "to": VERSION}])
        self.assertEqual(self.records("store", "migrate"), [{"from": VERSION, "to": VERSION}])
        (record,) = self.records("store", "check")
        self.assertEqual(record["problems"], [])
        self.assertGreater(record["alerts"], 0)

    def test_it_says_so_in_words(self):
        fill(self.store)
        self.assertEqual(
            self.run_it("store", "migrate").stdout, f"from version 1 to version {VERSION}\n"
        )
        self.assertEqual(
            self.run_it("store", "migrate").stdout, f"version {VERSION}: there was nothing to do\n"
        )

    def test_a_newer_store_is_left_as_it_is(self):
        self.post(event_of("a", 1), "delivered")
        with closing(sqlite3.connect(self.store)) as database:
            database.execute(f"PRAGMA user_version = {VERSION + 1}")
        done = self.run_it("store", "migrate")
        self.assertEqual(done.returncode, STORE)
        self.assertIn("it was written by a newer release", done.stderr)


del OutboxTest
