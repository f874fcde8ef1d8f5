"""Forged envelopes of SMN, made from genuine ones: nothing is delivered, nothing is confirmed.

An attacker knows the push URL, has messages of this topic and of topics of his own with Huawei's
signature, and changes them as he likes.
"""

import base64
import json
import time
import unittest

from tests.simulator import smn
from tests.support import settings
from tests.support.gateway import FASTCGI, GatewayTest, to_bytes

HOUR, DAY = 3600, 24 * 3600
FOREIGN_TOPIC = "urn:smn:cn-north-4:ffffffffffffffffffffffffffffffff:attackers-own"
FORGED = "forged: everything is on fire"
ALARM = {"alarm_id": "al1", "alarm_name": "disk", "alarm_status": "alarm", "template_variable": {}}
EVIL = {**ALARM, "alarm_name": FORGED}
FIELDS = {"Notification": smn.NOTIFICATION_MEMBERS,
          "SubscriptionConfirmation": smn.CONFIRMATION_MEMBERS}  # fmt: skip

# Ways to alter a value.
ALTERATIONS = {
    "a character changed": lambda text: text[:3] + chr(ord(text[3]) ^ 1) + text[4:],
    "the last character changed": lambda text: text[:-1] + chr(ord(text[-1]) ^ 1),
    "a character more": lambda text: text + "x",
    "a character less": lambda text: text[:-1],
    "a blank before": lambda text: " " + text,
    "a blank behind": lambda text: text + " ",
    "a line's end before": lambda text: "\n" + text,
    "a line's end behind": lambda text: text + "\n",
    "a carriage return behind": lambda text: text + "\r",
    "NUL behind": lambda text: text + "\0",
    "NUL and more behind": lambda text: text + "\0" + text,
    "an invisible character": lambda text: text[:3] + "\u200b" + text[3:],
    "other letters' case": lambda text: text.swapcase(),
    "letters of double width": lambda text: text[:-1] + chr(ord(text[-1]) + 0xFEE0),
    "the value twice": lambda text: text + text,
    "nothing": lambda text: "",
    "a name of its own line": lambda text: text + "\ntype\nNotification",
    "null": lambda text: None,
    "a number": lambda text: 7,
    "true": lambda text: True,
    "a list": lambda text: [text],
    "an object": lambda text: {"value": text},
}

TOPICS = {
    "of somebody else": FOREIGN_TOPIC,
    "of another project": smn.TOPIC_URN.replace("00000", "00001"),
    "of another region": smn.TOPIC_URN.replace("cn-north-4", "cn-north-1"),
    "of another name": smn.TOPIC_URN + "2",
    "of a shorter name": smn.TOPIC_URN[:-1],
    "in capitals": smn.TOPIC_URN.replace("ops-alarms", "OPS-ALARMS"),
    "with a blank": smn.TOPIC_URN + " ",
    "with a line's end": smn.TOPIC_URN + "\n",
    "that is a pattern": "urn:smn:cn-north-4:*:*",
    "that holds ours": FOREIGN_TOPIC + smn.TOPIC_URN,
    "that ours holds": smn.TOPIC_URN + ":" + FOREIGN_TOPIC,
}

# Seconds from now, or a text.
TIMES = {
    "a day and a minute old": -DAY - 60,
    "two days old": -2 * DAY,
    "a year old": -365 * DAY,
    "of the beginning of time": "1970-01-01T00:00:00Z",
    "six minutes ahead": 360,
    "an hour ahead": HOUR,
    "a day ahead": DAY,
    "of the next century": "2126-01-01T00:00:00Z",
    "no date": "yesterday",
    "a date that there is not": "2026-02-30T00:00:00Z",
    "seconds": "1795163984",
    "a date without a time": "2026-11-24",
    "a time without a zone": "2026-11-24T00:00:00",
}


def renamed(envelope, name, to):
    """With a member under another name, in its place."""
    return {to if key == name else key: value for key, value in envelope.items()}


def with_twice(envelope, name, value, escaped=False, first=False):
    """As bytes, with a member a second time."""
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in name) if escaped else name
    member = f'"{spelled}": {json.dumps(value)}'.encode()
    body = to_bytes(envelope)
    return b"{" + member + b", " + body[1:] if first else body[:-1] + b", " + member + b"}"


def lines_of(values):
    """NAME LF VALUE of each, as they stand in what is signed."""
    return "\n".join(f"{name}\n{value}" for name, value in values.items())


