"""Behind nginx, with contrib/nginx/flashduty-gateway.conf and the processes of spawn.sh."""

import unittest

from tests.servers.contract import WRONG_KEY, Contract
from tests.servers.spawn import spawn_endpoints
from tests.support.webserver import adapted, check_syntax, find_program

NGINX = find_program("nginx")
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


@unittest.skipUnless(NGINX, "nginx is not installed")
class Nginx(Contract, unittest.TestCase):
    """One server with both locations."""

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
        included = site.write("shipped.conf", shipped)
        file = site.write("nginx.conf", configuration(site, included))
        # -e: nginx opens its compiled-in error log before it reads any configuration.
        argv = [NGINX, "-p", site.folder, "-e", site.error_log, "-c", file]
        said = check_syntax([*argv, "-t"])
        if "[warn]" in said:
            raise AssertionError(f"nginx -t: {said}")
        site.start_server(argv, "nginx")

    def test_an_endpoint_that_is_not_running_is_502_and_its_key_stays_out_of_the_log(self):
        socket = self.site.run / "guance.socket"
        socket.rename(self.site.run / "elsewhere.socket")
        try:
            answer = self.site.request("/guance?integration_key=" + WRONG_KEY, b"{}")
        finally:
            self.site.run.joinpath("elsewhere.socket").rename(socket)
        self.assertEqual(answer.status, 502)


if __name__ == "__main__":
    unittest.main()
