"""`store move`: a store of one machine becomes one that several share, and nothing of it is lost."""

import fcntl
import os
import signal
import sqlite3
import subprocess
import unittest
from contextlib import closing

from tests.cluster.stored import Stored
from tests.endpoints.test_migration import fill
from tests.endpoints.test_outbox import DONE, NO, STORE, USAGE, OutboxTest, event_of
from tests.support import paths
from tests.support.cgi import program_environment
from tests.support.gateway import FASTCGI
from tests.support.process import runs_in, wait_until

PASSWORD = "password-of-the-database"
# What an array or a statement might trip over.
AWKWARD = 'a "quoted\\" {title}, \'with\' NULL; and 磁盘 $1 ?1 /*+ +*/'
# Columns on the clock of a machine, which begin anew.
ANEW = {("delivery", "lease_steady_ms"), ("destination", "probe_steady_ms"), ("destination", "hold_steady_ms")}
OF_A_MACHINE = {"send", "node", "moving", "moving_count"}
ROWS = {
    "confirmation": (7, "prod-ces", "prod-ces", "request", "urn:smn:x", "https://example.org/?token=1", "example.org", 0, 1, 1, 2, 3, 4, "timed out"),
    "subscription": ("urn:smn:y", "prod-ces", 1, 5),
    "alarm": ("waiting", "prod-guance", 1, 6, 1, AWKWARD, "text\nof two lines", 7, 1),
    "secret": ("form", "0f" * 32),
    "moved": ("token", 1, 8),
}  # fmt: skip
LARGE = 20000
MANY = f"""
WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1000 + {LARGE})
INSERT INTO alert SELECT i, 'prod-guance', 'prod-guance', 'request', 'message-' || i, 'key-' || i, 0,
    'title', hex(randomblob(100)), 1, 2, 5, 0 FROM n;
INSERT INTO delivery SELECT id, id, scope, alert_key, '', 'key', 5, 0, 0, 1, 1, 0, 1, 0, 1, 2, '', ''
    FROM alert WHERE id >= 1000;
"""  # fmt: skip


class MoveTest(Stored, OutboxTest):
    """A file with something of everything, and an empty server."""

    def setUp(self):
        super().setUp()
        self.kept = self.store.with_name("gateway.db-moved")
        # What is to wait soon does; all else has its time.
        self.hasty = self.guance
        self.config = self.configure_store(deadline_ms=3500)
        self.guance = self.start("guance", self.config)
        self.there = self.configure_store(store=self.url, deadline_ms=3500)
        # Plain CGI leaves a program behind that drains.
        self.sandbox.defer(
            lambda: wait_until(lambda: not runs_in(self.sandbox.folder), 30, "the end of drains")
        )

    def post_queued(self, event):
        patient, self.guance = self.guance, self.hasty
        try:
            return super().post_queued(event)
        finally:
            self.guance = patient

    def fill(self):
        """Delivered, rejected, dropped and waiting deliveries, and rows of every other table."""
        self.post(event_of("open", 1), "delivered")
        self.drain()
        self.post(event_of("awkward", 1, df_title=AWKWARD, df_message="two\nlines\ttab"), "delivered")
        self.post_rejected(event_of("rejected", 1))
        self.post_queued(event_of("dropped", 1))
        self.assertEqual(list(self.results("drop", "4").values()), ["done"])
        self.post_queued(event_of("waiting", 1))
        self.post(event_of("waiting", 2, df_status="ok"), "queued")
        for table, row in ROWS.items():
            marks = ", ".join("?" * len(row))
            self.change(f"INSERT INTO {table} VALUES ({marks})", *row)
        self.change("INSERT INTO ledger VALUES ('prod-ces', 'received', 1), ('prod-ces', 'confirmed', 1)")
        # As a process that died while it was sending leaves it.
        self.change("UPDATE delivery SET state = 1, lease_steady_ms = 99999999999 WHERE id = 5")

    def tables(self, path=None):
        """What the file holds, as the server is to hold it: table → rows."""
        with closing(sqlite3.connect(path or self.store)) as database:
            names = [name for name, in database.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )]  # fmt: skip
            return {name: self.rows_of(database, name) for name in set(names) - OF_A_MACHINE}

    @staticmethod
    def rows_of(database, table):
        """Sorted rows of a table: column → value."""
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        rows = [
            {name: 0 if (table, name) in ANEW else value for name, value in zip(columns, row)}
            for row in database.execute(f"SELECT * FROM {table}")
        ]
        return sorted((row for row in rows if row.get("name") not in ("syncs", "probes")), key=str)

    def there_of(self, table, columns):
        """The same of the server's."""
        rows = self.server.rows(f"SELECT {', '.join(columns)} FROM {table}")
        rows = [dict(zip(columns, row)) for row in rows]
        return sorted((row for row in rows if row.get("name") not in ("syncs", "probes")), key=str)

    def assert_same(self, tables):
        """The server's store holds just this."""
        for table, rows in tables.items():
            with self.subTest(table):
                if rows:
                    self.assertEqual(self.there_of(table, list(rows[0])), rows)
                else:
                    self.assertEqual(self.server.number(f"SELECT count(*) FROM {table}"), 0)

    def move(self, *words, status=DONE):
        """Runs the command with the server of the test."""
        done = self.run_it("store", "move", self.store, *(words or (self.url,)))
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def assert_untouched(self):
        """The file is still the store."""
        self.assertFalse(self.kept.exists())
        self.post(event_of("untouched", 1), "delivered")
        self.assert_adds_up()


