"""flashduty-gateway as a person uses it: words, output, exit status."""

import json
import os
import re
import subprocess
import unittest

from tests.simulator import smn
from tests.simulator.flashduty import Flashduty
from tests.support import paths, settings
from tests.support.cgi import program_environment
from tests.support.fastcgi import Endpoint
from tests.support.front import Front
from tests.support.process import Sandbox, refuse_findings

DONE, NO, USAGE, NOT_FOUND, NETWORK = 0, 1, 2, 4, 5
GENUINE = paths.ROOT / "tests/fixtures/ces/genuine-notification/request.json"
GUANCE = paths.ROOT / "tests/fixtures/guance/01-critical-threshold/request.json"


class CommandLine(unittest.TestCase):
    """A sandbox, and the program run in it."""

    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)

    def run_it(self, *words, config=None, data=b"", environment=None):
        """Runs a command; standard output and error as text."""
        done = subprocess.run(
            [paths.command_line(), *map(os.fspath, words)],
            input=data,
            env=program_environment(config, environment),
            capture_output=True,
            timeout=60,
            check=False,
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        refuse_findings(done.stderr, words)
        return done

    def config(self, **changes):
        """A configuration with one integration of each vendor."""
        values = settings.settings("http://127.0.0.1:9/event/push/alert/standard", **changes)
        return settings.write_config(self.box.folder / "gateway.conf", values)


class Everywhere(CommandLine):
    COMMANDS = (
        "check", "map", "verify", "send", "new-integration",
        "alert", "outbox", "drain", "confirm", "status",
    )

    def test_a_visitor_of_a_web_server_starts_nothing(self):
        for words in ((), ("check",), ("status",)):
            with self.subTest(words):
                done = self.run_it(*words, environment={"GATEWAY_INTERFACE": "CGI/1.1"})
                self.assertEqual((done.returncode, done.stderr), (NO, ""))
                self.assertTrue(done.stdout.startswith("Status: 403 Forbidden\r\n"), done.stdout)

    def test_help_names_every_command(self):
        done = self.run_it("--help")
        self.assertEqual(done.returncode, DONE)
        for command in self.COMMANDS:
            self.assertIn(f"  {command} ", done.stdout)

    def test_every_command_has_help_of_its_own(self):
        for command in self.COMMANDS:
            done = self.run_it(command, "--help")
            self.assertEqual(done.returncode, DONE)
            self.assertTrue(done.stdout.startswith(f"Usage: flashduty-gateway {command} "))

    def test_the_version_is_that_of_the_release(self):
        done = self.run_it("--version")
        version = (paths.ROOT / "VERSION").read_text().strip()
        self.assertEqual(done.stdout, f"flashduty-gateway {version}\n")

    def test_wrong_usage_ends_with_2_and_says_why(self):
        for words in (
            (),
            ("nonsense",),
            ("check", "a", "b"),
            ("check", "--nonsense"),
            ("check", "-x"),
            ("check", "-o"),
            ("check", "-o", "yaml"),
            ("map",),
            ("send",),
            ("send", "ces"),
            ("send", "ces", "--url"),
            ("send", "ces", "--url", "ftp://x"),
            ("send", "aws", "--url", "http://127.0.0.1/"),
            ("send", "ces", "--url", "http://127.0.0.1:9/", "--status", "nodata"),
            ("send", "guance", "--url", "http://127.0.0.1:9/", "--sign-key", "k"),
            ("new-integration", "ces"),
            ("new-integration", "aws", "x"),
            ("new-integration", "ces", "a b"),
            ("new-integration", "ces", "x", "--url", "http://h/"),
            ("new-integration", "ces", "x", "--url", 'https://h/"'),
        ):
            with self.subTest(words=words):
                done = self.run_it(*words)
                self.assertEqual(done.returncode, USAGE)
                if words:
                    self.assertEqual(done.stdout, "")
                    self.assertNotEqual(done.stderr, "")

    def test_output_that_cannot_be_written_is_no_success(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([paths.command_line(), "--help"], stdout=full, check=False,
                                  stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, NO)


# There is no section `watchdog`.
WATCHDOG = (
    "watchdog: what is wrong with the gateway itself is paged to each integration's default "
    "destination: a section watchdog names another\n"
)


class Check(CommandLine):
    def test_a_valid_file(self):
        path = self.config()
        done = self.run_it("check", path)
        self.assertEqual((done.returncode, done.stdout), (DONE, f"{path}: valid, 2 integrations\n{WATCHDOG}"))
        self.assertIn("warning: ", done.stderr)
        self.assertIn("topic_urn", done.stderr)

    def test_the_file_of_the_environment(self):
        path = self.config()
        done = self.run_it("check", config=path)
        self.assertIn(str(path), done.stdout)

    def test_every_error_has_its_line(self):
        path = settings.write_config(
            self.box.folder / "gateway.conf", "pass_through = true\nworkers = 0\nnonsense = 1\n"
        )
        done = self.run_it("check", path)
        self.assertEqual((done.returncode, done.stdout), (NO, ""))
        self.assertIn(f"{path}:2: workers", done.stderr)
        self.assertIn(f"{path}:3: nonsense", done.stderr)

    def test_a_missing_file(self):
        self.assertEqual(self.run_it("check", "/no/such/file").returncode, NOT_FOUND)

    def test_json(self):
        path = settings.write_config(self.box.folder / "gateway.conf", "workers = 0\n")
        done = self.run_it("check", path, "-o", "json")
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, NO)
        self.assertFalse(report["valid"])
        self.assertTrue(any(f"{path}:1: workers" in line for line in report["errors"]))


class Map(CommandLine):
    def test_a_payload_becomes_an_event(self):
        for vendor, path in (("ces", GENUINE), ("guance", GUANCE)):
            done = self.run_it("map", vendor, path)
            expected = json.loads((path.parent / "expected.json").read_text())
            self.assertEqual((done.returncode, [json.loads(done.stdout)]), (DONE, expected))

    def test_a_line_an_event(self):
        path = paths.ROOT / "tests/fixtures/guance/42-aggregated-array/request.json"
        lines = self.run_it("map", "guance", path, "-o", "json").stdout.splitlines()
        self.assertEqual([json.loads(line) for line in lines],
                         json.loads((path.parent / "expected.json").read_text()))

    def test_from_standard_input(self):
        for words in (("map", "guance"), ("map", "guance", "-")):
            done = self.run_it(*words, data=GUANCE.read_bytes())
            self.assertEqual(json.loads(done.stdout)["event_status"], "Critical")

    def test_an_integration_adds_its_own(self):
        integration = settings.guance_integration(
            severity=["Critical=Info"], labels=["team=payments", "host=web"]
        )
        path = self.config(integrations=[integration])
        event = json.loads(self.run_it("map", "prod-guance", GUANCE, config=path).stdout)
        self.assertEqual(event["event_status"], "Info")
        self.assertEqual(event["labels"]["team"], "payments")
        self.assertEqual(event["labels"]["host"], "web")

    def test_what_is_no_payload(self):
        done = self.run_it("map", "guance", data=b"{}")
        self.assertEqual((done.returncode, done.stdout), (NO, ""))
        self.assertIn("Guance event", done.stderr)

    def test_what_becomes_no_alert(self):
        done = self.run_it("map", "guance", data=b'{"df_title":"test"}')
        self.assertEqual((done.returncode, done.stdout), (DONE, ""))
        self.assertIn("ignored", done.stderr)

    def test_what_is_not_there(self):
        self.assertEqual(self.run_it("map", "guance", "/no/such/file").returncode, NOT_FOUND)
        path = self.config()
        self.assertEqual(self.run_it("map", "no-such", GUANCE, config=path).returncode, NOT_FOUND)


class Verify(CommandLine):
    def test_the_genuine_message(self):
        done = self.run_it("verify", GENUINE)
        self.assertEqual(done.returncode, DONE)
        self.assertIn("SMN_cn-north-4_b98100ca131b4116ab8ee7ccedbaae99.pem", done.stdout)

    def test_a_changed_message_and_what_would_be_signed(self):
        changed = GENUINE.read_bytes().replace(b"6.00 count", b"7.00 count")
        done = self.run_it("verify", data=changed)
        self.assertEqual(done.returncode, NO)
        self.assertIn("does not fit", done.stdout)
        self.assertIn("\ntimestamp\n2025-06-02T14:56:17Z\ntopic_urn\n", done.stdout)

    def test_a_configured_certificate(self):
        keys = smn.shared_keys()
        path = self.config(smn=settings.trusting(keys))
        data = json.dumps(keys.sign(smn.notification("hello"))).encode()
        done = self.run_it("verify", "-o", "json", config=path, data=data)
        record = json.loads(done.stdout)
        self.assertEqual((done.returncode, record["genuine"]), (DONE, True))
        self.assertEqual(record["certificate"], keys.signing_certificate.name)
        self.assertEqual(self.run_it("verify", data=data).returncode, NO)

    def test_what_is_no_message(self):
        self.assertEqual(self.run_it("verify", data=b"{}").returncode, NO)
        self.assertEqual(self.run_it("verify", data=b"nonsense").returncode, NO)
        self.assertEqual(self.run_it("verify", "/no/such/file").returncode, NOT_FOUND)


class NewIntegration(CommandLine):
    def test_the_section_can_be_used_as_it_is(self):
        for vendor in ("ces", "guance"):
            done = self.run_it("new-integration", vendor, "mine")
            text = "integrations = (\n" + done.stdout.replace('= ""', '= "abc"') + ");\n"
            path = settings.write_config(self.box.folder / f"{vendor}.conf", text)
            self.assertEqual(self.run_it("check", path).returncode, DONE)
            self.assertRegex(
                done.stderr,
                rf"\nhttps://HOST/cgi-bin/{vendor}\.fcgi\?integration_key=[0-9a-f]{{32}}\n$",
            )

    def test_every_key_is_fresh(self):
        keys = {
            json.loads(self.run_it("new-integration", "ces", "x", "-o", "json").stdout)["push_key"]
            for _ in range(5)
        }
        self.assertEqual(len(keys), 5)

    def test_the_url_is_the_given_one(self):
        words = ("new-integration", "ces", "x", "--url", "https://gw.example.com/ces", "-o", "json")
        record = json.loads(self.run_it(*words).stdout)
        self.assertEqual(record["push_url"],
                         f"https://gw.example.com/ces?integration_key={record['push_key']}")


class Send(CommandLine):
    """The command posts over HTTP, so a web server of the test's own stands before the endpoint."""

    def setUp(self):
        super().setUp()
        self.flashduty = self.box.enter(Flashduty())
        self.keys = smn.shared_keys()

    def serve(self, vendor):
        config = settings.write_config(
            self.box.folder / "gateway.conf",
            settings.settings(self.flashduty.push_url, smn=settings.trusting(self.keys)),
        )
        endpoint = Endpoint(self.box, vendor, config)
        front = self.box.enter(Front(endpoint))
        key = settings.CES_PUSH_KEY if vendor == "ces" else settings.GUANCE_PUSH_KEY
        return f"http://127.0.0.1:{front.port}/{vendor}?integration_key={key}"

    def test_every_status_arrives_with_its_severity_on_one_alert(self):
        expected = {
            "ces": {"critical": "Critical", "major": "Critical", "minor": "Warning",
                    "info": "Info", "ok": "Ok"},
            "guance": {"critical": "Critical", "error": "Warning", "warning": "Warning",
                       "info": "Info", "nodata": "Info", "ok": "Ok"},
        }
        for vendor, statuses in expected.items():
            url = self.serve(vendor)
            words = ["send", vendor, "--url", url]
            if vendor == "ces":
                words += ["--sign-key", self.keys.signing_key]
            keys = set()
            for status, severity in statuses.items():
                done = self.run_it(*words, "--status", status)
                self.assertEqual(done.returncode, DONE, done.stderr)
                self.assertEqual(json.loads(done.stdout)["data"]["outcome"], "delivered")
                event = self.flashduty.events[-1]
                self.assertEqual(event.status, severity)
                keys.add(event.alert_key)
            self.assertEqual(len(keys), 1)
        self.assertEqual(self.flashduty.violations, [])

    def test_an_answer_that_is_no_success(self):
        url = self.serve("ces")
        done = self.run_it("send", "ces", "--url", url)
        self.assertEqual(done.returncode, NO)
        self.assertIn("403", done.stderr)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "AccessDenied")

    def test_no_answer(self):
        done = self.run_it("send", "guance", "--url", "http://127.0.0.1:9/x")
        self.assertEqual((done.returncode, done.stdout), (NETWORK, ""))
        self.assertTrue(re.search("connect", done.stderr))

    def test_a_key_that_does_not_sign(self):
        done = self.run_it("send", "ces", "--url", "http://127.0.0.1:9/", "--sign-key", "/no/key")
        self.assertEqual(done.returncode, NOT_FOUND)


if __name__ == "__main__":
    unittest.main()
