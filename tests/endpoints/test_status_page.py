"""The status page: what it shows, that no alert's text gets out of its place, what it orders."""

import re
import sqlite3
import time
import unittest
from contextlib import closing
from urllib.parse import urlencode

from tests.endpoints.test_status import LOGGED_IN, StatusTest, bearer, event_of
from tests.support.gateway import CGI, FASTCGI, FLASHDUTY_KEYS
from tests.support.html import Page
from tests.support.process import wait_until
from tests.support.settings import STATUS_KEY

FORM = "application/x-www-form-urlencoded"
HOSTILE = (
    "</bdi></td><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; &#60;i&#62; %3Cu%3E {} {!} {%} %s",
    "x\u202e\u2066y\u0085\u009bz",
    "<!-- <style> ]]> </title></style>",
)


class PageTest(StatusTest):
    """Reads the page as a person does."""

    mode = CGI

    def page(self, query="", status=200, **more):
        """The page, which has to be well-formed."""
        answer = self.get(query=query, **more)
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["content-type"], "text/html; charset=utf-8")
        return Page(answer.body.decode("utf-8", errors="strict"))

    def token(self):
        """What a form of the page brings back."""
        return self.page().values("input", "value", name="token")[0]

    def order(self, headers=None, **fields):
        """Posts a form of the page; returns the answer."""
        return self.status.request(
            urlencode(fields).encode(), content_type=FORM, headers={**bearer(), **(headers or {})}
        )

    def arrived(self):
        """What Flashduty has, in order."""
        return [(event.title, event.status) for event in self.flashduty.events]


