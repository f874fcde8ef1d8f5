"""The confirmation of a subscription: one visit, of the right place, on a valid signature only."""

import unittest
from urllib.parse import quote, urlsplit

from tests.simulator import smn
from tests.support import settings
from tests.support.gateway import CGI, FASTCGI, GatewayTest

TOKEN = "deadbeef" * 16
OTHER_TOPIC = "urn:smn:cn-north-4:00000000000000000000000000000000:another-topic"
CONSOLE = "console.huaweicloud.com"
ANSWER_BYTES_MAX = 16384
DEADLINE_MS = 1000

# What the console may answer that is no confirmation.
REFUSALS = {
    "an error": {"do": "status", "status": 500},
    "an expired token": {"do": "status", "status": 400, "body": '{"code":"SMN.00010013"}'},
    "a redirect": {"do": "redirect", "location": f"https://{CONSOLE}/"},
    "no subscription": {"do": "status", "status": 200, "body": '{"message":"?"}'},
    "an empty subscription": {"do": "status", "status": 200, "body": '{"subscription_urn":""}'},
    "a number": {"do": "status", "status": 200, "body": '{"subscription_urn":1}'},
    "a page to log in": {"do": "status", "status": 200, "body": "<html>Log in</html>"},
    "nothing": {"do": "status", "status": 200},
    "too much": {
        "do": "status",
        "status": 200,
        "body": '{"subscription_urn":"urn:smn:x"}'.ljust(ANSWER_BYTES_MAX + 1),
    },
    "no HTTP": {"do": "garbage"},
    "an end without an answer": {"do": "drop", "when": "after"},
    "silence": {"do": "hang", "seconds": 30},
    "a drip": {"do": "drip", "seconds": 30},
}