class Forgeries(GatewayTest):
    """One process gets them all."""

    mode = FASTCGI

    def setUp(self):
        super().setUp()
        self.console = self.sandbox.enter(smn.Console(self.keys))
        self.notice = self.keys.sign(smn.notification(ALARM, subject="[Critical Alarm]disk"))
        self.invitation = self.keys.sign(smn.confirmation(self.console.subscribe_url()))
        self.genuine = (self.notice, self.invitation)

    def guarded(self, **changes):
        """A gateway that takes one topic, and pins the simulator's certificate."""
        section = {**settings.trusting(self.keys, self.console.port), "max_age_hours": 24}
        return self.gateway(
            "ces",
            smn={**section, **changes},
            ca_file=str(self.keys.ca_certificate),
            integrations=[settings.ces_integration(topic_urn=[smn.TOPIC_URN])],
        )

    # ---- the table: name, body, status ----

    def altered_members(self):
        """Every signed member, altered in every way."""
        for envelope in self.genuine:
            for name in FIELDS[envelope["type"]]:
                for way, alter in ALTERATIONS.items():
                    value = alter(envelope[name])
                    # Without a type it is no envelope; a Notification needs a message.
                    is_text = isinstance(value, str)
                    is_message = is_text or isinstance(value, dict)
                    lacks = (name == "type" and not (is_text and value)) or (
                        name == "message" and envelope is self.notice and not is_message
                    )
                    status = 400 if lacks else 403
                    yield (f"{envelope['type']}: {name} with {way}",
                           {**envelope, name: value}, status)  # fmt: skip

    def removed_and_renamed_members(self):
        """Every signed member away, in capitals, under the name of another."""
        for envelope in self.genuine:
            kind = envelope["type"]
            for name in FIELDS[kind]:
                needed = name == "type" or (name == "message" and envelope is self.notice)
                status = 400 if needed else 403
                without = {key: value for key, value in envelope.items() if key != name}
                yield f"{kind}: without {name}", without, status
                for to in (name.upper(), name.title(), f" {name}", f"{name}\0"):
                    yield f"{kind}: {name} as {to!r}", renamed(envelope, name, to), status

    def repeated_members(self):
        """Every member that is signed or says how, twice."""
        for envelope in self.genuine:
            for name in (*FIELDS[envelope["type"]], "signature", "signing_cert_url"):
                for value in (envelope[name], FORGED):
                    for escaped in (False, True):
                        for first in (False, True):
                            body = with_twice(envelope, name, value, escaped, first)
                            label = f"{envelope['type']}: {name} twice"
                            yield f"{label} {value[:9]} {escaped} {first}", body, 400

    def split_members(self):
        """Genuine messages with the names of members in their text, read at other line ends.

        The attacker publishes the text to his own topic, or gets somebody to publish it to ours.
        """
        inner = {
            "message_id": "0" * 32,
            "subject": "[Critical Alarm]forged",
            "timestamp": self.notice["timestamp"],
            "topic_urn": smn.TOPIC_URN,
            "type": "Notification",
        }
        for topic in (FOREIGN_TOPIC, smn.TOPIC_URN):
            for text in (FORGED, to_bytes(EVIL).decode()):
                said = text + "\n" + lines_of(inner)
                outer = self.keys.sign(smn.notification(said, "subject", topic_urn=topic))
                for last in inner:
                    yield f"split at {last}, {topic[-4:]}, {text[:6]}", self.split(
                        outer, {"message": text, **inner}, last), 403  # fmt: skip
        invitation = {**self.invitation, "type": "SubscriptionConfirmation\ntype\nNotification"}
        yield "an invitation as a Notification", invitation, 403
        moved = self.invitation["message_id"] + "\nsubscribe_url\n" + self.console.subscribe_url()
        yield "a link in another member", {**self.invitation, "message_id": moved}, 403

    def split(self, outer, inner, last):
        """A genuine envelope whose members up to `last` are as in inner; that takes the rest."""
        names = list(inner)
        end = names.index(last) + 1
        head = lines_of({name: inner[name] for name in names[:end]})
        tail = lines_of({name: outer[name] for name in names[end:]})
        signed = lines_of({name: outer[name] for name in names})
        rest = signed.removeprefix(head).removesuffix("\n" + tail if tail else "")
        split = {**outer, **{name: inner[name] for name in names[:end]}, last: inner[last] + rest}
        self.assertEqual(lines_of({name: split[name] for name in names}), signed)
        return split

    def members_that_are_no_text(self):
        """What is no text is signed as nothing, and so is an empty text."""
        empty = self.keys.sign(smn.notification(""))
        for name, value in {
            "an alarm": EVIL,
            "a template": {"version": "v1", "data": EVIL},
            "an object": {},
        }.items():
            yield f"an empty message becomes {name}", {**empty, "message": value}, 403

    def wrong_signatures(self):
        """Signatures that are none of this message, or are spelled in another way."""
        other = self.keys.sign(smn.notification("other"))["signature"]
        for envelope in self.genuine:
            good = envelope["signature"]
            raw = base64.b64decode(good)
            signatures = {
                "empty": "",
                "of another message": other,
                "of the other kind": next(
                    e["signature"] for e in self.genuine if e is not envelope
                ),
                "a blank before": " " + good,
                "a blank behind": good + " ",
                "a line's end in it": good[:64] + "\n" + good[64:],
                "lines of 64": "\n".join(good[i : i + 64] for i in range(0, len(good), 64)),
                "no padding": good.rstrip("="),
                "more padding": good + "=",
                "four of padding": good + "====",
                "bits behind its end": good[:-3] + chr(ord(good[-3]) + 1) + "==",
                "the other alphabet": base64.urlsafe_b64encode(raw + b"\xfb\xff").decode(),
                "hexadecimal": raw.hex(),
                "backwards": base64.b64encode(raw[::-1]).decode(),
                "inverted": base64.b64encode(bytes(b ^ 255 for b in raw)).decode(),
                "a zero before": base64.b64encode(b"\0" + raw).decode(),
                "a zero behind": base64.b64encode(raw + b"\0").decode(),
                "a byte less": base64.b64encode(raw[:-1]).decode(),
                "half": base64.b64encode(raw[:128]).decode(),
                "twice": base64.b64encode(raw + raw).decode(),
                "twice as text": good + good,
                "zeros": base64.b64encode(bytes(256)).decode(),
                "one": base64.b64encode(bytes(255) + b"\1").decode(),
                "all bits": base64.b64encode(b"\xff" * 256).decode(),
                "a byte": "AA==",
                "long": "A" * 4000,
                "swapped case": good.swapcase(),
                "null": None,
                "a number": 0,
                "true": True,
                "a list": [good],
                "an object": {"v1": good},
            }
            for name, signature in signatures.items():
                yield f"{envelope['type']}: signature {name}", {
                    **envelope, "signature": signature}, 403  # fmt: skip

    def wrong_keys(self):
        """Signed by a key of the attacker's, whatever certificate it is said to be of."""
        attacker = smn.Keys(self.sandbox.folder / "attacker").make()
        host = "https://smn.cn-north-4.myhuaweicloud.com/smn/"
        pinned = self.keys.signing_certificate.name
        for envelope in self.genuine:
            forged = attacker.sign({**envelope, "message": FORGED})
            urls = {
                "the pinned one": (host + pinned, 403),
                "the pinned one elsewhere": ("https://evil.example/" + pinned, 403),
                "the compiled-in one": (
                    host + "SMN_cn-north-4_b98100ca131b4116ab8ee7ccedbaae99.pem", 403),
                "his own by Huawei's host": (forged["signing_cert_url"], 503),
                "his own by his host": (
                    "https://evil.example/" + attacker.signing_certificate.name, 503),
                "his bucket": ("https://smn.obs.myhuaweicloud.com/smn/x.pem", 503),
                "a file": (f"file://{attacker.signing_certificate}", 503),
                "none": ("", 503),
                "none at all": (None, 503),
                "the certificate itself": (attacker.signing_certificate.read_text(), 503),
            }  # fmt: skip
            for name, (url, status) in urls.items():
                yield (f"{envelope['type']}: another key, certificate: {name}",
                       {**forged, "signing_cert_url": url}, status)  # fmt: skip
            for version in ("v2", "", "V1", "none", None, 1):
                yield (f"{envelope['type']}: another key, version {version}",
                       {**forged, "signing_cert_url": host + pinned, "signature_version": version},
                       503 if version in ("v2", "none") else 403)  # fmt: skip

    def foreign_topics(self):
        """Genuine messages of other topics."""
        for name, topic in TOPICS.items():
            yield f"a topic {name}", self.keys.sign(smn.notification(ALARM, topic_urn=topic)), 403
        link = self.console.subscribe_url(topic_urn=FOREIGN_TOPIC)
        for topic, url in ((FOREIGN_TOPIC, link), (FOREIGN_TOPIC, self.console.subscribe_url()),
                           (smn.TOPIC_URN, link)):  # fmt: skip
            signed = self.keys.sign(smn.confirmation(url, topic_urn=topic))
            yield f"an invitation to {topic[-9:]} by the link of {url[-60:]}", signed, 403

    def wrong_times(self):
        """Genuine messages of another time, as a replay is."""
        now = time.time()
        for name, when in TIMES.items():
            text = when
            if not isinstance(when, str):
                text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + when))
            signed = self.keys.sign({**smn.notification(ALARM), "timestamp": text})
            yield f"a time {name}", signed, 503

    def malformed_bodies(self):
        """No envelope at all, with one inside."""
        body = to_bytes(self.notice)
        yield "a list of it", [self.notice], 400
        yield "a text of it", body.decode(), 400
        yield "two of it", body + body, 400
        yield "all but the last byte", body[:-1], 400
        yield "more behind", body + b"x", 400
        yield "NUL behind", body + b"\0", 400
        yield "a comment", b"/* */" + body, 400
        yield "a comma too much", body[:-1] + b",}", 400
        yield "inside another", {"type": "Notification", "Notification": self.notice}, 400
        yield "a type alone", {"type": "Notification"}, 400
        yield "unsigned", smn.notification(ALARM), 403
        yield "an unsigned invitation", smn.confirmation(self.console.subscribe_url()), 403

    def table(self):
        """All of them."""
        for make in (self.altered_members, self.removed_and_renamed_members,
                     self.repeated_members, self.split_members, self.members_that_are_no_text,
                     self.wrong_signatures, self.wrong_keys, self.foreign_topics,
                     self.wrong_times, self.malformed_bodies):  # fmt: skip
            yield from make()

    # ---- the tests ----

    def assert_nothing_happened(self):
        """Nobody was asked for anything."""
        self.assertEqual(self.flashduty.connection_count, 0)
        self.assertEqual(self.console.connection_count, 0)

    def test_no_forgery_is_delivered_or_confirmed(self):
        ces = self.guarded()
        bodies = set()
        for name, forgery, status in self.table():
            with self.subTest(name):
                body = to_bytes(forgery)
                self.assertNotIn(body, (to_bytes(envelope) for envelope in self.genuine))
                answer = ces.post(body)
                self.assertEqual(answer.status, status, answer.body)
                self.assert_nothing_happened()
                bodies.add(body)
        self.assertGreaterEqual(len(bodies), 150)
        self.assertEqual(self.console.confirmed, [])
        # The genuine ones are taken, after all that.
        self.assert_delivered(ces.post(self.notice))
        self.assertEqual(ces.post(self.invitation).outcome, "confirmed")

    def test_no_forgery_is_taken_where_certificates_are_fetched(self):
        """The attacker names his own addresses: only what Huawei's hosts serve would count."""
        ces = self.guarded(verify="fetch", private_network=False)
        for name, forgery, _ in (*self.wrong_keys(), *self.split_members()):
            url = forgery["signing_cert_url"] or ""
            # Those would be asked for at Huawei's own host.
            if url.startswith("https://smn.cn-north-4.myhuaweicloud.com/smn/SMN_cn-north-4_"):
                forgery = {**forgery, "signing_cert_url": url.replace("SMN_", "smn_")}
            with self.subTest(name):
                self.assertIn(ces.post(forgery).status, (403, 503))
                self.assert_nothing_happened()

    def test_the_header_is_no_way_around_the_type(self):
        ces = self.guarded()
        for envelope in self.genuine:
            untyped = {key: value for key, value in envelope.items() if key != "type"}
            for kind in (*FIELDS, "UnsubscribeConfirmation", "notification", "x"):
                if kind == envelope["type"]:
                    continue
                with self.subTest(f"{envelope['type']} as {kind}"):
                    answer = ces.post(untyped, headers={"X-SMN-Message-Type": kind})
                    self.assertEqual(answer.status, 403, answer.body)
                    answer = ces.post({**envelope, "type": kind})
                    self.assertEqual(answer.status, 403, answer.body)
                    self.assert_nothing_happened()

    def test_a_type_that_needs_no_signature_does_nothing(self):
        ces = self.guarded()
        for kind in ("HttpSubscriptionUserConfirm", "HttpSubscriptionUserUnsubscribe"):
            for envelope in self.genuine:
                with self.subTest(kind):
                    answer = ces.post({**envelope, "type": kind})
                    self.assertEqual((answer.status, answer.outcome), (200, "ignored"))
                    self.assert_nothing_happened()

    def test_what_is_not_signed_changes_nothing(self):
        ces = self.guarded()
        ces.post(self.notice)
        unsigned = {
            "Message": to_bytes(EVIL).decode(),
            "MESSAGE": to_bytes(EVIL).decode(),
            "default": FORGED,
            "Type": "SubscriptionConfirmation",
            "subscribe_url": self.console.subscribe_url(),
            "Topic_urn": FOREIGN_TOPIC,
            "message_structure": FORGED,
        }
        headers = {"X-SMN-Message-Type": "SubscriptionConfirmation",
                   "X-SMN-Topic-Urn": FOREIGN_TOPIC, "X-SMN-Message-Id": FORGED}  # fmt: skip
        self.assertEqual(ces.post({**self.notice, **unsigned}, headers=headers).status, 200)
        first, second = (event.event for event in self.flashduty.events)
        self.assertEqual(first, second)
        self.assertEqual(self.console.connection_count, 0)


if __name__ == "__main__":
    unittest.main()
