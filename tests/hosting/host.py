"""A shared host: Apache with .htaccess alone, and an account whose programs run by suEXEC.

Who is not root has one user only: there the account's programs run as Apache does.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

from tests.hosting import upload, world
from tests.servers import test_apache
from tests.support import shared
from tests.support.answer import http_request
from tests.support.process import wait_for_port
from tests.support.webserver import owned_folder

USER = SimpleNamespace(pw_name="account", pw_uid=7001, pw_gid=7001)
AUTHENTICATION = ("authn_core", "authn_file", "authz_user", "auth_basic")
SUEXEC = "/usr/lib/apache2/suexec"
HAS_SUEXEC = world.HAS_USERS and os.path.exists(SUEXEC) and test_apache.has_module("suexec")


class Host:
    """The account's home and the web server, ready to be started. What test_apache wants of a site."""

    has_suexec = HAS_SUEXEC
    environment = {"PATH": "/usr/bin:/bin"}

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.folder = sandbox.folder
        self.port = shared.free_port()
        self.world = world.World(sandbox)
        self.user = pwd.getpwnam("www-data") if world.HAS_USERS else None
        self.account = USER if self.has_suexec else None
        self.logs = owned_folder(self.folder, "logs", self.user)
        self.run = owned_folder(self.folder, "run", self.user)
        self.access_log, self.error_log = self.logs / "access.log", self.logs / "error.log"
        self.home = self._make_home()
        self.www = owned_folder(self.home, "public_html", self.account)
        # Where Apache sees it.
        self.served = self.www
        self.served_home = self.home
        self.alerts = upload.unpack(self.www, self.account and self.account.pw_uid)
        self.state = self.home / ".local/state/flashduty-gateway"
        self._furnish()

    def copy_of_folder(self, name):
        """The uploaded folder once more, under another name, to be changed."""
        copy = self.www / name
        shutil.copytree(self.alerts, copy)
        owner = self.account or self.user
        for path in (copy, *copy.iterdir()):
            if owner:
                os.chown(path, owner.pw_uid, owner.pw_gid)
        return copy

    def write(self, name, text):
        """Writes a file of the server's configuration."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def _make_home(self):
        return owned_folder(self.folder, "home", self.account or self.user)

    def _put(self, file, place):
        world.put_in_place(self.sandbox, file, place)

    def _furnish(self):
        """Names, certificates and users, for everybody in this world."""
        self._put(self.world.hosts, "/etc/hosts")
        self._put(self.world.resolv_conf, os.path.realpath("/etc/resolv.conf"))
        self._put(self.world.certificates, "/etc/ssl/certs")
        uid = self._uid_of_programs()
        users = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
        users = [line for line in users if line.split(":")[2] != str(uid)]
        users.append(f"account:x:{uid}:{uid}::{self.home}:/bin/sh\n")
        self._put(self.write("passwd", "\n".join(users)), "/etc/passwd")
        if self.account:
            groups = Path("/etc/group").read_text(encoding="utf-8") + f"account:x:{uid}:\n"
            self._put(self.write("group", groups), "/etc/group")
            suexec = self.write("suexec.conf", f"{self.folder}\npublic_html/cgi-bin\n")
            self._put(suexec, f"/etc/apache2/suexec/{self.user.pw_name}")
            self._put(self._folder_for_logs(), "/var/log")

    def _folder_for_logs(self):
        folder = self.folder / "var-log"
        folder.joinpath("apache2").mkdir(parents=True)
        return folder

    def _uid_of_programs(self):
        user = self.account or self.user
        return user.pw_uid if user else world.OWNER

    def start(self, module, lines, virtual_host=""):
        """Starts Apache with one module for programs."""
        modules = ["rewrite", "setenvif", *AUTHENTICATION, module]
        if self.account:
            modules.append("suexec")
            virtual_host += f"\n    SuexecUserGroup {USER.pw_name} {USER.pw_name}"
        virtual_host += f"""
    <Directory "{self.served}">
        AllowOverride All
        Require all granted
        DirectoryIndex index.html
    </Directory>
    LogFormat "%h %l %u %t \\"%m %U %H\\" %>s %O" flashduty_gateway
"""
        text = test_apache.configuration(self, modules, virtual_host, lines, self.served)
        test_apache.run(self, text)

    def start_server(self, argv, name):
        """Starts it in the foreground, waits until it listens."""
        self.server = self.sandbox.start(
            argv, name=name, env=self.environment, preexec_fn=world.be_oneself
        )
        wait_for_port(self.port, self.server)

    def request(self, path, body=None, **options):
        """One HTTP request."""
        return http_request(self.port, path, body, **options)

    def _become_account(self):
        """In a child: whom the account's programs run as."""
        world.be_oneself()
        user = self.account or self.user
        if user:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)

    def command(self, *words):
        """What the account's cron runs."""
        return subprocess.run(
            [self.alerts / "flashduty-gateway", *words], preexec_fn=self._become_account,
            env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip


class ChrootHost(Host):
    """Apache shuts itself into a folder with nothing but the account, its user's entry, names and
    certificates."""

    has_suexec = False
    # What glibc loads when a thread ends, which is not there any more.
    environment = {**Host.environment, "LD_PRELOAD": "libgcc_s.so.1"}

    def _make_home(self):
        self.root = self.folder / "root"
        self.root.mkdir()
        return owned_folder(self.root, "mnt", self.user)

    def _furnish(self):
        etc = self.root / "etc"
        etc.joinpath("ssl").mkdir(parents=True)
        shutil.copy(self.world.hosts, etc)
        shutil.copy(self.world.resolv_conf, etc)
        shutil.copytree(self.world.certificates, etc / "ssl/certs", symlinks=True)
        uid = self._uid_of_programs()
        etc.joinpath("passwd").write_text(f"account:x:{uid}:{uid}::/mnt:/bin/sh\n")
        # Apache wants to see what it serves before and after.
        self._put(self.home, "/mnt")
        self.served, self.served_home = "/mnt/public_html", "/mnt"

    def start(self, module, lines="", virtual_host=""):
        super().start(module, f"{lines}\nChrootDir {self.root}", virtual_host)

    def _become_account(self):
        os.chroot(self.root)
        os.chdir("/")
        super()._become_account()

    def command(self, *words):
        self.alerts, alerts = Path(self.served, "alerts"), self.alerts
        try:
            return super().command(*words)
        finally:
            self.alerts = alerts
