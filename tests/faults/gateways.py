"""Gateways that are killed, restarted, run several at once and under strace, on one store."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

from tests.faults import history as histories
from tests.faults.upstream import Upstream
from tests.support import paths, settings
from tests.support.cgi import program_environment, run_cgi, variables
from tests.support.fastcgi import Connection, whole_request
from tests.support.process import Sandbox, refuse_findings, wait_until

BACKLOG = 1024
# A sanitizer that looks for leaks needs ptrace for itself.
UNDER_STRACE = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99"}


def push_key(integration):
    """The push key of an integration."""
    return f"push-key-of-integration-{integration}"


def flashduty_key(integration):
    """Its Flashduty key."""
    return f"flashduty-key-of-integration-{integration}"


def processes_of(folder):
    """Processes whose environment names the folder."""
    needle = os.fsencode(folder)
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and needle in (entry / "environ").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue
    return found


class Place:
    """A sandbox with a Flashduty, a configuration with some Guance integrations, and a store."""

    def __init__(self, integrations=1, seed=1, upstream=None, **changes):
        self.sandbox = Sandbox()
        self.folder = self.sandbox.folder
        self.upstream = upstream or self.sandbox.enter(Upstream(seed=seed))
        self.names = [f"i{number}" for number in range(integrations)]
        self.store = self.folder / "gateway.db"
        self.config = self.folder / "gateway.conf"
        self.history = histories.History()
        self.served = []
        self.settings = {
            **settings.settings(self.upstream.push_url),
            "store": f"sqlite:{self.store}",
            "integrations": [self._integration(name) for name in self.names],
            **changes,
        }
        self.configure()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def _integration(name):
        return {
            "name": name,
            "vendor": "guance",
            "push_key": [push_key(name)],
            "flashduty_key": flashduty_key(name),
        }

    def configure(self, **changes):
        """Writes the configuration, changed where given."""
        self.settings.update(changes)
        settings.write_config(self.config, self.settings)

    def close(self):
        """Ends everything."""
        self.wait_for_detached()
        self.sandbox.close()

    def wait_for_detached(self, seconds=40):
        """Waits until those drains are over that plain CGI has started by itself."""
        own = {served.pid for served in self.served}
        wait_until(lambda: not processes_of(self.folder) - own, seconds, "the detached drains")

    # ---- drains ----

    def drain(self, strace=(), environment=None, timeout=60):
        """Sends what is due, as cron does it; the exit status (negative: killed)."""
        more = {**(environment or {}), **(UNDER_STRACE if strace else {})}
        done = subprocess.run(
            [*strace, str(paths.command_line()), "drain"],
            env=program_environment(self.config, more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        refuse_findings(done.stderr.decode(errors="replace"), "flashduty-gateway drain")
        return done.returncode

    def audit(self):
        """What flashduty-gateway status --audit says is wrong."""
        done = subprocess.run(
            [str(paths.command_line()), "status", "--audit"],
            env=program_environment(self.config),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return [] if done.returncode == 0 else [f"status --audit: {done.stdout} {done.stderr}"]

    def drain_until_empty(self, rounds=10):
        """Drains again and again, as a cron job does every minute; whether nothing waits any more."""
        for _ in range(rounds):
            if not histories.waiting(self.store):
                return True
            self.let_pass(60)
            self.drain()
        return not histories.waiting(self.store)

    def wait_until_empty(self, seconds=60):
        """Waits until a drainer that runs has sent everything."""
        wait_until(lambda: not histories.waiting(self.store), seconds, "an empty outbox")

    # ---- time ----

    def let_pass(self, seconds):
        """Lets the store believe that so much time has passed: all that it waits for is nearer.

        No process may be at work: it would lose what it is sending.
        """
        self.wait_for_detached()
        ms = int(seconds * 1000)
        with closing(sqlite3.connect(self.store, timeout=10)) as store, store:
            store.execute("UPDATE delivery SET due_ms = due_ms - ?1, created_ms = created_ms - ?1,"
                          " scheduled_ms = scheduled_ms - ?1 WHERE state < 2", (ms,))  # fmt: skip
            store.execute("UPDATE delivery SET lease_steady_ms = lease_steady_ms - ?"
                          " WHERE state = 1", (ms,))  # fmt: skip
            store.execute("UPDATE destination SET probe_steady_ms = probe_steady_ms - ?1,"
                          " hold_steady_ms = hold_steady_ms - ?1", (ms,))  # fmt: skip

    def end_pauses(self):
        """What was put off by the schedule, for minutes after a third failure, is due now."""
        with closing(sqlite3.connect(self.store, timeout=10)) as store, store:
            store.execute("UPDATE delivery SET due_ms = min(due_ms, ?1),"
                          " scheduled_ms = min(scheduled_ms, ?1) WHERE state = 0",
                          (int(time.time() * 1000),))  # fmt: skip

    def forget_failures(self):
        """Lets the store believe that no destination is failing."""
        with closing(sqlite3.connect(self.store, timeout=10)) as store, store:
            store.execute("DELETE FROM destination")

    # ---- what came of it ----

    def use(self, name):
        """From now on the store is another file of the folder."""
        self.store = self.folder / name
        self.configure(store=f"sqlite:{self.store}")

    def problems(self):
        """What is wrong with the history, and with the stores."""
        destinations = {name: flashduty_key(name) for name in self.names}
        stores = sorted(self.folder.rglob("*.db"))
        noted = set().union(*(histories.noted_requests(store) for store in stores))
        problems = histories.check_history(self.history, self.upstream.events, destinations, noted)
        for store in stores:
            problems += histories.check_store(store)
        if self.store.exists():
            problems += self.audit()
        return problems + [f"violation: {words}" for words in self.upstream.violations]

    @property
    def figures(self):
        """How many there were of what."""
        return histories.figures(self.history, self.upstream.events)

    # ---- posting ----

    def query(self, integration):
        """The query string that an integration's vendor uses."""
        return f"integration_key={push_key(integration)}"

    def post_by_cgi(self, post, strace=(), program=None):
        """Posts a message once, by a process of its own; the answer, or None if it was killed."""
        endpoint = str(program or paths.endpoint("guance"))
        arguments = (*strace[1:], endpoint) if strace else ()
        answer = None
        try:
            answer = run_cgi(
                "guance",
                json.dumps(post.body).encode(),
                config=self.config,
                environment=UNDER_STRACE if strace else None,
                program=strace[0] if strace else endpoint,
                arguments=arguments,
                query=self.query(post.integration),
            )
        except AssertionError as problem:
            if type(problem) is not AssertionError:  # a sanitizer's report, a key told
                raise
        self.history.answered(post, answer)
        return answer

    def post_by_socket(self, post, path, timeout=30):
        """Posts a message once to a FastCGI process; the answer, or None if there was none."""
        body = json.dumps(post.body).encode()
        values = variables(content_length=len(body), query=self.query(post.integration))
        answer = None
        try:
            with Connection(path, timeout) as connection:
                connection.send(whole_request(values, body))
                answer = connection.answer()
        except (OSError, EOFError):
            pass
        self.history.answered(post, answer)
        return answer


