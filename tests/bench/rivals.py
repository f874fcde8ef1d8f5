"""Who is measured: the ceiling, the gateway in its forms, and others that forward alerts.

All stand in one run, on one core, behind the same nginx where one is in front. A rival whose
programs are not installed is left out.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.upstream import DELAYS_MS, PATH, key_of
from tests.support import paths, settings, shared
from tests.support.process import wait_for_port, wait_until
from tests.support.webserver import find_program

HERE = Path(__file__).parent / "programs"
UNDICI = Path("/usr/share/nodejs/undici")
FLASK_PROCESSES, FLASK_THREADS = 2, 32

NGINX = """
{user}
worker_processes 1;
pid {folder}/front.pid;
error_log {folder}/front-errors.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/front-bodies;
    fastcgi_temp_path {folder}/front-fastcgi;
    proxy_temp_path {folder}/front-proxy;
    client_max_body_size 1m;
    client_body_buffer_size 1m;
    keepalive_requests 10000000;
    upstream flashduty {{ server 127.0.0.1:{upstream_port}; keepalive 256; }}
    upstream node {{ server 127.0.0.1:{node_port}; keepalive 256; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate {ca};
    proxy_ssl_name localhost;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = {path} {{ proxy_pass https://flashduty; }}
        location /node/ {{ proxy_pass http://node/; }}
        {gateways}
    }}
}}
"""
NGINX_GATEWAY = """location = /{name} {{
            include /etc/nginx/fastcgi_params; fastcgi_pass unix:{folder}/{name}.socket; }}"""

LIGHTTPD = """
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.max-fds = 4096
server.max-keep-alive-requests = 100000
server.errorlog = "{folder}/lighttpd-errors.log"
server.breakagelog = "{folder}/{name}.log"
server.modules += ( "mod_alias", "mod_setenv", "mod_cgi" )
alias.url = ( "/guance" => "{program}" )
cgi.assign = ( ".fcgi" => "" )
setenv.set-environment = ( {environment} )
"""


def start_lighttpd(place, name, program, environment):
    """Serves a CGI program at /guance: the process, and its URL."""
    port = shared.free_port()
    config = LIGHTTPD.format(
        folder=place.folder, port=port, name=name, program=program,
        environment=", ".join(f'"{key}" => "{value}"' for key, value in environment.items()),
    )  # fmt: skip
    file = place.folder / f"{name}-lighttpd.conf"
    file.write_text(config, encoding="utf-8")
    server = place.start([find_program("lighttpd"), "-D", "-f", file], f"{name}-lighttpd")
    wait_for_port(port, server)
    return server, f"http://127.0.0.1:{port}"


def push_key(vendor, delay_ms):
    """The gateway's push key that leads to a Flashduty key."""
    return f"push-key-of-the-bench-{vendor}-{delay_ms}"


class Rival:
    """One that forwards alerts. own: the processes that are its own; front: its web server's."""

    is_slow = False
    vendor = "guance"

    def __init__(self, place, name, url, path):
        self.place, self.name, self.url, self.path = place, name, url, path
        self.own, self.front = [], []

    def query(self, delay_ms):
        """Path and query of an alert that Flashduty answers after so long."""
        return f"{self.path}?integration_key={key_of(delay_ms)}"

    def sessions(self):
        """The sessions of its processes, its web server's included."""
        return {process.pid for process in self.own + self.front}

    def renew(self):
        """Whatever makes a window begin as the first one did."""


class Gateway(Rival):
    """Our own. It begins each window anew, with an empty store."""

    def __init__(self, place, name, url, upstream, vendor="guance", **changes):
        super().__init__(place, name, url, f"/{name}")
        self.vendor = vendor
        self.store = place.folder / f"{name}.db"
        self.config = settings.write_config(
            place.folder / f"{name}.conf",
            {
                "flashduty_url": upstream.url,
                "ca_file": str(place.keys.ca_certificate),
                "store": f"sqlite:{self.store}",
                "rate_per_second": 0,
                "rate_per_minute": 0,
                "smn": settings.trusting(place.keys),
                "integrations": [
                    {
                        "name": f"{vendor}-{ms}",
                        "vendor": vendor,
                        "push_key": [push_key(vendor, ms)],
                        "flashduty_key": key_of(ms),
                    }
                    for vendor in ("guance", "ces")
                    for ms in DELAYS_MS
                ],
                **changes,
            },
        )
        # What the programs keep beside the store is of no use after the run.
        self.environment = {
            "FLASHDUTY_GATEWAY_CONFIG": str(self.config),
            "XDG_STATE_HOME": str(place.folder),
        }

    def query(self, delay_ms):
        return f"{self.path}?integration_key={push_key(self.vendor, delay_ms)}"

    def remove_store(self):
        """Takes away what was remembered."""
        for path in self.place.folder.glob(f"{self.store.name}*"):
            path.unlink()


class FastCgi(Gateway):
    """Spawned as contrib/nginx/spawn.sh does it, behind nginx."""

    def stop(self):
        """Ends it."""
        for process in self.own:
            process.stop()
        self.own = []

    def renew(self):
        self.stop()
        self.remove_store()
        self.start()

    def start(self):
        """Starts it on the store as it is."""
        socket = self.place.folder / f"{self.name}.socket"
        socket.unlink(missing_ok=True)
        log = self.place.folder / f"{self.name}.log"
        log.unlink(missing_ok=True)
        process = self.place.start(
            ["spawn-fcgi", "-n", "-s", socket, "--", paths.endpoint(self.vendor)],
            self.name,
            env={**os.environ, **self.environment},
        )
        self.own = [process]
        wait_until(socket.exists, what=f"the socket of {self.name}", process=process)


class PlainCgi(Gateway):
    """A process a request, under lighttpd. build: as paths has them, or "static"."""

    is_slow = True

    @staticmethod
    def is_installed():
        """Whether there is a static build: it takes what a user of the others may not have."""
        return paths.endpoint("guance", "static").exists()

    def __init__(self, place, name, upstream, build="release", **changes):
        super().__init__(place, name, None, upstream, **changes)
        self.path = "/guance"
        program = paths.endpoint("guance", build)
        server, self.url = start_lighttpd(place, name, program, self.environment)
        self.front = [server]

    def renew(self):
        self.remove_store()


def build_bare(place):
    """The program forward.c."""
    program = place.folder / "forward.fcgi"
    if not program.exists():
        libraries = ("-lfcgi", "-lcurl", "-lcjson", "-pthread")
        subprocess.run(["cc", "-O2", "-o", program, HERE / "forward.c", *libraries], check=True)
    return program


class Bare(Rival):
    """forward.c by FastCGI, behind nginx. Without an upstream it answers by itself."""

    def __init__(self, place, name, url, upstream=None):
        super().__init__(place, name, url, f"/{name}")
        socket = place.folder / f"{name}.socket"
        environment = {**os.environ, "BENCH_CA": str(place.keys.ca_certificate)}
        if upstream:
            environment["BENCH_UPSTREAM"] = upstream.url
        argv = ["spawn-fcgi", "-n", "-s", socket, "--", build_bare(place)]
        self.own = [place.start(argv, name, env=environment)]
        wait_until(socket.exists, what=f"the socket of {name}", process=self.own[0])


class BareCgi(Rival):
    """forward.c, under lighttpd."""

    is_slow = True

    def __init__(self, place, upstream):
        environment = {"BENCH_UPSTREAM": upstream.url, "BENCH_CA": place.keys.ca_certificate}
        server, url = start_lighttpd(place, "cgi-bare", build_bare(place), environment)
        super().__init__(place, "cgi-bare", url, "/guance")
        self.front = [server]


class Node(Rival):
    """forward.js, by itself."""

    @staticmethod
    def is_installed():
        """Whether its programs are there."""
        return shutil.which("node") and UNDICI.exists()

    def __init__(self, place, upstream, port):
        super().__init__(place, "node", f"http://127.0.0.1:{port}", "/guance")
        argv = ["node", HERE / "forward.js", port, upstream.url, place.keys.ca_certificate]
        # Where Debian has its modules; a node from elsewhere does not look there.
        environment = {**os.environ, "NODE_PATH": str(UNDICI.parent)}
        self.own = [place.start(argv, "node", env=environment)]
        wait_for_port(port, self.own[0])


class Flask(Rival):
    """forward.py under gunicorn."""

    @staticmethod
    def is_installed():
        """Whether its programs are there."""
        return shutil.which("gunicorn") and Path("/usr/lib/python3/dist-packages/flask").exists()

    def __init__(self, place, upstream):
        port = shared.free_port()
        super().__init__(place, "flask", f"http://127.0.0.1:{port}", "/guance")
        argv = [
            "gunicorn", "-b", f"127.0.0.1:{port}", "-w", FLASK_PROCESSES, "--threads",
            FLASK_THREADS, "--backlog", 1024, "--worker-tmp-dir", place.folder,
            "--chdir", HERE, "forward:app",
        ]  # fmt: skip
        environment = {
            **os.environ,
            "BENCH_UPSTREAM": upstream.url,
            "BENCH_CA": str(place.keys.ca_certificate),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.own = [place.start(argv, "flask", env=environment)]
        wait_for_port(port, self.own[0])


class Webhook(Rival):
    """Debian's webhook, which starts forward.sh: jq and curl."""

    is_slow = True

    @staticmethod
    def is_installed():
        """Whether its programs are there."""
        return all(map(shutil.which, ("webhook", "jq", "curl")))

    def __init__(self, place, upstream):
        port = shared.free_port()
        super().__init__(place, "webhook", f"http://127.0.0.1:{port}", "/hooks/guance")
        hook = {
            "id": "guance",
            "execute-command": str(HERE / "forward.sh"),
            "include-command-output-in-response": True,
            "pass-arguments-to-command": [
                {"source": "string", "name": upstream.url},
                {"source": "string", "name": str(place.keys.ca_certificate)},
                {"source": "entire-payload"},
                {"source": "url", "name": "integration_key"},
            ],
        }
        file = place.folder / "hooks.json"
        file.write_text(json.dumps([hook]), encoding="utf-8")
        argv = ["webhook", "-hooks", file, "-ip", "127.0.0.1", "-port", port]
        self.own = [place.start(argv, "webhook")]
        wait_for_port(port, self.own[0])


@dataclass(frozen=True)
class Description:
    """What a table calls a rival, and whether it is ours."""

    title: str
    is_ours: bool = False


TITLES = {
    "nginx": Description("nginx `proxy_pass`: no parsing, no mapping, no promise"),
    "gateway": Description("**gateway**, FastCGI, store on", True),
    "gateway-256": Description("gateway, FastCGI, store on, `workers = 256`", True),
    "gateway-no-store": Description("gateway, FastCGI, no store", True),
    "ces": Description("gateway, CES: signature verified, store on", True),
    "ces-unverified": Description("gateway, CES: the same unverified", True),
    "null": Description("FastCGI in C that answers at once, and does nothing"),
    "bare": Description("FastCGI in C with cJSON and libcurl alone, 64 threads, keeps nothing"),
    "node": Description("Node with undici, keeps nothing"),
    "node-nginx": Description("the same behind nginx"),
    "flask": Description("gunicorn + Flask + requests, keeps nothing"),
    "cgi-static": Description("gateway, plain CGI as shared hosts have it (static), store on", True),
    "cgi": Description("gateway, plain CGI, store on", True),
    "cgi-no-store": Description("gateway, plain CGI, no store", True),
    "cgi-bare": Description("plain CGI in C with cJSON and libcurl alone, keeps nothing"),
    "webhook": Description("Debian's `webhook` + jq + curl, keeps nothing"),
}


def start_front(place, upstream, node_port):
    """The nginx before the gateway, which is the ceiling too."""
    port = shared.free_port()
    names = ("gateway", "gateway-256", "gateway-no-store", "ces", "ces-unverified", "null", "bare")
    config = NGINX.format(
        user=place.nginx_user, folder=place.folder, upstream_port=upstream.port, port=port,
        node_port=node_port, ca=place.keys.ca_certificate, path=PATH,
        gateways="\n".join(NGINX_GATEWAY.format(name=n, folder=place.folder) for n in names),
    )  # fmt: skip
    front = place.start_nginx("front", config)
    wait_for_port(port, front)
    return front, f"http://127.0.0.1:{port}"


def start_rivals(place, upstream, wanted=None, **changes):
    """Starts those that are installed (and wanted: names); a dictionary by name. changes: of the
    gateways' configuration."""
    node_port = shared.free_port()
    front, url = start_front(place, upstream, node_port)
    unverified = {**settings.trusting(place.keys), "verify": "off"}
    makers = {
        "nginx": lambda: Rival(place, "nginx", url, PATH),
        "gateway": lambda: FastCgi(place, "gateway", url, upstream, **changes),
        "gateway-256": lambda: FastCgi(
            place, "gateway-256", url, upstream, **{**changes, "workers": 256}
        ),
        "gateway-no-store": lambda: FastCgi(
            place, "gateway-no-store", url, upstream, **{**changes, "store": "none"}
        ),
        "ces": lambda: FastCgi(place, "ces", url, upstream, "ces", **changes),
        "ces-unverified": lambda: FastCgi(
            place, "ces-unverified", url, upstream, "ces", **{**changes, "smn": unverified}
        ),
        "null": lambda: Bare(place, "null", url),
        "bare": lambda: Bare(place, "bare", url, upstream),
        "node": lambda: Node(place, upstream, node_port),
        "flask": lambda: Flask(place, upstream),
        "cgi-static": lambda: PlainCgi(place, "cgi-static", upstream, "static", **changes),
        "cgi": lambda: PlainCgi(place, "cgi", upstream, **changes),
        "cgi-no-store": lambda: PlainCgi(
            place, "cgi-no-store", upstream, **{**changes, "store": "none"}
        ),
        "cgi-bare": lambda: BareCgi(place, upstream),
        "webhook": lambda: Webhook(place, upstream),
    }
    installed = {"node": Node, "flask": Flask, "webhook": Webhook, "cgi-static": PlainCgi}
    rivals = {
        name: maker()
        for name, maker in makers.items()
        if (wanted is None or name in wanted)
        and (name not in installed or installed[name].is_installed())
    }
    if "node" in rivals:
        behind = rivals["node-nginx"] = Rival(place, "node-nginx", url, "/node/guance")
        behind.own = rivals["node"].own
    for rival in rivals.values():
        if rival.url == url:
            rival.front = [front]
    return rivals
