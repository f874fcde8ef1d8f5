"""The commands that look into a store: what waits, why, and what a person does about it."""

import json
import os
import pwd
import signal
import sqlite3
import subprocess
import time
import unittest
from contextlib import closing
from threading import Thread

from tests.simulator import smn
from tests.support import paths, settings
from tests.support.canaries import refuse_keys
from tests.support.cgi import program_environment, variables
from tests.support.gateway import CGI, FLASHDUTY_KEYS, GatewayTest, guance_event
from tests.support.process import refuse_findings, wait_until

DONE, NO, USAGE, STORE, NOT_FOUND = 0, 1, 2, 3, 4
COMMANDS = (
    ("outbox", "list"),
    ("outbox", "show", "1"),
    ("outbox", "retry", "--all"),
    ("outbox", "drop", "--all"),
    ("alert", "x"),
    ("confirm",),
    ("status",),
    ("status", "--audit"),
)
BROKEN = {"do": "error", "code": "InternalError", "status": 500}
GUANCE_KEY = FLASHDUTY_KEYS["guance"]
OTHER_KEY = "another-flashduty-key"
NOW = int(time.time())
TOKEN = "deadbeef" * 16


def event_of(alert, number, **changes):
    """The n-th event of an alert; by the vendor's clock the n-th second."""
    return guance_event(
        **{
            "df_event_id": f"event-{alert}-{number}",
            "df_monitor_checker_event_ref": alert,
            "df_title": f"{alert} number {number}",
            "timestamp": NOW - 1000 + number,
            **changes,
        }
    )


