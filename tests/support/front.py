"""The least of a web server in front of a FastCGI endpoint: enough for a client of ours."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Front:
    """Passes requests on to an Endpoint; used as a context."""

    def __init__(self, endpoint):
        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            def do_POST(self):  # pylint: disable=invalid-name
                """Passes one request on."""
                url = urlsplit(self.path)
                headers = dict(self.headers.items())
                answer = endpoint.request(
                    self.rfile.read(int(headers.pop("Content-Length", "0"))),
                    query=url.query,
                    script_name=url.path,
                    content_type=headers.pop("Content-Type", None),
                    headers=headers,
                )
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
