"""The uploaded folder in a chroot with a resolver's files and certificates: nothing else is there."""

import json
import os
import shutil
import subprocess
import unittest

from tests.hosting import upload, world
from tests.support.answer import parse_cgi
from tests.support.cgi import variables
from tests.support.gateway import guance_event
from tests.support.process import Sandbox, refuse_findings

QUERY = f"integration_key={world.KEY}"


def setUpModule():
    """Every test is in a world of its own."""
    world.enter()


class Chroot(unittest.TestCase):
    """Plain CGI, with the environment that suEXEC leaves: the request's."""

    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.world = world.World(self.sandbox)
        self.root = self.sandbox.folder / "root"
        self.root.joinpath("etc", "ssl").mkdir(parents=True)
        shutil.copy(self.world.hosts, self.root / "etc")
        shutil.copy(self.world.resolv_conf, self.root / "etc")
        shutil.copytree(self.world.certificates, self.root / "etc/ssl/certs", symlinks=True)
        self.alerts = upload.unpack(self.root)

    def enter_root(self):
        """In the child, before it becomes the program."""
        os.chroot(self.root)
        os.chdir("/alerts")

    def execute(self, argv, environment, body=b""):
        """Runs a program in there."""
        done = subprocess.run(
            argv, input=body, env=environment, preexec_fn=self.enter_root,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        refuse_findings(done.stderr.decode(), argv[0])
        return done

    def request(self, endpoint, body=b"", environment=None, **request):
        """A request to an endpoint."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        values = variables(content_length=len(body), **request)
        done = self.execute([f"/alerts/{endpoint}.fcgi"], {**values, **(environment or {})}, body)
        return parse_cgi(done.stdout, stderr=done.stderr.decode())

    def post(self, endpoint, body, **more):
        """An alarm."""
        return self.request(endpoint, body, query=QUERY, **more)

    def drain(self):
        """What cron runs."""
        return self.execute(["/alerts/flashduty-gateway", "drain"], {"PATH": "/usr/bin:/bin"})

    def make_home(self):
        """A user with a home that may be written."""
        self.root.joinpath("etc/passwd").write_text(f"host:x:{os.geteuid()}:0::/home:/bin/sh\n")
        self.root.joinpath("home").mkdir()

    def test_a_browser_is_told_that_it_works(self):
        for endpoint in upload.endpoints(self.alerts):
            with self.subTest(endpoint):
                answer = self.request(endpoint, method="GET")
                if endpoint in ("ces", "guance"):
                    self.assertEqual(answer.status, 405, answer.body)
                    self.assertIn("it works", answer.message)
                    self.assertIn("no store", answer.message)
                health = self.request(endpoint, method="GET", path_info="/healthz")
                self.assertEqual(health.status, 200, health.body)

    def test_an_alarm_arrives_without_a_store(self):
        answer = self.post("guance", guance_event())
        self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertEqual(len(self.world.flashduty.events), 1)
        self.assertEqual(self.world.flashduty.violations, [])
        self.assertGreater(self.world.name_server.asked, 0)

    def test_a_subscription_is_confirmed_and_a_signed_alarm_arrives(self):
        self.make_home()
        answer = self.post("ces", self.world.subscription())
        self.assertEqual((answer.status, answer.outcome), (200, "confirmed"), answer.body)
        self.assertEqual(len(self.world.huawei.confirmed), 1)
        answer = self.post("ces", self.world.alarm())
        self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertEqual(self.world.flashduty.events[0].status, "Critical")

    def test_a_forged_alarm_is_refused(self):
        self.make_home()
        self.post("ces", self.world.alarm())
        answer = self.post("ces", {**self.world.alarm(), "subject": "forged"})
        self.assertEqual(answer.status, 403, answer.body)

    def test_cron_delivers_after_an_outage(self):
        self.make_home()
        self.assertEqual(self.post("guance", guance_event()).outcome, "delivered")
        store = self.root / "home/.local/state/flashduty-gateway/gateway.db"
        self.assertEqual(store.stat().st_mode & 0o777, 0o600)
        self.world.flashduty.answer({"do": "status", "status": 503}, times=None)
        second = guance_event(df_event_id="event-2", df_monitor_checker_event_ref="ref-2")
        answer = self.post("guance", second)
        self.assertEqual((answer.status, answer.outcome), (202, "queued"), answer.body)
        self.world.flashduty.script.clear()
        self.wait_for_cron(2)

    def wait_for_cron(self, count):
        """Cron every second: what has failed is not due at once."""
        for _ in range(60):
            done = self.drain()
            if len(self.world.flashduty.events) == count:
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
                return
            self.world.flashduty.wait_for_events(count, 1)
        self.fail(done.stderr.decode())

    def test_without_certificates_the_answer_and_the_log_say_what_to_do(self):
        shutil.rmtree(self.root / "etc/ssl")
        answer = self.post("guance", guance_event())
        self.assertEqual(answer.status, 503, answer.body)
        for text in (answer.message, answer.stderr):
            self.assertIn("CA certificates: none", text)
            self.assertIn("set ca_file", text)

    def test_certificates_of_ones_own(self):
        shutil.rmtree(self.root / "etc/ssl")
        shutil.copy(self.world.keys.ca_certificate, self.alerts / "cacert.pem")
        given = {"FLASHDUTY_GATEWAY_CA_FILE": "/alerts/cacert.pem"}
        answer = self.post("guance", guance_event(), environment=given)
        self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)

    def test_a_bundle_where_other_systems_have_it(self):
        shutil.rmtree(self.root / "etc/ssl")
        self.root.joinpath("etc/pki/tls/certs").mkdir(parents=True)
        shutil.copy(self.world.keys.ca_certificate,
                    self.root / "etc/pki/tls/certs/ca-bundle.crt")  # fmt: skip
        answer = self.post("guance", guance_event())
        self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)

    def test_the_command_line_runs(self):
        done = self.execute(["/alerts/flashduty-gateway", "check"], {})
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
