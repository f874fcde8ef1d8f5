"""`make dist`: a tarball that builds and tests without git, the same bytes each time."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

from tests.packaging.trees import ENDPOINTS, VERSION, make, run
from tests.support import paths

NAME = f"flashduty-gateway-{VERSION}"
# One of each kind: a unit test, a real process, what is made of documents.
MODULES = ("build/release/tests/test_text", "endpoints/test_command_line", "packaging/test_completion")


def checksum(path):
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made(tree):
    """What a build leaves for people: name → checksum."""
    programs = [tree / "build/flashduty-gateway", *(tree / "cgi-bin").glob("*.fcgi")]
    files = [*programs, *(tree / "build/release/man").glob("*.[158]")]
    return {str(path.relative_to(tree)): checksum(path) for path in files}


class Dist(unittest.TestCase):
    """Unpacked in two places."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="dist-")
        self.addCleanup(shutil.rmtree, self.folder)
        make("dist")
        self.tarball = paths.ROOT / "build" / f"{NAME}.tar.gz"
        self.first, self.second = map(self.unpacked, ("first", "a-longer-name-of-a-folder"))

    def unpacked(self, name):
        """A tree from the tarball."""
        folder = Path(self.folder, name)
        with tarfile.open(self.tarball) as tarball:
            tarball.extractall(folder, filter="data")
        return folder / NAME

    def test_it_makes_itself_again(self):
        make("dist", folder=self.first)
        self.assertEqual(checksum(self.first / "build" / self.tarball.name), checksum(self.tarball))

    def test_two_builds_are_the_same_and_test_themselves_without_git(self):
        self.assertFalse((self.first / ".git").exists())
        make("tests-build", "man", "WERROR=-Werror", folder=self.first)
        make("all", "man", folder=self.second)
        self.assertEqual(len(made(self.first)), 1 + len(ENDPOINTS) + 2 + len(ENDPOINTS))
        self.assertEqual(made(self.first), made(self.second))
        for module in MODULES:
            said = run(["python3", "tests/run.py", "--variant", "release", "-k", module], self.first)
            self.assertRegex(said, r"(?m)^[1-9]\d* passed, 0 failed$")

    def test_it_builds_without_postgresql(self):
        # A pkg-config that knows of no libpq stands for a machine that has none.
        blind = Path(self.folder, "pkg-config")
        blind.write_text(
            '#!/bin/sh\ncase " $* " in *" libpq "*) echo no libpq >&2; exit 1;; esac\nexec pkg-config "$@"\n',
            encoding="utf-8",
        )
        blind.chmod(0o755)
        make("all", "WITH_POSTGRESQL=no", "WERROR=-Werror", f"PKG_CONFIG={blind}", folder=self.first)
        program = self.first / "build/flashduty-gateway"
        self.assertNotIn("libpq", run(["ldd", program], self.first))
        config = Path(self.folder, "gateway.conf")
        config.write_text('pass_through = true\nstore = "postgresql://host/db"\n', encoding="utf-8")
        config.chmod(0o600)
        said = subprocess.run(
            [program, "check", config], capture_output=True, text=True, check=False
        )
        self.assertEqual(said.returncode, 1)
        self.assertIn("built without PostgreSQL", said.stderr + said.stdout)


if __name__ == "__main__":
    unittest.main()
