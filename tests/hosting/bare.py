"""A host as bare as can be: a chroot with a resolver's files, certificates and the uploaded folder.

The programs run in it as plain CGI, with the environment that suEXEC leaves: the request's.
"""

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
UID = 7001 if world.HAS_USERS else 0
STATE = "home/.local/state/flashduty-gateway"


class BareHostTest(unittest.TestCase):
    """A bare host a test."""

    number = 0

    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.world = world.World(self.sandbox)
        self.root = self.sandbox.folder / "root"
        self.root.joinpath("etc", "ssl").mkdir(parents=True)
        shutil.copy(self.world.hosts, self.root / "etc")
        shutil.copy(self.world.resolv_conf, self.root / "etc")
        shutil.copytree(self.world.certificates, self.root / "etc/ssl/certs", symlinks=True)
        self.alerts = upload.unpack(self.root, UID)

    def make_home(self):
        """Gives the user a home that may be written."""
        self.root.joinpath("etc/passwd").write_text(f"account:x:{UID}:{UID}::/home:/bin/sh\n")
        home = self.root / "home"
        home.mkdir()
        os.chown(home, UID, UID)
        return home

    def become_account(self):
        """In the child, before it becomes the program."""
        os.chroot(self.root)
        os.chdir("/alerts")
        if world.HAS_USERS:
            os.setgroups([])
            os.setgid(UID)
            os.setuid(UID)

    def execute(self, argv, environment, body=b"", prepare=lambda: None):
        """Runs a program in there; prepare() is called in the child."""

        def enter():
            self.become_account()
            prepare()

        done = subprocess.run(
            argv, input=body, env=environment, preexec_fn=enter,
            capture_output=True, timeout=90, check=False,
        )  # fmt: skip
        refuse_findings(done.stderr.decode(), argv[0])
        return done

    def request(self, endpoint, body=b"", environment=None, prepare=lambda: None, **request):
        """A request to an endpoint."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        values = {**variables(content_length=len(body), **request), **(environment or {})}
        done = self.execute([f"/alerts/{endpoint}.fcgi"], values, body, prepare)
        return parse_cgi(done.stdout, stderr=done.stderr.decode())

    def post(self, endpoint, body, **more):
        """An alarm."""
        return self.request(endpoint, body, query=QUERY, **more)

    def event(self):
        """A Guance event of an alert of its own."""
        BareHostTest.number += 1
        return guance_event(
            df_event_id=f"event-{self.number}", df_monitor_checker_event_ref=f"ref-{self.number}"
        )

    def post_event(self, **more):
        """Such an event to its endpoint."""
        return self.post("guance", self.event(), **more)

    def assert_outcome(self, answer, status, outcome):
        """What the vendor is told."""
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.outcome, outcome)

    def drain(self, prepare=lambda: None):
        """What cron runs."""
        environment = {"PATH": "/usr/bin:/bin"}
        return self.execute(["/alerts/flashduty-gateway", "drain"], environment, b"", prepare)

    def wait_for_cron(self, count):
        """Cron, every second instead of every minute, until so many events have arrived."""
        for _ in range(60):
            done = self.drain()
            if len(self.world.flashduty.events) == count:
                return done
            self.world.flashduty.wait_for_events(count, 1)
        self.fail(done.stderr.decode())
        return done