class OutboxTest(GatewayTest):
    """Alerts come by plain CGI, which drains only what is due, so that nothing moves by itself."""

    mode = CGI
    flashduty_keys = (*GatewayTest.flashduty_keys, OTHER_KEY)

    def setUp(self):
        super().setUp()
        self.store = self.sandbox.folder / "gateway.db"
        self.config = self.configure_store()
        self.guance = self.start("guance", self.config)

    def configure_store(self, **changes):
        """A configuration with the store."""
        values = {"store": f"sqlite:{self.store}", "deadline_ms": settings.SHORT_DEADLINE_MS}
        return self.configure(**{**values, **changes})

    def run_it(self, *words, config=None, user=None):
        """Runs a command; standard output and error as text, in which no key stands."""
        done = subprocess.run(
            [paths.command_line(), *map(str, words)],
            env=program_environment(config or self.config),
            user=user,
            cwd="/",
            capture_output=True,
            timeout=60,
            check=False,
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        refuse_findings(done.stderr, words)
        refuse_keys(done.stdout + done.stderr, words)
        return done

    def records(self, *words, status=DONE, config=None):
        """What a command prints as JSON, an object a line."""
        done = self.run_it(*words, "-o", "json", config=config)
        self.assertEqual(done.returncode, status, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def outbox(self, *words):
        """(id, state) of what the outbox lists."""
        return [(record["id"], record["state"]) for record in self.records("outbox", "list", *words)]

    def results(self, *words, status=DONE, config=None):
        """id → result of an order."""
        records = self.records("outbox", *words, status=status, config=config)
        return {record["id"]: record["result"] for record in records}

    def post(self, event, outcome):
        """One event, and what became of it."""
        answer = self.guance.post(event)
        self.assertEqual(answer.outcome, outcome, answer.body)
        return answer

    def post_rejected(self, event):
        """One that Flashduty refuses: its key is unknown."""
        self.flashduty.keys = ()
        answer = self.post(event, "rejected")
        self.flashduty.keys = self.flashduty_keys
        return answer

    def post_queued(self, event):
        """One that Flashduty does not take now."""
        self.flashduty.answer(BROKEN, times=None)
        answer = self.post(event, "queued")
        self.flashduty.script.clear()
        return answer

    def drain(self):
        """A run that has nothing to say."""
        done = self.run_it("drain")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (DONE, "", ""))

    def titles(self):
        """What has arrived, in order."""
        self.assertEqual([v for v in self.flashduty.violations if "integration_key" not in v], [])
        return [event.title for event in self.flashduty.events]

    def change(self, sql, *values):
        """Changes the store behind everybody's back."""
        with closing(sqlite3.connect(self.store)) as database:
            with database:
                database.execute(sql, values)

    def rows(self, sql, *values):
        """What a query of the store says."""
        with closing(sqlite3.connect(self.store)) as database:
            return database.execute(sql, values).fetchall()

    def assert_adds_up(self):
        """The audit finds nothing."""
        done = self.run_it("status", "--audit")
        self.assertEqual(done.returncode, DONE, done.stdout)
        self.assertIn("adds up", done.stdout)


class Listing(OutboxTest):
    def setUp(self):
        super().setUp()
        # What a key accepts lets what waits for it go, so that what is to wait comes last.
        self.post(event_of("a", 1), "delivered")
        self.post_rejected(event_of("b", 1))
        self.post_queued(event_of("c", 1, df_status="warning"))

    def test_a_line_each_says_what_waits_and_why(self):
        done = self.run_it("outbox", "list")
        first, second = done.stdout.splitlines()
        self.assertRegex(first, r"^2       rejected   Critical  \d{4}-\d\d-\d\dT[0-9:]{8}Z  ")
        self.assertIn("prod-guance to default (cana…)  b number 1  (", first)
        self.assertIn("InvalidParameter: integration_key is invalid)", first)
        self.assertRegex(second, r"^3       waiting    Warning   .*\(next 20.*; InternalError")
        self.assertEqual(done.stderr, f"configuration: {self.config}, store: {self.store}\n")

    def test_json(self):
        record = self.records("outbox", "list")[0]
        expected = {
            "id": 2,
            "state": "rejected",
            "integration": "prod-guance",
            "route": "default",
            "key": "cana…",
            "severity": "Critical",
            "title": "b number 1",
            "alert_key": "guance:b",
            "message_id": "event-b-1:critical",
            "try_count": 1,
            "due": None,
            "behind": 0,
            "code": "InvalidParameter",
        }
        self.assertEqual({name: record[name] for name in expected}, expected)
        self.assertRegex(record["finished"], "^20.*Z$")

    def test_filters(self):
        both = [(2, "rejected"), (3, "waiting")]
        for words, expected in (
            (("--state", "rejected"), both[:1]),
            (("--state", "waiting,rejected"), both),
            (("--state=delivered",), [(1, "delivered")]),
            (("--all",), [(1, "delivered"), *both]),
            (("--integration", "prod-guance"), both),
            (("--integration", "prod-ces"), []),
            (("--destination", "default"), both),
            (("--destination", "cana"), both),
            (("--destination", "can"), []),
            (("--destination", "canary-flashduty-key-of-prod-ces"), []),
            (("--older-than", "1h"), []),
            (("--older-than", "0s"), both),
        ):
            with self.subTest(words=words):
                self.assertEqual(self.outbox(*words), expected)

    def test_an_empty_list_is_said_in_words(self):
        done = self.run_it("outbox", "list", "--state", "expired")
        self.assertEqual((done.returncode, done.stdout), (DONE, ""))
        self.assertTrue(done.stderr.endswith("nothing\n"))

    def test_a_long_list_is_whole(self):
        columns = (
            "scope, alert_key, route, flashduty_key, state, rank, after, due_ms, scheduled_ms,"
            " lease_steady_ms, tries, rounds, created_ms, finished_ms, code, message"
        )
        for _ in range(9):
            self.change(f"INSERT INTO delivery (alert_id, {columns}) SELECT alert_id, {columns}"
                        " FROM delivery")
        records = self.records("outbox", "list", "--all")
        self.assertEqual([record["id"] for record in records], list(range(1, 3 * 512 + 1)))

    def test_show_tells_all_that_is_known(self):
        done = self.run_it("outbox", "show", 1, 2)
        self.assertEqual(done.returncode, DONE)
        request_id = self.flashduty.events[0].request_id
        for words in (
            "1  delivered\n",
            "2  rejected: InvalidParameter: integration_key is invalid\n",
            "  destination  default (cana…)\n",
            "  alert key    guance:a\n",
            "  message      event-a-1:critical\n",
            '  event        {"title_rule":"a number 1"',
            "accepted, HTTP 200 after ",
            f"Flashduty's request_id {request_id}\n",
        ):
            self.assertIn(words, done.stdout)

    def test_show_as_json(self):
        record = self.records("outbox", "show", 3)[0]
        self.assertEqual(record["event"]["title_rule"], "c number 1")
        self.assertEqual(len(record["tries"]), record["try_count"])
        self.assertEqual(record["tries"][0]["status"], 500)
        self.assertEqual(record["tries"][0]["verdict"], "failed")
        self.assertRegex(record["due"], "^20.*Z$")

    def test_an_unknown_delivery_is_not_found(self):
        done = self.run_it("outbox", "show", 2, 99)
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertIn("no delivery 99", done.stderr)
        self.assertIn("2  rejected", done.stdout)


class TheGuard(OutboxTest):
    def test_what_is_left_out_does_not_mean_all(self):
        for words in (
            ("outbox",),
            ("outbox", "nonsense"),
            ("outbox", "list", "1"),
            ("outbox", "list", "--dry-run"),
            ("outbox", "list", "--state", "nonsense"),
            ("outbox", "list", "--state", ""),
            ("outbox", "list", "--older-than", "5"),
            ("outbox", "list", "--older-than", "5w"),
            ("outbox", "show"),
            ("outbox", "show", "--all"),
            ("outbox", "show", "one"),
            ("outbox", "retry"),
            ("outbox", "retry", "--dry-run"),
            ("outbox", "retry", "0"),
            ("outbox", "retry", "1", "--all"),
            ("outbox", "retry", "--all", "--state", "rejected"),
            ("outbox", "drop"),
            ("outbox", "drop", "--all", "--force"),
            ("outbox", "drop", "--all=yes"),
            ("alert",),
            ("alert", "a", "b"),
            ("drain", "now"),
            ("status", "--audit=no"),
        ):
            with self.subTest(words=words):
                done = self.run_it(*words)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ""), done.stderr)

    def test_a_dry_run_changes_nothing(self):
        self.post_rejected(event_of("a", 1))
        before = self.records("outbox", "show", 1)
        for verb, words in (("retry", "would be retried"), ("drop", "would be dropped")):
            done = self.run_it("outbox", verb, "--all", "--dry-run")
            self.assertEqual(done.returncode, DONE)
            self.assertIn(f"1       {words}  prod-guance to default (cana…)  a number 1\n", done.stdout)
        self.assertTrue(self.records("outbox", "drop", 1, "--dry-run")[0]["dry_run"])
        self.assertEqual(self.records("outbox", "show", 1), before)


