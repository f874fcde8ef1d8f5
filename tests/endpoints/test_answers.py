"""What the vendor is answered: a test for each rule of the answer table."""

import json
import time
import unittest

from tests.simulator import smn
from tests.support import fixtures, settings
from tests.support.gateway import CGI, FASTCGI, GatewayTest, guance_event, query_of, to_bytes

UNKNOWN_KEY = "unknown-00000000000000000000000000"
OTHER_METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
TEXT_AND_FORMS = (
    "text/plain",
    "Text/Plain; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
)
OTHER_TYPES = (*TEXT_AND_FORMS, "application/octet-stream", "", None)
EMPTY = (b"", b" ", b"\r\n\t ")
MALFORMED = (b"{", b'{"a":1}x', b"{'a':1}", b'"text', b"\xff\xfe", b"df_status=ok")
NOTHING_OF_A_VENDOR = (b"{}", b"[]", b"null", b"1", b'"text"', b'{"hello":"world"}', b"[[]]")
ALARM = {"alarm_name": "cpu", "namespace": "SYS.ECS"}


class Answers:
    """The rules that hold for CGI and FastCGI alike."""

    # ---- the key ----

    def test_a_request_without_a_key_is_400_and_told_where_the_key_goes(self):
        guance = self.gateway()
        for query in ("", "x=1", "integration_ke=a", "INTEGRATION_KEY=a"):
            with self.subTest(query):
                answer = guance.post(guance_event(), query=query)
                self.assert_refused(answer, 400, "?integration_key=KEY", "X-Integration-Key")

    def test_two_different_keys_are_400(self):
        guance = self.gateway()
        twice = f"{query_of('guance')}&integration_key={UNKNOWN_KEY}"
        self.assert_refused(guance.post(guance_event(), query=twice), 400, "two integration keys")
        headers = {"X-Integration-Key": UNKNOWN_KEY}
        answer = guance.post(guance_event(), headers=headers)
        self.assert_refused(answer, 400, "two integration keys")

    def test_two_equal_keys_are_one(self):
        guance = self.gateway()
        twice = f"{query_of('guance')}&a=b&{query_of('guance')}"
        headers = {"X-Integration-Key": settings.GUANCE_PUSH_KEY}
        self.assert_delivered(guance.post(guance_event(), query=twice, headers=headers))

    def test_the_key_may_come_in_a_header(self):
        headers = {"X-Integration-Key": settings.GUANCE_PUSH_KEY}
        answer = self.gateway().post(guance_event(), query="", headers=headers)
        self.assert_delivered(answer)
        self.assertEqual(self.flashduty.events[0].key, settings.GUANCE_FLASHDUTY_KEY)

    def test_a_key_of_other_characters_is_400(self):
        guance = self.gateway()
        for key in ("", "a b", "a%62c", "a+b", "a/b", "a.b", "ä", "a;b", "a?b", 'a"b', "k" * 129):
            with self.subTest(key):
                answer = guance.post(guance_event(), query=f"integration_key={key}")
                self.assert_refused(answer, 400, "1 to 128 of A-Z a-z 0-9 _ -")

    def test_a_key_of_128_characters_is_taken(self):
        key = "k" * 128
        guance = self.gateway(integrations=[settings.guance_integration(push_key=[key])])
        self.assert_delivered(guance.post(guance_event(), query=f"integration_key={key}"))

    def test_an_unknown_key_is_401(self):
        guance = self.gateway()
        for key in (UNKNOWN_KEY, settings.GUANCE_FLASHDUTY_KEY, settings.GUANCE_PUSH_KEY[:-1]):
            with self.subTest(key):
                answer = guance.post(guance_event(), query=f"integration_key={key}")
                self.assert_refused(answer, 401, "no push_key")
                self.assertEqual(answer.error_code, "Unauthorized")

    def test_the_key_of_the_other_vendor_is_401_and_the_right_endpoint_is_named(self):
        config = self.configure()
        guance = self.start("guance", config)
        answer = guance.post(guance_event(), query=query_of("ces"))
        self.assert_refused(answer, 401, "Huawei Cloud CES", "ces.fcgi")
        answer = self.start("ces", config).post(guance_event(), query=query_of("guance"))
        self.assert_refused(answer, 401, "Guance", "guance.fcgi")

    def test_both_keys_of_a_rotation_are_taken(self):
        old, new = "old-push-key-000", "new-push-key-000"
        guance = self.gateway(integrations=[settings.guance_integration(push_key=[old, new])])
        for count, key in enumerate((old, new), 1):
            answer = guance.post(guance_event(), query=f"integration_key={key}")
            self.assert_delivered(answer, count)

    # ---- method, type, size ----

    def test_other_methods_are_405_and_told_that_the_endpoint_works(self):
        for vendor in ("ces", "guance"):
            gateway = self.gateway(vendor)
            for method in OTHER_METHODS:
                with self.subTest(f"{vendor} {method}"):
                    answer = gateway.request(method=method, content_type=None, content_length=None)
                    self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))
                    if method == "HEAD":
                        self.assertEqual(answer.body, b"")
                        self.assertGreater(int(answer.headers["content-length"]), 0)
                    else:
                        self.assert_refused(answer, 405, "it works", "no store")

    def test_a_method_is_taken_with_its_case(self):
        answer = self.gateway().post(guance_event(), method="post")
        self.assert_refused(answer, 405)

    def test_a_body_of_max_body_bytes_is_taken_and_one_byte_more_is_413(self):
        guance = self.gateway(max_body_bytes=1024)
        body = to_bytes(guance_event())
        longest = body + b" " * (1024 - len(body))
        self.assert_delivered(guance.post(longest))
        self.flashduty.clear()
        for length in (1025, None):
            with self.subTest(content_length=length):
                answer = guance.post(longest + b" ", content_length=length)
                self.assert_refused(answer, 413, "max_body_bytes = 1024")

    def test_a_huge_declared_length_is_413(self):
        guance = self.gateway()
        for length in ("524289", "99999999999999999999", str(2**64), str(2**63)):
            with self.subTest(length):
                answer = guance.post(guance_event(), content_length=length)
                self.assert_refused(answer, 413)

    def test_a_length_that_is_no_number_is_400(self):
        guance = self.gateway()
        for length in ("-2", "+5", "0x10", "5 ", " 5", "ten", "1,2"):
            with self.subTest(length):
                answer = guance.post(guance_event(), content_length=length)
                self.assert_refused(answer, 400, "CONTENT_LENGTH")

    def test_text_and_forms_are_415_for_guance(self):
        guance = self.gateway()
        for content_type in TEXT_AND_FORMS:
            with self.subTest(content_type):
                answer = guance.post(guance_event(), content_type=content_type)
                self.assert_refused(answer, 415, "application/json", "JSON")

    def test_any_other_type_is_taken_from_guance(self):
        guance = self.gateway()
        for count, content_type in enumerate(("application/json", "", None, "text/plainer"), 1):
            with self.subTest(content_type):
                answer = guance.post(guance_event(), content_type=content_type)
                self.assert_delivered(answer, count)

    def test_ces_is_never_415(self):
        ces = self.gateway("ces", smn=settings.trusting(self.keys))
        envelope = self.signed(ALARM)
        for count, content_type in enumerate(OTHER_TYPES, 1):
            with self.subTest(content_type):
                self.assert_delivered(ces.post(envelope, content_type=content_type), count)

    # ---- the body ----

    def test_malformed_json_is_400(self):
        config = self.configure()
        for vendor in ("ces", "guance"):
            gateway = self.start(vendor, config)
            for body in MALFORMED:
                with self.subTest(vendor=vendor, body=body):
                    answer = gateway.post(body)
                    self.assert_refused(answer, 400, "not JSON", "expected")
                    self.assertEqual(answer.error_code, "InvalidParameter")

    def test_an_empty_body_is_400(self):
        config = self.configure()
        for vendor in ("ces", "guance"):
            gateway = self.start(vendor, config)
            for body in EMPTY:
                with self.subTest(vendor=vendor, body=body):
                    self.assert_refused(gateway.post(body), 400, "empty", "JSON")

    def test_json_of_no_vendor_is_400_and_told_what_was_expected(self):
        config = self.configure()
        for vendor, words in (("ces", "SMN"), ("guance", "Guance")):
            gateway = self.start(vendor, config)
            for body in NOTHING_OF_A_VENDOR:
                with self.subTest(vendor=vendor, body=body):
                    self.assert_refused(gateway.post(body), 400, "expected", words)

    def test_the_payload_of_the_other_vendor_is_400_and_the_right_endpoint_is_named(self):
        config = self.configure(smn=settings.trusting(self.keys))
        answer = self.start("ces", config).post(guance_event())
        self.assert_refused(answer, 400, "payload of Guance", "guance.fcgi")
        answer = self.start("guance", config).post(self.signed(ALARM))
        self.assert_refused(answer, 400, "payload of Huawei Cloud CES", "ces.fcgi")

    def test_tags_that_are_called_as_members_of_smn_make_no_message_of_smn(self):
        event = guance_event(type="disk", message="full", subject="x", timestamp=1795143600)
        answer = self.gateway("ces").post(event)
        self.assert_refused(answer, 400, "payload of Guance", "guance.fcgi")

    def test_a_body_without_a_length_is_read_to_its_end(self):
        # The latter is Caddy's way to say so.
        for length in (None, "-1"):
            self.flashduty.clear()
            self.assert_delivered(self.gateway().post(guance_event(), content_length=length))

    def test_a_body_that_is_cut_is_400_and_not_forwarded(self):
        guance = self.gateway()
        body = to_bytes(guance_event())
        for missing in (1, 1000):
            with self.subTest(missing):
                answer = guance.post(body, content_length=len(body) + missing)
                self.assert_refused(answer, 400)

    def test_a_body_cut_where_json_would_end_is_not_forwarded(self):
        first = to_bytes(guance_event())
        answer = self.gateway().post(first, content_length=len(first + b"  "))
        self.assert_refused(answer, 400, "bytes")

    # ---- the form of every answer ----

    def test_every_answer_is_json_with_its_request_id_and_is_not_to_be_stored(self):
        guance = self.gateway()
        answers = [
            guance.post(guance_event()),
            guance.post(b"{"),
            guance.post(guance_event(), query=""),
            guance.request(method="GET"),
            guance.request(method="GET", path_info="/healthz"),
        ]
        for answer in answers:
            with self.subTest(answer.status):
                self.assertEqual(answer.headers["content-type"], "application/json; charset=utf-8")
                self.assertEqual(answer.headers["cache-control"], "no-store")
                self.assertEqual(answer.headers["request-id"], answer.json["request_id"])
                self.assertEqual(int(answer.headers["content-length"]), len(answer.body))
                self.assertEqual(answer.exit_status, 0)
        self.assertEqual(len({answer.headers["request-id"] for answer in answers}), len(answers))

    def test_an_accepted_alert_is_answered_with_its_key(self):
        answer = self.gateway().post(guance_event())
        event = self.flashduty.events[0]
        self.assertEqual(
            answer.json["data"], {"alert_key": event.alert_key, "outcome": "delivered"}
        )

    def test_an_array_is_answered_alert_by_alert(self):
        test_message = {"df_title": "just a test"}
        answer = self.gateway().post([guance_event(), test_message])
        self.assert_delivered(answer)
        data = answer.json["data"]
        self.assertEqual(data["outcome"], "delivered")
        self.assertEqual([alert["outcome"] for alert in data["alerts"]], ["delivered", "ignored"])
        self.assertEqual(data["alerts"][0]["alert_key"], self.flashduty.events[0].alert_key)

    def test_each_request_has_one_line_in_the_log_with_its_request_id(self):
        guance = self.gateway()
        answers = [
            guance.post(guance_event()),
            guance.post({"df_title": "just a test"}),
            guance.post(b"{"),
            guance.post(guance_event(), query=f"integration_key={UNKNOWN_KEY}"),
            guance.post(guance_event(), content_type="text/plain"),
            guance.request(method="GET"),
            guance.post([guance_event(), guance_event()]),
        ]
        logged = [(record["request_id"], record["status"]) for record in guance.requests]
        expected = [(answer.headers["request-id"], str(answer.status)) for answer in answers]
        self.assertEqual(logged, expected)

    def test_the_log_says_what_became_of_an_alert(self):
        guance = self.gateway()
        guance.post(guance_event())
        record = guance.requests[0]
        expected = {
            "level": "info",
            "vendor": "guance",
            "integration": "prod-guance",
            "status": "200",
            "outcome": "delivered",
            "severity": "Critical",
            "alert_key": self.flashduty.events[0].alert_key,
            "destinations": "default=delivered",
            "tries": "1",
            "flashduty_request_id": self.flashduty.events[0].request_id,
            "message_id": guance_event()["df_event_id"],
        }
        self.assertEqual(record, {**record, **expected})
        steps = {"verify_ms", "map_ms", "route_ms", "forward_ms", "total_ms"}
        self.assertLessEqual(steps, set(record))

    def test_a_level_that_no_table_knows_pages_and_stands_in_the_log(self):
        guance = self.gateway()
        self.assert_delivered(guance.post(guance_event(df_status="apocalyptic")))
        event = self.flashduty.events[0]
        self.assertEqual(event.status, "Warning")
        self.assertEqual(event.labels["severity_unmapped"], "apocalyptic")
        self.assertIn("apocalyptic", guance.log)
        self.assertEqual(len(guance.requests), 1)

    # ---- configuration ----

    def test_healthz_is_open_and_says_ok(self):
        guance = self.gateway()
        for place in ({"path_info": "/healthz"}, {"script_name": "/cgi-bin/guance.fcgi/healthz"}):
            for method in ("GET", "HEAD"):
                with self.subTest(place=place, method=method):
                    answer = guance.request(method=method, content_length=None, **place)
                    self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body, b"")

    def test_an_alarm_that_goes_to_healthz_is_not_taken_for_a_probe(self):
        """200 without forwarding would lose it, and nobody would hear of it."""
        answer = self.gateway().post(guance_event(), path_info="/healthz")
        self.assertNotEqual((answer.status, self.flashduty.events), (200, []), answer.body)

    def test_a_broken_configuration_is_503_with_retry_after(self):
        broken = settings.write_config(self.sandbox.folder / "broken.conf", "integrations = (")
        guance = self.start("guance", broken)
        answer = guance.post(guance_event())
        self.assert_refused(answer, 503, "configuration is broken")
        self.assertGreater(int(answer.headers["retry-after"]), 0)
        self.assertIn("configuration refused", [record["msg"] for record in guance.records])
        health = guance.request(method="GET", path_info="/healthz")
        self.assertEqual(health.status, 503)
        self.assertNotIn(str(broken), health.body.decode())

    def test_a_configuration_that_others_may_read_is_503_and_the_log_says_600(self):
        config = self.configure()
        config.chmod(0o644)
        guance = self.start("guance", config)
        self.assert_refused(guance.post(guance_event()), 503)
        problems = [record.get("problem", "") for record in guance.records]
        self.assertTrue(any("permissions 600" in problem for problem in problems), guance.log)

    def test_a_configuration_that_is_not_there_is_503(self):
        guance = self.start("guance", self.sandbox.folder / "nowhere.conf")
        self.assert_refused(guance.post(guance_event()), 503)

    # ---- pass-through ----

    def test_without_a_configuration_the_key_is_flashdutys_own(self):
        guance = self.start_without_configuration("guance")
        key = settings.GUANCE_FLASHDUTY_KEY
        answer = guance.post(guance_event(), query=f"integration_key={key}")
        self.assert_delivered(answer)
        self.assertEqual(self.flashduty.events[0].key, key)

    def test_a_key_that_flashduty_refuses_is_401_with_its_message_and_a_question(self):
        guance = self.start_without_configuration("guance")
        answer = guance.post(guance_event(), query=f"integration_key={UNKNOWN_KEY}")
        words = ("integration_key is invalid", "Standard Alert Event")
        self.assert_error(answer, 401, *words)
        self.assertEqual(answer.error_code, "InvalidParameter")

    def test_a_configured_key_that_flashduty_refuses_is_502_with_its_code_and_message(self):
        wrong = settings.guance_integration(flashduty_key="mistyped")
        answer = self.gateway(integrations=[wrong]).post(guance_event())
        self.assert_error(answer, 502, "integration_key is invalid")
        self.assertEqual(answer.error_code, "InvalidParameter")

    # ---- signatures ----

    def signed(self, message, **options):
        """A signed Notification."""
        return self.keys.sign(smn.notification(message, "subject", **options))

    def test_an_unsigned_message_is_403(self):
        ces = self.gateway("ces", smn=settings.trusting(self.keys))
        for signature in (None, ""):
            with self.subTest(signature):
                envelope = {**self.signed(ALARM), "signature": signature}
                self.assert_refused(ces.post(envelope), 403, "not signed")
                self.assert_refused(ces.post(smn.notification(ALARM)), 403, "not signed")

    def test_a_wrong_signature_under_a_held_certificate_is_403(self):
        ces = self.gateway("ces", smn=settings.trusting(self.keys))
        envelope = self.signed(ALARM)
        signature = envelope["signature"]
        other = self.signed({"alarm_name": "other"})["signature"]
        wrong = (other, signature[:-4], signature + "AAAA", "A" * 344, "!", " " + signature)
        for wrong_signature in wrong:
            with self.subTest(wrong_signature[:8]):
                answer = ces.post({**envelope, "signature": wrong_signature})
                self.assert_refused(answer, 403, "signature does not fit")

    def test_every_signed_member_is_covered_by_the_signature(self):
        ces = self.gateway("ces", smn=settings.trusting(self.keys))
        envelope = self.signed(ALARM)
        changes = {
            "message": envelope["message"].replace("cpu", "gpu"),
            "message_id": "0" * 32,
            "subject": "another",
            "timestamp": "2026-01-01T00:00:00Z",
            "topic_urn": envelope["topic_urn"] + "2",
            "type": "notification",
        }
        for name, value in changes.items():
            with self.subTest(name):
                self.assert_refused(ces.post({**envelope, name: value}), 403)

    def test_a_certificate_that_is_not_held_is_503_and_the_setting_is_named(self):
        ces = self.gateway("ces")
        answer = ces.post(self.signed(ALARM))
        self.assert_refused(answer, 503, "smn.certificate", self.keys.signing_certificate.name)
        self.assertIn("retry-after", answer.headers)

    def test_a_topic_that_is_not_listed_is_403(self):
        topics = ["urn:smn:cn-north-4:*:ops-alarms", "urn:smn:cn-north-4:1:exactly"]
        integration = settings.ces_integration(topic_urn=topics)
        trusting = settings.trusting(self.keys)
        ces = self.gateway("ces", smn=trusting, integrations=[integration])
        answer = ces.post(self.signed(ALARM, topic_urn="urn:smn:cn-north-4:1:other"))
        self.assert_refused(answer, 403, "topic_urn", "urn:smn:cn-north-4:1:other")
        self.assert_delivered(ces.post(self.signed(ALARM)))

    def test_a_message_that_is_too_old_or_from_the_future_is_503(self):
        smn_settings = {**settings.trusting(self.keys), "max_age_hours": 1}
        ces = self.gateway("ces", smn=smn_settings)
        now = time.time()
        for at, word in ((now - 3700, "max_age_hours"), (now + 400, "future")):
            with self.subTest(word):
                answer = ces.post(self.signed(ALARM, at=at))
                self.assert_refused(answer, 503, word, "clock")
        for count, at in enumerate((now - 3500, now + 200), 1):
            self.assert_delivered(ces.post(self.signed(ALARM, at=at)), count)

    def test_verify_off_delivers_unsigned_messages_and_warns_at_the_start(self):
        ces = self.gateway("ces", smn={"verify": "off"})
        self.assert_delivered(ces.post(smn.notification(ALARM)))
        warnings = [record for record in ces.records if record["level"] == "warning"]
        self.assertIn("signatures are not", str(warnings))

    def test_a_member_that_stands_twice_is_refused(self):
        ces = self.gateway("ces", smn=settings.trusting(self.keys))
        body = to_bytes(self.signed(ALARM))
        twice = body[:-1] + b', "message": "another"}'
        self.assert_refused(ces.post(twice), 400, '"message" stands twice')

    def test_a_genuine_message_of_huawei_is_delivered_by_the_pins_compiled_in(self):
        body = fixtures.case("ces", "genuine-notification").body
        self.assert_delivered(self.gateway("ces").post(body))
        self.assertEqual(self.flashduty.events[0].status, "Critical")

    def test_a_genuine_message_with_one_byte_changed_is_403(self):
        body = fixtures.case("ces", "genuine-notification").body
        changed = body.replace(b"6.00 count", b"7.00 count")
        self.assertEqual(len(changed), len(body))
        self.assertNotEqual(changed, body)
        self.assert_refused(self.gateway("ces").post(changed), 403, "signature does not fit")

    def test_a_genuine_message_that_is_replayed_years_later_is_503(self):
        ces = self.gateway("ces", smn={"verify": "pinned"})
        body = fixtures.case("ces", "genuine-notification").body
        self.assert_refused(ces.post(body), 503, "max_age_hours = 24")

    def test_the_end_of_a_subscription_is_acknowledged_with_a_warning_and_no_visit(self):
        console = self.sandbox.enter(smn.Console(self.keys))
        trusting = settings.trusting(self.keys, console.port)
        ces = self.gateway("ces", smn=trusting, ca_file=str(self.keys.ca_certificate))
        link = console.subscribe_url()
        envelope = self.keys.sign(smn.confirmation(link, kind="UnsubscribeConfirmation"))
        answer = ces.post(envelope)
        self.assertEqual((answer.status, answer.outcome), (200, "ignored"), answer.body)
        self.assertEqual(ces.requests[0]["level"], "warning")
        self.assertIn("no alarm", ces.requests[0]["reason"])
        self.assertEqual((console.connection_count, self.flashduty.requests), (0, []))

    def test_a_type_that_only_the_header_names_is_signed_as_that(self):
        ces = self.gateway("ces", smn=settings.trusting(self.keys))
        envelope = self.signed(ALARM)
        del envelope["type"]
        headers = {"X-SMN-MESSAGE-TYPE": "Notification"}
        self.assert_delivered(ces.post(envelope, headers=headers))


