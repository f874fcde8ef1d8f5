"""An answer of the gateway, whichever way it came: HTTP, CGI or FastCGI."""

import http.client
import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    """Status, headers (names in lower case), body; stderr and exit status where there are any."""

    status: int
    headers: dict
    body: bytes
    stderr: str = ""
    exit_status: int = None
    raw: bytes = field(default=b"", repr=False)

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def outcome(self):
        """data.outcome, or None if the answer is an error."""
        return self.json.get("data", {}).get("outcome")

    @property
    def error_code(self):
        """error.code, or None if the answer is none."""
        return self.json.get("error", {}).get("code")

    @property
    def message(self):
        """error.message, or None if the answer is no error."""
        return self.json.get("error", {}).get("message")


def parse_cgi(data, **more):
    """An answer in CGI's form: header lines, an empty line, the body (RFC 3875, 6)."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = data.partition(b"\n\n")
    if not separator:
        raise AssertionError(f"no complete answer: {data[:300]!r} {more}")
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(headers.get("status", "200").split()[0])
    return Answer(status, headers, body, raw=data, **more)


def http_request(port, path, body=None, method=None, headers=None, timeout=30):
    """One HTTP request to 127.0.0.1. An iterator as the body is sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    method = method or ("GET" if body is None else "POST")
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())
    finally:
        connection.close()
