"""Behind lighttpd, in each of the ways that contrib/lighttpd/ describes."""

import unittest

from tests.servers.contract import Contract
from tests.servers.spawn import spawn_endpoints
from tests.support.webserver import CONFIG, INSTALLED, adapted, find_program, lighttpd_fastcgi

LIGHTTPD = find_program("lighttpd")


class Lighttpd(Contract):
    """What lighttpd says about its configuration; -tt alone lets unknown names pass."""

    def test_every_setting_of_the_shipped_file_is_known(self):
        said = self.site.error_log.read_text(encoding="utf-8")
        self.assertNotIn("unknown config-key", said)
        self.assertNotIn("WARNING", said)


@unittest.skipUnless(LIGHTTPD, "lighttpd is not installed")
class Cgi(Lighttpd, unittest.TestCase):
    """contrib/lighttpd/cgi.conf"""

    @classmethod
    def start(cls, site):
        site.start_lighttpd(
            adapted(
                "contrib/lighttpd/cgi.conf",
                {"#setenv.": "setenv.", CONFIG + '"': f'{site.config}"', INSTALLED: site.cgi_bin},
            )
        )


@unittest.skipUnless(LIGHTTPD, "lighttpd is not installed")
class FastCgi(Lighttpd, unittest.TestCase):
    """contrib/lighttpd/fastcgi.conf"""

    @classmethod
    def start(cls, site):
        site.start_lighttpd(lighttpd_fastcgi(site))


@unittest.skipUnless(LIGHTTPD, "lighttpd is not installed")
class Sockets(Lighttpd, unittest.TestCase):
    """contrib/lighttpd/sockets.conf, with the processes of spawn.sh"""

    @classmethod
    def start(cls, site):
        spawn_endpoints(site)
        site.start_lighttpd(
            adapted("contrib/lighttpd/sockets.conf", {"/run/flashduty-gateway": site.run})
        )


if __name__ == "__main__":
    unittest.main()