class Moving(MoveTest):
    """All of it, or nothing."""

    def test_everything_arrives_and_goes_on_there(self):
        self.fill()
        tables = self.tables()
        self.assertEqual([name for name, rows in tables.items() if not rows], [])
        said = self.move().stdout
        for table, rows in tables.items():
            if table != "fact":
                self.assertRegex(said, rf"(?m)^  {table} +{len(rows)}$")
        self.assert_same(tables)
        self.assertFalse(self.store.exists())
        self.assertEqual(self.kept.stat().st_mode & 0o777, 0o600)
        self.config = self.there
        self.guance = self.start("guance", self.there)
        self.assert_adds_up()
        self.assertIn("it is whole", self.run_it("store", "check").stdout)
        self.flashduty.clear()
        self.drain()
        self.assertEqual(self.titles(), ["waiting number 1", "waiting number 2"])
        # What was heard before is known, a recovery finds its alert, and a person's orders work.
        self.post(event_of("open", 1), "duplicate")
        self.post(event_of("open", 2, df_status="ok"), "delivered")
        self.post(event_of("waiting", 1), "duplicate")
        self.assertEqual(self.results("retry", "3"), {3: "done"})
        self.drain()
        self.assertEqual(self.titles()[2:], ["open number 2", "rejected number 1"])
        ids = [record["id"] for record in self.records("outbox", "list", "--all")]
        self.assertEqual(ids, [1, 2, 3, 4, 5, 6, 7])
        self.assert_adds_up()

    def test_a_store_of_the_first_version_is_moved(self):
        fill(self.store)
        self.move()
        self.config = self.there
        self.assertEqual(self.server.number("SELECT version FROM writer"), 3)
        self.assertEqual(self.server.number("SELECT count(*) FROM alert"), 7)
        self.assert_adds_up()

    def test_a_rehearsal_changes_nothing(self):
        self.fill()
        before = self.tables()
        self.assertIn("would be moved", self.move(self.url, "--dry-run").stdout)
        self.assertEqual(self.server.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0)
        self.assertEqual(self.tables(), before)
        self.assert_untouched()

    def test_the_configuration_may_name_the_server(self):
        self.fill()
        rows = len(self.tables()["alert"])
        record = self.records("store", "move", f"sqlite:{self.store}", config=self.there)[0]
        self.assertEqual((record["moved"], record["tables"]["alert"]), (True, rows))
        self.assertEqual(record["kept"], str(self.kept))
        self.assertEqual(self.server.number("SELECT count(*) FROM alert"), rows)

    def test_a_terminal_is_told_how_far_it_is(self):
        self.fill()
        count = sum(len(rows) for rows in self.tables().values())
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        done = subprocess.run(
            [paths.command_line(), "store", "move", self.store, self.url],
            env=program_environment(self.config), stdout=subprocess.DEVNULL, stderr=theirs,
            timeout=60, check=False,
        )  # fmt: skip
        os.close(theirs)
        said = os.read(ours, 65536).decode()
        self.assertEqual(done.returncode, DONE, said)
        self.assertTrue(said.endswith(f"\r{count} of {count} rows\r\n"), said)

    def test_no_password_is_told(self):
        self.fill()
        url = self.url.replace("@", f":{PASSWORD}@")
        for words in ((url, "--dry-run"), (url,), (url,)):
            done = self.run_it("store", "move", self.store, *words)
            self.assertNotIn(PASSWORD, done.stdout + done.stderr)

    def test_what_knows_the_file_begins_a_new_one(self):
        self.fill()
        self.move()
        self.post(event_of("later", 1), "delivered")
        self.assertEqual(self.rows("SELECT title FROM alert"), [("later number 1",)])
        self.assertIn("moved to a server", self.run_it("status", config=self.configure_store(store=f"sqlite:{self.kept}")).stderr)


