"""The door of the status page, as the README has the web servers keep it: users of one's own."""

import base64
import re
import subprocess
import unittest

from tests.servers import test_apache, test_lighttpd, test_nginx
from tests.servers.site import Site
from tests.servers.spawn import spawn_endpoints
from tests.support import paths, settings
from tests.support.process import Sandbox
from tests.support.webserver import INSTALLED, CONFIG, adapted, check_syntax, lighttpd_fastcgi

HTPASSWD = re.compile(r'/etc/(?:apache2|lighttpd|nginx)/flashduty-gateway\.htpasswd')
BLOCK = re.compile(r"^<!-- test: (door-\S+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE = re.compile(r"<<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
PASSWORD = "of-a-user-of-the-web-server"


def blocks():
    """The README's blocks about doors: name → commands."""
    return dict(BLOCK.findall((paths.ROOT / "README.md").read_text(encoding="utf-8")))


def basic(password, user="ann"):
    """The header of HTTP's Basic scheme."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Door:
    """Mixed into a TestCase that says how to start(site)."""

    name = ""

    @classmethod
    def start(cls, site, lines):
        """Starts the web server with the lines of the README's block."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        sandbox = Sandbox()
        try:
            cls.site = Site(sandbox)
            # No status_key: only whom the web server has checked comes in.
            cls.site.configure(settings.settings(cls.site.flashduty.push_url))
            cls.start(cls.site, cls.lines(blocks()[f"door-{cls.name}"]))
        except BaseException:
            sandbox.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.site.sandbox.close()

    @classmethod
    def lines(cls, script):
        """What the block has written into the server's configuration, with a file of users."""
        digest = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True,
                                text=True, check=True).stdout  # fmt: skip
        users = cls.site.write("users.htpasswd", f"ann:{digest}")
        if not HTPASSWD.search(script):
            raise AssertionError(f"no file of users in {script}")
        return HTPASSWD.sub(str(users), HERE.search(script)[1]) if "<<" in script else users

    def test_only_its_users_come_in(self):
        for path in ("/status", "/status/api/outbox", "/status/metrics", "/status/healthz/",
                     "/cgi-bin/status.fcgi", "/cgi-bin/status.fcgi/api/outbox"):  # fmt: skip
            for headers, is_open in (
                (basic(PASSWORD), True),
                (basic("wrong"), False),
                (basic(PASSWORD, user="eve"), False),
                ({}, False),
                ({"Remote-User": "ann", "Auth-Type": "Basic"}, False),
            ):
                with self.subTest(path=path, headers=headers):
                    status = self.site.request(path, headers=headers).status
                    self.assertEqual(status not in (401, 403), is_open, status)
                    self.assertNotEqual(status, 500)

    def test_the_page_knows_who_it_is(self):
        answer = self.site.request("/status", headers=basic(PASSWORD))
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn(b" for ann.", answer.body)

    def test_health_and_alarms_need_no_login(self):
        for path in ("/status/healthz", "/cgi-bin/status.fcgi/healthz", "/guance/healthz"):
            with self.subTest(path):
                self.assertEqual(self.site.request(path).status, 200)
        self.assertEqual(self.site.request("/ces").status, 405)


AUTH_MODULES = ("auth_basic", "authn_core", "authn_file", "authz_user")


@unittest.skipUnless(test_apache.APACHE and test_apache.has_module("cgid"), "no Apache with mod_cgid")
class Apache(Door, unittest.TestCase):
    """The lines of conf-available beside apache-conf/mod_cgid.conf."""

    name = "apache"

    @classmethod
    def start(cls, site, lines):
        shipped = adapted(
            "apache-conf/mod_cgid.conf",
            {"#SetEnv": "SetEnv", CONFIG + '"': f'{site.config}"', INSTALLED: site.cgi_bin},
        )
        socket = test_apache.cgid_socket(site)
        text = test_apache.configuration(site, ["cgid", *AUTH_MODULES], shipped, f"{socket}\n{lines}")
        test_apache.run(site, text)


@unittest.skipUnless(test_apache.APACHE and test_apache.has_module("cgid"), "no Apache with mod_cgid")
class Htaccess(Door, unittest.TestCase):
    """The lines that apache-conf/htaccess has ready for a file of users."""

    name = "apache"

    @classmethod
    def start(cls, site, lines):
        text = (paths.ROOT / "apache-conf" / "htaccess").read_text(encoding="utf-8")
        ready = re.search(r'^#<Files "status\.fcgi">\n(?:#.*\n)*?#</Files>\n', text, re.MULTILINE)[0]
        users = site.folder / "users.htpasswd"
        wanted = ready.replace("#", "").replace("/home/USER/.htpasswd", str(users))
        site.cgi_bin.joinpath(".htaccess").write_text(text.replace(ready, wanted), encoding="utf-8")
        host = f"""
    Alias "/cgi-bin" "{site.cgi_bin}"
    <Directory "{site.cgi_bin}">
        AllowOverride All
        Require all granted
    </Directory>
    LogFormat "%h %l %u %t \\"%m %U %H\\" %>s %O" flashduty_gateway
"""
        modules = ["rewrite", "setenvif", "cgid", *AUTH_MODULES]
        setting = f'SetEnv FLASHDUTY_GATEWAY_CONFIG "{site.config}"'
        lines = f"{test_apache.cgid_socket(site)}\n{setting}"
        test_apache.run(site, test_apache.configuration(site, modules, host, lines, site.cgi_bin))

    def test_health_and_alarms_need_no_login(self):
        # A file, and so all below it, has one door; the vendors' are others.
        self.assertEqual(self.site.request("/status/healthz").status, 401)
        self.assertEqual(self.site.request("/guance/healthz").status, 200)
        self.assertEqual(self.site.request("/ces").status, 405)


@unittest.skipUnless(test_lighttpd.LIGHTTPD, "lighttpd is not installed")
class Lighttpd(Door, unittest.TestCase):
    """The lines of conf-enabled/80-…, which are read before 90-…"""

    name = "lighttpd"

    @classmethod
    def start(cls, site, lines):
        site.start_lighttpd(f"{lines}\n{lighttpd_fastcgi(site)}")


@unittest.skipUnless(test_nginx.NGINX, "nginx is not installed")
class Nginx(Door, unittest.TestCase):
    """contrib/nginx/flashduty-gateway.conf after the README's sed."""

    name = "nginx"

    @classmethod
    def start(cls, site, lines):
        expression = re.search(r"sed -i '([^']+)'", blocks()["door-nginx"])[1]
        shipped = adapted(
            "contrib/nginx/flashduty-gateway.conf",
            {
                "listen 80;": f"listen 127.0.0.1:{site.port};",
                "/var/log/nginx/flashduty-gateway.access.log": site.access_log,
                "/var/log/nginx/flashduty-gateway.error.log": site.error_log,
                "/run/flashduty-gateway": site.run,
                "/etc/nginx/flashduty-gateway.htpasswd": lines,
            },
        )
        changed = subprocess.run(["sed", expression], input=shipped, capture_output=True, text=True,
                                 check=True).stdout  # fmt: skip
        spawn_endpoints(site)
        file = site.write("nginx.conf", test_nginx.configuration(site, site.write("shipped.conf", changed)))
        argv = [test_nginx.NGINX, "-p", site.folder, "-e", site.error_log, "-c", file]
        check_syntax([*argv, "-t"])
        site.start_server(argv, "nginx")


if __name__ == "__main__":
    unittest.main()
