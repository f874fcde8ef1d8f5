"""Behind Caddy, with contrib/caddy/Caddyfile and the processes of spawn.sh."""

import re
import unittest

from tests.servers.contract import WRONG_KEY, Contract
from tests.servers.spawn import answer_without_process, spawn_endpoints
from tests.support.webserver import adapted, check_syntax, find_program

CADDY = find_program("caddy")


@unittest.skipUnless(CADDY, "Caddy is not installed")
class Caddy(Contract, unittest.TestCase):
    """One site with all endpoints."""

    logged_request = re.compile(r'"method":"POST",.*"uri":"/(cgi-bin/)?guance.*"status":200')

    @classmethod
    def start(cls, site):
        spawn_endpoints(site)
        shipped = adapted(
            "contrib/caddy/Caddyfile",
            {
                # Nothing but the site: no certificates, no other port.
                "{\n    log default": "{\n    admin off\n    log default",
                "gateway.example.com {": f"http://127.0.0.1:{site.port} {{",
                "/var/log/caddy/flashduty-gateway.log": site.access_log,
                "/run/flashduty-gateway": site.run,
            },
        )
        file = site.write("Caddyfile", shipped)
        said = check_syntax([CADDY, "validate", "--config", file, "--adapter", "caddyfile"])
        if '"level":"warn"' in said and "not formatted" not in said:
            raise AssertionError(f"caddy validate: {said}")
        argv = [CADDY, "run", "--config", file, "--adapter", "caddyfile"]
        # It keeps things at home.
        site.start_server(argv, "caddy", HOME=str(site.folder))

    def test_an_endpoint_that_is_not_running_is_502_and_its_key_stays_out_of_the_log(self):
        self.assertEqual(answer_without_process(self.site, WRONG_KEY).status, 502)


if __name__ == "__main__":
    unittest.main()
