"""Keys are wiped after use: what is left in the memory of a process that goes on."""

import unittest

from tests.simulator import smn
from tests.simulator.flashduty import Flashduty
from tests.support import memory, paths, settings
from tests.support.gateway import FASTCGI, GatewayTest, guance_event
from tests.support.process import wait_until

PASSING_KEY = "canary-passing-key-0123456789"
WRONG_KEY = "canary-wrong-key-0123456789"
TOKEN = "ca0a12fe" * 16


@unittest.skipIf(paths.BUILD in ("asan", "tsan"), "the sanitizers have allocators of their own")
class Memory(GatewayTest):
    mode = FASTCGI

    def setUp(self):
        super().setUp()
        self.flashduty = self.sandbox.enter(
            Flashduty(
                keys=(PASSING_KEY, *self.flashduty_keys), tls=self.keys.server_context()
            )
        )

    def gateway(self, vendor="guance", environment=None, **changes):
        """One that speaks TLS to Flashduty."""
        ca_file = str(self.keys.ca_certificate)
        return super().gateway(vendor, environment, ca_file=ca_file, **changes)

    def assert_copies(self, gateway, word, copies):
        """So many are left. The thread that sends may still be at it."""
        pid = gateway.process.pid
        try:
            memory.count(pid, b"x")
        except PermissionError:
            self.skipTest("only root may look into the memory of a process that is not dumpable")
        what = f"{word} {copies} times in memory"
        wait_until(lambda: memory.count(pid, word.encode()) == copies, what=what)

    def test_what_is_looked_for_would_be_found(self):
        guance = self.gateway()
        self.assert_copies(guance, settings.GUANCE_PUSH_KEY, 1)

    def test_of_a_key_that_is_passed_through_nothing_is_left(self):
        guance = self.gateway(integrations=None, pass_through=True)
        for count in range(1, 4):
            answer = guance.post(guance_event(), query=f"integration_key={PASSING_KEY}")
            self.assert_delivered(answer, count)
        header = {"X-Integration-Key": PASSING_KEY}
        self.assert_delivered(guance.post(guance_event(), query="", headers=header), 4)
        self.assertEqual(
            guance.post(guance_event(), query=f"integration_key={WRONG_KEY}").status, 401
        )
        self.assert_copies(guance, PASSING_KEY, 0)
        self.assert_copies(guance, WRONG_KEY, 0)

    def test_keys_stand_in_the_configuration_alone(self):
        guance = self.gateway()
        for count in range(1, 4):
            self.assert_delivered(guance.post(guance_event()), count)
        wrong = guance.post(guance_event(), query=f"integration_key={WRONG_KEY}")
        self.assertEqual(wrong.status, 401)
        self.assert_copies(guance, WRONG_KEY, 0)
        for key in (
            settings.GUANCE_PUSH_KEY,
            settings.GUANCE_FLASHDUTY_KEY,
            settings.CES_PUSH_KEY,
            settings.CES_FLASHDUTY_KEY,
        ):
            self.assert_copies(guance, key, 1)

    def test_of_the_token_of_a_subscription_nothing_is_left(self):
        console = self.sandbox.enter(smn.Console(self.keys))
        ces = self.gateway("ces", smn=settings.trusting(self.keys, console.port))
        link = console.subscribe_url(token=TOKEN)
        answer = ces.post(self.keys.sign(smn.confirmation(link)))
        self.assertEqual((answer.status, answer.outcome), (200, "confirmed"))
        self.assert_copies(ces, TOKEN, 0)


if __name__ == "__main__":
    unittest.main()
