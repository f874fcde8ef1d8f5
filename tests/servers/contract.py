"""What holds behind every web server: the tests that each server's module runs in each mode."""

import base64
import json
import re

from tests.servers.site import MAX_BODY_BYTES, Site
from tests.simulator import smn
from tests.support import fixtures, settings
from tests.support.process import Sandbox

CES_QUERY = f"?integration_key={settings.CES_PUSH_KEY}"
GUANCE_QUERY = f"?integration_key={settings.GUANCE_PUSH_KEY}"
WRONG_KEY = "wrong-00000000000000000000000000"
SECRETS = (
    WRONG_KEY,
    settings.CES_PUSH_KEY,
    settings.GUANCE_PUSH_KEY,
    settings.CES_FLASHDUTY_KEY,
    settings.GUANCE_FLASHDUTY_KEY,
    settings.STATUS_KEY,
)
# lighttpd logs the path after a rewrite.
LOGGED_REQUEST = re.compile(r'"POST /(cgi-bin/)?guance(\.fcgi)? HTTP/1\.1" 200')
JSON = {"Content-Type": "application/json"}
CES_TRIGGER = "04-classic-metric-critical-en"
CES_CLEAR = "05-classic-metric-critical-en-cleared"
GUANCE_EVENT = {
    "timestamp": 1795485600,
    "df_status": "critical",
    "df_event_id": "event-00000000000000000000000000000001",
    "df_title": "CPU of host-1 above 90 %",
    "df_dimension_tags": '{"host":"host-1"}',
    "df_monitor_checker_id": "rul_0000000000000001",
    "df_monitor_checker_event_ref": "00000000000000000000000000000001",
    "df_message": "CPU is at 97 %",
}


