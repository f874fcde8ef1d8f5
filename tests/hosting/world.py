"""A world of our own, in which nothing is configured and every name leads to a simulator.

enter() takes the test's process (and all that it starts) into a network and a file tree that nobody
else sees: there Flashduty's name is answered by a name server, Huawei's stand in /etc/hosts at an
address that is public elsewhere, /etc/ssl/certs holds the tests' CA. The gateway's own defaults are what is tested, without a setting.
"""

import ctypes
import json
import os
import socket
import subprocess
import threading
import unittest
from pathlib import Path

from tests.simulator import smn
from tests.simulator.flashduty import Flashduty
from tests.support import fixtures, shared

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000

FLASHDUTY_HOST = "api.flashcat.cloud"
CONSOLE_HOST = "console.huaweicloud.com"
SMN_HOST = "smn.cn-north-4.myhuaweicloud.com"
# Confirmations and certificates are fetched from public addresses only.
HUAWEI_ADDRESS = "119.8.0.1"
HOSTS = f"127.0.0.1 localhost\n{HUAWEI_ADDRESS} {CONSOLE_HOST} {SMN_HOST}\n"
RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
NAMES = (FLASHDUTY_HOST, CONSOLE_HOST, SMN_HOST)
KEY = "world-key-0123456789"


OWNER, GROUP = os.geteuid(), os.getegid()
HAS_USERS = OWNER == 0
NO_USERS = "only root may run programs as several users"
_LIBC = ctypes.CDLL(None, use_errno=True)


def _unshare(flags):
    if _LIBC.unshare(flags) != 0:
        why = os.strerror(ctypes.get_errno())
        raise unittest.SkipTest(f"no namespaces for a network and a file tree of our own: {why}")


def _be(user, group, outside_user, outside_group):
    """In a new user namespace: who we are in it."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {outside_user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {outside_group} 1")


def be_oneself():
    """For a child: whoever is not root outside is not here either."""
    if not HAS_USERS:
        _LIBC.unshare(CLONE_NEWUSER)
        _be(OWNER, GROUP, 0, 0)


def enter():
    """Goes there, once for a process; skips the tests where the system does not allow it."""
    _unshare(CLONE_NEWNS | CLONE_NEWNET | (0 if HAS_USERS else CLONE_NEWUSER))
    if not HAS_USERS:
        _be(0, 0, OWNER, GROUP)
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", f"{HUAWEI_ADDRESS}/32", "dev", "lo")


def run(*argv):
    """Runs a command of the system; fails with what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}: {done.stdout}{done.stderr}")


def put_in_place(sandbox, file, place):
    """Lets everybody in this world see a file or folder at a place of the system."""
    run("mount", "--bind", str(file), place)
    sandbox.defer(lambda: run("umount", "-l", place))


class NameServer:
    """Answers questions for the address of one name."""

    def __init__(self, name, address):
        self._question = b"".join(bytes([len(part)]) + part for part in name.encode().split(b"."))
        self.address = address
        self.is_silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._socket.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._is_stopping = False
        self.asked = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_stopping = True
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while not self._is_stopping:
            try:
                query, peer = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            if self.is_silent:
                continue
            self._socket.sendto(self._answer(query), peer)

    def _answer(self, query):
        end = query.index(b"\0", 12) + 5
        name, kind = query[12 : end - 5], query[end - 4 : end - 2]
        is_known = name.lower() == self._question
        has_address = is_known and kind == b"\0\1"
        self.asked += is_known
        flags = b"\x81\x80" if is_known else b"\x81\x83"
        head = query[:2] + flags + b"\0\1" + (b"\0\1" if has_address else b"\0\0") + b"\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(self.address) if has_address else b""
        return head + query[12:end] + record


class Huawei(smn.Console):
    """Huawei's console and SMN's host of the region, under their own names."""

    address = HUAWEI_ADDRESS
    host = CONSOLE_HOST


class World:
    """What stands in it: names, certificates, Flashduty and Huawei. Ends with the sandbox."""

    def __init__(self, sandbox):
        self.folder = sandbox.folder
        with shared.locked("world"):
            self.keys = smn.Keys(shared.folder() / "world", NAMES).make()
        self.certificates = self.folder / "certs"
        self.certificates.mkdir()
        ca = self.keys.ca_certificate.read_bytes()
        self.certificates.joinpath("ca.pem").write_bytes(ca)
        run("openssl", "rehash", self.certificates)
        self.hosts = self._file("hosts", HOSTS)
        self.resolv_conf = self._file("resolv.conf", RESOLV_CONF)
        self.name_server = sandbox.enter(NameServer(FLASHDUTY_HOST, "127.0.0.1"))
        self.flashduty = sandbox.enter(
            Flashduty(443, keys=(KEY,), tls=self.keys.server_context())
        )
        self.huawei = sandbox.enter(Huawei(self.keys, 443))

    def _file(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="ascii")
        return path

    def clear(self):
        """Forgets what has come so far."""
        self.flashduty.clear()
        self.huawei.clear()
        self.huawei.confirmed.clear()

    def subscription(self):
        """What SMN posts for a new subscription."""
        return self.keys.sign(smn.confirmation(self.huawei.subscribe_url()))

    def alarm(self, name="04-classic-metric-critical-en"):
        """What SMN posts for an alarm of CES: a fixture, signed now."""
        envelope = json.loads(fixtures.case("ces", name).body)
        return self.keys.sign(smn.notification(envelope["message"], envelope.get("subject")))
