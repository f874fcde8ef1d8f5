"""The Debian package is upgraded over an older one with a full outbox, while alarms come in."""

import re
import shutil
import tempfile
import threading
import unittest
from pathlib import Path

from tests.endpoints.test_migration import fill
from tests.packaging.life import CONFIG, FLASHDUTY_URL, KEY, STORE, Life
from tests.packaging.packages import OLDER, PACKAGE, SCHEMA, Older, built, package_in, schema_version
from tests.packaging.trees import VERSION
from tests.support import paths
from tests.support.process import wait_until

WAITING = 300
# Of those, so many have their recovery waiting behind them.
RECOVERED = 60
SETTINGS = f"""
flashduty_url = "{FLASHDUTY_URL}"
rate_per_second = 0
rate_per_minute = 0
outbox_limit = %d
integrations = ( {{ name = "%s" vendor = "guance" push_key = "{KEY}" flashduty_key = "key" }} )
"""
READ_VERSION = "import sqlite3; print(sqlite3.connect('%s').execute('PRAGMA user_version').fetchone()[0])"
EVENT = re.compile(r"^(Critical|Ok): .*\n  alert key  (\S+)$", re.MULTILINE)


class Upgrade(Life):
    """From the first release that had a package, whose store had version 1, to this tree's."""

    @classmethod
    def setUpClass(cls):
        folder = Path(tempfile.mkdtemp(prefix="older-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.older = Older(folder)

    def packages(self):
        return [self.older.package, package_in(built())]

    def setUp(self):
        super().setUp()
        self.statuses = []
        self.promised = 0

    def configure(self, outbox_limit):
        """Writes the configuration, and lets the receiving process begin with it."""
        text = SETTINGS % (outbox_limit, "prod-guance")
        self.machine.path(CONFIG).write_text(text, encoding="utf-8")
        self.machine.run("systemctl", "restart", f"{PACKAGE}-guance.service")
        return text

    def fill_outbox(self):
        """Posts alarms and recoveries until there is no room for another, as Flashduty is away."""
        self.configure(WAITING)
        if self.older.schema is None:
            self.begin_with_a_store_of_version_1()
        for number in range(WAITING + 1):
            status = self.post(number).status
            if status == 202 and number < RECOVERED:
                self.promised += 1
                status = self.post(number, df_status="ok", df_event_id=f"over-{number}").status
            if status != 202:
                break
            self.promised += 1
        self.assertEqual(status, 503)
        # What is kept for good of each alert's share is little.
        self.assertGreater(self.promised, WAITING * 9 // 10)

    def begin_with_a_store_of_version_1(self):
        """Puts one into its place, with two alarms that wait and three that were delivered."""
        self.machine.run("systemctl", "stop", f"{PACKAGE}-*.service")
        file = self.sandbox.folder / "version-1.db"
        fill(file)
        self.machine.run("find", Path(STORE).parent, "-name", "gateway.db*", "-delete")
        shutil.move(file, self.machine.path(STORE))
        self.machine.run("chown", f"{PACKAGE}:{PACKAGE}", STORE)
        self.machine.run("systemctl", "start", f"{PACKAGE}-guance.service")

    def schema(self):
        """The version of the store."""
        return int(self.machine.run("python3", "-c", READ_VERSION % STORE))

    def post_until(self, is_over, first):
        """Posts one event after the other; what each was answered, or why it was not."""
        number = first
        while not is_over.is_set():
            try:
                self.statuses.append(self.post(number).status)
            except (OSError, EOFError) as problem:
                self.statuses.append(problem)
            number += 10
            # Many enough to meet the change of processes, few enough to be drained in seconds.
            is_over.wait(0.05)

    def upgrade_under_load(self):
        """Installs this tree's package while alarms come in, and some after it."""
        before = self.main_pid("guance")
        is_over = threading.Event()
        threads = [
            threading.Thread(target=self.post_until, args=(is_over, 1000 + i)) for i in range(4)
        ]
        for thread in threads:
            thread.start()
        try:
            self.install(VERSION)
            wait_until(lambda: self.main_pid("guance") not in (before, "0"), 30, "the new process")
            after = len(self.statuses)
            wait_until(lambda: len(self.statuses) > after + 50, 60, "requests after the upgrade")
        finally:
            is_over.set()
            for thread in threads:
                thread.join()

    def check_drained(self, before):
        """Everything that waited arrives once Flashduty is there: once, recoveries last. before: how
        many were delivered before."""
        count = self.promised + len(self.statuses)
        simulator = self.start_flashduty()
        self.machine.run("systemctl", "start", f"{PACKAGE}-drain.service")
        wait_until(lambda: len(EVENT.findall(simulator.output)) >= count, 100, f"{count} events")
        wait_until(lambda: f"{before + count} delivered" in self.status(), 30, "the last answer")
        arrived = EVENT.findall(simulator.output)
        self.assertEqual(len(arrived), count)
        self.assertEqual(len(set(arrived)), count)
        places = {event: place for place, event in enumerate(arrived)}
        recoveries = [key for status, key in arrived if status == "Ok"]
        self.assertGreaterEqual(len(recoveries), RECOVERED)
        for key in recoveries:
            self.assertLess(places["Critical", key], places["Ok", key], key)
        self.assertIn("the ledger adds up", self.status())

    def test_nothing_is_refused_and_nothing_is_lost(self):
        self.install(OLDER)
        self.fill_outbox()
        # By sources of its own it was made by an older program; else the fixture stands for it.
        before = self.older.schema or 1
        after = schema_version((paths.ROOT / SCHEMA).read_text(encoding="utf-8"))
        self.assertLess(before, after)
        if self.older.schema:
            self.assertEqual(self.schema(), before)
        # Room for what comes during the upgrade.
        settings = self.configure(100000)
        self.upgrade_under_load()
        self.assertEqual([status for status in self.statuses if status != 202], [])
        self.assertEqual(self.schema(), after)
        self.assertEqual(self.machine.path(CONFIG).read_text(encoding="utf-8"), settings)
        # With what this release has and the older one had not.
        self.check_running()
        # What the older program took, this one knows.
        self.assertEqual(self.post(0).outcome, "duplicate")
        fixture = self.older.schema is None
        self.promised += 2 if fixture else 0
        self.check_drained(before=3 if fixture else 0)


del Life


if __name__ == "__main__":
    unittest.main()
