"""Every fixture, through the whole program: what is posted is what Flashduty gets."""

import functools
import json
import unittest

from tests.simulator import smn
from tests.support import fixtures, paths, settings
from tests.support.gateway import CGI, FASTCGI, FLASHDUTY_KEYS, GatewayTest

SIGNED_MEMBERS = {*smn.NOTIFICATION_MEMBERS, *smn.CONFIRMATION_MEMBERS}


def once_only(pairs):
    """A hook for json.loads that refuses a member that stands twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member stands twice")
    return value


@functools.cache
def signed(body):
    """An SMN envelope with a signature of ours; the body as it is if it is none."""
    try:
        envelope = json.loads(body, object_pairs_hook=once_only)
        texts = [envelope[name] for name in SIGNED_MEMBERS & set(envelope)]
        if all(isinstance(text, str) for text in texts):
            return json.dumps(smn.shared_keys().sign(envelope)).encode()
    except (ValueError, TypeError, KeyError, IndexError):
        pass
    return body


def outcome_of(item):
    """What the answer has to say of an item."""
    return "ignored" if fixtures.NO_EVENT & set(item) else "delivered"


class Fixtures:
    """A table of cases a vendor."""

    step = 1

    def check(self, case, gateway, body):
        """Posts a case and looks at the answer and at what has arrived."""
        self.flashduty.clear()
        answer = gateway.post(body)
        if case.error is not None:
            self.assert_refused(answer, *case.error)
            return
        arrived = [event.event for event in self.flashduty.events]
        # Several alerts of one body are sent at once, in no particular order.
        self.assertEqual(sorted(arrived, key=str), sorted(case.events, key=str))
        self.assertEqual(self.flashduty.violations, [])
        keys = {event.key for event in self.flashduty.events}
        self.assertLessEqual(keys, {FLASHDUTY_KEYS[gateway.vendor]})
        if any("refused" in item for item in case.items):
            self.assertEqual(answer.status, 400, answer.body)
            return
        self.assertEqual(answer.status, 200, answer.body)
        data = answer.json["data"]
        answered = data.get("alerts", [data])
        self.assertEqual(
            [item["outcome"] for item in answered], [outcome_of(item) for item in case.items]
        )
        self.assertEqual(
            [item.get("alert_key") for item in answered],
            [item.get("alert_key") for item in case.items],
        )

    def test_every_guance_fixture_becomes_what_it_should(self):
        guance = self.gateway("guance")
        for case in fixtures.cases("guance")[:: self.step]:
            with self.subTest(case.name):
                self.check(case, guance, case.body)

    def test_every_ces_fixture_becomes_what_it_should(self):
        ces = self.gateway("ces", smn=settings.trusting(self.keys))
        for case in fixtures.cases("ces")[:: self.step]:
            if not case.confirms:
                with self.subTest(case.name):
                    self.check(case, ces, signed(case.body))


class FixturesOfCgi(Fixtures, GatewayTest):
    """A process a fixture; they start slowly under a sanitizer, which sees all fixtures below."""

    mode = CGI
    step = 1 if paths.BUILD == "release" else 8


class FixturesOfFastCgi(Fixtures, GatewayTest):
    """One process for all."""

    mode = FASTCGI


if __name__ == "__main__":
    unittest.main()
