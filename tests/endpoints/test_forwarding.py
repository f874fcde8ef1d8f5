"""The way to Flashduty: its answers and faults, the deadline, TLS, proxies, arrays."""

import unittest
from concurrent.futures import ThreadPoolExecutor

from tests.endpoints.proxy import Proxy
from tests.simulator.flashduty import PUSH_PATH, Flashduty
from tests.support import fixtures, settings, shared
from tests.support.gateway import CGI, FASTCGI, GatewayTest, guance_event

# The shortest that may be configured.
DEADLINE_MS = 500
# How much later than its deadline an answer may be.
GRACE_MS = 300
HANG = {"do": "hang", "seconds": 30}

REJECTIONS = {
    "InvalidParameter": 400,
    "InvalidContentType": 400,
    "MethodNotAllowed": 400,
    "ResourceNotFound": 400,
    "NoLicense": 400,
    "Unauthorized": 401,
    "AccessDenied": 403,
    "RouteNotFound": 404,
    "SomethingNew": 422,
}
# Answers that are worth another try, whatever else they are.
FAULTS = {
    "too many requests": {"do": "error", "code": "RequestTooFrequently", "status": 429},
    "an internal error": {"do": "error", "code": "InternalError", "status": 500},
    "an unknown error with a 5xx": {"do": "error", "code": "SomethingNew", "status": 503},
    "an unknown error in a 200": {"do": "error", "code": "SomethingNew", "status": 200},
    "429 without JSON": {"do": "status", "status": 429},
    "408": {"do": "status", "status": 408},
    "425": {"do": "status", "status": 425},
    "500 without JSON": {"do": "status", "status": 500, "body": "oops"},
    "502 of a proxy": {"do": "status", "status": 502, "body": "<html>Bad Gateway</html>"},
    "503": {"do": "status", "status": 503},
    "200 with HTML": {"do": "status", "status": 200, "body": "<html>Log in</html>"},
    "200 with another's JSON": {"do": "status", "status": 200, "body": '{"ok":true}'},
    "200 with nothing": {"do": "status", "status": 200},
    "204": {"do": "status", "status": 204},
    "404 of a proxy": {"do": "status", "status": 404, "body": "<html>Not Found</html>"},
    "a redirect": {"do": "redirect", "location": "/elsewhere"},
    "a permanent redirect": {"do": "redirect", "location": "/elsewhere", "status": 308},
    "no HTTP": {"do": "garbage"},
    "a connection cut before the body is read": {"do": "drop", "when": "before"},
    "a connection cut after it": {"do": "drop", "when": "after"},
    "200 with an error that is none of Flashduty's": {
        "do": "status",
        "status": 200,
        "body": '{"request_id":"x","error":"no"}',
    },
    "JSON with bytes behind it": {
        "do": "status",
        "status": 200,
        "body": '{"request_id":"x","data":{"alert_key":"x"}}\0x',
    },
    "chunks that are none": {
        "do": "status",
        "status": 200,
        "body": '{"request_id":"x","data":{"alert_key":"x"}}',
        "headers": {"Transfer-Encoding": "chunked"},
    },
    "a huge page": {"do": "status", "status": 200, "body": "x" * 3_000_000},
}
# Faults that do not pass.
LASTING = {
    "an error": FAULTS["an internal error"],
    "a proxy's page": FAULTS["502 of a proxy"],
    "a cut": FAULTS["a connection cut after it"],
    "no HTTP": FAULTS["no HTTP"],
    "a hang": HANG,
    "a slow drip": {"do": "drip", "seconds": 20},
    "a slow header": {"do": "drip", "seconds": 20, "headers": {"X-Long": "x" * 50000}},
}


