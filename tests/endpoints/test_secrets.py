"""No key and no token in any log line or answer, and no input that forges a line of the log."""

import json
import unittest

from tests.endpoints.proxy import Proxy
from tests.simulator import smn
from tests.simulator.flashduty import PUSH_PATH, Flashduty
from tests.support import fixtures, settings, shared
from tests.support.gateway import CGI, FASTCGI, GatewayTest, guance_event, to_bytes

CES_KEY = "canary-push-key-of-ces"
CES_OLD_KEY = "canary-old-push-key-of-ces"
GUANCE_KEY = "canary-push-key-of-guance"
CES_FLASHDUTY_KEY = "canary-flashduty-key-of-ces"
GUANCE_FLASHDUTY_KEY = "canary-flashduty-key-of-guance"
WRONG_KEY = "canary-wrong-key"
META = "secret-in-df-meta"
TOKEN = "ca0a12fe" * 16
# What stands in none of the above, nor in anything that is allowed to be told.
CANARIES = ("canary", TOKEN)
DEADLINE_MS = 500

FORGED = 'time=2026-01-01T00:00:00.000Z level=error msg=forged'
HOSTILE = {
    "a line's end": f"x\n{FORGED}\n",
    "a carriage return": f"x\r{FORGED}\r",
    "both": f"x\r\n{FORGED}\r\n",
    "another pair": "x msg=forged",
    "a quote": f'x" {FORGED} y="',
    "a backslash at the end": "x\\",
    "a backslash before a quote": f'x\\" {FORGED} y="',
    "an equals sign": "=",
    "a blank": " ",
    "NUL": f"x\0{FORGED}",
    "an escape sequence": "\x1b[2J\x1b]0;forged\x07",
    "C1 controls": "\x85\x9b31m\x80",
    "delete": "\x7f",
    "a line separator": f"x\u2028{FORGED}\u2029",
    "a vertical tab": f"x\v{FORGED}\f",
    "text turned around": "\u202edegrof=gsm\u202c\u2066\u2069\u200f\u061c",
    "a byte order mark": "\ufeff",
    "an ellipsis": "…",
    "a lone surrogate": "\ud800",
    "a character beyond the first plane": "\U0001f525" * 300,
    "a long text": "x" * 5000,
    "many quotes": '"' * 5000,
    "many line ends": "\n" * 5000,
    "a text of just the wrong length": "ä" * 511 + '"',
}
# What the gateway says besides the one record of each request.
OTHER_MESSAGES = {
    "started",
    "stopped",
    "configuration",
    "configuration refused",
    "unknown level",
    "subscription not confirmed",
    'signatures are not verified: smn.verify = "off"',
}
ILL_FORMED = (b"\xff\xfe", b"\xc0\x8a", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x80")


def integrations():
    """One of each vendor, with keys that are easily found again."""
    return [
        settings.ces_integration(push_key=[CES_KEY, CES_OLD_KEY], flashduty_key=CES_FLASHDUTY_KEY),
        settings.guance_integration(push_key=[GUANCE_KEY], flashduty_key=GUANCE_FLASHDUTY_KEY),
    ]


class Secrets:
    """What holds for CGI and FastCGI alike."""

    flashduty_keys = (CES_FLASHDUTY_KEY, GUANCE_FLASHDUTY_KEY)
    hostile = HOSTILE

    def gateway(self, vendor="guance", **changes):
        """A gateway with these keys."""
        return super().gateway(vendor, **{"integrations": integrations(), **changes})

    def assert_silent(self, gateway, *answers):
        """No canary in the answers, nor in the log."""
        texts = [answer.raw.decode() for answer in answers] + [gateway.log]
        for text in texts:
            for canary in CANARIES:
                position = text.find(canary)
                self.assertEqual(position, -1, text[max(0, position - 200) : position + 200])

    def post_guance(self, guance, value=None, key=GUANCE_KEY, **request):
        """Posts an event with a key of ours."""
        value = guance_event() if value is None else value
        return guance.post(value, **{"query": f"integration_key={key}", **request})

    # ---- keys ----

    def test_no_key_is_told_whatever_the_request(self):
        guance = self.gateway(max_body_bytes=2000)
        answers = [
            self.post_guance(guance),
            self.post_guance(guance, b"{"),
            self.post_guance(guance, [guance_event(), 7]),
            self.post_guance(guance, b" " * 2001),
            self.post_guance(guance, content_type="text/plain"),
            self.post_guance(guance, content_length=5),
            self.post_guance(guance, method="GET"),
            self.post_guance(guance, method="HEAD"),
            self.post_guance(guance, path_info="/healthz", method="GET"),
            self.post_guance(guance, key=WRONG_KEY),
            self.post_guance(guance, key=CES_KEY),
            self.post_guance(guance, key=GUANCE_FLASHDUTY_KEY),
            self.post_guance(guance, key=f"{WRONG_KEY}&integration_key={GUANCE_KEY}"),
            self.post_guance(guance, key=f"{WRONG_KEY} with blanks"),
            self.post_guance(guance, key=WRONG_KEY * 20),
            self.post_guance(guance, query=f"key={WRONG_KEY}"),
            self.post_guance(guance, query="", headers={"X-Integration-Key": GUANCE_KEY}),
            self.post_guance(guance, query="", headers={"X-Integration-Key": WRONG_KEY}),
            self.post_guance(guance, headers={"Authorization": f"Bearer {WRONG_KEY}"}),
        ]
        self.assert_silent(guance, *answers)
        self.assertGreater(len({answer.status for answer in answers}), 5)
        self.assertEqual(len(guance.requests), len(answers) - 1)

    def test_no_key_is_told_whatever_flashduty_does(self):
        guance = self.gateway(deadline_ms=DEADLINE_MS)
        faults = (
            {"do": "error", "code": "InvalidParameter"},
            {"do": "status", "status": 500, "body": "oops"},
            {"do": "redirect", "location": f"https://example.com/?integration_key={WRONG_KEY}"},
            {"do": "drop", "when": "after"},
            {"do": "garbage"},
            {"do": "hang", "seconds": 5},
        )
        for fault in faults:
            with self.subTest(fault):
                self.flashduty.clear()
                self.flashduty.answer(fault, times=None)
                answer = self.post_guance(guance)
                self.assertIn(answer.status, (502, 503))
                self.assert_silent(guance, answer)

    def test_a_key_in_flashdutys_own_message_is_not_passed_on(self):
        """Whoever posts knows the push key, and is not to learn Flashduty's from a refusal."""
        guance = self.gateway(deadline_ms=DEADLINE_MS)
        text = f"integration_key {GUANCE_FLASHDUTY_KEY} is invalid"
        for code, status in (("InvalidParameter", 400), ("InternalError", 500)):
            with self.subTest(code):
                self.flashduty.clear()
                fault = {"do": "error", "code": code, "status": status, "message": text}
                self.flashduty.answer(fault, times=None)
                self.assert_silent(guance, self.post_guance(guance))

    def test_no_key_is_told_when_the_way_to_flashduty_is_blocked(self):
        tls = self.sandbox.enter(Flashduty(tls=self.keys.server_context()))
        proxy = self.sandbox.enter(Proxy(tunnel_port=tls.port))
        closed = shared.free_port()
        blocked = {
            "an unknown CA": {"flashduty_url": tls.push_url},
            "no TLS": {"flashduty_url": f"https://127.0.0.1:{self.flashduty.port}{PUSH_PATH}"},
            "TLS where none is expected": {"flashduty_url": f"http://127.0.0.1:{tls.port}/"},
            "another host's certificate": {
                "flashduty_url": "https://flashduty.example/push",
                "proxy": proxy.url,
                "ca_file": str(self.keys.ca_certificate),
            },
            "a closed port": {"flashduty_url": f"http://127.0.0.1:{closed}/"},
            "a dead proxy": {"proxy": f"http://127.0.0.1:{closed}"},
        }
        for name, changes in blocked.items():
            with self.subTest(name):
                guance = self.gateway(deadline_ms=DEADLINE_MS, **changes)
                answer = self.post_guance(guance)
                self.assertEqual(answer.status, 503, answer.body)
                self.assert_silent(guance, answer)

    def test_no_key_is_told_in_pass_through(self):
        guance = self.gateway(integrations=None, pass_through=True)
        answers = [
            self.post_guance(guance, key=GUANCE_FLASHDUTY_KEY),
            self.post_guance(guance, key=WRONG_KEY),
        ]
        self.assertEqual([answer.status for answer in answers], [200, 401])
        self.assert_silent(guance, *answers)

    def test_no_key_is_told_when_the_configuration_is_wrong(self):
        key_file = self.sandbox.folder / "key"
        settings.write_config(key_file, f"{WRONG_KEY}\n", mode=0o644)
        secret = "canary with blanks"
        good = settings.guance_integration(push_key=[GUANCE_KEY])
        wrong = {
            "a push key too short": {"push_key": ["canary"]},
            "a push key with blanks": {"push_key": [secret]},
            "a push key twice": {"push_key": [GUANCE_KEY, GUANCE_KEY]},
            "a push key that is no text": {"push_key": {"canary": WRONG_KEY}},
            "a flashduty key with blanks": {"flashduty_key": secret},
            "a flashduty key with a control character": {"flashduty_key": "canary\x07"},
            "a key file that others may read": {"flashduty_key": f"file:{key_file}"},
            "a key behind file:": {"flashduty_key": f"file:{WRONG_KEY}"},
            "a key behind file:/": {"flashduty_key": f"file:/{WRONG_KEY}"},
            "a key as a severity": {"severity": [WRONG_KEY]},
            "a key as a vendor": {"vendor": WRONG_KEY},
        }
        configurations = {
            name: {"integrations": [{**good, **changes}]} for name, changes in wrong.items()
        }
        configurations.update(
            {
                "the keys of two integrations": {"integrations": [good, {**good, "name": "b"}]},
                "a key in flashduty_url": {
                    "flashduty_url": f"{self.flashduty.push_url}?integration_key={WRONG_KEY}"
                },
                "a password of the proxy": {"proxy": f"http://user:{WRONG_KEY}@127.0.0.1:1"},
            }
        )
        for name, changes in configurations.items():
            with self.subTest(name):
                guance = self.gateway(**changes)
                answer = self.post_guance(guance)
                self.assert_refused(answer, 503, "configuration is broken")
                self.assertIn("configuration refused", {r["msg"] for r in guance.records})
                self.assert_silent(guance, answer)

    def test_no_key_is_told_when_the_configuration_cannot_be_parsed(self):
        endings = ('";', '"', f'" "{WRONG_KEY}" = ', f'\n{WRONG_KEY} = "x";', "\\q\x01\";")
        for ending in endings:
            with self.subTest(ending):
                text = f'integrations = ( {{ flashduty_key = "{WRONG_KEY}{ending}'
                config = settings.write_config(self.sandbox.folder / "broken.conf", text)
                guance = self.start("guance", config)
                answer = self.post_guance(guance)
                self.assert_refused(answer, 503)
                self.assert_silent(guance, answer)

    def test_an_unknown_variable_is_named_without_its_value(self):
        variables = {"FLASHDUTY_GATEWAY_PUSH_KEY": WRONG_KEY, "FLASHDUTY_GATEWAY_X": WRONG_KEY}
        guance = self.gateway(environment=variables)
        self.assert_silent(guance, self.post_guance(guance))

    # ---- the token of a subscription ----

    def test_the_token_of_a_subscription_is_never_told(self):
        console = self.sandbox.enter(smn.Console(self.keys))
        ces = self.gateway(
            "ces",
            smn=settings.trusting(self.keys, console.port),
            ca_file=str(self.keys.ca_certificate),
            deadline_ms=DEADLINE_MS,
        )
        link = console.subscribe_url(token=TOKEN)
        elsewhere = link.replace(console.host, "localhost:1")
        good = self.keys.sign(smn.confirmation(link))
        envelopes = [
            good,
            {**good, "signature": "x"},
            {**good, "subscribe_url": link + "&x"},
            self.keys.sign(smn.confirmation(elsewhere)),
            self.keys.sign(smn.confirmation(link.replace("/confirm", "/" + TOKEN))),
            self.keys.sign(smn.confirmation(link + "#" + TOKEN)),
            self.keys.sign(smn.confirmation(link, kind="UnsubscribeConfirmation")),
            {**smn.confirmation(link), "type": "HttpSubscriptionUserConfirm"},
        ]
        faults = (
            {"do": "status", "status": 500, "body": TOKEN},
            {"do": "redirect", "location": link},
            {"do": "hang", "seconds": 5},
        )
        answers = []
        for envelope in envelopes:
            answers.append(ces.post(envelope, query=f"integration_key={CES_KEY}"))
        for fault in faults:
            console.answer(fault)
            answers.append(ces.post(good, query=f"integration_key={CES_OLD_KEY}"))
        self.assertEqual([answer.status for answer in answers[-3:]], [503] * 3)
        self.assertEqual(answers[0].outcome, "confirmed")
        self.assert_silent(ces, *answers)

    # ---- personal data ----

    def test_personal_data_and_secrets_of_a_payload_go_no_further(self):
        payload = json.loads(fixtures.case("guance", "36-personal-data-and-secrets-inside").body)
        # What older deployments send, and who recovered something by hand.
        payload["df_meta"] = json.dumps({"alert_info": {"targets": [{"url": f"https://{META}"}]}})
        payload["df_user_id"] = "acnt_" + META
        body = json.dumps(payload, ensure_ascii=False).encode()
        guance = self.gateway()
        answer = self.post_guance(guance, body)
        self.assert_delivered(answer)
        event = json.dumps(self.flashduty.events[0].event, ensure_ascii=False)
        secrets = (
            "xiaoming.wang@example.com",
            "13000000000",
            "lilei@example.com",
            "李雷",
            "值班一组",
            "acnt_",
            "EXAMPLE-SECRET-DO-NOT-LEAK",
            META,
        )
        for secret in secrets:
            self.assertIn(secret.encode(), body)
            for text in (event, guance.log, answer.raw.decode()):
                self.assertNotIn(secret, text)

    def test_what_people_wrote_is_not_in_the_log(self):
        """Titles, texts and labels may hold anything; the log holds identities."""
        words = {
            "df_title": "secret-title",
            "df_message": "secret-message",
            "df_dimension_tags": '{"host":"secret-tag"}',
        }
        guance = self.gateway()
        self.assert_delivered(self.post_guance(guance, guance_event(**words)))
        self.post_guance(guance, to_bytes(guance_event(**words))[:-5])
        self.assertNotIn("secret-", guance.log)

    # ---- forged lines ----

    def assert_log_is_true(self, gateway, posted):
        """Every line is a record, one a request, and none is another's work."""
        messages = [record["msg"] for record in gateway.records]
        self.assertEqual(messages.count("request"), posted)
        self.assertEqual(set(messages) - OTHER_MESSAGES, {"request"})
        for record in gateway.records:
            self.assertNotEqual(record.get("level"), "forged")

    def test_no_event_of_guance_forges_a_line(self):
        members = ("df_title", "df_status", "df_event_id", "df_monitor_checker_event_ref",
                   "df_sub_status", "df_dimension_tags")  # fmt: skip
        guance = self.gateway()
        posted = 0
        for name, text in self.hostile.items():
            for member in members:
                with self.subTest(f"{name} in {member}"):
                    answer = self.post_guance(guance, guance_event(**{member: text}))
                    self.assertEqual(answer.status, 200, answer.body)
                    posted += 1
        self.post_guance(guance, {text: 1 for text in self.hostile.values()})
        self.post_guance(guance, {f"df_{text}": 1 for text in self.hostile.values()})
        self.post_guance(guance, guance_event(**dict.fromkeys(members, HOSTILE["many quotes"])))
        self.assert_log_is_true(guance, posted + 3)
        self.assertEqual(self.flashduty.violations, [])

    def test_no_message_of_smn_forges_a_line(self):
        members = ("type", "topic_urn", "message_id", "subject", "timestamp", "message")
        trusting = {**settings.trusting(self.keys), "verify": "off"}
        ces = self.gateway("ces", smn=trusting)
        posted = 0
        for name, text in self.hostile.items():
            envelope = smn.notification({"alarm_name": text, "alarm_id": text}, "subject")
            for value in (envelope, *({**envelope, member: text} for member in members)):
                with self.subTest(f"{name} in {set(value.items()) - set(envelope.items())}"):
                    answer = ces.post(value, query=f"integration_key={CES_KEY}")
                    self.assertEqual(answer.status, 200, answer.body)
                    posted += 1
        self.assert_log_is_true(ces, posted)
        self.assertEqual(self.flashduty.violations, [])

    def test_no_refused_message_of_smn_forges_a_line(self):
        topic = "urn:smn:a:b:c"
        integration = settings.ces_integration(push_key=[CES_KEY], topic_urn=[topic])
        trusting = {**settings.trusting(self.keys), "max_age_hours": 1}
        ces = self.gateway("ces", smn=trusting, integrations=[integration])
        posted = 0
        for name, text in self.hostile.items():
            good = {
                **smn.notification("text", topic_urn=topic),
                "signature": "AAAA",
                "signing_cert_url": "https://x/y.pem",
            }
            confirmation = smn.confirmation(text, topic_urn=topic)
            envelopes = [
                {**good, "topic_urn": text},
                {**good, "signing_cert_url": f"https://x/{text}"},
                {**good, "signature_version": text},
                {**good, "signature": text},
                {**good, "timestamp": text},
                {**good, "type": text},
                {**confirmation, "signature": "AAAA"},
                to_bytes(good)[:-1] + b", " + 2 * (to_bytes({text: 1})[1:-1] + b", ") + b'"z": 1}',
            ]
            for envelope in envelopes:
                with self.subTest(name):
                    answer = ces.post(envelope, query=f"integration_key={CES_KEY}")
                    self.assertIn(answer.status, (400, 403, 503), answer.body)
                    posted += 1
        self.assert_log_is_true(ces, posted)
        self.assertEqual(self.flashduty.requests, [])

    def test_no_bytes_that_are_no_text_forge_a_line(self):
        guance = self.gateway()
        body = to_bytes(guance_event(df_status="MARK", df_event_id="MARK"))
        for ill_formed in ILL_FORMED:
            with self.subTest(ill_formed):
                self.post_guance(guance, body.replace(b"MARK", ill_formed))
                self.post_guance(guance, ill_formed)
        self.assert_log_is_true(guance, 2 * len(ILL_FORMED))
        self.assertEqual(self.flashduty.violations, [])

    def test_nothing_around_the_body_forges_a_line(self):
        guance = self.gateway()
        posted = 0
        for name, text in self.hostile.items():
            # No server passes NUL on, and an environment cannot hold it.
            text = text.replace("\0", "").replace("\ud800", "?")
            requests = (
                {"query": f"integration_key={text}"},
                {"query": f"integration_key={GUANCE_KEY}&x={text}"},
                {"headers": {"X-Integration-Key": text}},
                {"headers": {"User-Agent": text, "X-SMN-Message-Type": text}},
                {"content_type": text},
                {"content_length": text},
                {"method": text},
                {"path_info": f"/{text}"},
                {"script_name": text},
            )
            for request in requests:
                with self.subTest(f"{name} in {set(request)}"):
                    answer = self.post_guance(guance, **request)
                    self.assertIn(answer.status, (200, 400, 405), answer.body)
                    posted += 1
        self.assert_log_is_true(guance, posted)

    def test_no_answer_of_flashduty_forges_a_line(self):
        guance = self.gateway(deadline_ms=DEADLINE_MS)
        posted = 0
        for name, text in self.hostile.items():
            for code, message in ((text, "x"), ("NoLicense", text)):
                with self.subTest(name):
                    body = json.dumps({"error": {"code": code, "message": message}})
                    self.flashduty.answer({"do": "status", "status": 400, "body": body})
                    answer = self.post_guance(guance)
                    self.assertEqual(answer.status, 502, answer.body)
                    posted += 1
        self.assert_log_is_true(guance, posted)


class SecretsOfCgi(Secrets, GatewayTest):
    """A process a request, so fewer of them."""

    mode = CGI
    hostile = {name: HOSTILE[name] for name in ("both", "a quote", "a long text")}


class SecretsOfFastCgi(Secrets, GatewayTest):
    """One process for all requests."""

    mode = FASTCGI


if __name__ == "__main__":
    unittest.main()