class Retrying(OutboxTest):
    def test_what_was_rejected_is_sent_when_its_cause_is_mended(self):
        self.post_rejected(event_of("a", 1))
        done = self.run_it("outbox", "retry", 1)
        self.assertEqual(done.returncode, DONE)
        self.assertIn("1       retried  prod-guance to default (cana…)  a number 1\n", done.stdout)
        self.assertEqual(self.outbox(), [(1, "waiting")])
        self.assert_adds_up()
        self.drain()
        self.assertEqual(self.titles(), ["a number 1"])
        self.assertEqual(self.outbox("--all"), [(1, "delivered")])
        self.assert_adds_up()

    def test_it_goes_out_with_the_present_key(self):
        self.post_rejected(event_of("a", 1))
        changed = settings.guance_integration(flashduty_key=OTHER_KEY)
        config = self.configure_store(integrations=[changed])
        self.assertEqual(self.results("retry", "1", config=config), {1: "done"})
        self.assertEqual(self.run_it("drain", config=config).returncode, DONE)
        self.assertEqual([event.key for event in self.flashduty.events], [OTHER_KEY])

    def test_what_waits_is_due_at_once(self):
        self.post_queued(event_of("a", 1))
        self.drain()
        self.assertEqual(self.titles(), [])
        self.assertEqual(self.results("retry", "--state", "waiting"), {1: "done"})
        self.drain()
        self.assertEqual(self.titles(), ["a number 1"])

    def test_what_was_dropped_waits_again(self):
        self.post_queued(event_of("a", 1))
        self.assertEqual(self.results("drop", "1"), {1: "done"})
        self.assertEqual(self.results("retry", "--all"), {})
        self.assertEqual(self.results("retry", "--state", "dropped"), {1: "done"})
        self.drain()
        self.assertEqual(self.titles(), ["a number 1"])
        self.assert_adds_up()

    def test_a_retry_never_reopens_what_has_recovered(self):
        for alert, changes in (("timed", {}), ("untimed", {"timestamp": None})):
            with self.subTest(alert):
                self.flashduty.clear()
                self.post_rejected(event_of(alert, 1, **changes))
                self.post(event_of(alert, 2, df_status="ok", **changes), "delivered")
                rejected = self.outbox()[0][0]
                done = self.run_it("outbox", "retry", rejected)
                self.assertEqual(done.returncode, NO)
                self.assertIn("not retried: something newer", done.stdout)
                self.assertEqual(self.results("retry", "--all", "--dry-run", status=NO),
                                 {rejected: "stale"})
                self.drain()
                self.assertEqual(self.titles(), [f"{alert} number 2"])
                self.assertEqual(self.results("retry", "--force", rejected), {rejected: "done"})
                self.drain()
                self.assertEqual(self.titles(), [f"{alert} number 2", f"{alert} number 1"])
                self.assert_adds_up()

    def test_nor_does_it_close_what_was_opened_anew(self):
        self.post(event_of("a", 1, timestamp=None), "delivered")
        self.post_rejected(event_of("a", 2, df_status="ok", timestamp=None))
        self.post(event_of("a", 3, timestamp=None), "delivered")
        self.assertEqual(self.results("retry", "2", status=NO), {2: "stale"})

    def test_it_goes_before_what_waits_of_later_events(self):
        self.post_rejected(event_of("a", 1, timestamp=None))
        self.post_queued(event_of("a", 2, timestamp=None))
        self.post_queued(event_of("a", 3, timestamp=None))
        self.assertEqual(self.results("retry", "1"), {1: "done"})
        behind = {record["id"]: record["behind"] for record in self.records("outbox", "list")}
        self.assertEqual(behind, {1: 0, 2: 1, 3: 2})
        self.assert_adds_up()
        self.results("retry", "--all")
        self.drain()
        self.assertEqual(self.titles(), [f"a number {number}" for number in (1, 2, 3)])

    def test_none_waits_for_one_that_waits_for_it(self):
        """Orders in any sequence: everything arrives in the end."""
        for number in range(1, 6):
            self.post_queued(event_of("a", number, timestamp=None))
        for number in (3, 1, 2, 5, 4):
            self.results("drop", str(number))
        for number in (4, 2, 5, 1, 3):
            self.results("retry", str(number))
        behind = {record["id"]: record["behind"] for record in self.records("outbox", "list")}
        self.assertTrue(all(after < id_ for id_, after in behind.items()), behind)
        self.assert_adds_up()
        self.drain()
        self.assertEqual(self.titles(), [f"a number {number}" for number in range(1, 6)])

    def test_what_is_over_or_unknown(self):
        self.post(event_of("a", 1), "delivered")
        self.assertEqual(self.results("retry", "1", status=NO), {1: "over"})
        self.assertEqual(self.results("retry", "--state", "delivered"), {1: "over"})
        self.assertEqual(self.results("drop", "1", status=NO), {1: "over"})
        self.assertEqual(self.results("retry", "1", "7", status=NOT_FOUND),
                         {1: "over", 7: "unknown"})

    def test_what_is_being_sent_is_waited_for(self):
        self.flashduty.answer({"do": "hang", "seconds": 1.5})
        config = self.configure_store(deadline_ms=5000)
        sender = Thread(target=self.start("guance", config).post, args=(event_of("a", 1),))
        sender.start()
        wait_until(lambda: self.flashduty.requests, what="a send")
        self.assertEqual(self.outbox(), [(1, "sending")])
        self.assertEqual(self.results("drop", "1", "--dry-run", status=NO), {1: "busy"})
        self.assertEqual(self.results("drop", "--all"), {})
        self.assertEqual(self.results("drop", "1", status=NO), {1: "over"})
        sender.join()
        self.assertEqual(self.titles(), ["a number 1"])