class Forwarding:
    """What holds for CGI and FastCGI alike."""

    def record(self, gateway):
        """The record of its latest request."""
        return gateway.requests[-1]

    def post_with(self, faults, times):
        """Posts an alert for each fault, under a key whose requests meet it: gateway, answers."""
        self.flashduty.keys = None
        config = self.configure(
            pass_through=True, integrations=None, deadline_ms=5000 if times else DEADLINE_MS
        )
        guance = self.start("guance", config)
        for number, fault in enumerate(faults.values()):
            self.flashduty.answer(fault, times=times, key=f"fault-{number}")

        def post(number):
            return guance.post(guance_event(), query=f"integration_key=fault-{number}")

        with ThreadPoolExecutor(4) as pool:
            return guance, dict(zip(faults, pool.map(post, range(len(faults)))))

    def assert_within_deadline(self, gateway):
        """By the gateway's own clock, so that a busy machine does not count."""
        for record in gateway.requests:
            self.assertLessEqual(float(record["total_ms"]), DEADLINE_MS + GRACE_MS)

    # ---- verdicts ----

    def test_what_flashduty_refuses_for_good_is_502_at_once_with_code_and_message(self):
        guance = self.gateway()
        for tries, (code, status) in enumerate(REJECTIONS.items(), 1):
            with self.subTest(code):
                behaviour = {"do": "error", "code": code, "status": status, "message": "told so"}
                self.flashduty.answer(behaviour)
                answer = guance.post(guance_event())
                self.assert_error(answer, 502, code, "told so")
                self.assertEqual(answer.error_code, code)
                self.assertNotIn("retry-after", answer.headers)
                self.assertEqual(len(self.flashduty.requests), tries)

    def test_a_code_decides_even_in_a_200(self):
        self.flashduty.answer({"do": "error", "code": "NoLicense", "status": 200})
        self.assert_error(self.gateway().post(guance_event()), 502, "NoLicense")

    def test_a_fault_that_passes_is_tried_again_and_delivered(self):
        _, answers = self.post_with(FAULTS, times=1)
        for name, answer in answers.items():
            with self.subTest(name):
                self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertEqual(len(self.flashduty.events), len(FAULTS))
        self.assertEqual(self.flashduty.violations, [])

    def test_a_second_try_is_counted_in_the_log(self):
        self.flashduty.answer(FAULTS["500 without JSON"])
        guance = self.gateway()
        self.assert_delivered(guance.post(guance_event()))
        self.assertEqual(self.record(guance)["tries"], "2")

    def test_an_answer_that_gets_lost_makes_no_second_alert(self):
        self.flashduty.answer({"do": "drop", "when": "accepted"})
        self.assert_delivered(self.gateway().post(guance_event()), count=2)
        first, second = self.flashduty.events
        self.assertEqual(first.event, second.event)

    def test_a_redirect_is_not_followed(self):
        other = self.sandbox.enter(Flashduty())
        self.flashduty.answer({"do": "redirect", "location": other.push_url}, times=None)
        answer = self.gateway(deadline_ms=DEADLINE_MS).post(guance_event())
        self.assert_error(answer, 503, "302")
        self.assertEqual(other.connection_count, 0)

    # ---- the deadline ----

    def test_faults_that_stay_are_503_with_retry_after_within_the_deadline(self):
        guance, answers = self.post_with(LASTING, times=None)
        self.assert_within_deadline(guance)
        for name, answer in answers.items():
            with self.subTest(name):
                self.assert_error(answer, 503, "try again", "no store")
                self.assertGreater(int(answer.headers["retry-after"]), 0)

    def test_pauses_between_tries_grow(self):
        self.flashduty.answer(FAULTS["503"], times=None)
        self.gateway(deadline_ms=2000).post(guance_event())
        times = [request.time for request in self.flashduty.requests]
        pauses = [later - earlier for earlier, later in zip(times, times[1:])]
        self.assertGreaterEqual(len(pauses), 2)
        for pause, least in zip(pauses, (0.2, 0.4, 0.8)):
            self.assertGreaterEqual(pause, least - 0.01)

    def test_a_port_that_refuses_is_503(self):
        closed = f"http://127.0.0.1:{shared.free_port()}{PUSH_PATH}"
        guance = self.gateway(flashduty_url=closed, deadline_ms=DEADLINE_MS)
        self.assert_error(guance.post(guance_event()), 503, "could not connect")
        self.assert_within_deadline(guance)

    def test_a_retry_after_beyond_the_deadline_is_passed_on_at_once(self):
        self.flashduty.answer({"do": "status", "status": 429, "retry_after": 77})
        guance = self.gateway()
        answer = guance.post(guance_event())
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "77"))
        self.assertEqual(len(self.flashduty.requests), 1)
        self.assertLess(float(self.record(guance)["total_ms"]), 1000)

    def test_a_short_retry_after_is_waited_for(self):
        self.flashduty.answer({"do": "status", "status": 503, "retry_after": 1})
        self.assert_delivered(self.gateway().post(guance_event()))
        first, second = self.flashduty.requests
        self.assertGreaterEqual(second.time - first.time, 0.99)

    def test_a_retry_after_that_makes_no_sense_is_no_reason_to_wait(self):
        faults = {
            value: {"do": "status", "status": 503, "headers": {"Retry-After": value}}
            for value in ("soon", "-5", "", "1e3")
        }
        _, answers = self.post_with(faults, times=1)
        for value, answer in answers.items():
            with self.subTest(value):
                self.assertEqual(answer.outcome, "delivered", answer.body)

    def test_a_retry_after_of_many_years_is_not_waited_for(self):
        guance = self.gateway()
        a_date = "Thu, 01 Jan 2088 00:00:00 GMT"
        values = ("31536000", str(2**63 // 1000 + 1), str(2**63 - 1), a_date)
        for value in values:
            with self.subTest(value):
                self.flashduty.clear()
                behaviour = {"do": "status", "status": 503, "headers": {"Retry-After": value}}
                self.flashduty.answer(behaviour)
                answer = guance.post(guance_event())
                self.assert_error(answer, 503)
                self.assertGreaterEqual(int(answer.headers["retry-after"]), 3600)
                self.assertEqual(len(self.flashduty.requests), 1)

    # ---- TLS and proxies ----

    def test_a_certificate_of_our_own_ca_is_trusted_by_ca_file(self):
        flashduty = self.sandbox.enter(Flashduty(tls=self.keys.server_context()))
        guance = self.gateway(
            flashduty_url=flashduty.push_url, ca_file=str(self.keys.ca_certificate)
        )
        self.assertEqual(guance.post(guance_event()).outcome, "delivered")
        self.assertEqual((len(flashduty.events), flashduty.violations), (1, []))

    def test_a_certificate_of_an_unknown_ca_is_503_and_named_in_the_log(self):
        flashduty = self.sandbox.enter(Flashduty(tls=self.keys.server_context()))
        guance = self.gateway(flashduty_url=flashduty.push_url, deadline_ms=DEADLINE_MS)
        self.assert_error(guance.post(guance_event()), 503, "certificate")
        self.assertEqual(flashduty.requests, [])
        self.assertIn("certificate", self.record(guance)["reason"])

    def test_a_certificate_for_another_host_is_503(self):
        flashduty = self.sandbox.enter(Flashduty(tls=self.keys.server_context()))
        proxy = self.sandbox.enter(Proxy(tunnel_port=flashduty.port))
        guance = self.gateway(
            flashduty_url=f"https://flashduty.example{PUSH_PATH}",
            proxy=proxy.url,
            ca_file=str(self.keys.ca_certificate),
            deadline_ms=DEADLINE_MS,
        )
        answer = guance.post(guance_event())
        self.assert_error(answer, 503, "certificate could not be verified", "another host")
        self.assertEqual(flashduty.requests, [])
        self.assertEqual(proxy.lines[0], "CONNECT flashduty.example:443 HTTP/1.1")

    def test_proxies_of_the_environment_are_ignored(self):
        dead = f"http://127.0.0.1:{shared.free_port()}"
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY")
        guance = self.gateway(environment=dict.fromkeys(names, dead))
        self.assert_delivered(guance.post(guance_event()))

    def test_the_proxy_of_the_configuration_is_used_whatever_the_environment_says(self):
        proxy = self.sandbox.enter(Proxy())
        guance = self.gateway(proxy=proxy.url, environment={"no_proxy": "*", "NO_PROXY": "*"})
        self.assert_delivered(guance.post(guance_event()))
        self.assertRegex(proxy.lines[0], f"^POST {self.flashduty.push_url}")

    def test_tls_goes_through_a_tunnel_of_the_proxy(self):
        proxy = self.sandbox.enter(Proxy())
        flashduty = self.sandbox.enter(Flashduty(tls=self.keys.server_context()))
        guance = self.gateway(
            proxy=proxy.url,
            flashduty_url=flashduty.push_url,
            ca_file=str(self.keys.ca_certificate),
        )
        self.assertEqual(guance.post(guance_event()).outcome, "delivered")
        self.assertEqual(len(flashduty.events), 1)
        self.assertEqual(proxy.lines, [f"CONNECT localhost:{flashduty.port} HTTP/1.1"])

    def test_a_dead_proxy_is_503(self):
        dead = f"http://127.0.0.1:{shared.free_port()}"
        guance = self.gateway(proxy=dead, deadline_ms=DEADLINE_MS)
        self.assert_refused(guance.post(guance_event()), 503, "proxy")

    # ---- arrays ----

    def test_each_event_of_an_array_is_delivered(self):
        case = fixtures.case("guance", "42-aggregated-array")
        answer = self.gateway().post(case.body)
        self.assert_delivered(answer, count=3)
        outcomes = [alert["outcome"] for alert in answer.json["data"]["alerts"]]
        self.assertEqual(outcomes, ["delivered"] * 3)

    def test_an_element_that_is_no_event_is_refused_and_the_others_are_delivered(self):
        body = [guance_event(), 7, guance_event(df_monitor_checker_event_ref="2" * 32)]
        self.assert_error(self.gateway().post(body), 400, "expected a Guance event")
        self.assertEqual(len(self.flashduty.events), 2)

    def test_one_event_that_flashduty_does_not_take_in_time_makes_the_array_503(self):
        self.flashduty.answer(FAULTS["503"], times=None)
        guance = self.gateway(deadline_ms=DEADLINE_MS)
        answer = guance.post([guance_event(), {"df_title": "just a test"}])
        self.assert_error(answer, 503, "503")
        self.assertGreater(int(answer.headers["retry-after"]), 0)

    def test_the_other_events_of_an_array_are_delivered_when_one_fails(self):
        self.flashduty.answer({"do": "error", "code": "NoLicense", "status": 400})
        body = [guance_event(df_monitor_checker_event_ref=f"{number:032}") for number in range(3)]
        self.assert_error(self.gateway().post(body), 502, "NoLicense")
        self.assertEqual(len(self.flashduty.events), 2)

    def test_events_of_an_array_are_sent_side_by_side(self):
        self.flashduty.answer({"do": "hang", "seconds": 0.3}, times=None)
        body = [guance_event(df_monitor_checker_event_ref=f"{number:032}") for number in range(10)]
        guance = self.gateway()
        self.assert_delivered(guance.post(body), count=10)
        self.assertLess(float(self.record(guance)["total_ms"]), 2000)

    def test_an_array_of_hundreds_of_events_is_delivered(self):
        body = [guance_event(df_monitor_checker_event_ref=f"{number:032}") for number in range(300)]
        self.assert_delivered(self.gateway().post(body), count=300)

    # ---- settings that reach a request ----

    def test_an_override_and_labels_of_the_configuration_are_applied(self):
        integration = settings.guance_integration(
            severity=["critical=Info"], labels=["team=payments", "host=of-the-gateway"]
        )
        self.assert_delivered(self.gateway(integrations=[integration]).post(guance_event()))
        event = self.flashduty.events[0]
        self.assertEqual(event.status, "Info")
        self.assertEqual(event.labels["team"], "payments")
        self.assertEqual(event.labels["host"], "of-the-gateway")


class ForwardingOfCgi(Forwarding, GatewayTest):
    """A process a request."""

    mode = CGI


class ForwardingOfFastCgi(Forwarding, GatewayTest):
    """One process for all requests."""

    mode = FASTCGI

    def test_a_connection_to_flashduty_is_used_again(self):
        guance = self.gateway()
        for _ in range(10):
            self.assertEqual(guance.post(guance_event()).status, 200)
        self.assertEqual(self.flashduty.connection_count, 1)

    def test_a_connection_on_which_a_request_timed_out_is_not_used_again(self):
        self.flashduty.answer(HANG)
        guance = self.gateway(deadline_ms=500)
        self.assertEqual(guance.post(guance_event()).status, 503)
        self.assert_delivered(guance.post(guance_event()))
        self.assertEqual(self.flashduty.connection_count, 2)


if __name__ == "__main__":
    unittest.main()
