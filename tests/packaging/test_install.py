"""`make install` and `make uninstall`, and the systemd units that they carry."""

import re
import subprocess
import unittest

from tests.packaging.trees import ENDPOINTS, Installed, make
from tests.support import paths

SCORE = re.compile(r"Overall exposure level for \S+: ([\d.]+) ")
MOST_EXPOSED = 1.5
LIBRARY = "/usr/lib/flashduty-gateway/cgi-bin"


class Install(unittest.TestCase):
    """Into a folder, by DESTDIR."""

    def setUp(self):
        self.installed = Installed()
        self.addCleanup(self.installed.sandbox.close)

    def files(self):
        """Everything that is installed, by its path."""
        root = self.installed.folder
        return {f"/{path.relative_to(root)}": path for path in root.rglob("*") if not path.is_dir()}

    def test_programs_run_where_they_are_installed(self):
        files = self.files()
        programs = {"/usr/bin/flashduty-gateway", *(f"{LIBRARY}/{name}.fcgi" for name in ENDPOINTS)}
        self.assertLessEqual(programs, set(files))
        for name, path in files.items():
            self.assertEqual(path.stat().st_mode & 0o777, 0o755 if name in programs else 0o644, name)
        said = subprocess.run(
            [files["/usr/bin/flashduty-gateway"], "--version"],
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout  # fmt: skip
        self.assertTrue(said.startswith("flashduty-gateway "))

    def test_no_file_speaks_of_a_checkout_or_of_destdir(self):
        for name, path in self.files().items():
            text = path.read_bytes()
            self.assertNotIn(bytes(self.installed.folder), text, name)
            if "/examples/" in name or "/systemd/" in name:
                self.assertNotIn(b"/opt/flashduty-gateway", text, name)
                self.assertNotRegex(text, rb"@[A-Z]+@", name)
        for name in ("lighttpd/fastcgi.conf", "apache-conf/mod_cgid.conf"):
            text = self.files()[f"/usr/share/doc/flashduty-gateway/examples/{name}"].read_text("utf-8")
            self.assertIn(f"{LIBRARY}/ces.fcgi", text)

    def test_uninstall_removes_everything_and_nothing_else(self):
        mine = self.installed.path("bin/somebody-elses")
        mine.touch()
        make("uninstall", f"DESTDIR={self.installed.folder}", "PREFIX=/usr")
        self.assertEqual(list(self.files()), ["/usr/bin/somebody-elses"])
        self.assertFalse(self.installed.path("lib/flashduty-gateway").exists())
        self.assertFalse(self.installed.path("share/doc/flashduty-gateway").exists())
        # Again, where nothing is left.
        make("uninstall", f"DESTDIR={self.installed.folder}", "PREFIX=/usr")
        self.assertEqual(list(self.files()), ["/usr/bin/somebody-elses"])


class Units(unittest.TestCase):
    """What systemd says of the units; tests/packaging/test_deb.py starts them."""

    @classmethod
    def setUpClass(cls):
        cls.installed = Installed()
        cls.addClassCleanup(cls.installed.sandbox.close)
        cls.folder = cls.installed.path("lib/systemd/system")
        for unit in cls.folder.iterdir():
            # Verified is, too, that programs are there.
            text = unit.read_text(encoding="utf-8").replace("=/usr/", f"={cls.installed.folder}/usr/")
            unit.write_text(text, encoding="utf-8")

    def units(self, kind):
        """The units of a kind."""
        return sorted(self.folder.glob(f"*.{kind}"))

    def test_every_endpoint_has_a_socket_and_a_service(self):
        expected = {f"flashduty-gateway-{name}" for name in ENDPOINTS}
        self.assertEqual({unit.stem for unit in self.units("socket")}, expected)
        self.assertLessEqual(expected, {unit.stem for unit in self.units("service")})

    def test_systemd_finds_nothing_wrong(self):
        command = ["systemd-analyze", "verify", "--man=no", *self.folder.iterdir()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        said = [line for line in done.stderr.splitlines() if "flashduty-gateway" in line]
        self.assertEqual((done.returncode, said), (0, []))

    def test_services_are_exposed_as_little_as_promised(self):
        for unit in self.units("service"):
            command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            self.assertLessEqual(float(SCORE.search(done.stdout)[1]), MOST_EXPOSED, done.stdout)

    def test_there_are_tasks_for_the_most_workers(self):
        document = (paths.ROOT / "docs/configuration.md").read_text(encoding="utf-8")
        workers = int(re.search(r"\| `workers` \| 1 to (\d+) ", document)[1])
        for name in ENDPOINTS:
            text = (self.folder / f"flashduty-gateway-{name}.service").read_text(encoding="utf-8")
            self.assertGreaterEqual(int(re.search(r"(?m)^TasksMax=(\d+)$", text)[1]), workers + 16)


if __name__ == "__main__":
    unittest.main()
