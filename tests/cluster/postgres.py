"""PostgreSQL servers of a test's own: a primary, and a standby without which nothing is committed.

Each is a folder of the sandbox and a process that the test has started, as an unprivileged user where
the test runs as root. What Debian runs by itself is never touched.
"""

import json
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support import shared
from tests.support.process import Process, wait_until
from tests.support.webserver import owned_folder

DATABASE = USER = "gateway"
START_SECONDS = 60
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

# The tests kill processes and never a kernel, which keeps what was written: syncing would only make
# every round slower. Whether the standby has it is waited for all the same.
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = {fsync}
max_connections = 100
shared_buffers = 32MB
# In its own folder, which is removed, and not where a killed server leaves it.
dynamic_shared_memory_type = mmap
wal_keep_size = 64MB
max_wal_size = 256MB
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_retrieve_retry_interval = 100ms
log_line_prefix = '%m [%p] '
log_checkpoints = off
"""
SYNCHRONOUS = "synchronous_standby_names = '{names}'\n"


def find_postgres():
    """The folder of PostgreSQL's programs, or None."""
    return PROGRAMS[-1] if PROGRAMS else None


def server_user():
    """Whom the server runs as: it refuses root."""
    return pwd.getpwnam("postgres") if os.getuid() == 0 else None


class SqlFailed(Exception):
    """A statement has not worked, or nobody was there to run it."""


class Server:
    """One PostgreSQL server."""

    def __init__(self, sandbox, name, is_synced=False):
        self.name = name
        self._fsync = "on" if is_synced else "off"
        self.port = shared.free_port()
        self._user = server_user()
        self.folder = owned_folder(sandbox.folder, name, self._user)
        self.data = self.folder / "data"
        self._log = sandbox.folder / f"{name}.log"
        self._process = None
        sandbox.defer(self.stop)

    # ---- a server's life ----

    def make(self):
        """Makes an empty database cluster with the gateway's database in it, and starts it."""
        self._run("initdb", "--no-sync", "-U", USER, "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "-D", self.data)  # fmt: skip
        self._configure()
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")

    def copy(self, primary):
        """Makes this a standby of another, with all that the other has, and starts it."""
        shutil.rmtree(self.data, ignore_errors=True)
        self._run("pg_basebackup", "--no-sync", "-R", "-X", "stream", "-c", "fast",
                  "-D", self.data, "-d", f"host=127.0.0.1 port={primary.port} user={USER}"
                  f" application_name={self.name}")  # fmt: skip
        self._configure()
        self.start()

    def _configure(self):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(SETTINGS.format(port=self.port, folder=self.folder, fsync=self._fsync))
            file.write("include 'standby.conf'\n")
        self._require("")

    def _require(self, names):
        """Writes down which standbys a commit waits for."""
        (self.data / "standby.conf").write_text(SYNCHRONOUS.format(names=names))

    def start(self):
        """Starts it and waits until it takes connections."""
        self._process = Process(
            [find_postgres() / "postgres", "-D", self.data],
            self._log,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            **self._as_user(),
        )
        wait_until(self.is_ready, START_SECONDS, f"{self.name}'s start", self._process)

    def stop(self):
        """Ends it in an orderly way, if it runs."""
        if self._process and self._process.running():
            # Fast shutdown: it waits for no client.
            self._process.stop(signal.SIGINT, 30)

    def kill(self):
        """Ends it and all its children at once, as a machine that loses its power does."""
        children = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        pids = [int(pid) for pid in Path(children).read_text(encoding="ascii").split()]
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not any(map(_is_alive, pids)), 10, f"the end of {self.name}")

    def freeze(self, is_frozen):
        """Stops the server and all its children where they are, or lets them go on."""
        children = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        pids = [int(pid) for pid in Path(children).read_text(encoding="ascii").split()]
        for pid in [self._process.pid, *pids]:
            os.kill(pid, signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def promote(self):
        """Makes a standby a primary that waits for no standby of its own."""
        self._require("")
        self._run("pg_ctl", "promote", "-w", "-t", str(START_SECONDS), "-D", self.data)

    def wait_for_standby(self, standby):
        """From now on a commit waits until the standby has it."""
        self._require(standby.name)
        self._process.send_signal(signal.SIGHUP)
        wait_until(self._has_standby, START_SECONDS, f"{standby.name}'s keeping up")

    def _has_standby(self):
        return self.number("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") > 0

    # ---- statements ----

    def sql(self, statement, database=DATABASE, seconds=10):
        """Runs a statement; what it prints."""
        done = subprocess.run(
            [find_postgres() / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
             "-p", str(self.port), "-U", USER, "-d", database, "-c", statement],
            env={"PATH": "/usr/bin:/bin", "PGCONNECT_TIMEOUT": "5"},
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SqlFailed(f"{self.name}: {done.stderr.strip()}")
        return done.stdout

    def number(self, statement):
        """The one number that a query finds."""
        return int(self.sql(statement) or 0)

    def rows(self, query, *values):
        """The rows of a query, as SQLite would give them; ? stands for a value."""
        for value in values:
            quoted = str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
            query = query.replace("?", quoted, 1)
        text = self.sql(f"SELECT coalesce(json_agg(row), '[]') FROM ({query}) AS row", seconds=60)
        return [tuple(row.values()) for row in json.loads(text)]

    def is_ready(self):
        """Whether it takes connections."""
        done = subprocess.run(
            [find_postgres() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            env={"PATH": "/usr/bin:/bin"}, check=False,
        )  # fmt: skip
        return done.returncode == 0

    @property
    def pid(self):
        """The process id of the server, which leads a session; its children lead their own."""
        return self._process.pid

    # ---- programs ----

    def _as_user(self):
        if not self._user:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program, *arguments):
        done = subprocess.run(
            [find_postgres() / program, *map(str, arguments)],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **self._as_user(),
        )
        if done.returncode:
            raise AssertionError(f"{program}: {done.stdout}{done.stderr}")


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Pair:
    """A primary and its synchronous standby."""

    def __init__(self, sandbox, is_synced=False):
        self.servers = [Server(sandbox, name, is_synced) for name in ("db_1", "db_2")]
        self.primary, self.standby = self.servers
        self.primary.make()
        self.standby.copy(self.primary)
        self.primary.wait_for_standby(self.standby)

    def lose_primary(self):
        """Kills the primary and promotes the standby, which then stands alone."""
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self):
        """Makes what was lost a standby of what is left."""
        self.standby.copy(self.primary)
        self.primary.wait_for_standby(self.standby)

    def rows(self, query, *values):
        """The rows of a query, by the primary."""
        return self.primary.rows(query, *values)
