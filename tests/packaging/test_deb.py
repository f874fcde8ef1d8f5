"""`make deb`: the package is without a fault, and lives through its life on a machine of its own."""

import re
import shutil
import unittest

from tests.endpoints.test_readme import blocks
from tests.packaging.life import CONFIG, FLASHDUTY_URL, STATE, STORE, Life, end_group
from tests.packaging.packages import MAINTAINER, PACKAGE, built, package_in
from tests.packaging.trees import ENDPOINTS, VERSION, run
from tests.support import paths
from tests.support.process import wait_until

# Lines of the README that need a network.
ELSEWHERE = ("sudo apt install", "sudo certbot")
# Wherever a package may put something.
PLACES = ("/etc", "/opt", "/root", "/run", "/usr", "/var")
HOST = "gateway.example.com"
# Block of the README and what it starts.
SERVERS = {"package-apache": "apache2", "package-nginx": "nginx", "package-lighttpd": "lighttpd"}
WRITTEN = (
    "-path", "*/sites-*/flashduty-gateway.conf", "-o", "-path", "*/conf.d/flashduty-gateway.conf",
    "-o", "-name", "flashduty-gateway*.log",
)  # fmt: skip
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


class Contents(unittest.TestCase):
    """What can be seen without installing it."""

    def test_lintian_finds_nothing(self):
        changes = next(built().glob("*.changes"))
        command = ["lintian", "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", changes]
        # It leaves files there.
        said = run(command, TMPDIR=str(built()))
        self.assertNotRegex(said, r"(?m)^[EW]:")

    def test_it_is_built_with_what_the_makefile_names(self):
        makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
        deps = dict(re.findall(r"^ *(BUILD_DEPS|POSTGRESQL_DEPS) := (.*)$", makefile, re.MULTILINE))
        named = set(deps["BUILD_DEPS"].replace("$(POSTGRESQL_DEPS)", deps["POSTGRESQL_DEPS"]).split())
        control = (paths.ROOT / "debian/control").read_text(encoding="utf-8")
        field = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.MULTILINE)[1]
        needed = {line.strip(" ,") for line in field.splitlines() if "<" not in line}
        # These every Debian that builds packages has.
        essential = {"gcc", "make", "libc6-dev"}
        self.assertEqual(needed - {"debhelper-compat (= 13)"}, named - essential)

    def test_its_version_is_that_of_the_release(self):
        changelog = (paths.ROOT / "debian/changelog").read_text(encoding="utf-8")
        self.assertTrue(changelog.startswith(f"{PACKAGE} ({VERSION}) "))

    def test_who_builds_it_stands_for_it(self):
        self.assertEqual(run(["dpkg-deb", "--field", package_in(built()), "Maintainer"]).strip(), MAINTAINER)

    def test_programs_have_their_links_to_libraries_alone(self):
        said = run(["dpkg-deb", "--field", package_in(built()), "Depends"])
        for library in ("libfcgi", "libcurl4", "libsqlite3-0", "libconfig9", "libcjson1", "libssl3"):
            self.assertIn(library, said)


