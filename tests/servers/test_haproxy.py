"""Behind HAProxy, with contrib/haproxy/haproxy.cfg and the processes of spawn.sh."""

import unittest

from tests.servers.contract import WRONG_KEY, Contract
from tests.servers.spawn import answer_without_process, spawn_endpoints
from tests.support.webserver import adapted, check_syntax, find_program

HAPROXY = find_program("haproxy")


def configuration(site, shipped):
    """A whole HAProxy configuration around the shipped file."""
    user = f"user {site.user.pw_name}\n    group {site.user.pw_name}" if site.user else ""
    return f"""
global
    log stdout format raw local0
    {user}
defaults
    log global
    timeout client 30s
{shipped}"""


class Haproxy(Contract):
    """One frontend with a backend for each endpoint."""

    changes = {}

    @classmethod
    def start(cls, site):
        spawn_endpoints(site)
        shipped = adapted(
            "contrib/haproxy/haproxy.cfg",
            {
                "bind :443 ssl crt /etc/haproxy/gateway.example.com.pem": f"bind 127.0.0.1:{site.port}",
                "/opt/flashduty-gateway/cgi-bin": site.cgi_bin,
                "/run/flashduty-gateway": site.run,
                **cls.changes,
            },
        )
        file = site.write("haproxy.cfg", configuration(site, shipped))
        said = check_syntax([HAPROXY, "-c", "-f", file])
        if "WARNING" in said:
            raise AssertionError(f"haproxy -c: {said}")
        site.start_server([HAPROXY, "-db", "-f", file], "haproxy")

    @classmethod
    def access_log(cls):
        return cls.site.folder / "haproxy.log"

    def test_an_endpoint_that_is_not_running_is_503_and_its_key_stays_out_of_the_log(self):
        self.assertEqual(answer_without_process(self.site, WRONG_KEY).status, 503)


@unittest.skipUnless(HAPROXY, "HAProxy is not installed")
class Shipped(Haproxy, unittest.TestCase):
    """As it is shipped: a connection for each request."""


@unittest.skipUnless(HAPROXY, "HAProxy is not installed")
class KeptConnections(Haproxy, unittest.TestCase):
    """With HAProxy's own default: it asks for connections to be kept, and is not refused."""

    changes = {"no option keep-conn": "option keep-conn"}


if __name__ == "__main__":
    unittest.main()
