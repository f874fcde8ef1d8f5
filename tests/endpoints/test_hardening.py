"""What a running endpoint has given up, or never begun."""

import unittest
from pathlib import Path

from tests.support.cgi import run_cgi
from tests.support.gateway import FASTCGI, GatewayTest, guance_event


class Hardening(GatewayTest):
    mode = FASTCGI

    def test_a_process_dumps_no_core_and_gains_no_rights(self):
        guance = self.gateway("guance")
        self.assert_delivered(guance.post(guance_event()))
        process = Path("/proc", str(guance.process.pid))
        self.assertIn("NoNewPrivs:\t1\n", (process / "status").read_text())
        limits = (process / "limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")

    def test_gnutls_is_not_made_ready(self):
        answer = run_cgi(
            "guance", method="GET", path_info="/healthz", environment={"GNUTLS_DEBUG_LEVEL": "9"}
        )
        self.assertIsNotNone(answer.status)
        self.assertNotIn("gnutls", answer.stderr)


if __name__ == "__main__":
    unittest.main()
