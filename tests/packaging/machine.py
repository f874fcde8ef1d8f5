"""A machine to install packages on: this one's file system, under a layer that is thrown away, with a
systemd of its own. It has no network but its own loopback, and sees no process of ours.

Needs root, overlayfs and cgroup2; missing() says what of these is not there.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support import paths
from tests.support.process import wait_until

# Where the repository, read-only, and a folder of packages are in it.
SOURCE = "/srv/source"
PACKAGES = "/srv/packages"
BOOT = r"""
set -eu
mount -t tmpfs tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" "$LAYER/root"
cd "$LAYER/root"
mkdir -p srv/source srv/packages
mount --bind "$SOURCE" srv/source
mount -o remount,bind,ro srv/source
mount --bind "$PACKAGES" srv/packages
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp var/lib/flashduty-gateway etc/flashduty-gateway; do
    rm -rf "./$folder"/* 2>/dev/null || true
done
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
for number in 0 1 2; do
    ln -s "/proc/self/fd/$number" "dev/$(echo stdin stdout stderr | cut -d ' ' -f $((number + 1)))"
done
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
# Nothing that this machine runs, and nothing that forbids to start what is installed.
rm -rf etc/systemd/system/*.wants usr/sbin/policy-rc.d etc/lighttpd/conf-enabled/*flashduty*
# What takes long after each installation and is nobody's here.
rm -f etc/apt/apt.conf.d/20packagekit var/lib/man-db/auto-update
mkdir -p mnt
pivot_root . mnt
umount -l mnt
exec env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=multi-user.target --log-target=null </dev/null
"""
SPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--propagation=private")


def _cgroup_mount():
    """Where this machine has cgroup2; None if nowhere."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 ") and "rw" in fields.split()[5].split(","):
            return Path(fields.split()[4])
    return None


def missing():
    """What is missing for a machine; empty if nothing is."""
    if os.getuid() != 0:
        return "root"
    if _cgroup_mount() is None:
        return "cgroup2"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        return "overlayfs"
    return "" if shutil.which("unshare") and Path("/lib/systemd/systemd").exists() else "systemd"


class Machine:
    """Starts with the sandbox and ends with it."""

    def __init__(self, sandbox, packages):
        self.sandbox = sandbox
        layer = sandbox.folder / "layer"
        layer.mkdir()
        self.cgroup = _cgroup_mount() / f"flashduty-gateway-tests-{os.getpid()}"
        self.cgroup.mkdir()
        sandbox.defer(self._remove_cgroup)
        joined = f'echo $$ >"{self.cgroup}/cgroup.procs"; exec "$@"'
        self._process = sandbox.start(
            ["sh", "-c", joined, "sh", "unshare", *SPACES, "--fork", "--kill-child", "sh", "-c", BOOT],
            name="machine",
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "LAYER": str(layer),
                "SOURCE": str(paths.ROOT),
                "PACKAGES": str(packages),
            },
        )
        sandbox.defer(self._end)
        wait_until(self._is_up, 120, "systemd in the machine", self._process)

    def _init(self):
        """The process id of its systemd; None before there is one."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pids = children.read_text(encoding="ascii").split()
        return pids[0] if pids else None

    def _is_up(self):
        init = self._init()
        if init is None or Path(f"/proc/{init}/comm").read_text("ascii") != "systemd\n":
            return False
        done = self.call("systemctl", "is-system-running")
        return done.stdout.strip() in ("running", "degraded")

    def _end(self):
        init = self._init()
        if init:
            os.kill(int(init), 9)
        self._process.wait(30)

    def _remove_cgroup(self):
        folders = [path for path in self.cgroup.rglob("*") if path.is_dir()]
        for folder in sorted(folders, reverse=True):
            folder.rmdir()
        self.cgroup.rmdir()

    def path(self, name):
        """A path of the machine, from here."""
        return Path(f"/proc/{self._init()}/root{name}")

    def command(self, *words):
        """A command as it is run from here."""
        enter = ["nsenter", "--target", self._init(), "--all", "--", "env", "-i", "-C", SOURCE]
        return [*enter, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=readline", *words]

    def call(self, *words, seconds=120):
        """Runs a command; how it ended. Standard input is empty: who asks gets no answer."""
        return subprocess.run(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def run(self, *words):
        """Runs a command that must succeed; its output."""
        done = self.call(*words)
        if done.returncode != 0:
            journal = self.call("journalctl", "--no-pager", "-n", "50").stdout
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}\n{journal}")
        return done.stdout
