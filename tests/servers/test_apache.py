"""Behind Apache, in each of the ways that apache-conf/ describes."""

import os
import shutil
import unittest
from pathlib import Path

from tests.servers.contract import Contract
from tests.servers.spawn import spawn_endpoints
from tests.support import paths
from tests.support.process import wait_until
from tests.support.webserver import CONFIG, INSTALLED, adapted, check_syntax, find_program

APACHE = find_program("apache2") or find_program("httpd")
MODULE_FOLDERS = (Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules"))
MODULES = next((folder for folder in MODULE_FOLDERS if folder.is_dir()), None)
CGID_SOCKET = "cgid.socket"
COMMON_MODULES = ("mpm_event", "authz_core", "alias", "env", "mime", "dir")


def has_module(name):
    """Whether a module of Apache is installed."""
    return MODULES is not None and (MODULES / f"mod_{name}.so").exists()


def configuration(site, modules, virtual_host, lines="", document_root=None):
    """A whole Apache configuration around what stands in the virtual host."""
    loads = "\n".join(
        f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in (*COMMON_MODULES, *modules)
    )
    user = f"User {site.user.pw_name}\nGroup {site.user.pw_name}" if site.user else ""
    mime_types = site.write("mime.types", "")
    return f"""
ServerRoot "{site.folder}"
PidFile "{site.folder}/apache.pid"
DefaultRuntimeDir "{site.folder}"
Listen 127.0.0.1:{site.port}
ServerName localhost
ErrorLog "{site.error_log}"
LogLevel warn
{loads}
TypesConfig "{mime_types}"
{user}
{lines}
<VirtualHost 127.0.0.1:{site.port}>
    DocumentRoot "{document_root or site.www}"
    CustomLog "{site.access_log}" flashduty_gateway
    {virtual_host}
</VirtualHost>
"""


def cgid_socket(site):
    """Where mod_cgid has its socket."""
    return f"ScriptSock {site.folder}/{CGID_SOCKET}"


def cgid_accepts(site):
    """Whether mod_cgid's daemon can be reached. Apache listens before that, and answers 503."""
    owner = site.user.pw_uid if site.user else os.geteuid()
    return any(socket.stat().st_uid == owner for socket in site.folder.glob(f"{CGID_SOCKET}.*"))


def fcgid_folders(site):
    """Where mod_fcgid has its sockets and its table."""
    return f"FcgidIPCDir {site.run}\nFcgidProcessTableFile {site.folder}/fcgid.table"


def run(site, text):
    """Checks the configuration and starts Apache with it."""
    file = site.write("apache.conf", text)
    argv = [APACHE, "-d", site.folder, "-f", file]
    said = check_syntax([*argv, "-t"])
    if said.strip() != "Syntax OK":
        raise AssertionError(f"apache2 -t: {said}")
    site.start_server([*argv, "-DFOREGROUND"], "apache")
    if CGID_SOCKET in text:
        wait_until(lambda: cgid_accepts(site), what="mod_cgid's socket", process=site.server)


@unittest.skipUnless(APACHE and has_module("cgid"), "Apache with mod_cgid is not installed")
class ModCgid(Contract, unittest.TestCase):
    """apache-conf/mod_cgid.conf"""

    @classmethod
    def start(cls, site):
        shipped = adapted(
            "apache-conf/mod_cgid.conf",
            {"#SetEnv": "SetEnv", CONFIG + '"': f'{site.config}"', INSTALLED: site.cgi_bin},
        )
        run(site, configuration(site, ["cgid"], shipped, cgid_socket(site)))


@unittest.skipUnless(APACHE and has_module("fcgid"), "Apache with mod_fcgid is not installed")
class ModFcgid(Contract, unittest.TestCase):
    """apache-conf/mod_fcgid.conf"""

    @classmethod
    def start(cls, site):
        shipped = adapted(
            "apache-conf/mod_fcgid.conf",
            {
                "#FcgidInitialEnv": "FcgidInitialEnv",
                CONFIG + '"': f'{site.config}"',
                INSTALLED: site.cgi_bin,
            },
        )
        run(site, configuration(site, ["fcgid"], shipped, fcgid_folders(site)))


@unittest.skipUnless(APACHE and has_module("proxy_fcgi"), "mod_proxy_fcgi is not installed")
class ModProxyFcgi(Contract, unittest.TestCase):
    """apache-conf/mod_proxy_fcgi.conf, with the processes that contrib/nginx/spawn.sh starts"""

    @classmethod
    def start(cls, site):
        spawn_endpoints(site)
        shipped = adapted(
            "apache-conf/mod_proxy_fcgi.conf",
            {INSTALLED: site.cgi_bin, "/run/flashduty-gateway": site.run},
        )
        run(site, configuration(site, ["proxy", "proxy_fcgi"], shipped))


class Htaccess(Contract):
    """apache-conf/htaccess, copied into a folder of the web space beside the programs.

    The host's own configuration allows .htaccess and has modules; the rest is the file's.
    """

    @classmethod
    def start_host(cls, site, module, lines):
        """Starts a shared host with this module."""
        shutil.copy(paths.ROOT / "apache-conf" / "htaccess", site.cgi_bin / ".htaccess")
        site.cgi_bin.joinpath("gateway.conf").write_text("secret", encoding="ascii")
        host = f"""
    Alias "/cgi-bin" "{site.cgi_bin}"
    <Directory "{site.cgi_bin}">
        AllowOverride All
        Require all granted
    </Directory>
    LogFormat "%h %l %u %t \\"%m %U %H\\" %>s %O" flashduty_gateway
"""
        run(site, configuration(site, ["rewrite", "setenvif", module], host, lines, site.cgi_bin))

    def test_a_configuration_in_the_folder_is_not_shown(self):
        self.assertEqual(self.site.request("/gateway.conf").status, 403)

    def test_the_folder_is_not_listed(self):
        self.assertIn(self.site.request("/").status, (403, 404))

    def test_short_urls_work_below_a_folder(self):
        self.assertEqual(self.site.request("/cgi-bin/ces/healthz").status, 200)


@unittest.skipUnless(APACHE and has_module("cgid"), "Apache with mod_cgid is not installed")
class HtaccessWithModCgid(Htaccess, unittest.TestCase):
    """A shared host that has CGI only."""

    @classmethod
    def start(cls, site):
        setting = f'SetEnv FLASHDUTY_GATEWAY_CONFIG "{site.config}"'
        cls.start_host(site, "cgid", f"{cgid_socket(site)}\n{setting}")


@unittest.skipUnless(APACHE and has_module("fcgid"), "Apache with mod_fcgid is not installed")
class HtaccessWithModFcgid(Htaccess, unittest.TestCase):
    """A shared host that has mod_fcgid, with its own limit, which no .htaccess can raise."""

    longest_body = 131072
    status_above = 500

    @classmethod
    def start(cls, site):
        setting = f'FcgidInitialEnv FLASHDUTY_GATEWAY_CONFIG "{site.config}"'
        cls.start_host(site, "fcgid", f"{fcgid_folders(site)}\n{setting}")


if __name__ == "__main__":
    unittest.main()
