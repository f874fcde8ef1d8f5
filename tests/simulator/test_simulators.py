"""The simulators are strict where Flashduty and SMN are, and misbehave only when told to."""

import base64
import http.client
import json
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from tests.simulator import smn
from tests.simulator.flashduty import PUSH_PATH, Flashduty
from tests.support import fixtures
from tests.support.answer import http_request

EVENT = {
    "title_rule": "title",
    "event_status": "Critical",
    "alert_key": "key",
    "description": "text",
    "labels": {"host": "host-1"},
}
JSON = {"Content-Type": "application/json"}

# A change to the event above that Flashduty refuses.
REFUSED = {
    "no title": {"title_rule": None},
    "an empty title": {"title_rule": ""},
    "a status in lower case": {"event_status": "critical"},
    "a recovery without a key": {"event_status": "Ok", "alert_key": None},
    "a key too long": {"alert_key": "k" * 256},
    "an unknown field": {"event_time": 1},
    "a label name with a dash": {"labels": {"a-b": "c"}},
    "a label name too long": {"labels": {"a" * 129: "b"}},
    "a label that is a number": {"labels": {"a": 1}},
    "too many labels": {"labels": {f"label_{number}": "a" for number in range(51)}},
}
# A change that it accepts, but that the gateway must not make.
MENDED = {
    "a title too long": {"title_rule": "t" * 513},
    "a description too long": {"description": "d" * 2049},
    "a label too long": {"labels": {"a": "b" * 2049}},
    "a template as title": {"title_rule": "[TPL]x"},
    "template braces in a label": {"labels": {"a": "{{ b }}"}},
    "U+0000": {"description": "a\0b"},
}


def changed(change):
    """The event with members changed, or removed by None."""
    event = {**EVENT, **change}
    return {name: value for name, value in event.items() if value is not None}


