"""No key of a configuration in what a process shows of itself, and the guard that watches for that.

Every test's sandbox is searched for keys when it ends, and so is every answer.
"""

import unittest
from pathlib import Path

from tests.support import canaries
from tests.support.gateway import FASTCGI, GatewayTest, guance_event
from tests.support.process import Sandbox


class Canaries(GatewayTest):
    """Of a process that has served a request."""

    mode = FASTCGI

    def test_no_key_is_in_a_process_s_arguments_or_environment(self):
        guance = self.gateway()
        self.assert_delivered(guance.post(guance_event()))
        process = Path("/proc", str(guance.process.pid))
        for name in ("cmdline", "comm", "environ", "status"):
            with self.subTest(name):
                try:
                    text = (process / name).read_text(errors="replace")
                except PermissionError:
                    continue  # the process keeps it from everybody but root
                canaries.refuse_keys(text, name)


class Guard(unittest.TestCase):
    """The guard itself."""

    def assert_told(self, name, is_told=True):
        """Whether a sandbox with a key in such a file says so."""
        sandbox = Sandbox()
        path = sandbox.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for key in canaries.KEYS:
            path.write_bytes(b"\0\xff x=" + key.encode() + b"\n")
        if is_told:
            self.assertRaisesRegex(AssertionError, "a key in", sandbox.close)
        else:
            sandbox.close()
        self.assertFalse(sandbox.folder.exists())

    def test_a_key_in_any_file_is_noticed(self):
        for name in ("guance-1.log", "logs/access.log", "flashduty-gateway/certificates/x.pem"):
            with self.subTest(name):
                self.assert_told(name)

    def test_a_key_where_it_belongs_is_none_of_its_business(self):
        for name in ("gateway-1.conf", "key"):
            with self.subTest(name):
                self.assert_told(name, is_told=False)


if __name__ == "__main__":
    unittest.main()
