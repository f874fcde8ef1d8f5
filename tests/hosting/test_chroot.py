"""The uploaded folder in a chroot with a resolver's files and certificates: nothing else is there."""

import shutil
import unittest

from tests.hosting import upload, world
from tests.hosting.bare import STATE, BareHostTest


def setUpModule():
    """Every test is in a world of its own."""
    world.enter()


class Chroot(BareHostTest):
    """No user, no home, no device, no /proc but where a test says so."""

    def test_a_browser_is_told_that_it_works(self):
        for endpoint in upload.endpoints(self.alerts):
            with self.subTest(endpoint):
                health = self.request(endpoint, method="GET", path_info="/healthz")
                self.assertEqual(health.status, 200, health.body)
                if endpoint in ("ces", "guance"):
                    answer = self.request(endpoint, method="GET")
                    self.assertEqual(answer.status, 405, answer.body)
                    self.assertRegex(answer.message, "it works.* it has no store")

    def test_an_alarm_arrives_without_a_store(self):
        self.assert_outcome(self.post_event(), 200, "delivered")
        self.assertEqual(len(self.world.flashduty.events), 1)
        self.assertEqual(self.world.flashduty.violations, [])
        self.assertGreater(self.world.name_server.asked, 0)

    def test_a_subscription_is_confirmed_and_a_signed_alarm_arrives(self):
        self.make_home()
        self.assert_outcome(self.post("ces", self.world.subscription()), 200, "confirmed")
        self.assertEqual(len(self.world.huawei.confirmed), 1)
        self.assert_outcome(self.post("ces", self.world.alarm()), 200, "delivered")
        self.assertEqual(self.world.flashduty.events[0].status, "Critical")

    def test_a_forged_alarm_is_refused(self):
        self.make_home()
        self.assert_outcome(self.post("ces", self.world.alarm()), 200, "delivered")
        answer = self.post("ces", {**self.world.alarm(), "subject": "forged"})
        self.assertEqual(answer.status, 403, answer.body)

    def test_cron_delivers_after_an_outage(self):
        self.make_home()
        self.assert_outcome(self.post_event(), 200, "delivered")
        self.assertEqual((self.root / STATE / "gateway.db").stat().st_mode & 0o777, 0o600)
        self.world.flashduty.answer({"do": "status", "status": 503}, times=None)
        self.assert_outcome(self.post_event(), 202, "queued")
        self.world.flashduty.script.clear()
        done = self.wait_for_cron(2)
        self.assertEqual((done.stdout, done.stderr), (b"", b""))

    def test_without_certificates_the_answer_and_the_log_say_what_to_do(self):
        shutil.rmtree(self.root / "etc/ssl")
        answer = self.post_event()
        self.assertEqual(answer.status, 503, answer.body)
        for text in (answer.message, answer.stderr):
            self.assertIn("CA certificates: none", text)
            self.assertIn("set ca_file to a copy of https://curl.se/ca/cacert.pem", text)

    def test_certificates_of_ones_own(self):
        shutil.rmtree(self.root / "etc/ssl")
        shutil.copy(self.world.keys.ca_certificate, self.alerts / "cacert.pem")
        given = {"FLASHDUTY_GATEWAY_CA_FILE": "/alerts/cacert.pem"}
        self.assert_outcome(self.post_event(environment=given), 200, "delivered")

    def test_a_bundle_where_other_systems_have_it(self):
        shutil.rmtree(self.root / "etc/ssl")
        bundle = self.root / "etc/pki/tls/certs/ca-bundle.crt"
        bundle.parent.mkdir(parents=True)
        shutil.copy(self.world.keys.ca_certificate, bundle)
        self.assert_outcome(self.post_event(), 200, "delivered")

    def test_what_the_host_has_of_openssl_is_left_alone(self):
        configuration = self.root / "usr/lib/ssl/openssl.cnf"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(
            "config_diagnostics = 1\nopenssl_conf = all\n[all]\nproviders = them\n"
            "[them]\nnonsense = it\n[it]\nmodule = /nonsense.so\nactivate = 1\n"
        )
        self.assert_outcome(self.post_event(), 200, "delivered")

    def test_the_command_line_runs(self):
        done = self.execute(["/alerts/flashduty-gateway", "check"], {})
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
