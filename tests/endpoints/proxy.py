"""An HTTP proxy that counts: requests in absolute form are forwarded, CONNECT makes a tunnel."""

import http.client
import select
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """A side that goes away in the middle is part of the tests; all else is a defect."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Proxy:
    """A context: the proxy runs in it, and `lines` holds the request line of each request.

    tunnel_port: where every tunnel leads, whatever host was asked for.
    """

    def __init__(self, tunnel_port=None):
        self.lines = []
        self.tunnel_port = tunnel_port
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self):
        """What `proxy` has to say."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler(self):
        lines = self.lines
        port = self.tunnel_port

        class Handler(_Handler):
            """The requests of one connection."""

            tunnel_port = port

            def parse_request(self):
                """Remembers the request line."""
                lines.append(self.raw_requestline.decode().strip())
                return super().parse_request()

        return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    tunnel_port = None

    def do_POST(self):
        """Forwards one request."""
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        headers = {"Content-Type": self.headers["Content-Type"]}
        connection.request("POST", f"{url.path}?{url.query}", body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self):
        """Copies bytes both ways until one side ends."""
        host, port = self.path.rsplit(":", 1)
        if self.tunnel_port:
            host, port = "127.0.0.1", self.tunnel_port
        with socket.create_connection((host, int(port)), timeout=10) as target:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: target, target: self.connection}
            while True:
                for source in select.select(list(ends), [], [], 10)[0]:
                    data = source.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[source].sendall(data)

    def log_message(self, *_):
        """Nothing is printed."""