class Shown(PageTest):
    """What stands on it."""

    def test_an_empty_store(self):
        page = self.page()
        for words in ("Nothing has come yet", "prod-ces", "prod-guance", "Huawei Cloud CES",
                      "nothing has ever come", "Nothing was found", "topic_urn"):  # fmt: skip
            self.assertIn(words, page.text)

    def test_all_is_well(self):
        self.post(event_of(1))
        page = self.page()
        for words in ("Everything is delivered", "Disk 1 full", "guance:ref-1", "delivered",
                      "all delivered", "accepting"):  # fmt: skip
            self.assertIn(words, page.text)
        self.assertNotIn("Waiting, rejected", page.text)

    def test_what_waits_or_was_rejected_and_why(self):
        self.post_rejected(event_of(1))
        before = len(self.flashduty.requests)
        self.post_queued(event_of(2))
        tries = len(self.flashduty.requests) - before
        page = self.page()
        for words in ("1 waiting, the oldest for", "InvalidParameter: integration_key is invalid",
                      "InternalError", f"tries so far: {tries};", "expired (1)"):  # fmt: skip
            self.assertIn(words, page.text)
        self.assertEqual(page.values("button", "value", name="id"), ["1", "2"])
        self.assertEqual(page.values("button", "value", name="which"), ["failed"])

    def test_a_delivery_with_its_tries(self):
        self.post(event_of(1))
        page = self.page("delivery=1")
        for words in ("Disk 1 full", "guance:ref-1", "HTTP 200", "accepted", '"check_id"',
                      self.flashduty.events[0].request_id, "event-1:critical"):  # fmt: skip
            self.assertIn(words, page.text)
        self.assertIn("?q=guance%3Aref-1", page.values("a", "href"))
        self.assertIn("there is no delivery 2", self.page("delivery=2", status=404).text)
        self.assertIn("delivery is a number", self.page("delivery=x", status=400).text)

    def test_search_and_older_ones(self):
        for number in range(27):
            self.post(event_of(number))
        page = self.page("q=disk")
        self.assertIn("Disk 26 full", page.text)
        self.assertNotIn("Disk 1 full", page.text)
        (older,) = (link for link in page.values("a", "href") if "before=" in link)
        page = self.page(older.removeprefix("?"))
        self.assertIn("Disk 1 full", page.text)
        self.assertNotIn("Disk 2 full", self.page("q=disk+1").text)
        self.assertIn("Nothing was found", self.page("state=expired").text)
        self.assertIn("state is one or more of", self.page("state=lost", status=400).text)

    def test_what_was_looked_for_stands_in_the_form(self):
        page = self.page(urlencode({"q": HOSTILE[1], "state": "delivered",
                                    "integration": "prod-guance"}))  # fmt: skip
        self.assertEqual(page.values("input", "value", name="q"), [HOSTILE[1]])
        chosen = [value for tag, value in page.elements if tag == "option" and "selected" in value]
        self.assertEqual([value["value"] for value in chosen], ["prod-guance", "delivered"])

    def test_the_drawings_count(self):
        self.post(event_of(1))
        self.post(event_of(2, df_status="error"))
        self.post_queued(event_of(3, df_status="info"))
        for span in ("", "span=hour", "span=week"):
            with self.subTest(span):
                labels = self.page(span).values("svg", "aria-label")
                self.assertEqual(labels[0], "Alerts received: 1 Critical, 1 Warning, 1 Info")
                self.assertEqual(labels[1], "Alerts delivered: 1 Critical, 1 Warning")
                self.assertRegex(labels[2], r"^From received to accepted: lately \d.*99 of 100")
                self.assertEqual(labels[3], "In the outbox: 1 now, at most 1")

    def test_hints(self):
        for number in range(3):
            self.post(event_of(number))
        self.guance().post(event_of(9), query="integration_key=" + "x" * 20)
        text = self.page().text
        self.assertIn("prod-guance : 3 triggers in a week, never a recovery", text)
        self.assertIn("1 messages came with an unknown key", text)
        self.post(event_of(8, df_status="ok"))
        self.assertNotIn("never a recovery", self.page().text)

    def test_subscriptions_that_wait(self):
        self.post(event_of(1))
        later = int(time.time() * 1000) + 3_600_000
        with closing(sqlite3.connect(self.store)) as store, store:
            store.execute(
                "INSERT INTO confirmation VALUES (1, 'prod-ces', 'prod-ces', 'r', ?,"
                " 'https://example.com/?token=hidden', 'example.com', 0, 0, ?, ?, ?, 2, ?)",
                ("urn:smn:" + HOSTILE[0], later, later, later, "no answer " + HOSTILE[1]),
            )
        page = self.page()
        self.assertIn("Subscriptions that are not confirmed", page.text)
        self.assertIn("urn:smn:" + HOSTILE[0], page.text)
        self.assertIn("no answer " + HOSTILE[1], page.text)
        self.assertNotIn("hidden", page.text)

    def test_languages(self):
        for header, language in (
            (None, "en"),
            ("", "en"),
            ("en-GB,en;q=0.9", "en"),
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
            ("zh", "zh-CN"),
            ("ZH-tw", "zh-CN"),
            ("en;q=0.8, zh;q=0.9", "zh-CN"),
            ("de, en;q=0.3, zh;q=0.2", "en"),
            ("fr", "en"),
            (";;;,,q=,zh;q=", "en"),
        ):
            with self.subTest(header):
                headers = {**bearer(), **({} if header is None else {"Accept-Language": header})}
                page = self.page(headers=headers)
                self.assertEqual(page.values("html", "lang"), [language])
                self.assertIn("尚未收到" if language == "zh-CN" else "Nothing has come", page.text)

    def test_both_languages_show_the_same(self):
        self.post(event_of(1))
        self.post_rejected(event_of(2))
        self.post_queued(event_of(3))
        chinese = {**bearer(), "Accept-Language": "zh"}
        for query in ("", "q=Disk", "delivery=2", "delivery=9", "note=stale"):
            status = 404 if query == "delivery=9" else 200
            shapes = []
            for headers in (bearer(), chinese):
                page = self.page(query, status=status, headers=headers)
                kinds = [tag for tag, _ in page.elements if tag not in ("i", "rect", "title")]
                shapes.append(kinds)
            with self.subTest(query):
                self.assertEqual(*shapes)


