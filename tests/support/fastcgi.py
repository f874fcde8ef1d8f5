"""FastCGI, both ends of a test: the endpoint on a socket of ours, and a client of single records.

The client does what a web server does, and what none would do: cut a record short, pad it, send it
slowly, ask for management values, abort, keep the connection.
(https://fastcgi-archives.github.io/FastCGI_Specification.html)
"""

import os
import signal
import socket
import struct
import time
from dataclasses import dataclass

from tests.support import paths
from tests.support.answer import parse_cgi
from tests.support.canaries import refuse_keys
from tests.support.cgi import DEFAULT, program_environment, variables

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR, DATA = range(1, 9)
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = range(9, 12)

RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
KEEP_CONN = 1
VERSION = 1
RECORD_MAX = 65535
_HEADER = struct.Struct(">BBHHBx")


def record(kind, content=b"", request_id=1, padding=0, version=VERSION):
    """One record's bytes."""
    header = _HEADER.pack(version, kind, request_id, len(content), padding)
    return header + content + bytes(padding)


def _length(number):
    if number < 128:
        return struct.pack(">B", number)
    return struct.pack(">I", number | 0x80000000)


def name_values(values):
    """Name-value pairs as PARAMS and GET_VALUES carry them."""
    data = b""
    for name, value in values.items():
        name, value = name.encode(), value.encode()
        data += _length(len(name)) + _length(len(value)) + name + value
    return data


def parse_name_values(data):
    """The reverse of name_values."""
    values = {}
    position = 0

    def length():
        nonlocal position
        if data[position] < 128:
            position += 1
            return data[position - 1]
        position += 4
        return struct.unpack(">I", data[position - 4 : position])[0] & 0x7FFFFFFF

    while position < len(data):
        name_length, value_length = length(), length()
        name = data[position : position + name_length]
        position += name_length
        values[name.decode()] = data[position : position + value_length].decode()
        position += value_length
    return values


def stream(kind, data, request_id=1, padding=0, size=RECORD_MAX):
    """A stream as records: the data in pieces, then the empty record that ends it."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    records = [record(kind, piece, request_id, padding) for piece in pieces]
    return b"".join([*records, record(kind, b"", request_id, padding)])


def begin(request_id=1, role=RESPONDER, flags=0):
    """A BEGIN_REQUEST record."""
    return record(BEGIN_REQUEST, struct.pack(">HB5x", role, flags), request_id)


def whole_request(values, body, request_id=1, flags=0, padding=0):
    """All records of a request."""
    return (
        begin(request_id, flags=flags)
        + stream(PARAMS, name_values(values), request_id, padding)
        + stream(STDIN, body, request_id, padding)
    )


@dataclass
class Record:
    """A record received."""

    kind: int
    request_id: int
    content: bytes


class Connection:
    """A connection to an endpoint's socket."""

    def __init__(self, path, timeout=30):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(os.fspath(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the connection."""
        self._socket.close()

    def send(self, data):
        """Sends bytes as they are."""
        self._socket.sendall(data)

    def send_slowly(self, data, pause, size=1):
        """Sends bytes in small pieces with pauses."""
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            time.sleep(pause)

    def end_sending(self):
        """Nothing more will be sent; answers can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def is_closed_by_peer(self, seconds=5):
        """Whether the other side ends the connection in time, without a further byte."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _read(self, size):
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise EOFError(f"the connection ended after {len(data)} of {size} bytes")
            data += piece
        return data

    def receive(self):
        """The next record; EOFError at the end of the connection."""
        _, kind, request_id, length, padding = _HEADER.unpack(self._read(_HEADER.size))
        content = self._read(length)
        self._read(padding)
        return Record(kind, request_id, content)

    def answer(self, request_id=1):
        """Reads up to END_REQUEST and returns the answer."""
        streams = {STDOUT: b"", STDERR: b""}
        while True:
            got = self.receive()
            if got.request_id != request_id:
                raise AssertionError(f"a record of request {got.request_id}: {got}")
            if got.kind == END_REQUEST:
                status = struct.unpack(">I", got.content[:4])[0]
                stderr = streams[STDERR].decode(errors="replace")
                refuse_keys(streams[STDOUT].decode(errors="replace"), "an answer by FastCGI")
                return parse_cgi(streams[STDOUT], stderr=stderr, exit_status=status)
            if got.kind not in streams:
                raise AssertionError(f"an unexpected record: {got}")
            streams[got.kind] += got.content


class Endpoint:
    """An endpoint as a FastCGI process on a unix socket, started as web servers start it."""

    def __init__(self, sandbox, name, config=None, environment=None, program=None, backlog=128):
        self.name = name
        self.path = sandbox.folder / f"{name}.socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(os.fspath(self.path))
            listener.listen(backlog)
            self.process = sandbox.start(
                [program or paths.endpoint(name)],
                name=name,
                stdin=listener,
                env=program_environment(config, environment),
            )

    @property
    def log(self):
        """Its log lines so far; while it runs, a line may be seen before all of it is written."""
        running = self.process.running()
        text = self.process.output
        return text[: text.rfind("\n") + 1] if running else text

    def connect(self, timeout=30):
        """A new connection."""
        return Connection(self.path, timeout)

    def request(self, body=b"", content_length=DEFAULT, timeout=30, padding=0, **request):
        """One whole request on a connection of its own; `request` is what variables() takes."""
        length = len(body) if content_length is DEFAULT else content_length
        values = variables(content_length=length, **request)
        with self.connect(timeout) as connection:
            connection.send(whole_request(values, body, padding=padding))
            return connection.answer()

    def stop(self, number=signal.SIGTERM):
        """Ends it; its exit status."""
        return self.process.stop(number)
