"""The status page behind lighttpd, as people use it: without a script, by pointer and by keyboard.

    make test-browser                     runs this
    make test-browser PICTURES=docs       and keeps the README's pictures
"""

import os
import random
import shutil
import sqlite3
import subprocess
import time
import unittest
from contextlib import closing
from pathlib import Path

from tests.browser.browser import Browser
from tests.simulator.flashduty import Flashduty
from tests.support import settings, shared
from tests.support.answer import http_request
from tests.support.gateway import guance_event, query_of, to_bytes
from tests.support.process import Sandbox, wait_until
from tests.support.webserver import Place, lighttpd_fastcgi, owned_folder

BROKEN = {"do": "status", "status": 503}
LOGIN = {"user": "ann", "password": settings.STATUS_KEY}
PHONE = {"width": 390, "height": 844}
SECONDS = 30
# Debian's tidy does not know them yet.
NEWER_THAN_TIDY = ('proprietary attribute "nonce"', 'proprietary attribute "aria-current"')


class Site:
    """A gateway with a store behind lighttpd, and a Flashduty that can break."""

    def __init__(self):
        self.sandbox = Sandbox()
        try:
            self.flashduty = self.sandbox.enter(Flashduty())
            self.place = Place(self.sandbox, shared.free_port())
            self.store = owned_folder(self.place.folder, "store", self.place.user) / "gateway.db"
            self.place.configure(
                settings.settings(
                    self.flashduty.push_url,
                    store=f"sqlite:{self.store}",
                    status_key=settings.STATUS_KEY,
                    deadline_ms=500,
                )
            )
            self.place.start_lighttpd(lighttpd_fastcgi(self.place))
            self.browser = self.sandbox.enter(Browser(self.sandbox.folder))
        except BaseException:
            self.sandbox.close()
            raise
        self.url = f"http://127.0.0.1:{self.place.port}/status"

    def post(self, number, outcome, **changes):
        """One alert of its own at Guance's endpoint."""
        event = guance_event(
            **{
                "df_event_id": f"event-{number}",
                "df_monitor_checker_event_ref": f"ref-{number}",
                "df_title": f"Disk of db-{number} full",
                "timestamp": int(time.time()),
                **changes,
            }
        )
        headers = {"Content-Type": "application/json"}
        answer = http_request(
            self.place.port, f"/guance?{query_of('guance')}", to_bytes(event), headers=headers
        )
        if answer.outcome != outcome:
            raise AssertionError(f"expected {outcome}: {answer.body}")

    def reject(self, number, **changes):
        """One that Flashduty refuses for good."""
        self.flashduty.keys = ()
        self.post(number, "rejected", **changes)
        self.flashduty.keys = None


