"""`make deb`: the package is without a fault, and lives through its life on a machine of its own."""

import os
import re
import shutil
import signal
import tempfile
import threading
import unittest
from pathlib import Path

from tests.endpoints.test_readme import blocks
from tests.packaging import machine
from tests.packaging.trees import ENDPOINTS, VERSION, copy_of_tree, make, run
from tests.support import paths
from tests.support.cgi import variables
from tests.support.fastcgi import Connection, whole_request
from tests.support.gateway import guance_event, to_bytes
from tests.support.process import Sandbox, wait_until

PACKAGE = "flashduty-gateway"
OLDER = "0.0.9"
USER = ("setpriv", f"--reuid={PACKAGE}", f"--regid={PACKAGE}", "--clear-groups", PACKAGE)
CONFIG = "/etc/flashduty-gateway/gateway.conf"
STORE = "/var/lib/flashduty-gateway/gateway.db"
KEY = "push-key-of-the-upgrade"
FLASHDUTY_PORT = 9000
FLASHDUTY_URL = f"http://127.0.0.1:{FLASHDUTY_PORT}/event/push/alert/standard"
SETTINGS = f"""
flashduty_url = "{FLASHDUTY_URL}"
rate_per_second = 0
rate_per_minute = 0
integrations = ( {{ name = "test" vendor = "guance" push_key = "{KEY}" flashduty_key = "key" }} )
"""
WAITING = 300
# Lines of the README that need a network.
ELSEWHERE = ("sudo apt install", "sudo certbot")
SUDO = """
sudo() {
    if [ "$1" = -u ]; then
        user=$2
        shift 2
        setpriv --reuid="$user" --regid="$user" --init-groups "$@"
    else
        "$@"
    fi
}
"""


def older(package, folder):
    """The same package as an older version."""
    tree = folder / "older"
    run(["dpkg-deb", "--raw-extract", package, tree])
    control = tree / "DEBIAN/control"
    text = control.read_text(encoding="utf-8")
    control.write_text(text.replace(f"\nVersion: {VERSION}\n", f"\nVersion: {OLDER}\n"), "utf-8")
    target = folder / package.name.replace(f"_{VERSION}_", f"_{OLDER}_")
    run(["dpkg-deb", "--root-owner-group", "--build", tree, target])
    return target