class Dropping(OutboxTest):
    def test_what_waits_behind_goes(self):
        self.post_queued(event_of("a", 1))
        self.post_queued(event_of("a", 2, df_status="warning"))
        self.assertEqual(self.records("outbox", "list")[1]["behind"], 1)
        done = self.run_it("outbox", "drop", 1)
        self.assertEqual(done.returncode, DONE)
        self.assertIn("1       dropped  prod-guance", done.stdout)
        self.assertEqual(self.records("outbox", "list")[0]["behind"], 0)
        self.assert_adds_up()
        self.drain()
        self.assertEqual(self.titles(), ["a number 2"])
        self.assertEqual(self.outbox("--all"), [(1, "dropped"), (2, "delivered")])

    def test_all_of_it(self):
        self.post(event_of("a", 1), "delivered")
        self.post_rejected(event_of("b", 1))
        self.post_queued(event_of("c", 1))
        self.assertEqual(self.results("drop", "--all"), {2: "done", 3: "done"})
        self.assertEqual(self.outbox(), [])
        self.assertEqual(self.results("drop", "2", status=NO), {2: "over"})
        self.assert_adds_up()

    def test_more_than_one_transaction_takes(self):
        self.post_rejected(event_of("a", 1))
        for _ in range(8):
            self.change(
                "INSERT INTO delivery (alert_id, scope, alert_key, route, flashduty_key, state,"
                " rank, after, due_ms, scheduled_ms, lease_steady_ms, tries, rounds, created_ms,"
                " finished_ms, code, message) SELECT alert_id, scope, alert_key, route,"
                " flashduty_key, state, rank, after, due_ms, scheduled_ms, lease_steady_ms, tries,"
                " rounds, created_ms, finished_ms, code, message FROM delivery"
            )
        self.assertEqual(self.results("drop", "--all"), {n: "done" for n in range(1, 257)})