class Safety(PageTest):
    """No text of an alert, a query or an answer leaves its place."""

    def test_hostile_texts_are_only_texts(self):
        for number, text in enumerate(HOSTILE):
            event = event_of(number, df_title=text, df_message=text,
                             df_dimension_tags='{"host":"%s"}' % number,
                             df_monitor_checker_event_ref=text)  # fmt: skip
            (self.post_rejected if number % 2 else self.post)(event)
        for query in ("", "q=x", *(f"delivery={number}" for number in range(1, 6))):
            with self.subTest(query):
                page = self.page(query)
                self.assertNotIn("\u202e", page.text)
                self.assertNotIn("\x85", page.text)
        self.assertIn(HOSTILE[0], self.page("delivery=1").text)
        self.assertIn(HOSTILE[2], self.page("q=%22lt").text + self.page().text)

    def test_what_flashduty_says_is_only_text(self):
        self.flashduty.answer({"do": "error", "code": HOSTILE[0][:40], "status": 400,
                               "message": HOSTILE[1]}, times=None)  # fmt: skip
        self.guance().post(event_of(1))
        self.flashduty.script.clear()
        for query in ("", "delivery=1"):
            self.assertIn(HOSTILE[1], self.page(query).text)

    def test_the_query_is_only_text(self):
        for text in HOSTILE:
            for name in ("q", "integration", "note", "span", "count", "token"):
                with self.subTest(name=name, text=text):
                    self.page(urlencode({name: text}))

    def test_the_policy_allows_one_style_and_forms_home(self):
        seen = set()
        for _ in range(2):
            answer = self.get()
            policy = answer.headers["content-security-policy"]
            nonce = re.search("style-src 'nonce-([0-9a-f]{32})'", policy)[1]
            seen.add(nonce)
            self.assertRegex(policy, "^default-src 'none'; ")
            self.assertNotIn("unsafe", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertEqual(Page(answer.body.decode()).values("style", "nonce"), [nonce])
            self.assertEqual(answer.headers["referrer-policy"], "no-referrer")
            self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual(len(seen), 2)

    def test_no_key_and_no_more_than_four_characters_of_one(self):
        self.post_queued(event_of(1))
        for query in ("", "delivery=1", "q=disk"):
            text = self.page(query).text
            self.assertIn("cana…", text)
            self.assertNotIn(FLASHDUTY_KEYS["guance"][:5], text)

    def test_a_form_from_elsewhere_orders_nothing(self):
        self.post_rejected(event_of(1))
        token = self.token()
        fields = {"action": "retry", "id": "1"}
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                        {"Origin": "https://evil.example"}, {"Origin": "null"},
                        {"Origin": "https://evil.example", "Host": "gateway.example.com"}):  # fmt: skip
            with self.subTest(headers):
                self.assertEqual(self.order(headers, token=token, **fields).status, 403)
        for wrong in ("", "0" * 64, token[:-1], token + "0", token.upper()):
            with self.subTest(wrong):
                answer = self.order(token=wrong, **fields)
                self.assertEqual(answer.status, 403)
                self.assertIn("load the page again", answer.message)
        answer = self.order({"Authorization": "Bearer x"}, token=token, **fields)
        self.assertEqual(answer.status, 401)
        self.get(query=urlencode({"token": token, **fields}))
        self.assertEqual(self.arrived(), [])
        self.assertEqual(self.data("/api/deliveries")["deliveries"][0]["state"], "rejected")

    def test_a_token_is_its_visitors_own(self):
        self.post_rejected(event_of(1))
        token = self.token()
        self.status.environment = LOGGED_IN
        answer = self.order({"Authorization": ""}, token=token, action="retry", id="1")
        self.assertEqual(answer.status, 403)

    def test_a_token_grows_old(self):
        self.post_rejected(event_of(1))
        token = self.token()
        with closing(sqlite3.connect(self.store)) as store, store:
            store.execute("UPDATE secret SET value = ?", ("00" * 32,))
        self.assertEqual(self.order(token=token, action="retry", id="1").status, 403)