class FlashdutySimulator(unittest.TestCase):
    """Flashduty's rules."""

    def setUp(self):
        self.flashduty = Flashduty(keys=["known"])
        self.enterContext(self.flashduty)

    def push(self, event, key="known", headers=None, path=PUSH_PATH):
        """One push; event may be bytes."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = JSON if headers is None else headers
        return http_request(
            self.flashduty.port, f"{path}?integration_key={key}", body, headers=headers
        )

    def control(self, order):
        """One order over the control endpoint."""
        return http_request(self.flashduty.port, "/control", json.dumps(order).encode())

    def test_a_correct_event_is_accepted_with_its_key(self):
        answer = self.push(EVENT)
        self.assertEqual((answer.status, answer.json["data"]["alert_key"]), (200, "key"))
        self.assertEqual(self.flashduty.events[0].event, EVENT)
        self.assertEqual(self.flashduty.violations, [])

    def test_what_flashduty_refuses_is_refused(self):
        for name, change in REFUSED.items():
            with self.subTest(name):
                answer = self.push(changed(change))
                self.assertEqual((answer.status, answer.error_code), (400, "InvalidParameter"))
        self.assertEqual(len(self.flashduty.violations), len(REFUSED))
        self.assertEqual(self.flashduty.events, [])

    def test_what_flashduty_mends_is_accepted_and_noted(self):
        for number, (name, change) in enumerate(MENDED.items(), 1):
            with self.subTest(name):
                self.assertEqual(self.push(changed(change)).status, 200)
                self.assertEqual(len(self.flashduty.violations), number)

    def test_what_is_no_json_is_refused(self):
        for body in (b"", b"[]", b'{"title_rule":NaN}', b'{"title_rule":"\xff"}'):
            with self.subTest(body):
                self.assertEqual(self.push(body).error_code, "InvalidParameter")

    def test_requests_of_another_form_are_refused_by_their_own_codes(self):
        self.assertEqual(self.push(EVENT, path="/other").error_code, "RouteNotFound")
        text = {"Content-Type": "text/plain"}
        self.assertEqual(self.push(EVENT, headers=text).error_code, "InvalidContentType")
        answer = http_request(self.flashduty.port, f"{PUSH_PATH}?integration_key=known")
        self.assertEqual(answer.error_code, "MethodNotAllowed")

    def test_an_unknown_key_is_refused_but_no_violation(self):
        self.assertEqual(self.push(EVENT, key="other").error_code, "InvalidParameter")
        self.assertEqual(self.flashduty.violations, [])

    def test_the_hundred_and_first_request_of_a_second_is_429(self):
        self.flashduty.rate_limits = True
        statuses = [self.push(EVENT).status for _ in range(101)]
        self.assertEqual(statuses.count(200), 100)
        self.assertEqual(statuses[-1], 429)

    def test_behaviours_come_in_order_and_then_all_is_well(self):
        self.flashduty.answer(
            {"do": "error", "code": "InternalError", "status": 500},
            {"do": "status", "status": 502, "body": "<html>", "retry_after": 7},
            {"do": "redirect", "location": "http://127.0.0.1:1/"},
        )
        answers = [self.push(EVENT) for _ in range(4)]
        self.assertEqual([answer.status for answer in answers], [500, 502, 302, 200])
        self.assertEqual(answers[1].headers["retry-after"], "7")

    def test_a_behaviour_may_be_for_one_key_only(self):
        self.flashduty.keys = None
        self.flashduty.answer({"do": "status", "status": 503}, times=None, key="failing")
        self.assertEqual(self.push(EVENT, key="other").status, 200)
        self.assertEqual(self.push(EVENT, key="failing").status, 503)

    def test_connections_end_where_they_are_told_to(self):
        for behaviour, accepted in (
            ({"do": "drop", "when": "before"}, 0),
            ({"do": "drop", "when": "after"}, 0),
            ({"do": "garbage"}, 0),
            ({"do": "drop", "when": "accepted"}, 1),
        ):
            with self.subTest(behaviour):
                self.flashduty.answer(behaviour)
                with self.assertRaises((http.client.HTTPException, ConnectionError)):
                    self.push(EVENT)
                self.assertEqual(len(self.flashduty.events), accepted)

    def test_slow_answers_are_slow_and_complete(self):
        for behaviour in ({"do": "hang", "seconds": 0.2}, {"do": "drip", "seconds": 0.2}):
            with self.subTest(behaviour):
                self.flashduty.answer(behaviour)
                start = time.monotonic()
                self.assertEqual(self.push(EVENT).status, 200)
                self.assertGreaterEqual(time.monotonic() - start, 0.15)

    def test_the_control_endpoint_does_what_the_methods_do(self):
        self.control({"answer": [{"do": "status", "status": 503}], "times": 2, "keys": None})
        statuses = [self.push(EVENT, key="any").status for _ in range(3)]
        self.assertEqual(statuses, [503, 503, 200])
        state = http_request(self.flashduty.port, "/control").json
        self.assertEqual((state["requests"], len(state["events"])), (3, 1))
        self.assertEqual(self.control({"answer": [{"do": "nonsense"}]}).status, 400)
        self.assertEqual(self.control({"clear": True}).json["events"], [])

    def test_requests_of_one_connection_carry_its_number(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.flashduty.port, timeout=10)
        self.addCleanup(connection.close)
        for _ in range(2):
            connection.request(
                "POST", f"{PUSH_PATH}?integration_key=known", json.dumps(EVENT), JSON
            )
            connection.getresponse().read()
        self.push(EVENT)
        first, second, third = (event.connection for event in self.flashduty.events)
        self.assertEqual(first, second)
        self.assertNotEqual(second, third)


class SmnSimulator(unittest.TestCase):
    """SMN's signature and console."""

    def setUp(self):
        self.keys = smn.shared_keys()

    def test_the_string_to_sign_is_the_one_of_genuine_messages(self):
        envelope = json.loads(fixtures.case("ces", "genuine-notification").body)
        text = smn.string_to_sign(envelope).decode()
        names = text.split("\n")[::2]
        self.assertEqual(names, [*smn.NOTIFICATION_MEMBERS, ""])

    def test_an_empty_subject_is_not_signed(self):
        envelope = smn.notification("text", subject="")
        self.assertNotIn(b"subject\n", smn.string_to_sign(envelope))

    def test_signatures_hold_for_the_certificate(self):
        envelope = self.keys.sign(smn.notification({"a": "ü"}, "subject"))
        with tempfile.TemporaryDirectory() as folder:
            key, signature = Path(folder, "key"), Path(folder, "signature")
            certificate = self.keys.signing_certificate
            key.write_bytes(
                subprocess.check_output(
                    ["openssl", "x509", "-in", certificate, "-noout", "-pubkey"]
                )
            )
            signature.write_bytes(base64.b64decode(envelope["signature"]))
            verify = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", signature]
            done = subprocess.run(
                verify, input=smn.string_to_sign(envelope), capture_output=True, check=False
            )
        self.assertEqual(done.stdout.strip(), b"Verified OK")

    def test_it_tries_again_after_a_5xx_and_only_then(self):
        with Flashduty() as server:
            url = f"http://127.0.0.1:{server.port}/ces?integration_key=k"
            envelope = self.keys.sign(smn.notification("text"))
            server.answer({"do": "status", "status": 503})
            self.assertEqual(smn.post(url, envelope, tries=3, pause=0).status, 404)
            self.assertEqual(len(server.requests), 2)
            self.assertEqual(server.requests[0].headers["x-smn-message-type"], "Notification")

    def test_a_visit_of_the_link_confirms(self):
        with smn.Console(self.keys) as console:
            context = ssl.create_default_context(cafile=self.keys.ca_certificate)
            with urllib.request.urlopen(console.subscribe_url(), context=context) as answer:
                self.assertTrue(json.load(answer)["subscription_urn"])
            self.assertEqual(console.confirmed, [smn.TOPIC_URN])


if __name__ == "__main__":
    unittest.main()