class OneAlert(OutboxTest):
    def setUp(self):
        super().setUp()
        self.answer = self.post_queued(event_of("a", 1))
        self.post_queued(event_of("a", 2, df_status="ok"))
        self.post(event_of("b", 1), "delivered")
        self.run_it("outbox", "retry", "--all")
        self.drain()

    def test_its_life_by_whatever_names_it(self):
        for word in (
            "guance:a",
            self.answer.headers["request-id"],
            "event-a-1:critical",
            "event-a-1",
            "a NUMBER 1",
        ):
            with self.subTest(word=word):
                done = self.run_it("alert", word)
                self.assertEqual(done.returncode, DONE, done.stderr)
                for words in (
                    "alert key   guance:a\n",
                    f"by prod-guance, request {self.answer.headers['request-id']}",
                    "message event-a-1:critical\n",
                    "  mapped    Critical: a number 1\n",
                    "  delivery  1 to default (cana…): delivered\n",
                    "failed, HTTP 500 after ",
                    "accepted, HTTP 200 after ",
                    f"Flashduty's request_id {self.flashduty.events[-1].request_id}\n",
                    "  mapped    Ok: a number 2\n",
                    "recovered   20",
                ):
                    self.assertIn(words, done.stdout)
                self.assertNotIn("b number 1", done.stdout)

    def test_json(self):
        first, second = self.records("alert", "guance:a")
        self.assertEqual(first["severity"], "Critical")
        self.assertEqual(first["vendor_time"], time.strftime("%FT%TZ", time.gmtime(NOW - 999)))
        self.assertEqual(first["event"]["labels"]["host"], "host-1")
        self.assertEqual(first["deliveries"][0]["state"], "delivered")
        self.assertEqual(first["deliveries"][0]["tries"][-1]["verdict"], "accepted")
        self.assertEqual((second["severity"], second["outcome"]), ("Ok", "delivered"))

    def test_the_newest_of_those_that_hold_a_text(self):
        done = self.run_it("alert", "host-1")
        self.assertIn("alert key   guance:b\n", done.stdout)
        self.assertIn("recovered   not yet\n", done.stdout)

    def test_a_text_is_no_pattern(self):
        self.post(event_of("c", 1, df_title='100% "full" \\ a_b'), "delivered")
        for word in ('100% "', '"full" \\ A_', "a_b"):
            self.assertIn("guance:c\n", self.run_it("alert", word).stdout)
        for word in ("1%l", "a%b", "f_ll", "title_rule"):
            self.assertEqual(self.run_it("alert", word).returncode, NOT_FOUND)

    def test_an_alert_is_told_from_the_recovery_before_it(self):
        self.post(event_of("a", 3), "delivered")
        titles = [record["title"] for record in self.records("alert", "guance:a")]
        self.assertEqual(titles, ["a number 3"])
        titles = [record["title"] for record in self.records("alert", "event-a-1")]
        self.assertEqual(titles, ["a number 1", "a number 2"])

    def test_no_alert(self):
        done = self.run_it("alert", "nonsense")
        self.assertEqual((done.returncode, done.stdout), (NOT_FOUND, ""))

    def test_a_vendor_does_not_write_on_the_terminal(self):
        self.post(event_of("c", 1, df_title="\x1b[2Jgone\x9b1m\x7f"), "delivered")
        for words in (("alert", "guance:c"), ("outbox", "list", "--all"), ("outbox", "show", "4")):
            output = self.run_it(*words).stdout
            self.assertIn("gone", output)
            self.assertTrue(all(c == "\n" or c.isprintable() for c in output), repr(output))


