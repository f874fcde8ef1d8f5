"""The hard limits of shared hosts: few processes, a full quota, processes killed, no way out.

Each ends in an answer that a person understands, and nothing is lost that was promised.
"""

import errno
import fcntl
import os
import resource
import signal
import subprocess
import time
import unittest

from tests.hosting import world
from tests.hosting.bare import QUERY, STATE, BareHostTest
from tests.simulator.flashduty import Flashduty
from tests.support.answer import parse_cgi
from tests.support.cgi import variables
from tests.support.gateway import to_bytes
from tests.support.process import wait_until

# What hosts give a process at most, and what our own never come near.
HOST_KILLS_AFTER_S = 30
HANG = {"do": "hang", "seconds": 60}
DOWN = {"do": "status", "status": 503}
# A network for documentation, where nobody is.
NOWHERE = "192.0.2.1"


def setUpModule():
    """Every test is in a world of its own."""
    world.enter()


def one_process():
    """In a child: it may start no other, and no thread."""
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    try:
        if os.fork() == 0:
            os._exit(0)
    except BlockingIOError:
        return
    raise AssertionError("the limit of processes does not hold")


class Processes(BareHostTest):
    """The account has used up its processes: the request's own is the last."""

    def setUp(self):
        super().setUp()
        self.make_home()

    def test_an_alarm_needs_no_second_process(self):
        self.assert_outcome(self.post_event(prepare=one_process), 200, "delivered")
        self.assert_outcome(
            self.post("ces", self.world.subscription(), prepare=one_process), 200, "confirmed"
        )
        self.assert_outcome(
            self.post("ces", self.world.alarm(), prepare=one_process), 200, "delivered"
        )

    def test_what_cannot_be_sent_by_a_process_of_its_own_is_sent_by_cron(self):
        self.assert_outcome(self.post_event(), 200, "delivered")
        self.world.flashduty.answer(DOWN, times=None)
        self.assert_outcome(self.post_event(prepare=one_process), 202, "queued")
        self.world.flashduty.script.clear()
        for _ in range(3):
            health = self.request("ces", method="GET", path_info="/healthz", prepare=one_process)
            self.assertEqual(health.status, 200)
        self.assertEqual(len(self.world.flashduty.events), 1)
        self.wait_for_cron(2)


