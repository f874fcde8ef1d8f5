"""CONTRIBUTING.md is followed to the letter in a copy of the checkout."""

import json
import re
import shutil
import tempfile
import unittest
from pathlib import Path

from tests.packaging.trees import MADE, make, run
from tests.support import paths

DOCUMENT = paths.ROOT / "CONTRIBUTING.md"
BLOCK = re.compile(r"^<!-- test: (\S+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Contributing(unittest.TestCase):
    """The marked blocks, as a person pastes them."""

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="contributing-")
        self.addCleanup(shutil.rmtree, folder)
        make("tests-build")
        self.tree = Path(shutil.copytree(paths.ROOT, Path(folder, "checkout"), ignore=MADE))
        # What is built already need not be built again.
        build = self.tree / "build"
        shutil.copytree(paths.build_folder(), build / paths.BUILD)
        shutil.copy2(paths.command_line(), build)
        for program in paths.cgi_bin().glob("*.fcgi"):
            shutil.copy2(program, self.tree / "cgi-bin")
        self.blocks = dict(BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))

    def follow(self, name):
        """Runs a block; what it said."""
        return run(["sh", "-e", "-c", self.blocks[name]], self.tree)

    def test_one_test_is_run_as_shown(self):
        said = self.follow("one-test")
        self.assertEqual(len(re.findall(r"(?m)^[1-9]\d* passed, 0 failed$", said)), 2, said)

    def test_a_third_vendor_compiles_and_passes_its_fixture(self):
        said = self.follow("third-vendor")
        self.assertRegex(said, r"(?m)^ok .* build/release/tests/test_fixtures  \(\d+ passed\)$")
        event = json.loads(said[said.rindex("\n{") :])
        self.assertEqual((event["event_status"], event["alert_key"]), ("Ok", "acme:disk-7"))
        self.assertTrue((self.tree / "cgi-bin/acme.fcgi").exists())
        # The fixture is looked at: with another expectation it fails.
        expected = self.tree / "tests/fixtures/acme/critical/expected.json"
        expected.write_text(expected.read_text("utf-8").replace("Critical", "Info"), "utf-8")
        with self.assertRaises(AssertionError):
            run(["build/release/tests/test_fixtures"], self.tree)
        # And all that finds endpoints by itself finds it.
        said = make("-n", "install", folder=self.tree)
        self.assertIn("acme.fcgi", said)

    def test_files_that_are_named_exist(self):
        text = DOCUMENT.read_text(encoding="utf-8")
        text = re.sub(BLOCK, "", text)
        for path in re.findall(r"`((?:src|tests|contrib|apache-conf|docs|cgi-bin)/[\w./*-]*)`", text):
            if "acme" not in path:
                with self.subTest(path):
                    self.assertTrue(list(paths.ROOT.glob(path.rstrip("/"))))


if __name__ == "__main__":
    unittest.main()
