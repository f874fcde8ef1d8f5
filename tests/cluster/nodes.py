"""Nodes of a gateway: one configuration, one database, a state folder each; HAProxy in front."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from datetime import datetime

from tests.cluster.postgres import DATABASE, USER, Pair
from tests.cluster.ways import CLOSED, OPEN, Ways
from tests.faults import history as histories
from tests.faults.gateways import Place, push_key
from tests.support import paths, settings, shared
from tests.support.answer import Answer, http_request
from tests.support.cgi import program_environment, variables
from tests.support.fastcgi import Connection, whole_request
from tests.support.process import Process, wait_until
from tests.support.webserver import adapted, check_syntax, find_program

BACKLOG = 1024
NODES = 3
ENDPOINT = "guance"
JSON = {"Content-Type": "application/json"}
READY_SECONDS = 30
# What a node says when it goes on without its database, and when it has it again. It waits for half a
# second before.
WITHOUT = re.compile(r"^time=(\S+) .*?msg=\"the store (cannot be used|can be used again)\"", re.MULTILINE)
PATIENCE_SECONDS = 1.0
SPOOLED = re.compile(r" recorded=(?:spool|no) .*? message_id=(\S+)")
SET_CLOCK = paths.ROOT / "tests/faults/set_clock.c"

# The shipped file has one process behind a backend. Of a node that goes away in the middle, another
# takes the request: the message has an id, and is recognised if it was taken before.
BEHIND = """option redispatch 1
    retries 3
    retry-on conn-failure empty-response
    {servers}"""


def postgresql_url(ports):
    """What `store` says of a database whose primary is behind one of the ports."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    options = "target_session_attrs=read-write&sslmode=disable"
    return f"postgresql://{USER}@{hosts}/{DATABASE}?{options}"


def haproxy_configuration(port, nodes, suffix=""):
    """The shipped file with nodes instead of processes; suffix: of the names in it."""
    servers = "\n    ".join(
        f"server {node.name} unix@{node.path} proto fcgi check inter 100ms fall 1 rise 1"
        for node in nodes
    )
    text = adapted(
        "contrib/haproxy/haproxy.cfg",
        {
            "bind :443 ssl crt /etc/haproxy/gateway.example.com.pem": f"bind 127.0.0.1:{port}",
            "/opt/flashduty-gateway/cgi-bin": paths.cgi_bin(),
            "server guance unix@/run/flashduty-gateway/guance.socket proto fcgi": BEHIND.format(
                servers=servers
            ),
        },
    )
    return re.sub(r"(?m)(?<= )flashduty-gateway(?=[-\s])", f"flashduty-gateway{suffix}", text)


