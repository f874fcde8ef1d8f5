"""A file system that is really full: alerts go out, what cannot be kept is 503, and what was kept
goes out when there is room again."""

import ctypes
import os
import subprocess
import unittest

from tests.faults.gateways import Place, Served
from tests.faults.history import waiting

NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS: what is mounted is gone with this process
DOWN = {"do": "status", "status": 503}
SMALL, LARGE = "1m", "32m"
POSTS_MAX = 3000


def mount(folder, options):
    """Mounts a small file system, or makes it larger; whether that is permitted."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def have_own_mounts():
    """Whether this process has mounts that nobody else sees."""
    library = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or library.unshare(NEW_NAMESPACE):
        return False
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False)
    return done.returncode == 0


class Full(unittest.TestCase):
    """A FastCGI process with its store on such a file system."""

    @classmethod
    def setUpClass(cls):
        if not have_own_mounts():
            raise unittest.SkipTest("only root may mount a small file system")

    def setUp(self):
        self.place = Place(2, deadline_ms=500)
        self.addCleanup(self.place.close)
        self.disk = self.place.folder / "disk"
        self.disk.mkdir(mode=0o700)
        if not mount(self.disk, f"size={SMALL}"):
            self.skipTest("mounting is not permitted")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.disk)], check=False)
        self.place.use("disk/gateway.db")
        self.served = Served(self.place)
        self.number = 0

    def post(self, integration="i0"):
        """Posts a new alert."""
        self.number += 1
        return self.served.post(self.place.history.post(integration, f"a{self.number}", "critical"))

    def fill(self):
        """Flashduty is down until nothing more can be kept; how many were."""
        self.place.upstream.answer(DOWN, times=None)
        kept = 0
        for _ in range(POSTS_MAX):
            answer = self.post()
            if answer.status == 503:
                return kept
            self.assertEqual(answer.outcome, "queued")
            kept += 1
        self.fail("it is never full")

    def test_alerts_go_out_and_what_was_kept_does_later(self):
        kept = self.fill()
        self.assertGreater(kept, 0)
        refused = [self.post().status for _ in range(5)]
        self.assertEqual(refused, [503] * 5)
        self.place.upstream.script.clear()
        for integration in ("i1", "i0", "i1"):
            answer = self.post(integration)
            self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertTrue(mount(self.disk, f"remount,size={LARGE}"))
        self.place.wait_until_empty(30)
        self.assertEqual(self.post().outcome, "delivered")
        print(f"full: {kept} kept: {self.place.figures}, {waiting(self.place.store)} wait")
        self.assertEqual(self.place.problems(), [])


if __name__ == "__main__":
    unittest.main()
