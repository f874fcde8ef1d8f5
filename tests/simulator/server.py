"""A small HTTP server that misbehaves on command: the ground that both simulators stand on.

What a test tells it to do is a *behaviour*, a dictionary (so that it travels as JSON too):

    {"do": "ok"}                                    the simulator's own, correct answer
    {"do": "error", "code": "X", "status": 500}     an error in Flashduty's shape
    {"do": "status", "status": 502, "body": "…"}    any status with any body
    {"do": "hang", "seconds": 5}                    silence, then the correct answer
    {"do": "drip", "seconds": 5}                    the correct answer, byte by byte over that time
    {"do": "drop", "when": "before"}                the connection ends before the body is read
    {"do": "drop", "when": "after"}                 … after it is read, unheeded
    {"do": "drop", "when": "accepted"}              … after it took effect: the answer is lost
    {"do": "garbage"}                               bytes that are no HTTP
    {"do": "redirect", "location": "https://…"}     302, or the "status" given

"headers" (a dictionary) may stand in all that answer, "retry_after" (seconds) too.

In a test they are given to answer(); from outside the process they go to /control, as JSON:

    POST /control    {"answer": [behaviour, …], "times": n or null, "key": "…", "clear": true}
    GET  /control    {"requests": n, "connections": n, …}
"""

import json
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GARBAGE = b"\x16\x03\x00\xff\x00 this is no HTTP \r\n\r\n\x00\x01\x02"
DRIP_PIECES = 50
KINDS = ("ok", "error", "status", "hang", "drip", "drop", "garbage", "redirect")


@dataclass
class Answer:
    """What a simulator wants to say: a status, headers, a body."""

    status: int
    body: bytes
    headers: dict = field(default_factory=dict)

    @staticmethod
    def of_json(status, value, headers=None):
        """An answer with a JSON body."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    connection: int
    time: float

    def parameter(self, name):
        """The first value of a query parameter, or None."""
        return self.query.get(name, [None])[0]


class Script:
    """Which behaviour the next request meets: rules in order, each for so many requests."""

    def __init__(self):
        self._lock = threading.Lock()
        self._rules = []

    def add(self, behaviour, times=1, key=None):
        """The next `times` requests (None: all) with this key (None: any) behave so."""
        if behaviour.get("do") not in KINDS:
            raise ValueError(f"unknown behaviour {behaviour!r}: one of {', '.join(KINDS)}")
        with self._lock:
            self._rules.append({"behaviour": behaviour, "left": times, "key": key})

    def clear(self):
        """From now on every request gets the correct answer."""
        with self._lock:
            self._rules.clear()

    def next_for(self, key):
        """The behaviour for a request with this key; used up if it was for a number of them."""
        with self._lock:
            for rule in self._rules:
                if rule["key"] not in (None, key):
                    continue
                if rule["left"] is not None:
                    rule["left"] -= 1
                    if rule["left"] <= 0:
                        self._rules.remove(rule)
                return rule["behaviour"]
        return {"do": "ok"}


class _Server(ThreadingHTTPServer):
    """Threads, optional TLS, numbered connections, and an end that waits for nobody."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address, handler, tls):
        self.tls = tls
        self.lock = threading.Lock()
        self.connections = {}
        self.connection_count = 0
        super().__init__(address, handler)

    def get_request(self):
        """Accepts; the TLS handshake is left to the connection's own thread."""
        connection, address = super().get_request()
        if self.tls:
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self.lock:
            self.connection_count += 1
            self.connections[connection] = self.connection_count
        return connection, address

    def shutdown_request(self, request):
        """Forgets a connection that is over."""
        with self.lock:
            self.connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A client that goes away in the middle is part of the tests; all else is a defect."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def drop_connections(self):
        """Ends every open connection, so that their threads end."""
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                pass