class BrowserTest(unittest.TestCase):
    """A site of its own for each test, open in the browser."""

    def setUp(self):
        self.site = Site()
        self.addCleanup(self.site.sandbox.close)
        self.browser = self.site.browser

    def open(self, query="", status=200, **options):
        """Opens the page as somebody who knows the key."""
        got = self.browser.open(url=self.site.url + query, **{**LOGIN, **options})
        self.assertEqual(got, status)
        return self.browser.text()

    def see(self, words):
        """Loads the page again until the words stand on it."""

        def is_there():
            self.browser.reload()
            return words in self.browser.text()

        wait_until(is_there, SECONDS, f"the page to say {words!r}")

    def assert_quiet(self):
        """No error on the console, nothing blocked, no request to anywhere else."""
        self.assertEqual(self.browser.complaints(), [])

    def make_history(self):
        """Deliveries of a week, and some that wait or were rejected."""
        choice = random.Random(7)
        titles = ("CPU of host-1 above 90 %", "p99 of checkout above 2 s", "Disk of db-1 almost full",
                  "Queue of mailer is growing", "TLS certificate expires in 5 days")  # fmt: skip
        self.site.post(0, "delivered", df_title=titles[0])
        now = int(time.time() * 1000)
        with closing(sqlite3.connect(self.site.store, timeout=10)) as store, store:
            for number in range(600):
                received = now - 20_000 - int(choice.random() ** 3 * 6.5 * 86_400_000)
                took = int(choice.lognormvariate(4, 0.7)) if number % 40 else 240_000
                severity = choice.choices((0, 1, 2, 3), (2, 5, 2, 6))[0]
                name = choice.choice(("prod-ces", "prod-guance"))
                key = f"{name.removeprefix('prod-')}:ref-{number // 2}"
                store.execute(
                    "INSERT INTO alert (scope, integration, request_id, message_id, alert_key,"
                    " severity, title, event, time_s, received_ms, outcome) SELECT ?, ?,"
                    " lower(hex(randomblob(16))), '', ?, ?, ?, event, ?, ?, 5 FROM alert"
                    " WHERE id = 1",
                    (name, name, key, severity, choice.choice(titles), received // 1000, received),
                )
                store.execute(
                    "INSERT INTO delivery (alert_id, scope, alert_key, route, flashduty_key, state,"
                    " rank, after, due_ms, scheduled_ms, lease_steady_ms, tries, rounds,"
                    " created_ms, finished_ms, code, message) SELECT last_insert_rowid(), ?, ?,"
                    " route, flashduty_key, 5, rank, 0, 0, 0, 0, 1, 0, ?, ?, '', '' FROM delivery"
                    " WHERE id = 1",
                    (name, key, received, received + took),
                )
            for place in ("received", "delivered"):
                store.execute("INSERT INTO ledger VALUES ('prod-ces', ?, 300)", (place,))
            store.execute("INSERT INTO subscription VALUES (?, 'prod-ces', 0, ?)",
                          ("urn:smn:cn-north-4:0123456789abcdef:ops", now))  # fmt: skip
            store.execute("INSERT INTO destination VALUES (?, 0, 0, 0, ?)",
                          (settings.CES_FLASHDUTY_KEY, now))  # fmt: skip
        self.site.reject(1001, df_title="Replica of db-2 is behind")
        self.site.flashduty.answer(BROKEN, times=None)
        for number, title in enumerate(titles[:4]):
            self.site.post(2000 + number, "queued", df_title=title)


class Reading(BrowserTest):
    def test_without_the_key_there_is_nothing(self):
        self.assertEqual(self.browser.open(url=self.site.url), 401)
        wrong = {**LOGIN, "password": "wrong-00000000000000000000000"}
        self.assertEqual(self.browser.open(url=self.site.url, **wrong), 401)

    def test_both_languages(self):
        self.site.post(1, "delivered")
        self.assertIn("Everything is delivered", self.open())
        self.assertIn("全部送达", self.open(language="zh-CN"))
        self.assertIn("Disk of db-1 full", self.browser.text())
        self.assert_quiet()

    def test_a_delivery_is_found_and_shows_flashdutys_request_id(self):
        for number in range(1, 4):
            self.site.post(number, "delivered")
        self.open()
        self.browser.fill(label="Alert key, title", value="db-2")
        self.browser.select(label="Outcome", value="delivered")
        self.browser.click(role="button", name="Search")
        self.assertNotIn("db-1", self.browser.text())
        self.browser.click(role="link", name="Disk of db-2 full")
        text = self.browser.text()
        self.assertIn("guance:ref-2", text)
        self.assertIn(self.site.flashduty.events[1].request_id, text)
        self.assert_quiet()

    def test_it_fits_a_phone(self):
        self.make_history()
        for query in ("", "?delivery=1", "?q=db"):
            self.open(query, script=True, **PHONE)
            with self.subTest(query):
                self.assertLessEqual(self.browser.overflow(), 0)


class Doing(BrowserTest):
    def test_an_outage_can_be_understood_from_the_page_alone(self):
        self.site.post(1, "delivered")
        self.site.flashduty.answer(BROKEN, times=None)
        for number in range(2, 5):
            self.site.post(number, "queued")
        text = self.open()
        for words in ("3 waiting, the oldest for", "HTTP status 503", "Disk of db-2 full", "next"):
            self.assertIn(words, text)
        self.see("Flashduty keys that keep failing: 1")
        self.see("its Flashduty key keeps failing")
        self.site.flashduty.script.clear()
        self.see("Everything is delivered")
        self.assertIn("all delivered", self.browser.text())
        self.assertIn("0 now, at most", self.browser.text())
        self.assertEqual(len(self.site.flashduty.events), 4)
        self.assert_quiet()

    def test_a_rejected_delivery_is_retried_and_seen_delivered(self):
        self.site.reject(1)
        text = self.open()
        self.assertIn("InvalidParameter: integration_key is invalid", text)
        self.browser.click(role="button", name="Retry Disk of db-1 full")
        self.assertIn("Deliveries that are due now: 1.", self.browser.text())
        self.assertIn("?note=retried", self.browser.url())
        self.see("Everything is delivered")
        self.assert_quiet()

    def test_by_keyboard_alone(self):
        self.site.reject(1)
        self.open(script=True)
        seen = []
        while "button Retry Disk of db-1 full" not in seen and len(seen) < 30:
            self.browser.press(key="Tab")
            seen.append(self.browser.focused())
        self.assertEqual(seen[:2], ["a flashduty-gateway", "a Refresh"])
        self.assertEqual(seen[-1], "button Retry Disk of db-1 full")
        self.browser.enter()
        self.see("Everything is delivered")

    def test_a_test_alert(self):
        self.open()
        self.browser.click(role="button", name="Test alert prod-guance")
        self.assertIn("has accepted the test alert", self.browser.text())
        self.assertEqual([event.status for event in self.site.flashduty.events], ["Info", "Ok"])
        self.assert_quiet()


class Quality(BrowserTest):
    """axe-core and tidy find nothing, in any language, colour or size."""

    VIEWS = ("", "?span=hour", "?delivery=1", "?q=db", "?note=stale", "?delivery=999999")

    def test_axe(self):
        self.make_history()
        for query in self.VIEWS:
            for options in ({}, {"scheme": "dark"}, {"language": "zh-CN"}, PHONE):
                status = 404 if "999999" in query else 200
                self.open(query, status=status, script=True, **options)
                with self.subTest(query=query, options=options):
                    self.assertEqual(self.browser.axe(), [])

    def test_tidy(self):
        self.make_history()
        for query in self.VIEWS[:-1]:
            for language in ("en", "zh-CN"):
                self.open(query, script=True, language=language)
                done = subprocess.run(
                    ["tidy", "-quiet", "-errors", "-utf8"], input=self.browser.html().encode(),
                    capture_output=True, timeout=30, check=False)  # fmt: skip
                said = [line for line in done.stderr.decode().splitlines()
                        if not line.endswith(NEWER_THAN_TIDY)]  # fmt: skip
                with self.subTest(query=query, language=language):
                    self.assertEqual(said, [])

    def test_pictures(self):
        self.make_history()
        folder = self.site.sandbox.folder
        views = {
            "status-page.png": {"height": 1400},
            "status-page.zh-CN.png": {"height": 1400, "language": "zh-CN"},
            "status-page-phone.png": {**PHONE, "scheme": "dark"},
        }
        for name, options in views.items():
            self.open(**options)
            self.browser.screenshot(path=str(folder / name))
            self.assertGreater((folder / name).stat().st_size, 20_000)
            if os.environ.get("PICTURES"):
                shutil.copy(folder / name, Path(os.environ["PICTURES"]))


if __name__ == "__main__":
    unittest.main()