class Quota(BareHostTest):
    """The home is full."""

    def setUp(self):
        super().setUp()
        home = self.make_home()
        world.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=0777", "none", str(home))
        self.sandbox.defer(lambda: world.run("umount", "-l", str(home)))
        self.filling = home / "filling"

    def fill(self):
        """Leaves not a byte."""
        file = os.open(self.filling, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(file, b"x" * 4096)
        except OSError as problem:
            self.assertEqual(problem.errno, errno.ENOSPC)
        finally:
            os.close(file)

    def test_an_alarm_is_sent_all_the_same(self):
        self.fill()
        answer = self.post_event()
        self.assert_outcome(answer, 200, "delivered")
        self.assertIn("the store cannot be used", answer.stderr)
        self.assertIn("full", answer.stderr)

    def test_what_could_not_be_kept_is_not_promised(self):
        self.assert_outcome(self.post_event(), 200, "delivered")
        self.world.flashduty.answer(DOWN, times=None)
        self.assert_outcome(self.post_event(), 202, "queued")
        self.fill()
        answer = self.post_event()
        self.assertEqual(answer.status, 503, answer.body)
        self.assertIn("the store cannot be used now", answer.message)
        self.filling.unlink()
        self.assert_outcome(self.post_event(), 202, "queued")
        self.world.flashduty.script.clear()
        self.wait_for_cron(3)


class Killed(BareHostTest):
    """What runs for long is killed."""

    def setUp(self):
        super().setUp()
        self.make_home()

    def test_a_request_is_answered_long_before(self):
        self.assert_outcome(self.post_event(), 200, "delivered")
        self.world.flashduty.answer(HANG, times=None)
        start = time.monotonic()
        self.assert_outcome(self.post_event(), 202, "queued")
        self.assertLess(time.monotonic() - start, HOST_KILLS_AFTER_S / 2)

    def is_drained(self):
        """Whether somebody drains: it would hold a lock."""
        with open(self.root / STATE / "gateway.db-drain", "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True

    def test_what_a_request_leaves_behind_ends_before(self):
        self.assert_outcome(self.post_event(), 200, "delivered")
        self.world.flashduty.answer(DOWN, times=None)
        self.assert_outcome(self.post_event(), 202, "queued")
        self.world.flashduty.script.clear()
        self.world.flashduty.answer(HANG, times=None)
        before = len(self.world.flashduty.requests)
        while not self.world.flashduty.wait_for_requests(before + 1, 1):
            self.request("ces", method="GET", path_info="/healthz")
        start = time.monotonic()
        wait_until(lambda: not self.is_drained(), 2 * HOST_KILLS_AFTER_S, "the drain's end")
        self.assertLess(time.monotonic() - start, HOST_KILLS_AFTER_S)

    def test_a_drain_that_is_killed_loses_nothing(self):
        self.assert_outcome(self.post_event(), 200, "delivered")
        self.world.flashduty.answer(DOWN, times=None)
        for _ in range(3):
            self.assert_outcome(self.post_event(prepare=one_process), 202, "queued")
        self.world.flashduty.script.clear()
        self.world.flashduty.answer(HANG, times=None)
        before, is_killed = len(self.world.flashduty.requests), False
        while not is_killed:
            with subprocess.Popen(
                ["/alerts/flashduty-gateway", "drain"], env={}, preexec_fn=self.become_account
            ) as process:
                # It ends at once as long as nothing is due.
                is_killed = self.world.flashduty.wait_for_requests(before + 1, 1)
                process.send_signal(signal.SIGKILL)
        self.world.flashduty.script.clear()
        self.wait_for_cron(4)


class NoWayOut(BareHostTest):
    """The host blocks outgoing connections."""

    def setUp(self):
        super().setUp()
        self.make_home()
        self.assert_outcome(self.post_event(), 200, "delivered")

    def lead_nowhere(self, kind, *words):
        """Flashduty's name leads to an address with such a route."""
        self.world.name_server.address = NOWHERE
        route = (*kind, f"{NOWHERE}/32", *words)
        world.run("ip", "route", "add", *route)
        self.sandbox.defer(lambda: world.run("ip", "route", "del", *route))

    def check(self, pattern):
        """The alarm waits, the log says why; without a store the answer says so, too."""
        answer = self.post_event()
        self.assert_outcome(answer, 202, "queued")
        self.assertRegex(answer.stderr, pattern)
        without = {"FLASHDUTY_GATEWAY_STORE": "none"}
        answer = self.post_event(environment=without)
        self.assertEqual(answer.status, 503, answer.body)
        self.assertRegex(answer.message, pattern)

    def test_refused(self):
        self.lead_nowhere(("prohibit",))
        self.check("could not connect")

    def test_dropped(self):
        self.lead_nowhere((), "dev", "lo")
        self.check(r"timed out after \d+ ms while connecting")

    def test_no_names(self):
        self.world.name_server.is_silent = True
        self.check("the host name")


class OldKernel(BareHostTest):
    """Without getrandom(2): random numbers come from a device, if there is one."""

    def post_without_getrandom(self, **environment):
        """strace, which is not in the chroot, stands outside and refuses the call."""
        body = to_bytes(self.event())
        request = {**variables(query=QUERY, content_length=len(body)), **environment}
        words = ["-f", "-o", "/dev/null", "-e", "trace=getrandom"]
        done = subprocess.run(
            ["strace", *words, "-e", "inject=getrandom:error=ENOSYS",
             "chroot", self.root, "/alerts/guance.fcgi"],
            input=body, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **request},
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        return parse_cgi(done.stdout, stderr=done.stderr.decode())

    def test_the_device_will_do(self):
        self.root.joinpath("dev").mkdir()
        device = self.root / "dev/urandom"
        device.touch()
        world.put_in_place(self.sandbox, "/dev/urandom", str(device))
        # Without TLS: the OpenSSL of a new kernel insists on the call.
        flashduty = self.sandbox.enter(Flashduty())
        url = {"FLASHDUTY_GATEWAY_FLASHDUTY_URL": flashduty.push_url}
        answer = self.post_without_getrandom(**url)
        self.assert_outcome(answer, 200, "delivered")
        self.assertRegex(answer.headers["request-id"], "^[0-9a-f]{32}$")

    def test_without_either_the_answer_says_so(self):
        answer = self.post_without_getrandom()
        self.assertEqual(answer.status, 503, answer.body)
        self.assertIn("no random numbers", answer.message)


class Memory(BareHostTest):
    """Little of it."""

    def test_64_mib_of_addresses_are_enough(self):
        def little_memory():
            resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))

        self.make_home()
        self.assert_outcome(self.post_event(prepare=little_memory), 200, "delivered")
        drained = self.drain(little_memory)
        self.assertEqual((drained.returncode, drained.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
