"""The ways themselves: they do what the other tests believe that they do."""

import socket
import socketserver
import threading
import unittest
from contextlib import suppress

from tests.cluster.ways import CLOSED, OPEN, SILENT, Ways
from tests.support import shared
from tests.support.process import Sandbox, wait_until

SILENCE_SECONDS = 0.3


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    def handle(self):
        with suppress(ConnectionResetError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


class Behaviour(unittest.TestCase):
    """A way to a server that sends back what it gets."""

    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        server.daemon_threads = True
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.port = shared.free_port()
        self.ways = Ways(self.sandbox, [(self.port, server.server_address[1])])

    def connect(self):
        """A new connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.addCleanup(connection.close)
        return connection

    def speak(self, connection, data=b"a word"):
        """Sends something and waits until it has come back."""
        connection.sendall(data)
        got = b""
        while len(got) < len(data):
            piece = connection.recv(65536)
            self.assertTrue(piece)
            got += piece
        self.assertEqual(got, data)

    def assert_silent(self, connection):
        """Nothing comes."""
        connection.settimeout(SILENCE_SECONDS)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)

    def test_open(self):
        connection = self.connect()
        self.speak(connection)
        self.speak(connection, bytes(1000000))
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(connection.recv(1), b"")
        self.assertEqual(self.ways.order([]), [1])

    def test_silent_and_what_was_said_meanwhile_arrives_when_it_opens(self):
        old = self.connect()
        self.speak(old)
        self.ways.become([0], SILENT)
        new = self.connect()
        for connection in (old, new):
            connection.sendall(b"into the void")
            self.assert_silent(connection)
        self.ways.become([0], OPEN)
        for connection in (old, new):
            self.assertEqual(connection.recv(100), b"into the void")

    def test_silent_and_cut_when_it_opens(self):
        old = self.connect()
        self.speak(old)
        self.ways.become([0], SILENT)
        old.sendall(b"into the void")
        self.ways.become([0], OPEN, cut=True)
        with self.assertRaises(ConnectionResetError):
            old.recv(1)
        self.speak(self.connect())

    def test_closed(self):
        old = self.connect()
        self.speak(old)
        self.ways.become([0], CLOSED)
        with self.assertRaises(ConnectionResetError):
            old.recv(1)
        with self.assertRaises(ConnectionRefusedError):
            self.connect()
        self.ways.become([0], OPEN)
        self.speak(self.connect())

    def test_cut(self):
        old = self.connect()
        self.speak(old)
        self.ways.cut([0])
        with self.assertRaises(ConnectionResetError):
            old.recv(1)
        self.speak(self.connect())
        wait_until(lambda: self.ways.order([]) == [2], 5, "two connections")


if __name__ == "__main__":
    unittest.main()
