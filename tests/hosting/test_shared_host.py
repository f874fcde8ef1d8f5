"""The first minute and the bad days on a shared host: Apache, .htaccess, an account; no shell.

Nothing is configured: the uploaded folder finds its way by itself.
"""

import base64
import json
import re
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from tests.hosting import upload, world
from tests.hosting.host import HAS_SUEXEC, ChrootHost, Host
from tests.servers import test_apache
from tests.simulator import smn
from tests.support.gateway import guance_event, to_bytes
from tests.support.process import Sandbox

QUERY = f"?integration_key={world.KEY}"
JSON = {"Content-Type": "application/json"}
PASSWORD = "password-of-somebody"
SECONDS = 60
# Of an account at once: fewer than hosts allow, so that few requests are too many.
PROCESSES = 5


def setUpModule():
    """All of Apache is in a world of its own."""
    world.enter()


class FirstMinute:
    """Mixed into a TestCase that overrides start(host); one host serves all its tests."""

    number = 0
    make_host = Host

    @classmethod
    def setUpClass(cls):
        sandbox = Sandbox()
        try:
            cls.host = cls.make_host(sandbox)
            cls.start(cls.host)
        except BaseException:
            sandbox.close()
            raise
        cls.addClassCleanup(sandbox.close)
        cls.addClassCleanup(cls.host.server.stop)

    def setUp(self):
        self.world = self.host.world
        self.world.clear()

    def event(self):
        """A Guance event of an alert of its own."""
        FirstMinute.number += 1
        return guance_event(
            df_event_id=f"event-{self.number}", df_monitor_checker_event_ref=f"ref-{self.number}"
        )

    def post(self, path, value, headers=None):
        """Posts JSON."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return self.host.request("/alerts/" + path + QUERY, body, headers=headers or JSON)

    def post_signed(self, path, envelope):
        """Posts as SMN does."""
        return self.post(path, envelope, smn.headers_of(envelope))

    def assert_outcome(self, answer, status, outcome):
        """What a vendor is told."""
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.outcome, outcome)

    def test_the_page_of_the_folder_leads_to_the_endpoints(self):
        page = self.host.request("/alerts/")
        self.assertEqual(page.status, 200)
        links = set(re.findall(r'href="(\w+\.fcgi)"', page.body.decode()))
        self.assertLessEqual({"ces.fcgi", "guance.fcgi"}, links)
        for link in links:
            self.assertTrue(self.host.alerts.joinpath(link).exists())

    def test_a_browser_is_told_that_it_works(self):
        for endpoint in upload.endpoints(self.host.alerts):
            for path in (f"{endpoint}.fcgi", endpoint):
                with self.subTest(path):
                    self.assertEqual(self.host.request(f"/alerts/{path}/healthz").status, 200)
                    if endpoint in ("ces", "guance"):
                        answer = self.host.request(f"/alerts/{path}")
                        self.assertEqual(answer.status, 405, answer.body)
                        self.assertRegex(answer.message, "it works.* it has a store")

    def test_a_subscription_is_confirmed_and_a_signed_alarm_arrives(self):
        self.assert_outcome(self.post_signed("ces.fcgi", self.world.subscription()), 200, "confirmed")
        self.assertEqual(self.world.huawei.confirmed, [smn.TOPIC_URN])
        for name in ("04-classic-metric-critical-en", "05-classic-metric-critical-en-cleared"):
            answer = self.post_signed("ces", self.world.alarm(name))
            self.assert_outcome(answer, 200, "delivered")
        statuses = [event.status for event in self.world.flashduty.events]
        self.assertEqual(statuses, ["Critical", "Ok"])
        self.assertEqual(self.world.flashduty.violations, [])

    def test_the_store_appears_in_the_accounts_home(self):
        self.assert_outcome(self.post("guance", self.event()), 200, "delivered")
        store = (self.host.state / "gateway.db").stat()
        self.assertEqual(store.st_mode & 0o777, 0o600)
        self.assertEqual(store.st_uid, self.host.home.stat().st_uid)

    def test_what_is_no_endpoint_is_not_shown(self):
        for name in ("flashduty-gateway", "flashduty-gateway?status", "example.conf", ".htaccess"):
            with self.subTest(name):
                self.assertEqual(self.host.request(f"/alerts/{name}").status, 403)

    def queue(self):
        """An alarm during an outage of Flashduty."""
        self.assert_outcome(self.post("guance", self.event()), 200, "delivered")
        self.world.flashduty.answer({"do": "status", "status": 503}, times=None)
        self.assert_outcome(self.post("guance", self.event()), 202, "queued")
        self.world.flashduty.script.clear()

    def assert_sent_by(self, act, count=2):
        """Whatever waits, so many alarms are there in the end."""
        end = time.monotonic() + SECONDS
        while len(self.world.flashduty.events) < count and time.monotonic() < end:
            act()
            self.world.flashduty.wait_for_events(count, 1)
        self.assertEqual(len(self.world.flashduty.events), count)

    def test_cron_drains_after_an_outage(self):
        self.queue()
        self.assert_sent_by(lambda: self.host.command("drain"))
        done = self.host.command("drain")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_without_cron_a_monitor_drains(self):
        self.queue()
        self.assert_sent_by(lambda: self.host.request("/alerts/ces/healthz"))

    def test_programs_uploaded_without_permissions_are_told_about(self):
        self.host.copy_of_folder("as-0644").joinpath("guance.fcgi").chmod(0o644)
        answer = self.host.request("/as-0644/guance.fcgi")
        self.assertEqual(answer.status, 500)
        self.assertIn(b"755", answer.body)

    def test_the_status_page_opens_to_users_of_ones_own(self):
        folder = self.host.copy_of_folder("with-users")
        rules = folder / ".htaccess"
        text = re.sub(r"^#( *(?:</?Files|Auth|Require))", r"\1", rules.read_text(), flags=re.M)
        rules.write_text(text.replace("/home/USER", str(self.host.served_home)))
        line = subprocess.run(
            ["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True
        ).stdout
        users = self.host.home / ".htpasswd"
        users.write_text(f"somebody:{line}")
        users.chmod(0o644)
        word = base64.b64encode(f"somebody:{PASSWORD}".encode()).decode()
        for path in ("/with-users/status", "/with-users/status.fcgi"):
            self.assertEqual(self.host.request(path).status, 401)
            page = self.host.request(path, headers={"Authorization": f"Basic {word}"})
            self.assertEqual(page.status, 200, page.body)
        self.assertIn(self.host.request("/alerts/status").status, (401, 403))

    def test_names_that_end_with_cgi(self):
        folder = self.host.copy_of_folder("renamed")
        for name in upload.endpoints(folder):
            folder.joinpath(f"{name}.fcgi").rename(folder / f"{name}.cgi")
        rules = folder / ".htaccess"
        rules.write_text(rules.read_text().replace(".fcgi", ".cgi"))
        for path in ("guance.cgi", "guance"):
            answer = self.host.request(f"/renamed/{path}{QUERY}", to_bytes(self.event()), headers=JSON)
            self.assert_outcome(answer, 200, "delivered")


@unittest.skipUnless(test_apache.has_module("cgid"), "Apache with mod_cgid is not installed")
class PlainCgi(FirstMinute, unittest.TestCase):
    """A host that has CGI only."""

    @classmethod
    def start(cls, host):
        folder = host.copy_of_folder("cgi-bin")
        host.start("cgid", test_apache.cgid_socket(host), f"""
    <Directory "{folder}">
        AllowOverride None
        Options ExecCGI
        SetHandler cgi-script
    </Directory>""")  # fmt: skip

    def test_a_folder_of_programs_without_htaccess(self):
        for endpoint in upload.endpoints(self.host.alerts):
            answer = self.host.request(f"/cgi-bin/{endpoint}.fcgi/healthz")
            self.assertEqual(answer.status, 200, answer.body)
        answer = self.host.request("/cgi-bin/flashduty-gateway?status")
        self.assertEqual(answer.status, 403)
        self.assertIn(b"not for visitors", answer.body)

    @unittest.skipUnless(HAS_SUEXEC, "processes are counted a user: Apache's own would count, too")
    def test_more_at_once_than_the_account_may_have(self):
        folder = self.host.copy_of_folder("few")
        with open(folder / ".htaccess", "a", encoding="ascii") as rules:
            rules.write(f"RLimitNPROC {PROCESSES} {PROCESSES}\n")
        self.world.flashduty.answer({"do": "hang", "seconds": 2}, times=None)

        def post(event):
            return self.host.request(f"/few/guance.fcgi{QUERY}", event, headers=JSON)

        events = [to_bytes(self.event()) for _ in range(4 * PROCESSES)]
        with ThreadPoolExecutor(len(events)) as pool:
            answers = list(pool.map(post, events))
        kept = [answer for answer in answers if answer.status in (200, 202)]
        refused = [answer for answer in answers if answer not in kept]
        self.assertTrue(kept)
        self.assertTrue(refused)
        for answer in refused:
            self.assertEqual(answer.status, 500)
            self.assertIn(b"too many", answer.body)
        self.world.flashduty.script.clear()
        self.assert_sent_by(lambda: self.host.command("drain"), len(kept))


@unittest.skipUnless(test_apache.has_module("fcgid"), "Apache with mod_fcgid is not installed")
class FastCgi(FirstMinute, unittest.TestCase):
    """A host that has mod_fcgid."""

    @classmethod
    def start(cls, host):
        host.start("fcgid", test_apache.fcgid_folders(host))


@unittest.skipUnless(world.HAS_USERS, "only root may start Apache in a chroot")
@unittest.skipUnless(test_apache.has_module("cgi"), "Apache with mod_cgi is not installed")
class InChroot(FirstMinute, unittest.TestCase):
    """Apache in a chroot where nothing is but the folder, names, certificates, a line of passwd."""

    make_host = ChrootHost

    @classmethod
    def start(cls, host):
        host.start("cgi")


class Users(unittest.TestCase):
    """Whether the tests above ran as on a host."""

    @unittest.skipUnless(world.HAS_USERS, world.NO_USERS)
    def test_programs_run_by_suexec(self):
        self.assertTrue(HAS_SUEXEC, "install apache2-suexec-custom")


if __name__ == "__main__":
    unittest.main()