class Refusing(MoveTest):
    """What would lose something is not begun."""

    def setUp(self):
        super().setUp()
        self.fill()

    def test_a_file_that_a_gateway_uses(self):
        mode, self.mode = self.mode, FASTCGI
        lasting = self.start("guance", self.config)
        self.mode = mode
        self.assertEqual(lasting.post(event_of("lasting", 1)).outcome, "delivered")
        for _ in range(2):
            self.assertIn("stop everything that uses it", self.move(status=NO).stderr)
        self.assertEqual(lasting.post(event_of("lasting", 2, df_status="ok")).outcome, "delivered")
        self.assertEqual(lasting.stop(), 0)
        self.move()

    def test_a_file_that_is_drained(self):
        with open(f"{self.store}-drain", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("drains", self.move(status=NO).stderr)
        self.assert_untouched()

    def test_a_file_that_somebody_reads(self):
        with closing(sqlite3.connect(self.store)) as reader:
            reader.execute("SELECT count(*) FROM alert").fetchone()
            self.assertIn("has", self.move(status=NO).stderr)
        self.assert_untouched()

    def test_a_server_that_holds_something(self):
        node = self.start("guance", self.there)
        # Making the tables takes longer than a request waits.
        self.run_it("drain", config=self.there)
        self.assertEqual(node.post(event_of("there", 1)).outcome, "delivered")
        for words in ((self.url, "--dry-run"), (self.url,)):
            self.assertIn("is not empty", self.move(*words, status=NO).stderr)
        self.assertEqual(self.server.number("SELECT count(*) FROM alert"), 1)
        self.assert_untouched()

    def test_a_move_onto_an_earlier_one(self):
        self.kept.touch(0o600)
        self.assertIn("is there already", self.move(status=NO).stderr)

    def test_a_spool(self):
        self.change("UPDATE delivery SET after = -1 WHERE id = 5")
        self.assertIn("by itself", self.move(status=NO).stderr)

    def test_places_that_are_none(self):
        for words, status, said in (
            ((self.url, self.url), NO, "from a file"),
            ((self.store, self.store), NO, "is no server's"),
            ((self.sandbox.folder / "none.db", self.url), STORE, "No such file"),
            ((self.config, self.url), STORE, "not a database"),
            ((self.store, "postgresql://127.0.0.1:1/x"), STORE, "refused"),
            ((self.store,), USAGE, "where to?"),
            ((), USAGE, "which store?"),
        ):
            with self.subTest(words):
                done = self.run_it("store", "move", *words)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(said, done.stderr)
        self.assert_untouched()


class Failing(MoveTest):
    """What ends in the middle leaves the file as it is, and the server empty."""

    def setUp(self):
        super().setUp()
        self.fill()
        with closing(sqlite3.connect(self.store)) as database:
            database.executescript(MANY)
        self.expected = self.tables()

    def begin(self):
        """A move that is under way: rows arrive."""
        process = subprocess.Popen(
            [paths.command_line(), "store", "move", self.store, self.url],
            env=program_environment(self.config),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.addCleanup(process.stdout.close)
        under_way = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO delivery%'"
        wait_until(lambda: self.server.number(under_way) > 0, 60, "a move under way")
        return process

    def assert_repeated(self):
        """The next time it is moved as if nothing had been."""
        self.assertTrue(self.store.exists())
        self.assertFalse(self.kept.exists())
        count = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' OR query LIKE 'INSERT%'"
        wait_until(lambda: self.server.number(count + " AND pid <> pg_backend_pid()") == 0, 30, "its end there")
        self.move()
        self.assert_same(self.expected)

    def test_it_is_killed(self):
        process = self.begin()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assert_repeated()

    def test_the_server_ends_it(self):
        process = self.begin()
        self.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT%'")
        self.assertEqual(process.wait(60), STORE, process.stdout.read())
        self.assert_repeated()

    def test_the_server_is_lost(self):
        process = self.begin()
        self.server.kill()
        self.assertEqual(process.wait(60), STORE, process.stdout.read())
        self.server.start()
        self.assert_repeated()


del OutboxTest, MoveTest, Stored

if __name__ == "__main__":
    unittest.main()