class Contract:
    """Mixed into a TestCase that overrides start(site); one site serves all its tests."""

    # The longest body that the server lets through to the gateway, and what is said above it.
    longest_body = MAX_BODY_BYTES
    status_above = 413
    # How a request of ours stands in the access log.
    logged_request = LOGGED_REQUEST

    @classmethod
    def start(cls, site):
        """Starts the web server on the site."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        sandbox = Sandbox()
        try:
            cls.site = Site(sandbox)
            cls.start(cls.site)
        except BaseException:
            sandbox.close()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.site.server.stop()
            cls.check_logs()
        finally:
            cls.site.sandbox.close()

    @classmethod
    def access_log(cls):
        """Where the server logs requests."""
        return cls.site.access_log

    @classmethod
    def check_logs(cls):
        """After all tests, failures included: requests are logged, and no key is in any log."""
        if not cls.logged_request.search(cls.access_log().read_text(encoding="utf-8")):
            raise AssertionError(f"the access log has no {cls.logged_request.pattern}")
        for name, text in cls.site.log_texts().items():
            for word in SECRETS:
                line = next((line for line in text.splitlines() if word in line), None)
                if line:
                    raise AssertionError(f"{name} contains {word}: {line}")

    def setUp(self):
        self.flashduty = self.site.flashduty
        self.flashduty.clear()
        self.console = self.site.console
        self.console.clear()

    def post(self, path, value, headers=None, body=None):
        """Posts JSON to the server."""
        body = json.dumps(value, ensure_ascii=False).encode() if body is None else body
        return self.site.request(path, body, headers={**JSON, **(headers or {})})

    def post_signed(self, path, envelope):
        """Signs an SMN envelope and posts it as SMN does."""
        signed = self.site.keys.sign(envelope)
        return self.post(path, signed, smn.headers_of(signed))

    def assert_delivered(self, answer, count=1):
        """The answer says delivered, and the simulator got that many correct events."""
        self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertEqual(answer.headers["content-type"].split(";")[0], "application/json")
        self.assertEqual(answer.headers["request-id"], answer.json["request_id"])
        self.assertEqual(self.flashduty.violations, [])
        self.assertEqual(len(self.flashduty.events), count)

    def assert_case(self, case, answer, key):
        """A fixture was answered as it should be, and its events arrived with this key."""
        if case.error is not None:
            status, words = case.error
            self.assertEqual(answer.status, status, answer.body)
            self.assertIn(words, answer.message)
            self.assertEqual(self.flashduty.requests, [])
            return
        self.assertEqual(answer.status, 200, answer.body)
        # Several alerts of one body are sent at once, in no particular order.
        arrived = [event.event for event in self.flashduty.events]
        self.assertEqual(sorted(arrived, key=str), sorted(case.events, key=str))
        self.assertEqual({event.key for event in self.flashduty.events} - {key}, set())
        self.assertEqual(self.flashduty.violations, [])

    def test_the_genuine_message_of_huawei_arrives_as_critical(self):
        body = fixtures.case("ces", "genuine-notification").body
        answer = self.post("/cgi-bin/ces.fcgi" + CES_QUERY, None, body=body)
        self.assert_delivered(answer)
        event = self.flashduty.events[0]
        self.assertEqual(event.status, "Critical")
        self.assertEqual(event.key, settings.CES_FLASHDUTY_KEY)
        self.assertEqual(event.labels["resource_name"], "dcs-h4tv")

    def test_the_genuine_message_with_one_byte_changed_is_refused(self):
        body = fixtures.case("ces", "genuine-notification").body
        changed = body.replace(b"6.00 count", b"7.00 count")
        self.assertNotEqual(body, changed)
        answer = self.post("/cgi-bin/ces.fcgi" + CES_QUERY, None, body=changed)
        self.assertEqual(answer.status, 403, answer.body)
        self.assertEqual(self.flashduty.requests, [])

    def test_a_signed_alarm_and_its_recovery_share_one_alert(self):
        for case in (CES_TRIGGER, CES_CLEAR):
            answer = self.post_signed("/cgi-bin/ces.fcgi" + CES_QUERY, envelope_of(case))
            self.assertEqual(answer.status, 200, answer.body)
        trigger, clear = self.flashduty.events
        self.assertEqual((trigger.status, clear.status), ("Critical", "Ok"))
        self.assertEqual(trigger.alert_key, clear.alert_key)
        self.assertEqual(self.flashduty.violations, [])

    def test_every_ces_fixture_becomes_what_it_should(self):
        for case in fixtures.cases("ces"):
            if case.confirms:
                continue
            with self.subTest(case.name):
                self.flashduty.clear()
                answer = self.post_signed("/cgi-bin/ces.fcgi" + CES_QUERY, json.loads(case.body))
                self.assert_case(case, answer, settings.CES_FLASHDUTY_KEY)

    def test_every_guance_fixture_becomes_what_it_should(self):
        for case in fixtures.cases("guance"):
            with self.subTest(case.name):
                self.flashduty.clear()
                answer = self.post("/cgi-bin/guance.fcgi" + GUANCE_QUERY, None, body=case.body)
                self.assert_case(case, answer, settings.GUANCE_FLASHDUTY_KEY)

    def test_short_urls_lead_to_the_endpoints(self):
        self.assert_delivered(self.post("/guance" + GUANCE_QUERY, GUANCE_EVENT))
        answer = self.post_signed("/ces" + CES_QUERY, envelope_of(CES_TRIGGER))
        self.assert_delivered(answer, count=2)

    def test_the_key_may_come_in_a_header(self):
        headers = {"X-Integration-Key": settings.GUANCE_PUSH_KEY}
        self.assert_delivered(self.post("/guance", GUANCE_EVENT, headers))

    def test_a_subscription_becomes_confirmed(self):
        envelope = smn.confirmation(self.console.subscribe_url())
        answer = self.post_signed("/ces" + CES_QUERY, envelope)
        self.assertEqual((answer.status, answer.outcome), (200, "confirmed"), answer.body)
        self.assertEqual(self.console.confirmed[-1:], [smn.TOPIC_URN])
        self.assertEqual(self.flashduty.requests, [])

    def test_a_forged_confirmation_is_not_visited(self):
        envelope = self.site.keys.sign(smn.confirmation(self.console.subscribe_url()))
        envelope["subscribe_url"] = self.console.subscribe_url(token="f" * 128)
        answer = self.post("/ces" + CES_QUERY, envelope)
        self.assertEqual(answer.status, 403, answer.body)
        self.assertEqual(self.console.requests, [])

    def test_healthz_stands_below_each_endpoint(self):
        for endpoint in ("ces", "guance", "status"):
            for path in (f"/cgi-bin/{endpoint}.fcgi", f"/{endpoint}"):
                with self.subTest(path):
                    self.assertEqual(self.site.request(path + "/healthz").status, 200)

    def test_the_status_page_opens_to_its_key_and_to_nothing_else(self):
        good = base64.b64encode(f"me:{settings.STATUS_KEY}".encode()).decode()
        bad = base64.b64encode(f"me:{WRONG_KEY}".encode()).decode()
        # The tests of a server have no store: the page says so, and the JSON is not to be had.
        for path, open_ in (
            ("/status", 200),
            ("/status?q=a%20b", 200),
            ("/cgi-bin/status.fcgi", 200),
            ("/status/api/outbox", 503),
            ("/cgi-bin/status.fcgi/api/outbox", 503),
            ("/status/metrics", 200),
            ("/status/nothing", 404),
        ):
            for headers, status in (
                ({"Authorization": "Bearer " + settings.STATUS_KEY}, open_),
                ({"Authorization": "Basic " + good}, open_),
                ({"Authorization": "Basic " + bad}, 401),
                ({"Remote-User": "me", "Auth-Type": "Basic"}, 401),
                ({}, 401),
            ):
                with self.subTest(path=path, headers=headers):
                    answer = self.site.request(path, headers=headers)
                    self.assertEqual(answer.status, status, answer.body)

    def test_an_unknown_key_is_401(self):
        for path in ("/ces", "/guance"):
            with self.subTest(path):
                answer = self.post(path + "?integration_key=" + WRONG_KEY, GUANCE_EVENT)
                self.assertEqual(answer.status, 401, answer.body)
        self.assertEqual(self.flashduty.requests, [])

    def test_a_body_of_the_longest_length_is_taken(self):
        self.assert_delivered(self.post("/guance" + GUANCE_QUERY, event_of(self.longest_body)))

    def test_a_body_one_byte_longer_is_refused(self):
        answer = self.post("/guance" + GUANCE_QUERY, event_of(self.longest_body + 1))
        self.assertEqual(answer.status, self.status_above, answer.body)
        self.assertEqual(self.flashduty.requests, [])

    def test_a_chunked_upload_is_taken(self):
        body = json.dumps(GUANCE_EVENT).encode()
        pieces = (body[start : start + 50] for start in range(0, len(body), 50))
        answer = self.site.request("/guance" + GUANCE_QUERY, pieces, headers=JSON)
        self.assert_delivered(answer)

    def test_a_browser_is_told_that_only_post_is_allowed(self):
        for path in ("/ces", "/cgi-bin/guance.fcgi"):
            with self.subTest(path):
                answer = self.site.request(path + "?integration_key=" + WRONG_KEY)
                self.assertEqual(answer.status, 405, answer.body)
                self.assertEqual(answer.headers["allow"], "POST")

    def test_flashduty_out_of_order_is_503_with_retry_after(self):
        self.flashduty.answer({"do": "status", "status": 500}, times=None)
        answer = self.post("/guance" + GUANCE_QUERY, GUANCE_EVENT)
        self.assertEqual(answer.status, 503, answer.body)
        self.assertIn("retry-after", answer.headers)


def envelope_of(name):
    """The SMN envelope of a CES fixture."""
    return json.loads(fixtures.case("ces", name).body)


def event_of(size):
    """A Guance event of so many bytes."""
    empty = len(json.dumps({**GUANCE_EVENT, "df_message": ""}))
    return {**GUANCE_EVENT, "df_message": "x" * (size - empty)}