class AnswersOfCgi(Answers, GatewayTest):
    """One process a request."""

    mode = CGI

    def test_arguments_are_ignored(self):
        guance = self.gateway()
        command_lines = (["--help"], ["check", "/etc/passwd"], ["integration_key"])
        for count, words in enumerate(command_lines, 1):
            with self.subTest(words):
                self.assert_delivered(guance.post(guance_event(), arguments=words), count)

    def test_more_than_content_length_is_not_read(self):
        """RFC 3875, 4.2: the script must not read more, even if there is more."""
        body = to_bytes(guance_event())
        answer = self.gateway().post(body + b"no JSON any more", content_length=len(body))
        self.assert_delivered(answer)


class AnswersOfFastCgi(Answers, GatewayTest):
    """One process for all requests."""

    mode = FASTCGI

    def test_more_than_content_length_is_400_and_not_forwarded(self):
        body = to_bytes(guance_event())
        answer = self.gateway().post(body + b" ", content_length=len(body))
        self.assert_refused(answer, 400, "CONTENT_LENGTH says")

    def test_start_and_end_stand_in_the_log(self):
        guance = self.gateway()
        guance.post(guance_event())
        self.assertEqual(guance.stop(), 0)
        messages = [record["msg"] for record in guance.records]
        self.assertEqual(messages, [*messages[:-3], "started", "request", "stopped"])

    def test_a_process_goes_on_after_every_kind_of_refusal(self):
        guance = self.gateway()
        for _ in range(20):
            for body in (*MALFORMED, *NOTHING_OF_A_VENDOR):
                self.assertEqual(guance.post(body).status, 400)
        self.assert_delivered(guance.post(guance_event()))
        refusals = 20 * (len(MALFORMED) + len(NOTHING_OF_A_VENDOR))
        self.assertEqual(len(guance.requests), refusals + 1)


if __name__ == "__main__":
    unittest.main()