class FromNothing(Life):
    """From nothing to nothing. tests/packaging/test_upgrade.py is what comes between."""

    @staticmethod
    def packages():
        return [package_in(built())]

    def check_fresh(self):
        """Everything runs, shut in, and says that it wants a configuration."""
        self.check_running()
        mode = self.machine.run("stat", "-c", "%a %U %G", CONFIG, STATE)
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
        """From the installed package to alarms that have arrived, by the README alone, behind each
        server that it shows."""
        simulator = self.start_flashduty()
        self.machine.run("sh", "-c", f"echo 127.0.0.1 {HOST} >>/etc/hosts")
        self.follow("package-configure")
        file = self.machine.path(CONFIG)
        text = file.read_text(encoding="utf-8")
        keys = dict(re.findall(r"/(ces|guance)\?integration_key=(\w+)", text))
        text = re.sub(r'flashduty_key( *)= ""', r'flashduty_key\1= "a-flashduty-key"', text)
        text = re.sub(r"topic_urn +=.*", 'topic_urn = [ "urn:smn:cn-north-4:*:ops-*" ]', text)
        file.write_text(f'flashduty_url = "{FLASHDUTY_URL}"\n{text}', encoding="utf-8")
        self.assertIn("valid, 2 integrations", self.follow("package-check"))
        for count, (block, unit) in enumerate(SERVERS.items(), 1):
            self.follow(block)
            # It starts, and the configuration is taken up.
            wait_until(lambda: self.healthz(f"http://{HOST}/guance/healthz") == "200", 30, f"{unit}'s start")
            local = {f"https://{HOST}": f"http://{HOST}", "PUSH_KEY": keys["guance"]}
            said = self.follow("package-send", **local)
            self.assertEqual(said.count('"outcome":"delivered"'), 2, said)
            self.assertIn("the ledger adds up", said)
            wait_until(lambda n=count: simulator.output.count("Ok: ") == n, 10, "both at Flashduty")
            self.machine.run("systemctl", "stop", unit)
        end_group(simulator)
        # What the reader has written themselves, beside the package.
        self.machine.run("a2dissite", "--purge", PACKAGE)
        self.machine.run("find", "/etc/apache2", "/etc/nginx", "/var/log", "(", *WRITTEN, ")", "-delete")

    def healthz(self, url):
        """The status of a GET."""
        words = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", url)
        return self.machine.call(*words).stdout

    def check_timer(self):
        """What waits is sent by the timer alone, where no endpoint runs."""
        self.assertEqual(self.post(1).status, 202)
        self.machine.run("systemctl", "stop", f"{PACKAGE}-*.service")
        # Every minute as shipped; what it starts, and that it does, is what is looked at.
        folder = self.machine.path(f"/run/systemd/system/{PACKAGE}-drain.timer.d")
        folder.mkdir(parents=True)
        (folder / "often.conf").write_text("[Timer]\nOnCalendar=*:*:0/5\nAccuracySec=1s\n", encoding="ascii")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", f"{PACKAGE}-drain.timer")
        simulator = self.start_flashduty()
        wait_until(lambda: "Critical: " in simulator.output, 60, "what the timer sends")
        wait_until(lambda: "outbox: empty" in self.status(), 30, "an empty outbox")
        self.assertEqual(simulator.output.count("Critical: "), 1)
        end_group(simulator)
        shutil.rmtree(folder)

    def leftovers(self):
        """Files of the package anywhere."""
        found = self.machine.run("find", *PLACES, "-name", "*flashduty-gateway*", "-not", "-path", "/var/lib/dpkg/*")
        return found.splitlines()

    def test_installed_tried_removed_purged(self):
        strange = self.leftovers()
        self.install(VERSION)
        self.check_fresh()
        self.check_readme()
        self.machine.run("debian/tests/alarm")
        self.check_timer()

        self.apt("remove", PACKAGE)
        self.assertEqual(set(self.units("is-active")), {"inactive"})
        self.assertTrue(self.machine.path(STORE).exists())
        self.assertTrue(self.machine.path(CONFIG).exists())
        # Servers start without it.
        self.machine.run("systemctl", "restart", "lighttpd")
        self.machine.run("systemctl", "stop", "lighttpd")
        self.machine.run("systemctl", "restart", "apache2")
        self.install(VERSION)
        self.check_running()
        self.assertIn("the ledger adds up", self.status())

        self.apt("purge", PACKAGE)
        self.assertEqual(self.leftovers(), strange)
        self.assertEqual(set(self.units("is-enabled")), set())
        self.assertFalse(self.machine.path(STATE).exists())
        self.assertFalse(self.machine.path(CONFIG).parent.exists())


del Life


if __name__ == "__main__":
    unittest.main()