class Served:
    """A FastCGI process whose listening socket outlives it, as that of a web server does."""

    def __init__(self, place, name="guance", environment=None, prefix=(), wait=False):
        self.place = place
        self.name = name
        self.environment = program_environment(place.config, environment)
        self.prefix = prefix
        self.path = place.folder / f"{name}.socket"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(os.fspath(self.path))
        self._listener.listen(BACKLOG)
        self._lock = threading.Lock()
        self._popen = None
        self.log = place.folder / f"{name}.log"
        place.sandbox.defer(self.stop)
        place.served.append(self)
        self.start()

    def start(self):
        """Starts the process."""
        with open(self.log, "ab") as sink:
            self._popen = subprocess.Popen(
                [*self.prefix, str(paths.endpoint("guance"))],
                stdin=self._listener,
                stdout=sink,
                stderr=sink,
                env=self.environment,
                start_new_session=True,
            )

    @property
    def pid(self):
        """Its process id."""
        return self._popen.pid

    def kill(self):
        """Kills it and starts another at once."""
        with self._lock:
            self.place.history.killed()
            self._popen.kill()
            self._popen.wait()
            self.start()

    def end(self, number=signal.SIGTERM, seconds=15):
        """Ends the process; its exit status."""
        self._popen.send_signal(number)
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise AssertionError(f"{self.name} did not end after signal {number}") from None

    def stop(self):
        """Ends it for good."""
        status = self.end() if self._popen.poll() is None else self._popen.returncode
        self._listener.close()
        if status not in (0, -signal.SIGKILL):
            log = self.log.read_text(errors="replace")
            raise AssertionError(f"{self.name} ended with {status}:\n{log[-4000:]}")

    def post(self, post, timeout=30):
        """Posts a message once."""
        return self.place.post_by_socket(post, self.path, timeout)


class Killer:
    """Kills processes at random moments until it is stopped."""

    def __init__(self, served, pauses, random):
        self._served = served
        self._pauses = pauses
        self._random = random
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(self._random.uniform(*self._pauses)):
            self._random.choice(self._served).kill()
