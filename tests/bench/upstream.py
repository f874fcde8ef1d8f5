"""Flashduty as a mock that costs next to nothing: nginx with TLS 1.3 and its echo module.

The integration key in the query says how long an answer takes: bench-0, bench-20, bench-100 (ms).
"""

import urllib.request

from tests.support import shared
from tests.support.process import wait_for_port

DELAYS_MS = (0, 20, 100)
PATH = "/event/push/alert/standard"
ANSWER = (
    '{"request_id":"0f2a83d10000000000000000c0ffee00","data":'
    '{"alert_key":"bench","alert_id":"65f000000000000000000000"}}'
)

CONFIG = """
load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
{user}
worker_processes 1;
pid {folder}/upstream.pid;
error_log {folder}/upstream-errors.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/upstream-bodies;
    client_body_buffer_size 1m;
    client_max_body_size 2m;
    default_type application/json;
    keepalive_timeout 300s;
    keepalive_requests 10000000;
    ssl_certificate {keys.server_certificate};
    ssl_certificate_key {keys.server_key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:bench:4m;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        listen [::1]:{port} ssl backlog=4096;
        location {path} {{ rewrite ^ /$arg_integration_key last; }}
        location = /bench-0 {{ return 200 '{answer}'; }}
        {delayed}
    }}
    server {{
        listen 127.0.0.1:{status_port};
        location = /status {{ stub_status; }}
    }}
}}
"""
DELAYED = """location = /bench-{ms} {{
            echo_read_request_body; echo_sleep {seconds}; echo -n '{answer}'; }}"""


def key_of(delay_ms):
    """The Flashduty key whose answers take so long."""
    return f"bench-{delay_ms}"


class Upstream:
    """The mock, run on the core of the load."""

    def __init__(self, place):
        self.port, self._status_port = shared.free_port(), shared.free_port()
        self._own = 0
        delayed = "\n".join(
            DELAYED.format(ms=ms, seconds=ms / 1000, answer=ANSWER) for ms in DELAYS_MS[1:]
        )
        config = CONFIG.format(
            user=place.nginx_user, folder=place.folder, keys=place.keys, port=self.port, path=PATH,
            answer=ANSWER, delayed=delayed, status_port=self._status_port,
        )  # fmt: skip
        process = place.start_nginx("upstream", config, place.load_core)
        wait_for_port(self._status_port, process)

    @property
    def url(self):
        """Where alerts are posted."""
        return f"https://localhost:{self.port}{PATH}"

    def requests(self):
        """How many requests it has got, this one not counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/status") as answer:
            counts = answer.read().split(b"\n")[2].split()
        self._own += 1
        return int(counts[2]) - self._own
