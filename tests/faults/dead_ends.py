"""Ways to Flashduty that lead nowhere: what no HTTP server can simulate."""

import socket
import struct
import threading
from contextlib import contextmanager

from tests.simulator.flashduty import PUSH_PATH, Flashduty
from tests.support import shared

RESET = struct.pack("ii", 1, 0)


def _url(port, scheme="http"):
    return f"{scheme}://127.0.0.1:{port}{PUSH_PATH}"


@contextmanager
def refused():
    """Nobody listens."""
    yield _url(shared.free_port())


@contextmanager
def black_hole():
    """The queue of those that connect is full: further ones are not answered at all."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            yield _url(listener.getsockname()[1])
        finally:
            for filler in fillers:
                filler.close()


@contextmanager
def _accepting(act, scheme="http"):
    """A server that does something with each connection."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    listener.settimeout(0.1)
    over = threading.Event()
    held = []

    def run():
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            act(connection, held)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield _url(listener.getsockname()[1], scheme)
    finally:
        over.set()
        thread.join()
        listener.close()
        for connection in held:
            connection.close()


def _reset(connection, _):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def _close(connection, _):
    connection.close()


def _hold(connection, held):
    held.append(connection)


def _speak(connection, held):
    connection.sendall(b"220 ready\r\n" * 100)
    held.append(connection)


def reset_on_accept():
    """Connections are reset."""
    return _accepting(_reset)


def closed_on_accept():
    """Connections are closed."""
    return _accepting(_close)


def half_open():
    """Connections are accepted, and nothing more."""
    return _accepting(_hold)


def other_protocol():
    """Somebody else answers there."""
    return _accepting(_speak)


def handshake_stall():
    """TLS that never begins."""
    return _accepting(_hold, "https")


def no_tls():
    """No TLS where it should be."""
    return _accepting(_speak, "https")


@contextmanager
def unknown_name():
    """A name that no server of names knows (RFC 6761)."""
    yield f"https://flashduty.invalid{PUSH_PATH}"


@contextmanager
def unknown_authority(context):
    """A certificate that nobody has any reason to trust."""
    with Flashduty(tls=context) as flashduty:
        yield flashduty.push_url