class Orders:
    """What a visitor may order, both ways of running."""

    def retry(self, headers=None, **fields):
        """Orders it, and looks where the answer leads."""
        answer = self.order(headers, token=self.token(), action="retry", **fields)
        self.assertEqual(answer.status, 303, answer.body)
        self.assertRegex(answer.headers["location"], r"^\?note=\w+&count=\d+$")
        return self.page(answer.headers["location"].removeprefix("?")).text

    def test_a_rejected_delivery_is_retried_and_delivered(self):
        self.post_rejected(event_of(1))
        self.assertIn("Deliveries that are due now: 1.", self.retry(id="1"))
        wait_until(lambda: self.arrived() == [("Disk 1 full", "Critical")], 20, "the retry")
        wait_until(lambda: "Everything is delivered" in self.page().text, 20, "the page to say so")
        self.assertIn("nothing to do", self.retry({"Sec-Fetch-Site": "same-origin"}, id="1"))
        self.assertIn("no such delivery", self.retry({"Host": "h:1", "Origin": "http://h:1"}, id="7"))
        self.assertEqual(len(self.flashduty.events), 1)

    def test_what_is_being_sent_is_not_called_delivered(self):
        self.post_rejected(event_of(1))
        already = len(self.flashduty.requests)
        self.flashduty.answer({"do": "hang", "seconds": 3})
        self.retry(id="1")
        self.assertTrue(self.flashduty.wait_for_requests(already + 1))
        page = self.page()
        self.assertIn("1 being sent, all else is delivered", page.text)
        self.assertNotIn("Everything is delivered", page.text)
        self.assertNotIn("nothing waits", page.text)
        wait_until(lambda: "Everything is delivered" in self.page().text, 20, "the page to say so")

    def test_all_that_failed_is_retried(self):
        for number in range(3):
            self.post_rejected(event_of(number))
        self.assertIn("due now: 3.", self.retry(which="failed"))
        wait_until(lambda: len(self.flashduty.events) == 3, 20, "the retries")
        self.assertIn("due now: 0.", self.retry(which="failed"))

    def test_what_is_stale_is_not_retried(self):
        self.post_rejected(event_of(1))
        self.post(event_of(2, df_monitor_checker_event_ref="ref-1", df_status="ok",
                           timestamp=1795485700))  # fmt: skip
        self.assertIn("something newer", self.retry(id="1"))
        self.assertEqual(self.arrived(), [("Disk 2 full", "Ok")])

    def test_a_test_alert_opens_and_closes(self):
        answer = self.order(token=self.token(), action="test", integration="prod-guance")
        self.assertEqual(answer.headers["location"], "?note=delivered&count=1")
        self.assertEqual([status for _, status in self.arrived()], ["Info", "Ok"])
        trigger, recovery = self.flashduty.events
        self.assertEqual(trigger.alert_key, recovery.alert_key)
        self.assertEqual(trigger.key, FLASHDUTY_KEYS["guance"])
        self.assertEqual(self.flashduty.violations, [])
        self.assertIn("has accepted the test alert", self.page("note=delivered").text)

    def test_a_test_alert_that_is_refused_says_so(self):
        self.flashduty.keys = ()
        answer = self.order(token=self.token(), action="test", integration="prod-guance")
        self.assertIn("note=rejected", answer.headers["location"])
        self.assertIn("refuses the test alert", self.page("note=rejected").text)

    def test_an_order_that_is_none_is_400(self):
        token = self.token()
        for fields in ({}, {"action": "drop", "id": "1"}, {"action": "retry"},
                       {"action": "retry", "id": "x"}, {"action": "test"},
                       {"action": "test", "integration": "nobody"}):  # fmt: skip
            with self.subTest(fields):
                self.assertEqual(self.order(token=token, **fields).status, 400)

    def test_an_order_is_logged_with_who_gave_it(self):
        self.post_rejected(event_of(1))
        self.retry(id="1")
        (record,) = (one for one in self.status.records if one.get("order"))
        self.assertEqual((record["order"], record["visitor"]), ("retry 1", "status_key"))


class OrdersOfCgi(Orders, PageTest):
    mode = CGI


class OrdersOfFastCgi(Orders, PageTest):
    mode = FASTCGI


class Trouble(PageTest):
    """When there is no store, or none that can be read."""

    def test_without_a_store(self):
        self.status = self.start("status", self.configure(store="none", status_key=STATUS_KEY))
        self.assertIn("this gateway has no store", self.page().text)

    def test_a_store_that_is_none(self):
        self.store.write_bytes(b"this is no database, and long enough to be looked at" * 20)
        self.assertIn("cannot be shown", self.page(status=503).text)
        self.assertEqual(self.get("/api/outbox").status, 503)
        self.assertEqual(self.get("/healthz", headers={}).status, 503)

    def test_methods(self):
        for method in ("PUT", "DELETE", "OPTIONS"):
            answer = self.get(method=method)
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD, POST"))


if __name__ == "__main__":
    unittest.main()