def end_group(process):
    """Ends what is run by nsenter, which passes no signal on."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    process.stop()


def setUpModule():
    """Builds the package once, from a tree of its own."""
    folder = Path(tempfile.mkdtemp(prefix="deb-"))
    folder.chmod(0o755)
    unittest.addModuleCleanup(shutil.rmtree, folder)
    tree = copy_of_tree(folder / "tree")
    # The unit tests are run by tests/run.py anyway.
    make("deb", folder=tree, DEB_BUILD_OPTIONS="nocheck parallel=2")
    Deb.folder = folder
    Deb.built = tree / "build"
    Deb.package = next(Deb.built.glob(f"{PACKAGE}_{VERSION}_*.deb"))


class Deb(unittest.TestCase):
    """The package that was built."""

    folder = built = package = None


class Contents(Deb):
    """What can be seen without installing it."""

    def test_lintian_finds_nothing(self):
        changes = next(self.built.glob("*.changes"))
        said = run(["lintian", "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", changes], TMPDIR=str(self.folder))
        self.assertNotRegex(said, r"(?m)^[EW]:")

    def test_it_is_built_with_what_the_makefile_names(self):
        makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
        named = set(re.search(r"^BUILD_DEPS := (.*)$", makefile, re.MULTILINE)[1].split())
        control = (paths.ROOT / "debian/control").read_text(encoding="utf-8")
        field = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.MULTILINE)[1]
        needed = {line.strip(" ,") for line in field.splitlines() if "<" not in line}
        # These every Debian that builds packages has.
        essential = {"gcc", "make", "libc6-dev"}
        self.assertEqual(needed - {"debhelper-compat (= 13)"}, named - essential)

    def test_its_version_is_that_of_the_release(self):
        changelog = (paths.ROOT / "debian/changelog").read_text(encoding="utf-8")
        self.assertTrue(changelog.startswith(f"{PACKAGE} ({VERSION}) "))

    def test_programs_have_their_links_to_libraries_alone(self):
        said = run(["dpkg-deb", "--field", self.package, "Depends"])
        for library in ("libfcgi", "libcurl4", "libsqlite3-0", "libconfig9", "libcjson1", "libssl3"):
            self.assertIn(library, said)


@unittest.skipIf(machine.missing(), f"no machine can be started here without {machine.missing()}")
class Life(Deb):
    """From nothing to nothing."""

    def setUp(self):
        older(self.package, self.folder)
        shutil.copy(self.package, self.folder)
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.machine = machine.Machine(self.sandbox, self.folder)
        self.statuses = []
        self.started = 0

    def apt(self, *words):
        """apt-get, which must ask for nothing."""
        return self.machine.run("apt-get", "-y", "--no-install-recommends", *words)

    def install(self, version):
        """Installs a version as a person does."""
        package = self.package.name.replace(f"_{VERSION}_", f"_{version}_")
        self.apt("install", f"{machine.PACKAGES}/{package}")

    def installed(self):
        """The version that is installed, empty if none is."""
        done = self.machine.call("dpkg-query", "-W", "-f", "${Version}", PACKAGE)
        return done.stdout if done.returncode == 0 else ""

    def post(self, number):
        """Posts an event of an alert of its own to the service's socket."""
        body = to_bytes(
            guance_event(df_event_id=f"event-{number}", df_monitor_checker_event_ref=f"ref-{number}")
        )
        values = variables(query=f"integration_key={KEY}", content_length=len(body))
        with Connection(self.machine.path("/run/flashduty-gateway/guance.socket")) as connection:
            connection.send(whole_request(values, body))
            return connection.answer()

    def post_until(self, is_over, first):
        """Posts one event after the other; what each was answered, or why it was not."""
        number = first
        while not is_over.is_set():
            try:
                self.statuses.append(self.post(number).status)
            except (OSError, EOFError) as problem:
                self.statuses.append(problem)
            number += 10
            # Many enough to meet the change of processes, few enough to be drained in seconds.
            is_over.wait(0.05)

    def units(self, *words):
        """What systemctl says of each endpoint's socket and service."""
        names = [f"{PACKAGE}-{name}.{kind}" for name in ENDPOINTS for kind in ("socket", "service")]
        return self.machine.call("systemctl", *words, *names).stdout.split()

    def main_pid(self, name):
        """The process of an endpoint."""
        return self.machine.run("systemctl", "show", "-P", "MainPID", f"{PACKAGE}-{name}.service").strip()

    def check_fresh(self):
        """Everything runs, shut in, and says that it wants a configuration."""
        self.assertEqual(set(self.units("is-active")), {"active"})
        self.assertEqual(set(self.units("is-enabled")), {"enabled"})
        mode = self.machine.run("stat", "-c", "%a %U %G", CONFIG, STORE.rpartition("/")[0])
        self.assertEqual(
            mode.splitlines(), [f"640 root {PACKAGE}", f"700 {PACKAGE} {PACKAGE}"]
        )
        answer = self.post(0)
        self.assertEqual(answer.status, 503)
        self.assertIn("configuration", answer.message)
        for name in ENDPOINTS:
            status = self.machine.run("cat", f"/proc/{self.main_pid(name)}/status")
            self.assertRegex(status, r"(?m)^Seccomp:\t2$")
            self.assertRegex(status, r"(?m)^CapBnd:\t0+$")
            self.assertRegex(status, r"(?m)^NoNewPrivs:\t1$")
            limits = self.machine.run("cat", f"/proc/{self.main_pid(name)}/limits")
            self.assertRegex(limits, r"(?m)^Max core file size +0 ")
            # It has raised this itself, as far as it needs.
            self.assertGreater(int(re.search(r"(?m)^Max open files +(\d+)", limits)[1]), 1024)

    def follow(self, name, **replacements):
        """A block of the README, as a person pastes it; what it said. There is no network to install
        other packages and to get certificates from, and sudo has nothing to do."""
        lines = blocks("README.md")[name].splitlines()
        script = "\n".join(line for line in lines if not line.startswith(ELSEWHERE))
        for old, new in replacements.items():
            script = script.replace(old, new)
        return self.machine.run("sh", "-e", "-c", SUDO + script)

    def check_readme(self):
        """From the installed package to alarms that have arrived, by the README alone."""
        self.machine.run("rm", "-f", "/etc/lighttpd/conf-enabled/90-flashduty-gateway.conf")
        simulator = self.start_flashduty()
        self.follow("package-configure")
        file = self.machine.path(CONFIG)
        text = file.read_text(encoding="utf-8")
        keys = dict(re.findall(r"/(ces|guance)\?integration_key=(\w+)", text))
        text = re.sub(r'flashduty_key( *)= ""', r'flashduty_key\1= "a-flashduty-key"', text)
        text = re.sub(r"topic_urn +=.*", 'topic_urn = [ "urn:smn:cn-north-4:*:ops-*" ]', text)
        file.write_text(f'flashduty_url = "{FLASHDUTY_URL}"\n{text}', encoding="utf-8")
        self.assertIn("valid, 2 integrations", self.follow("package-check"))
        self.follow("package-lighttpd")
        # lighttpd starts, and the configuration is taken up.
        wait_until(lambda: self.healthz("http://localhost/guance/healthz") == "200", 30, "a start")
        local = {"https://gateway.example.com": "http://localhost", "PUSH_KEY": keys["guance"]}
        said = self.follow("package-send", **local)
        self.assertEqual(said.count('"outcome":"delivered"'), 2)
        self.assertIn("the ledger adds up", said)
        wait_until(lambda: "Ok: " in simulator.output, 10, "both at Flashduty")
        end_group(simulator)

    def healthz(self, url):
        """The status of a GET."""
        words = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", url)
        return self.machine.call(*words).stdout

    def start_flashduty(self):
        """A simulated Flashduty on the machine."""
        words = ("python3", "-B", "-m", "tests.simulator.flashduty", "--port", str(FLASHDUTY_PORT), "--print")
        self.started += 1
        simulator = self.sandbox.start(self.machine.command(*words), name=f"flashduty-{self.started}")
        self.sandbox.defer(lambda: end_group(simulator))
        return simulator

    def check_upgrade(self):
        """Over an outbox full of alerts, while more come: none is refused, all arrive."""
        self.machine.path(CONFIG).write_text(SETTINGS, encoding="utf-8")
        self.machine.run("systemctl", "restart", f"{PACKAGE}-guance.service")
        for number in range(WAITING):
            self.assertEqual(self.post(number).status, 202)
        before = self.main_pid("guance")
        is_over = threading.Event()
        threads = [
            threading.Thread(target=self.post_until, args=(is_over, 1000 + i)) for i in range(4)
        ]
        for thread in threads:
            thread.start()
        try:
            self.install(VERSION)
            wait_until(lambda: self.main_pid("guance") not in (before, "0"), 30, "the new process")
            after = len(self.statuses)
            wait_until(lambda: len(self.statuses) > after + 50, 60, "requests after the upgrade")
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(self.installed(), VERSION)
        self.assertEqual(self.machine.path(CONFIG).read_text(encoding="utf-8"), SETTINGS)
        self.assertEqual([status for status in self.statuses if status != 202], [])
        self.check_drained(WAITING + len(self.statuses))

    def check_drained(self, count):
        """Everything that waited arrives once Flashduty is there."""
        simulator = self.start_flashduty()
        self.machine.run("systemctl", "start", f"{PACKAGE}-drain.service")
        wait_until(
            lambda: simulator.output.count("Critical: ") >= count, 100, f"the arrival of {count} alerts"
        )
        wait_until(lambda: f"{count} delivered" in self.status(), 30, "the last answer")
        self.assertEqual(simulator.output.count("Critical: "), count)
        self.assertIn("the ledger adds up", self.status())

    def status(self):
        """What `status --audit` says."""
        return self.machine.run(*USER, "status", "--audit")

    def leftovers(self):
        """Files of the package anywhere."""
        found = self.machine.run(
            "find", "/", "-xdev", "-path", machine.SOURCE, "-prune",
            "-o", "-path", machine.PACKAGES, "-prune", "-o", "-path", "/var/lib/dpkg", "-prune",
            "-o", "-path", str(paths.ROOT), "-prune", "-o", "-name", "*flashduty-gateway*", "-print",
        )  # fmt: skip
        return found.splitlines()

    def test_installed_tried_upgraded_removed_purged(self):
        strange = self.leftovers()
        self.install(OLDER)
        self.assertEqual(self.installed(), OLDER)
        self.check_fresh()
        self.check_readme()
        self.machine.run("debian/tests/alarm")
        self.machine.run("rm", "-r", STORE.rpartition("/")[0] + "/gateway.db")
        self.check_upgrade()

        self.apt("remove", PACKAGE)
        self.assertEqual(set(self.units("is-active")), {"inactive"})
        self.assertTrue(self.machine.path(STORE).exists())
        self.assertTrue(self.machine.path(CONFIG).exists())
        self.machine.run("systemctl", "restart", "lighttpd")
        self.install(VERSION)
        self.assertEqual(set(self.units("is-active")), {"active"})
        self.assertIn("the ledger adds up", self.status())

        self.apt("purge", PACKAGE)
        self.assertEqual(self.leftovers(), strange)
        self.assertEqual(set(self.units("is-enabled")), set())


if __name__ == "__main__":
    unittest.main()
