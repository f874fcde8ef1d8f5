"""The watchdog of a process that lasts looks by itself."""

from tests.simulator.flashduty import HTTP_STATUS
from tests.support import settings
from tests.support.gateway import FASTCGI, FLASHDUTY_KEYS, GatewayTest, guance_event
from tests.support.process import wait_until

BROKEN = {"do": "error", "code": "InternalError", "status": HTTP_STATUS["InternalError"]}
GUANCE_KEY = FLASHDUTY_KEYS["guance"]
WATCHDOG_KEY = "canary-flashduty-key-of-the-watchdog"
# It looks every ten seconds; the machine may be slow.
LOOK_SECONDS = 60


class Watching(GatewayTest):
    """The drainer of a FastCGI process."""

    mode = FASTCGI
    flashduty_keys = (*GatewayTest.flashduty_keys, WATCHDOG_KEY)

    def test_it_tells(self):
        store = self.sandbox.folder / "gateway.db"
        guance = self.gateway(store=f"sqlite:{store}", deadline_ms=settings.SHORT_DEADLINE_MS,
                              watchdog={"flashduty_key": WATCHDOG_KEY, "wait_s": 10})  # fmt: skip
        self.flashduty.answer(BROKEN, times=None, key=GUANCE_KEY)
        self.assertEqual(guance.post(guance_event()).outcome, "queued")
        self.assertTrue(self.flashduty.wait_for_events(1, LOOK_SECONDS))
        self.assertEqual(self.flashduty.events[0].labels["condition"], "waiting")
        self.flashduty.script.clear()
        self.assertTrue(self.flashduty.wait_for_events(3, LOOK_SECONDS))
        statuses = [e.status for e in self.flashduty.events if e.key == WATCHDOG_KEY]
        self.assertEqual(statuses, ["Critical", "Ok"])
        told = [record for record in guance.records if record["msg"] == "watchdog"]
        self.assertEqual([record["condition"] for record in told], ["waiting"] * 2)

    def test_a_process_that_runs_on_the_last_valid_configuration_tells(self):
        path = self.configure(store=f"sqlite:{self.sandbox.folder}/gateway.db",
                              watchdog={"flashduty_key": WATCHDOG_KEY})  # fmt: skip
        valid = path.read_text()
        state = {"XDG_STATE_HOME": str(self.sandbox.folder)}
        first = self.start("guance", path, state)
        self.assert_delivered(first.post(guance_event()))
        kept = self.sandbox.folder.glob("flashduty-gateway/*.last-valid")
        wait_until(lambda: list(kept), what="the last valid configuration")
        first.stop()
        settings.write_config(path, "integrations = (\n")
        self.start("guance", path, state)
        self.assertTrue(self.flashduty.wait_for_events(2, LOOK_SECONDS))
        self.assertEqual(self.flashduty.events[1].labels["condition"], "configuration")
        self.assertIn(f"{path}:", self.flashduty.events[1].description)
        settings.write_config(path, valid)
        self.assertTrue(self.flashduty.wait_for_events(3, LOOK_SECONDS))
        self.assertEqual(self.flashduty.events[2].status, "Ok")


del GatewayTest