class Status(OutboxTest):
    def fill(self):
        """Alerts in many places."""
        self.post(event_of("a", 2), "delivered")
        self.post(event_of("a", 2), "duplicate")
        self.post(event_of("a", 1), "stale")
        self.post_rejected(event_of("b", 1))
        self.run_it("outbox", "drop", 2)
        self.post_rejected(event_of("c", 1))
        self.post_queued(event_of("d", 1))
        self.guance.post(b"nonsense")
        self.guance.post({"df_title": "test"})

    def test_the_figures_add_up(self):
        self.fill()
        done = self.run_it("status", "--audit")
        self.assertEqual(done.returncode, DONE, done.stdout)
        self.assertIn(
            "prod-guance: 8 received: 1 queued, 1 rejected, 1 dropped, 1 delivered, 1 duplicate, "
            "1 stale, 1 ignored, 1 refused\n",
            done.stdout,
        )
        self.assertIn("outbox: 1 waiting (the oldest since 20", done.stdout)
        self.assertIn("Z), 1 rejected; 4 deliveries kept\n", done.stdout)
        self.assertTrue(done.stdout.endswith("the ledger adds up\n"))

    def test_json(self):
        self.fill()
        ledger, outbox, audit = self.records("status", "--audit")
        self.assertEqual(ledger["integration"], "prod-guance")
        self.assertEqual((ledger["received"], ledger["stale"], ledger["expired"]), (8, 1, 0))
        self.assertEqual((outbox["outbox"]["waiting"], outbox["outbox"]["kept"]), (1, 4))
        self.assertEqual(audit, {"audit": {"adds_up": True, "problems": []}})

    def test_an_audit_finds_what_does_not_add_up(self):
        self.fill()
        for sql, problem in (
            ("UPDATE ledger SET count = count + 1 WHERE place = 'received'",
             "prod-guance: 9 received, and 8 in all places together"),
            ("UPDATE ledger SET count = count + 1 WHERE place = 'queued'",
             "prod-guance: 2 queued by the ledger, and 1 kept"),
            ("UPDATE ledger SET count = 0 WHERE place = 'rejected'",
             "prod-guance: 0 rejected by the ledger, and 1 kept"),
            ("UPDATE ledger SET count = -1 WHERE place = 'stale'", "prod-guance: -1 stale"),
            ("UPDATE delivery SET after = 99 WHERE state = 0",
             "1 deliveries wait behind one that is over"),
            ("UPDATE volume SET kept = kept - 1", "1 deliveries are kept beyond those counted"),
        ):
            with self.subTest(problem):
                self.change(sql)
                done = self.run_it("status", "--audit")
                self.assertEqual(done.returncode, NO)
                self.assertIn("the ledger does not add up:\n", done.stdout)
                self.assertIn(problem + "\n", done.stdout)
                audit = self.records("status", "--audit", status=NO)[-1]["audit"]
                self.assertFalse(audit["adds_up"])
                self.assertIn(problem, audit["problems"])
        self.assertEqual(self.run_it("status").returncode, DONE)

    def test_watching_ends_when_interrupted(self):
        self.post(event_of("a", 1), "delivered")
        self.assertIn("outbox: empty; 1 deliveries kept\n", self.run_it("status").stdout)
        watch = self.sandbox.start(
            [paths.command_line(), "status", "--watch"], env=program_environment(self.config)
        )
        wait_until(lambda: watch.output.count("outbox: ") >= 2, what="a second look", process=watch)
        self.assertEqual(watch.stop(signal.SIGINT), DONE)


