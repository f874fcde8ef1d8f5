"""Behind nginx, in each of the ways that contrib/nginx/ describes."""

import unittest

from tests.servers.contract import WRONG_KEY, Contract
from tests.servers.spawn import answer_without_process, spawn_endpoints
from tests.support import paths
from tests.support.process import wait_until
from tests.support.webserver import (
    CONFIG,
    ENVIRONMENT,
    INSTALLED,
    adapted,
    check_syntax,
    find_program,
)

NGINX = find_program("nginx")
FCGIWRAP = find_program("fcgiwrap")
TEMPORARY = ("client_body", "fastcgi", "proxy", "scgi", "uwsgi")


def configuration(site, included):
    """A whole nginx configuration around the shipped file."""
    user = f"user {site.user.pw_name};" if site.user else ""
    folders = "\n".join(f"    {name}_temp_path {site.run}/{name};" for name in TEMPORARY)
    return f"""
{user}
daemon off;
worker_processes 1;
pid {site.folder}/nginx.pid;
error_log {site.error_log};
events {{}}
http {{
{folders}
    include {included};
}}
"""


def run(site, shipped):
    """Checks a configuration with the shipped text and starts nginx with it."""
    included = site.write("shipped.conf", shipped)
    file = site.write("nginx.conf", configuration(site, included))
    # -e: nginx opens its compiled-in error log before it reads any configuration.
    argv = [NGINX, "-p", site.folder, "-e", site.error_log, "-c", file]
    said = check_syntax([*argv, "-t"])
    if "[warn]" in said:
        raise AssertionError(f"nginx -t: {said}")
    site.start_server(argv, "nginx")


@unittest.skipUnless(NGINX, "nginx is not installed")
class Nginx(Contract, unittest.TestCase):
    """contrib/nginx/flashduty-gateway.conf, with the processes of spawn.sh"""

    @classmethod
    def start(cls, site):
        spawn_endpoints(site)
        shipped = adapted(
            "contrib/nginx/flashduty-gateway.conf",
            {
                "listen 80;": f"listen 127.0.0.1:{site.port};",
                "/var/log/nginx/flashduty-gateway.access.log": site.access_log,
                "/var/log/nginx/flashduty-gateway.error.log": site.error_log,
                "/run/flashduty-gateway": site.run,
            },
        )
        run(site, shipped)

    def test_an_endpoint_that_is_not_running_is_502_and_its_key_stays_out_of_the_log(self):
        self.assertEqual(answer_without_process(self.site, WRONG_KEY).status, 502)


@unittest.skipUnless(NGINX and FCGIWRAP, "nginx or fcgiwrap is not installed")
class Fcgiwrap(Contract, unittest.TestCase):
    """contrib/nginx/fcgiwrap.conf: plain CGI"""

    @classmethod
    def start(cls, site):
        socket = site.run / "fcgiwrap.socket"
        user = ["-u", site.user.pw_name, "-U", site.user.pw_name] if site.user else []
        site.sandbox.start(
            ["spawn-fcgi", "-n", "-s", socket, "-M", "0660", *user, "--", FCGIWRAP, "-c", "4"],
            name="fcgiwrap",
            env={**ENVIRONMENT, **paths.SANITIZER_OPTIONS},
        )
        wait_until(socket.exists, what="fcgiwrap's socket")
        shipped = adapted(
            "contrib/nginx/fcgiwrap.conf",
            {
                "listen 80;": f"listen 127.0.0.1:{site.port};",
                "/var/log/nginx/flashduty-gateway.access.log": site.access_log,
                "/var/log/nginx/flashduty-gateway.error.log": site.error_log,
                "#fastcgi_param": "fastcgi_param",
                CONFIG + ";": f"{site.config};",
                INSTALLED: site.cgi_bin,
                "/run/fcgiwrap.socket": socket,
            },
        )
        run(site, shipped)


if __name__ == "__main__":
    unittest.main()