class Node:
    """One node: a FastCGI process, as spawn-fcgi starts it, with a folder of its own."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.number = number
        self.name = f"node-{number}"
        self.folder = cluster.folder / self.name
        self.folder.mkdir()
        self.config = self.folder / "gateway.conf"
        self.path = self.folder / f"{ENDPOINT}.socket"
        self.log = cluster.folder / f"{self.name}.log"
        self.environment = {"HOME": str(self.folder)}
        self.kills = []
        self.ahead = 0  # of its clock, in seconds
        self._process = None
        # Its ways to the database servers, by their numbers.
        self.ways = [number * len(cluster.targets) + i for i in range(len(cluster.targets))]
        cluster.sandbox.defer(self.stop)

    def configure(self, values):
        """Writes its configuration."""
        settings.write_config(self.config, values)

    def start(self):
        """Starts it, and waits until it takes connections."""
        self._process = Process(
            ["spawn-fcgi", "-n", "-s", self.path, "-b", BACKLOG, "--", paths.endpoint(ENDPOINT)],
            self.log,
            cwd=self.folder,
            env=program_environment(self.config, self.environment),
        )
        wait_until(self._listens, READY_SECONDS, self.name, self._process)

    def _listens(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(os.fspath(self.path))
                return True
            except OSError:
                return False

    def is_well(self):
        """Whether it says that it is."""
        values = variables(method="GET", path_info="/healthz")
        with Connection(self.path) as connection:
            connection.send(whole_request(values, b""))
            return connection.answer().status == 200

    @property
    def pid(self):
        """Its process id."""
        return self._process.pid

    def running(self):
        """Whether it runs."""
        return self._process is not None and self._process.running()

    def kill(self):
        """Kills it."""
        self.kills.append(time.time())
        self.cluster.history.killed()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self, is_frozen):
        """Stops its process where it is, or lets it go on."""
        self._process.send_signal(signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def stop(self):
        """Ends it in an orderly way."""
        if self._process is None:
            return
        status = self._process.stop()
        if status not in (0, -signal.SIGKILL):
            text = self.log.read_text(errors="replace")
            raise AssertionError(f"{self.name} ended with {status}:\n{text[-4000:]}")

    def post(self, post, timeout=30):
        """Posts a message to this node alone."""
        return self.cluster.post_by_socket(post, self.path, timeout)

    def run(self, *words):
        """Runs the command line as on this node; what it says."""
        done = subprocess.run(
            [str(paths.command_line()), *words],
            env=program_environment(self.config, self.environment),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done

    def spooled(self):
        """The ids of the messages that it has taken without the database, by its log."""
        return SPOOLED.findall(self.log.read_text(errors="replace"))

    def without_database(self):
        """When it could not use its database, by its log: pairs of begin and end."""
        begin, found = None, []
        for moment, words in WITHOUT.findall(self.log.read_text(errors="replace")):
            at = datetime.fromisoformat(moment).timestamp() - self.ahead
            if words == "cannot be used":
                begin = begin or at - PATIENCE_SECONDS
            elif begin:
                found.append((begin, at))
                begin = None
        if begin:
            found.append((begin, float("inf")))
        # The next process says nothing of what the one before had to do without.
        return [
            (begin, min([end, *(kill for kill in self.kills if kill > begin)]))
            for begin, end in found
        ]

    @property
    def stores(self):
        """The SQLite stores that it has made for itself."""
        return sorted(self.folder.rglob("*.db"))


class Cluster(Place):
    """Nodes on a pair of database servers, each with ways of its own to both, behind HAProxy.

    has_database=False: on one SQLite store, which only one machine could have. clocks: node → by how
    many seconds its clock is wrong. integration: what each integration has besides (None removes).
    """

    def __init__(self, nodes=NODES, integrations=2, seed=1, has_database=True, clocks=None,
                 integration=None, **changes):  # fmt: skip
        self._more = integration or {}
        super().__init__(integrations, seed, **changes)
        try:
            self._start(nodes, has_database, clocks or {})
        except BaseException:
            self.close()
            raise

    def _integration(self, name):
        values = {**super()._integration(name), **self._more}
        return {name: value for name, value in values.items() if value is not None}

    def _start(self, nodes, has_database, clocks):
        self.database = Pair(self.sandbox) if has_database else None
        self.targets = [server.port for server in self.database.servers] if has_database else []
        self._ports = [[shared.free_port() for _ in self.targets] for _ in range(nodes)]
        if has_database:
            pairs = [
                pair for ports in self._ports for pair in zip(ports, self.targets, strict=True)
            ]
            self.ways = Ways(self.sandbox, pairs)
        self.nodes = [Node(self, number) for number in range(nodes)]
        if clocks:
            self._set_clocks(clocks)
        for node in self.nodes:
            node.configure({**self.settings, "store": self.store_of(node)})
            node.start()
            # The first one makes the tables.
            wait_until(node.is_well, READY_SECONDS, node.name)
        self.config = self.nodes[0].config
        self.port = shared.free_port()
        self._start_haproxy()

    def _set_clocks(self, clocks):
        library = self.folder / "set_clock.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SET_CLOCK], check=True)
        for number, seconds in clocks.items():
            node = self.nodes[number]
            node.ahead = seconds
            clock = node.folder / "clock"
            clock.write_text(str(seconds))
            node.environment.update(LD_PRELOAD=str(library), SET_CLOCK=str(clock))

    def store_of(self, node):
        """What the node's `store` says."""
        if not self.database:
            return f"sqlite:{self.store}"
        return postgresql_url(self._ports[node.number])

    def _start_haproxy(self):
        file = self.folder / "haproxy.cfg"
        file.write_text(
            "global\n    log stdout format raw local0\ndefaults\n    log global\n"
            f"    timeout client 60s\n{haproxy_configuration(self.port, self.nodes)}",
            encoding="utf-8",
        )
        haproxy = find_program("haproxy")
        check_syntax([haproxy, "-c", "-f", file])
        self.sandbox.start([haproxy, "-db", "-f", file], "haproxy")
        wait_until(self._answers, READY_SECONDS, "HAProxy and a node behind it")

    def _answers(self):
        try:
            return http_request(self.port, f"/{ENDPOINT}", method="GET").status == 405
        except OSError:
            return False

    def close(self):
        """Ends everything; the nodes' stores are looked at by whoever wants to, before."""
        self.sandbox.close()

    # ---- posting ----

    def post(self, post, timeout=60):
        """Posts a message through the load balancer; the answer, or None if there was none."""
        answer = None
        query = f"?integration_key={push_key(post.integration)}"
        body = json.dumps(post.body).encode()
        try:
            answer = http_request(
                self.port, f"/{ENDPOINT}{query}", body, headers=JSON, timeout=timeout
            )
        except (OSError, http.client.HTTPException):
            pass
        if answer is not None and "json" not in answer.headers.get("content-type", ""):
            # Of HAProxy itself.
            answer = Answer(answer.status, answer.headers, b"{}")
        self.history.answered(post, answer)
        return answer

    # ---- the database ----

    def lose_ways(self, nodes, state=CLOSED, cut=False):
        """Closes or silences the ways of some nodes to the database."""
        self.ways.become([way for node in nodes for way in node.ways], state, cut)

    def open_ways(self, nodes=None, cut=False):
        """Opens them again."""
        ways = [way for node in nodes or self.nodes for way in node.ways]
        self.ways.become(ways, OPEN, cut)

    # ---- what came of it ----

    @property
    def stores(self):
        """All that remembers deliveries: the database, and what nodes have of their own."""
        first = [self.database] if self.database else [self.store]
        return first + [store for node in self.nodes for store in node.stores]

    def waiting(self):
        """How many deliveries wait anywhere, or have yet to be handed over to the database."""
        database, *spools = self.stores
        # The database comes last: what is handed over meanwhile is found in one of them.
        kept = sum(histories.rows_of(spool, "SELECT count(*) FROM delivery")[0][0] for spool in spools)
        return kept + histories.waiting(database)

    def wait_until_empty(self, seconds=60):
        """Waits until everything is sent, and in the database."""
        wait_until(lambda: not self.waiting(), seconds, "an empty outbox")

    def audit(self):
        """What a node's `status --audit` says is wrong."""
        done = self.nodes[0].run("status", "--audit")
        return [] if done.returncode == 0 else [f"status --audit: {done.stdout}{done.stderr}"]

    def problems(self):
        """What is wrong with the history, and with the stores."""
        self.history.spooled = {id_ for node in self.nodes for id_ in node.spooled()}
        # A busy machine may keep the database longer than a node waits for it.
        if self.history.outages:
            self.history.noticed = [
                outage for node in self.nodes for outage in node.without_database()
            ]
        destinations = {name: f"flashduty-key-of-integration-{name}" for name in self.names}
        noted = set().union(*map(histories.noted_requests, self.stores))
        problems = histories.check_history(self.history, self.upstream.events, destinations, noted)
        for store in self.stores:
            problems += histories.check_store(store)
        problems += self.audit()
        # What has no outage has no excuse either.
        for node in self.nodes if not self.history.outages else ():
            log = node.log.read_text(errors="replace")
            problems += [line for line in log.splitlines() if " level=error " in line]
        return problems + [f"violation: {words}" for words in self.upstream.violations]