class Draining(OutboxTest):
    def test_where_nothing_was_received_it_is_silent_and_makes_no_store(self):
        self.drain()
        self.assertFalse(self.store.exists())
        self.store.touch(0o600)
        self.drain()
        self.assertEqual(self.store.stat().st_size, 0)
        none = self.configure(store="none")
        done = self.run_it("drain", config=none)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (DONE, ""))

    def test_whoever_ends_a_program_that_has_answered_ends_no_drain(self):
        # lighttpd does, when its client has gone.
        self.post_queued(event_of("a", 1))
        with closing(sqlite3.connect(self.store)) as store, store:
            store.execute("UPDATE delivery SET due_ms = 0")
            store.execute("UPDATE destination SET failures = 0")
        request = variables(method="GET", path_info="/healthz", content_length=0)
        environment = {**program_environment(self.config), **request}
        with subprocess.Popen(
            [paths.endpoint("guance")], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            process.stdout.read(1)
            process.terminate()
            process.stdout.read()
        self.assertEqual(process.returncode, 0)
        self.assertTrue(self.flashduty.wait_for_events(1))

    def test_what_fails_is_said(self):
        self.post_queued(event_of("a", 1))
        self.run_it("outbox", "retry", "--all")
        self.flashduty.answer(BROKEN)
        done = self.run_it("drain")
        self.assertEqual((done.returncode, done.stdout), (NO, ""))
        where, words = done.stderr.splitlines()
        self.assertEqual(where, f"configuration: {self.config}, store: {self.store}")
        self.assertRegex(words, r": 1 failed; 1 wait, the oldest since 20.*; the last reason: ")
        self.assertEqual(self.titles(), [])

    def test_what_is_rejected_is_said(self):
        self.post_queued(event_of("a", 1))
        self.run_it("outbox", "retry", "--all")
        self.flashduty.keys = ()
        done = self.run_it("drain")
        self.assertEqual(done.returncode, NO)
        self.assertIn(": 1 rejected; the last reason: integration_key is invalid\n", done.stderr)
        self.drain()

    def test_what_expires_is_said(self):
        self.post_queued(event_of("a", 1))
        self.change("UPDATE delivery SET created_ms = created_ms - 73 * 3600000")
        done = self.run_it("drain")
        self.assertEqual(done.returncode, NO)
        self.assertIn(": 1 expired\n", done.stderr)
        self.drain()

    def test_what_waits_for_long_is_said(self):
        self.post_queued(event_of("a", 1))
        self.drain()
        self.change("UPDATE delivery SET created_ms = created_ms - 600000")
        # The watchdog's alarm would show that the key can be reached again.
        other = self.configure_store(watchdog={"flashduty_key": OTHER_KEY})
        done = self.run_it("drain", config=other)
        self.assertEqual(done.returncode, NO)
        self.assertIn(": 1 wait, the oldest since 20", done.stderr)

    def test_another_drainer_is_well(self):
        self.post_queued(event_of("a", 1))
        lasting = self.sandbox.start(
            [paths.command_line(), "drain", "--watch"], env=program_environment(self.config)
        )
        wait_until(lambda: self.titles(), seconds=15, what="the delivery", process=lasting)
        self.post_queued(event_of("b", 1))
        self.run_it("outbox", "retry", "--all")
        self.drain()
        wait_until(lambda: len(self.titles()) == 2, what="the second delivery", process=lasting)

    def test_watching_takes_over_and_ends_when_asked(self):
        words = [paths.command_line(), "drain", "--watch"]
        environment = program_environment(self.config)
        self.post(event_of("a", 1), "delivered")
        first = self.sandbox.start(words, "first", env=environment)
        wait_until(lambda: (self.sandbox.folder / "gateway.db-drain").exists(), process=first)
        second = self.sandbox.start(words, "second", env=environment)
        self.assertIn(str(self.store), first.output)
        self.assertEqual(first.stop(), DONE)
        self.post_queued(event_of("b", 1))
        self.run_it("outbox", "retry", "--all")
        wait_until(lambda: len(self.titles()) == 2, what="the delivery", process=second)
        wait_until(lambda: "msg=drained" in second.output, what="its record", process=second)
        self.assertEqual(second.stop(signal.SIGINT), DONE)

    def test_watching_waits_for_a_store(self):
        watch = self.sandbox.start(
            [paths.command_line(), "drain", "--watch"], env=program_environment(self.config)
        )
        time.sleep(0.5)
        self.assertFalse(self.store.exists())
        self.post_queued(event_of("a", 1))
        wait_until(lambda: self.titles(), seconds=15, what="the delivery", process=watch)

    def test_a_lock_that_may_not_be_taken_is_no_other_drainer(self):
        self.post(event_of("a", 1), "delivered")
        lock = self.sandbox.folder / "gateway.db-drain"
        lock.unlink(missing_ok=True)
        lock.mkdir()
        done = self.run_it("drain")
        self.assertEqual(done.returncode, STORE)
        self.assertIn("gateway.db-drain", done.stderr)


class Confirmations(GatewayTest):
    mode = CGI

    def setUp(self):
        super().setUp()
        self.console = self.sandbox.enter(smn.Console(self.keys))
        self.config = self.configure(
            store=f"sqlite:{self.sandbox.folder / 'gateway.db'}",
            smn=settings.trusting(self.keys, self.console.port),
            ca_file=str(self.keys.ca_certificate),
            deadline_ms=1000,
        )

    run_it = OutboxTest.run_it
    records = OutboxTest.records

    def test_the_link_to_open_by_hand_and_why(self):
        ces = self.start("ces", self.config)
        link = self.console.subscribe_url(token=TOKEN)
        done = self.run_it("confirm")
        self.assertEqual(done.returncode, STORE)
        self.console.answer({"do": "status", "status": 500})
        self.assertEqual(ces.post(self.keys.sign(smn.confirmation(link))).status, 202)
        done = self.run_it("confirm")
        self.assertEqual(done.returncode, DONE)
        self.assertIn("prod-ces  received 20", done.stdout)
        self.assertIn("failed after 1 try, next 20", done.stdout)
        self.assertIn(f"\n  open  {link}\n", done.stdout)
        self.assertIn(f"\n  topic {smn.TOPIC_URN}\n  why   ", done.stdout)
        record = self.records("confirm")[0]
        self.assertEqual((record["url"], record["state"]), (link, "waiting"))
        for words in COMMANDS:
            if words != ("confirm",):
                done = self.run_it(*words)
                self.assertNotIn(TOKEN, done.stdout + done.stderr)

    def test_none(self):
        self.start("ces", self.config).post(
            self.keys.sign(smn.confirmation(self.console.subscribe_url(token=TOKEN)))
        )
        done = self.run_it("confirm")
        self.assertEqual((done.returncode, done.stdout), (DONE, ""))
        self.assertIn("every subscription is confirmed", done.stderr)


class WithoutAStore(OutboxTest):
    def test_none_is_made(self):
        for words in COMMANDS:
            done = self.run_it(*words)
            self.assertEqual((done.returncode, done.stdout), (STORE, ""), words)
            self.assertIn(f"no store at {self.store}", done.stderr)
        self.assertFalse(self.store.exists())

    def test_none_is_kept(self):
        config = self.configure(store="none")
        for words in COMMANDS:
            done = self.run_it(*words, config=config)
            self.assertEqual((done.returncode, done.stdout), (STORE, ""), words)
            self.assertIn(f"configuration: {config}\n", done.stderr)
            self.assertIn('store = "none"', done.stderr)

    def test_what_is_no_store(self):
        self.store.write_text("no database " * 200)
        self.store.chmod(0o600)
        for words in (*COMMANDS, ("drain",)):
            self.assertEqual(self.run_it(*words).returncode, STORE, words)

    def test_a_store_of_a_newer_release(self):
        self.post(event_of("a", 1), "delivered")
        self.change("PRAGMA user_version = 99")
        for words in (*COMMANDS, ("drain",)):
            done = self.run_it(*words)
            self.assertEqual(done.returncode, STORE, words)
            self.assertIn("newer release", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "another user's store takes root to make")
    def test_anothers_store_is_told_and_not_passed_over(self):
        self.post(event_of("a", 1), "delivered")
        nobody = pwd.getpwnam("nobody")
        values = {**settings.settings(self.flashduty.push_url), "store": f"sqlite:{self.store}"}
        config = settings.write_config(self.sandbox.folder / "nobody.conf", values, owner=nobody)
        for words in (*COMMANDS, ("drain",)):
            done = self.run_it(*words, config=config, user=nobody.pw_uid)
            self.assertEqual((done.returncode, done.stdout), (STORE, ""), words)
            self.assertIn(f"the store {self.store} belongs to root", done.stderr)


if __name__ == "__main__":
    unittest.main()