class Confirmation:
    """What holds for CGI and FastCGI alike."""

    def setUp(self):
        super().setUp()
        self.console = self.sandbox.enter(smn.Console(self.keys))

    def ces(self, smn_changes=None, **changes):
        """A gateway that trusts the SMN simulator, changed where given (None removes)."""
        section = {**settings.trusting(self.keys, self.console.port), **(smn_changes or {})}
        section = {name: value for name, value in section.items() if value is not None}
        values = {"ca_file": str(self.keys.ca_certificate), "deadline_ms": DEADLINE_MS, **changes}
        return self.gateway("ces", smn=section, **values)

    def link(self, **changes):
        """The console's link with a token to search the log for."""
        return self.console.subscribe_url(token=TOKEN, **changes)

    def signed(self, link=None, **changes):
        """A signed confirmation."""
        return self.keys.sign(smn.confirmation(link or self.link(), **changes))

    def assert_not_visited(self, answer, status, *words):
        """Refused with this status, and nobody connected to the console."""
        self.assert_error(answer, status, *words)
        self.assertEqual(self.console.connection_count, 0)

    def test_a_signed_confirmation_is_carried_out_by_one_get(self):
        ces = self.ces()
        answer = ces.post(self.signed())
        self.assertEqual((answer.status, answer.outcome), (200, "confirmed"), answer.body)
        self.assertEqual(self.console.confirmed, [smn.TOPIC_URN])
        requests = self.console.requests
        self.assertEqual([request.method for request in requests], ["GET"])
        self.assertEqual(requests[0].body, b"")
        self.assertEqual(requests[0].parameter("token"), TOKEN)
        self.assertNotIn("cookie", requests[0].headers)
        self.assertNotIn("referer", requests[0].headers)
        self.assertEqual(self.console.connection_count, 1)
        self.assertEqual(self.flashduty.requests, [])
        self.assertEqual(ces.requests[0]["outcome"], "confirmed")
        self.assertNotIn(TOKEN, ces.log)

    def test_any_topic_is_confirmed_whose_link_says_the_same(self):
        envelope = self.signed(self.link(topic_urn=OTHER_TOPIC), topic_urn=OTHER_TOPIC)
        self.assertEqual(self.ces().post(envelope).outcome, "confirmed")
        self.assertEqual(self.console.confirmed, [OTHER_TOPIC])

    def test_an_escaped_topic_in_the_link_is_the_same_topic(self):
        link = self.link().replace(smn.TOPIC_URN, quote(smn.TOPIC_URN, safe=""))
        self.assertEqual(self.ces().post(self.signed(link)).outcome, "confirmed")

    def test_what_the_console_does_not_confirm_is_503_and_the_log_says_what_to_do(self):
        ces = self.ces()
        for name, behaviour in REFUSALS.items():
            with self.subTest(name):
                self.console.clear()
                self.console.answer(behaviour)
                answer = ces.post(self.signed())
                self.assert_error(answer, 503, "could not be confirmed")
                self.assertIn("retry-after", answer.headers)
                self.assertEqual(len(self.console.requests), 1)
                record = next(r for r in reversed(ces.records) if r["msg"] != "request")
                self.assertEqual(record["msg"], "subscription not confirmed")
                self.assertEqual(record["level"], "error")
                self.assertEqual(record["request_id"], answer.headers["request-id"])
                self.assertEqual(record["host"], self.console.host)
                self.assertIn("by hand", record["do"])
                self.assertLess(float(ces.requests[-1]["total_ms"]), DEADLINE_MS + 300)
        self.assertEqual(len(ces.requests), len(REFUSALS))
        self.assertNotIn(TOKEN, ces.log)

    def test_a_confirmation_that_failed_is_carried_out_when_smn_sends_it_again(self):
        self.console.answer({"do": "status", "status": 503})
        ces = self.ces()
        envelope = self.signed()
        self.assertEqual(ces.post(envelope).status, 503)
        self.assertEqual(ces.post(envelope).outcome, "confirmed")

    def test_a_console_that_refuses_connections_is_503(self):
        ces = self.ces()
        envelope = self.signed()
        self.console.stop()
        self.assert_error(ces.post(envelope), 503, "could not connect")
        self.assertNotIn(TOKEN, ces.log)

    def test_a_console_whose_certificate_nobody_knows_is_503(self):
        ces = self.ces(ca_file=None)
        self.assert_error(ces.post(self.signed()), 503, "certificate")
        self.assertEqual(self.console.requests, [])

    def test_a_confirmation_without_a_valid_signature_is_403_and_not_visited(self):
        ces = self.ces()
        good = self.signed()
        other = self.signed(self.link(topic_urn=OTHER_TOPIC), topic_urn=OTHER_TOPIC)
        forgeries = {
            "unsigned": smn.confirmation(self.link()),
            "an empty signature": {**good, "signature": ""},
            "the signature of another": {**good, "signature": other["signature"]},
            "another token": {**good, "subscribe_url": self.console.subscribe_url()},
            "another message": {**good, "message": "come here"},
            "another time": {**good, "timestamp": "2020-01-01T00:00:00Z"},
            "another topic": {**good, "topic_urn": OTHER_TOPIC},
            "a Notification's signature": {
                **self.keys.sign(smn.notification("text")),
                "type": "SubscriptionConfirmation",
                "subscribe_url": self.link(),
            },
        }
        for name, envelope in forgeries.items():
            with self.subTest(name):
                self.assert_not_visited(ces.post(envelope), 403)

    def test_a_confirmation_under_another_type_is_not_visited(self):
        ces = self.ces()
        for kind in ("Notification", "UnsubscribeConfirmation", "HttpSubscriptionUserConfirm"):
            with self.subTest(kind):
                ces.post(self.signed(kind=kind))
                ces.post({**self.signed(), "type": kind})
                self.assertEqual(self.console.connection_count, 0)

    def test_signed_links_to_other_places_are_403_and_not_visited(self):
        ces = self.ces()
        good = self.link()
        host = self.console.host
        parts = urlsplit(good)
        places = {
            "another host": good.replace("localhost", "127.0.0.1"),
            "a host that begins like ours": good.replace(host, f"{host}.example.com"),
            "a host that ends like Huawei's": good.replace(host, f"evil-{CONSOLE}"),
            "a region that the topic is not of": good.replace(host, f"cn-east-3-{CONSOLE}"),
            "a region that there is not": good.replace(host, f"cn-north-999-{CONSOLE}"),
            "a dot at the end": good.replace("localhost", "localhost."),
            "capital letters": good.replace("localhost", "LOCALHOST"),
            "an escaped host": good.replace("localhost", "%6cocalhost"),
            "no port": good.replace(host, "localhost"),
            "a port of Huawei's console": good.replace(host, f"{CONSOLE}:8443"),
            "the usual port, written": good.replace(host, f"{CONSOLE}:443"),
            "another port": good.replace(host, f"localhost:{self.flashduty.port}"),
            "two ports": good.replace(host, f"{host}:443"),
            "a user": good.replace("https://", "https://user@"),
            "a user like our host": good.replace("https://", f"https://{host}@"),
            "a password": good.replace("https://", f"https://{CONSOLE}:x@"),
            "http": good.replace("https://", "http://"),
            "HTTPS in capitals": good.replace("https://", "HTTPS://"),
            "ftp": good.replace("https://", "ftp://"),
            "a file": "file:///smn/subscription/confirm?topic_urn=" + smn.TOPIC_URN,
            "no scheme": good.replace("https:", ""),
            "one slash": good.replace("https://", "https:/"),
            "three slashes": good.replace("https://", "https:///"),
            "a backslash": good.replace(f"{host}/", f"{host}\\@evil.example.com/"),
            "another path": good.replace("/smn/subscription/confirm", "/smn/other"),
            "a longer path": good.replace("/confirm?", "/confirm/more?"),
            "a path that begins alike": good.replace("/confirm?", "/confirmed?"),
            "an escaped path": good.replace("/smn/", "/%73mn/"),
            "an escaped slash": good.replace("/smn/", "/smn%2f"),
            "two slashes in the path": good.replace("/smn/", "//smn/"),
            "a dot segment": good.replace("/smn/", "/smn/./"),
            "two dots": good.replace("/smn/", "/x/../smn/"),
            "parameters of the path": good.replace("/confirm?", "/confirm;x?"),
            "no query": good.split("?", maxsplit=1)[0],
            "a fragment": good + "#x",
            "a blank": good + " ",
            "a line's end": good + "\r\nHost: evil.example.com",
            "a tab in front": "\t" + good,
            "an umlaut": good + "ä",
            "an empty link": " ",
            "another topic": good.replace(smn.TOPIC_URN, OTHER_TOPIC),
            "no topic": good.replace("topic_urn=", "topic="),
            "two topics": f"{good}&topic_urn={OTHER_TOPIC}",
            "the same topic twice": f"{good}&topic_urn={smn.TOPIC_URN}",
            "a topic escaped twice": good.replace(smn.TOPIC_URN, quote(quote(smn.TOPIC_URN, ""))),
            "a topic with a NUL behind": good.replace(smn.TOPIC_URN, smn.TOPIC_URN + "%00"),
            "a link of 3000 bytes": good + "&x=" + "y" * 3000,
            "only a query": f"https://{host}?{parts.query}",
        }
        for name, link in places.items():
            with self.subTest(name):
                self.assertNotEqual(link, good)
                self.assert_not_visited(ces.post(self.signed(link)), 403, "subscribe_url")
        self.assertEqual(self.flashduty.connection_count, 0)

    def test_a_confirmation_without_a_link_is_not_visited(self):
        envelope = {**smn.confirmation(self.link()), "subscribe_url": None}
        self.assert_not_visited(self.ces().post(self.keys.sign(envelope)), 403)

    def test_a_topic_that_is_not_listed_is_403_and_not_visited(self):
        integration = settings.ces_integration(topic_urn=[OTHER_TOPIC])
        ces = self.ces(integrations=[integration])
        self.assert_not_visited(ces.post(self.signed()), 403, "topic")

    def test_a_private_address_is_not_visited_unless_the_setting_allows_it(self):
        for value in (False, None):
            with self.subTest(value):
                ces = self.ces({"private_network": value})
                answer = ces.post(self.signed())
                self.assert_not_visited(answer, 503, "not public")

    def test_a_host_that_is_not_listed_is_not_visited(self):
        ces = self.ces({"host": None, "private_network": None})
        self.assert_not_visited(ces.post(self.signed()), 403, "smn.host")

    def test_verify_off_is_no_way_around_the_signature(self):
        ces = self.ces({"verify": "off"})
        words = ("only by a valid signature", 'smn.verify = "off"')
        self.assert_not_visited(ces.post(smn.confirmation(self.link())), 503, *words)
        forged = {**self.signed(), "subscribe_url": self.console.subscribe_url()}
        self.assert_not_visited(ces.post(forged), 503, *words)
        self.assertEqual(ces.post(self.signed()).outcome, "confirmed")

    def test_a_certificate_that_is_not_held_is_503_and_not_visited(self):
        ces = self.ces({"certificate": None})
        self.assert_not_visited(ces.post(self.signed()), 503, "smn.certificate")

    def test_a_confirmation_with_a_wrong_key_is_401_and_not_visited(self):
        answer = self.ces().post(self.signed(), query="integration_key=wrong-0000000000000")
        self.assert_not_visited(answer, 401)

    def test_the_proxy_towards_flashduty_is_not_used_for_the_visit(self):
        ces = self.ces(proxy="http://127.0.0.1:9")
        self.assertEqual(ces.post(self.signed()).outcome, "confirmed")

    def test_proxies_of_the_environment_are_not_used_for_the_visit(self):
        dead = dict.fromkeys(("https_proxy", "HTTPS_PROXY", "all_proxy"), "http://127.0.0.1:9")
        ces = self.ces(environment=dead)
        self.assertEqual(ces.post(self.signed()).outcome, "confirmed")


class ConfirmationByCgi(Confirmation, GatewayTest):
    """A process a request."""

    mode = CGI


class ConfirmationByFastCgi(Confirmation, GatewayTest):
    """One process for all requests."""

    mode = FASTCGI


if __name__ == "__main__":
    unittest.main()
