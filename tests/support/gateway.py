"""A test case around the gateway: a sandbox, a Flashduty, an endpoint as CGI or as FastCGI.

Most rules hold both ways. Such tests stand in a plain class, from which two test cases are made:

    class Rules: def test_…(self): self.gateway("guance").post(guance_event())
    class RulesOfCgi(Rules, GatewayTest): mode = CGI
    class RulesOfFastCgi(Rules, GatewayTest): mode = FASTCGI
"""

import json
import os
import pwd
import threading
import unittest
from pathlib import Path

from tests.simulator import smn
from tests.simulator.flashduty import Flashduty
from tests.support import fastcgi, logfmt, paths, settings
from tests.support.cgi import run_cgi
from tests.support.process import Sandbox

CGI, FASTCGI = "cgi", "fastcgi"
PUSH_KEYS = {"ces": settings.CES_PUSH_KEY, "guance": settings.GUANCE_PUSH_KEY}
FLASHDUTY_KEYS = {"ces": settings.CES_FLASHDUTY_KEY, "guance": settings.GUANCE_FLASHDUTY_KEY}
PLACES = (
    Path("/etc/flashduty-gateway/gateway.conf"),
    Path(pwd.getpwuid(os.geteuid()).pw_dir, ".config/flashduty-gateway/gateway.conf"),
)


def guance_event(**changes):
    """A Guance event, with other members where given (None removes one)."""
    event = {
        "timestamp": 1795485600,
        "df_status": "critical",
        "df_event_id": "event-00000000000000000000000000000001",
        "df_title": "CPU of host-1 above 90 %",
        "df_dimension_tags": '{"host":"host-1"}',
        "df_monitor_checker_id": "rul_0000000000000001",
        "df_monitor_checker_event_ref": "00000000000000000000000000000001",
        "df_message": "CPU is at 97 %",
        **changes,
    }
    return {name: value for name, value in event.items() if value is not None}


def to_bytes(value):
    """A body: bytes as they are, all else as JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def query_of(vendor):
    """The query string with the push key that tests.support.settings gives a vendor."""
    return f"integration_key={PUSH_KEYS[vendor]}"


class _Gateway:
    """What both ways have in common; `vendor`, `log` and request() come from them."""

    def post(self, value, **request):
        """Posts JSON, or bytes as they are, with the vendor's push key unless told otherwise."""
        return self.request(to_bytes(value), **{"query": query_of(self.vendor), **request})

    @property
    def records(self):
        """Its log so far."""
        return logfmt.parse(self.log)

    @property
    def requests(self):
        """The one record of each request so far."""
        return [record for record in self.records if record["msg"] == "request"]

    def reasons(self):
        """What its log gives as reasons, in one text."""
        return "\n".join(record.get("reason", "") for record in self.records)


class CgiGateway(_Gateway):
    """Each request is a process; the log is what all of them wrote."""

    def __init__(self, vendor, config=None, environment=None):
        self.vendor = vendor
        self.config = config
        self.environment = environment
        self.log = ""
        self._lock = threading.Lock()

    def request(self, body=b"", **request):
        """One request; `request` is what run_cgi() takes."""
        answer = run_cgi(
            self.vendor, body, config=self.config, environment=self.environment, **request
        )
        with self._lock:
            self.log += answer.stderr
        return answer


class FastCgiGateway(_Gateway, fastcgi.Endpoint):
    """One process for all requests."""

    # What spawn-fcgi gives; a connection beyond it fails at once.
    BACKLOG = 1024

    def __init__(self, sandbox, vendor, number, config=None, environment=None, program=None):
        program = program or paths.endpoint(vendor)
        super().__init__(
            sandbox, f"{vendor}-{number}", config, environment, program, self.BACKLOG
        )
        self.vendor = vendor


class GatewayTest(unittest.TestCase):
    """A test case with a sandbox and a Flashduty of its own."""

    mode = FASTCGI
    flashduty_keys = tuple(FLASHDUTY_KEYS.values())

    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.flashduty = self.sandbox.enter(Flashduty(keys=self.flashduty_keys))
        self.started = 0

    @property
    def keys(self):
        """The SMN simulator's."""
        return smn.shared_keys()

    def configure(self, **changes):
        """A file with an integration of each vendor, changed where given (None removes)."""
        self.started += 1
        values = {**settings.settings(self.flashduty.push_url), **changes}
        values = {name: value for name, value in values.items() if value is not None}
        path = self.sandbox.folder / f"gateway-{self.started}.conf"
        return settings.write_config(path, values)

    def start(self, vendor, config=None, environment=None, program=None):
        """A gateway with any configuration. program: what starts the endpoint under FastCGI."""
        if self.mode == CGI:
            return CgiGateway(vendor, config, environment)
        self.started += 1
        return FastCgiGateway(self.sandbox, vendor, self.started, config, environment, program)

    def gateway(self, vendor="guance", environment=None, program=None, **changes):
        """A gateway with the usual configuration, changed where given."""
        return self.start(vendor, self.configure(**changes), environment, program)

    def start_without_configuration(self, vendor, **environment):
        """A gateway on a host that nobody has configured."""
        for path in PLACES:
            if path.exists():
                self.skipTest(f"{path} exists")
        variables = {"FLASHDUTY_GATEWAY_FLASHDUTY_URL": self.flashduty.push_url, **environment}
        return self.start(vendor, environment=variables)

    def assert_delivered(self, answer, count=1):
        """Answered as delivered, and that many correct events have arrived."""
        self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertEqual(len(self.flashduty.events), count)
        self.assertEqual(self.flashduty.violations, [])

    def assert_refused(self, answer, status, *words):
        """Answered with this status and these words, and Flashduty was not asked."""
        self.assert_error(answer, status, *words)
        self.assertEqual(self.flashduty.requests, [])

    def assert_error(self, answer, status, *words):
        """Answered with this status and these words."""
        self.assertEqual(answer.status, status, answer.body)
        for word in words:
            self.assertIn(word, answer.message)
