"""What tests do with the package on a machine of its own."""

import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

from tests.packaging import machine
from tests.packaging.packages import PACKAGE
from tests.packaging.trees import ENDPOINTS
from tests.support.cgi import variables
from tests.support.fastcgi import Connection, whole_request
from tests.support.gateway import guance_event, to_bytes
from tests.support.process import Sandbox

USER = ("setpriv", f"--reuid={PACKAGE}", f"--regid={PACKAGE}", "--clear-groups", PACKAGE)
CONFIG = "/etc/flashduty-gateway/gateway.conf"
STATE = "/var/lib/flashduty-gateway"
STORE = f"{STATE}/gateway.db"
# As debian/tests/alarm has it.
KEY = "push-key-of-the-package-test"
FLASHDUTY_PORT = 9000
FLASHDUTY_URL = f"http://127.0.0.1:{FLASHDUTY_PORT}/event/push/alert/standard"


def end_group(process):
    """Ends what is run by nsenter, which passes no signal on."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    process.stop()


@unittest.skipIf(machine.missing(), f"no machine can be started here without {machine.missing()}")
class Life(unittest.TestCase):
    """A machine, and what is done on it."""

    @staticmethod
    def packages():
        """The packages that can be installed there."""
        raise NotImplementedError

    def setUp(self):
        folder = Path(tempfile.mkdtemp(prefix="packages-"))
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        self.files = {path.name.split("_")[1]: path.name for path in self.packages()}
        for path in self.packages():
            shutil.copy(path, folder)
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.machine = machine.Machine(self.sandbox, folder)
        self.started = 0

    def apt(self, *words):
        """apt-get, which must ask for nothing."""
        return self.machine.run("apt-get", "-y", "--no-install-recommends", *words)

    def install(self, version):
        """Installs a version as a person does."""
        self.apt("install", f"{machine.PACKAGES}/{self.files[version]}")
        self.assertEqual(self.installed(), version)

    def installed(self):
        """The version that is installed, empty if none is."""
        done = self.machine.call("dpkg-query", "-W", "-f", "${Version}", PACKAGE)
        return done.stdout if done.returncode == 0 else ""

    def post(self, number, **changes):
        """Posts an event of an alert of its own to the service's socket."""
        names = {"df_event_id": f"event-{number}", "df_monitor_checker_event_ref": f"ref-{number}"}
        body = to_bytes(guance_event(**{**names, **changes}))
        values = variables(query=f"integration_key={KEY}", content_length=len(body))
        with Connection(self.machine.path("/run/flashduty-gateway/guance.socket")) as connection:
            connection.send(whole_request(values, body))
            return connection.answer()

    def units(self, *words):
        """What systemctl says of each endpoint's socket and service, and of the timer."""
        names = [f"{PACKAGE}-{name}.{kind}" for name in ENDPOINTS for kind in ("socket", "service")]
        names.append(f"{PACKAGE}-drain.timer")
        return self.machine.call("systemctl", *words, *names).stdout.split()

    def check_running(self):
        """Every unit runs, and will after the next boot."""
        self.assertEqual(set(self.units("is-active")), {"active"})
        self.assertEqual(set(self.units("is-enabled")), {"enabled"})

    def main_pid(self, name):
        """The process of an endpoint."""
        return self.machine.run("systemctl", "show", "-P", "MainPID", f"{PACKAGE}-{name}.service").strip()

    def start_flashduty(self):
        """A simulated Flashduty on the machine."""
        words = ("python3", "-B", "-m", "tests.simulator.flashduty", "--port", str(FLASHDUTY_PORT), "--print")
        self.started += 1
        simulator = self.sandbox.start(self.machine.command(*words), name=f"flashduty-{self.started}")
        self.sandbox.defer(lambda: end_group(simulator))
        return simulator

    def status(self):
        """What `status --audit` says."""
        return self.machine.run(*USER, "status", "--audit")