class ScriptedServer:
    """Runs a server (on loopback) whose answers come from `respond`, bent by a Script.

    Subclasses override respond(request) and, if requests carry one, key_of(request); obey() and
    state() where /control has more to say.
    """

    address = "127.0.0.1"

    def __init__(self, port=0, tls=None):
        self.script = Script()
        self._changed = threading.Condition()
        self._requests = []
        self._stopping = threading.Event()
        self._server = _Server((self.address, port), self._handler(), tls)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def respond(self, request):
        """The correct answer to a request."""
        raise NotImplementedError

    def key_of(self, request):
        """What a rule's key is compared with."""
        return None

    def obey(self, order):
        """Does what a POST to /control says."""
        if order.get("clear"):
            self.clear()
        self.answer(
            *order.get("answer", []), times=order.get("times", 1), key=order.get("key")
        )

    def state(self):
        """What a GET of /control shows."""
        return {"requests": len(self.requests), "connections": self.connection_count}

    def clear(self):
        """Forgets the requests and the behaviours."""
        self.script.clear()
        with self._changed:
            self._requests.clear()

    @property
    def port(self):
        """The port that it listens on."""
        return self._server.server_address[1]

    @property
    def connection_count(self):
        """How many connections were ever opened."""
        return self._server.connection_count

    @property
    def requests(self):
        """Every request that was read to its end, in order of arrival."""
        with self._changed:
            return list(self._requests)

    def answer(self, *behaviours, times=1, key=None):
        """Each of the behaviours, in turn, meets the next `times` requests (None: all)."""
        for behaviour in behaviours:
            self.script.add(behaviour, times, key)

    def wait_for(self, condition, seconds=10):
        """Waits until condition() is true; False if it does not become so in time."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def wait_for_requests(self, count, seconds=10):
        """Waits until that many requests arrived; False if they do not in time."""
        return self.wait_for(lambda: len(self._requests) >= count, seconds)

    def start(self):
        """Begins to serve."""
        self._thread.start()
        return self

    def stop(self):
        """Ends all connections and the server."""
        self._stopping.set()
        self._server.shutdown()
        self._server.drop_connections()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _record(self, request):
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def _wake(self):
        """Lets wait_for look again."""
        with self._changed:
            self._changed.notify_all()

    def _handler(self):
        owner = self

        class Handler(_Handler):
            """The requests of one connection."""

            simulator = owner

        return Handler


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, asks the script how to behave, and does so."""

    simulator = None
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self):
        """Every method goes the same way: what is right is respond's to judge."""
        request = self._head()
        if request.path == "/control":
            if self._read_body(request):
                self._send(self._control(request), {})
            return
        behaviour = self.simulator.script.next_for(self.simulator.key_of(request))
        if behaviour["do"] == "drop" and behaviour.get("when") == "before":
            self.close_connection = True
            return
        if self._read_body(request):
            self.simulator._record(request)
            self._act(behaviour, request)
            self.simulator._wake()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET

    def _head(self):
        url = urlsplit(self.path)
        return Request(
            method=self.command,
            path=url.path,
            query=parse_qs(url.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=b"",
            connection=self.server.connections.get(self.connection, 0),
            time=time.time(),
        )

    def _read_body(self, request):
        """Reads the body; False if the client went away before its end."""
        length = int(self.headers.get("Content-Length", 0))
        request.body = self.rfile.read(length)
        if len(request.body) < length:
            self.close_connection = True
            return False
        return True

    def _control(self, request):
        try:
            if request.method == "POST":
                self.simulator.obey(json.loads(request.body))
            return Answer.of_json(200, self.simulator.state())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Answer.of_json(400, {"error": str(error)})

    def _act(self, behaviour, request):
        kind = behaviour["do"]
        if kind == "drop":
            if behaviour.get("when") == "accepted":
                self.simulator.respond(request)
            self.close_connection = True
        elif kind == "garbage":
            self._write(GARBAGE)
            self.close_connection = True
        elif kind == "hang":
            if not self.simulator._stopping.wait(behaviour.get("seconds", 60)):
                self._send(self.simulator.respond(request), behaviour)
        elif kind == "drip":
            self._drip(self.simulator.respond(request), behaviour)
        else:
            self._send(self._answer(behaviour, request), behaviour)

    def _answer(self, behaviour, request):
        kind = behaviour["do"]
        if kind == "error":
            error = {"code": behaviour["code"], "message": behaviour.get("message", "told to")}
            body = {"request_id": f"simulated-{time.monotonic_ns():x}", "error": error}
            return Answer.of_json(behaviour.get("status", 400), body)
        if kind == "status":
            return Answer(behaviour["status"], behaviour.get("body", "").encode())
        if kind == "redirect":
            status = behaviour.get("status", 302)
            return Answer(status, b"", {"Location": behaviour["location"]})
        return self.simulator.respond(request)

    def _compose(self, answer, behaviour):
        headers = {**answer.headers, **behaviour.get("headers", {})}
        if "retry_after" in behaviour:
            headers["Retry-After"] = str(behaviour["retry_after"])
        headers["Content-Length"] = str(len(answer.body))
        lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('Status',))[0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body

    def _send(self, answer, behaviour):
        self._write(self._compose(answer, behaviour))

    def _drip(self, answer, behaviour):
        """Sends the answer in small pieces over the time given."""
        data = self._compose(answer, behaviour)
        pause = behaviour.get("seconds", 10) / DRIP_PIECES
        step = max(1, len(data) // DRIP_PIECES)
        for start in range(0, len(data), step):
            if not self._write(data[start : start + step]):
                return
            if self.simulator._stopping.wait(pause):
                return

    def _write(self, data):
        """Writes; False if the client is gone, which tests provoke."""
        try:
            self.wfile.write(data)
            return True
        except OSError:
            self.close_connection = True
            return False

    def log_message(self, *_):
        """The requests are recorded; nothing is printed."""
