"""Real web servers, run in a sandbox with the files that the project ships.

A shipped file is changed only in paths and ports, by literal replacement.
"""

import os
import pwd
import shutil
import subprocess

from tests.support import paths, settings
from tests.support.process import wait_for_port

INSTALLED = "/opt/flashduty-gateway/cgi-bin"
CONFIG = "/etc/flashduty-gateway/gateway.conf"
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def find_program(name):
    """A server's path, or None: distributions put servers where a user's PATH does not lead."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def web_user():
    """The user that a server started by root changes to; None if we are not root."""
    return pwd.getpwnam("www-data") if os.getuid() == 0 else None


def adapted(shipped, changes):
    """The text of a shipped file with literal replacements, each of which has to occur in it."""
    text = (paths.ROOT / shipped).read_text(encoding="utf-8")
    for old, new in changes.items():
        if old not in text:
            raise AssertionError(f"{shipped} does not contain {old!r}")
        text = text.replace(old, str(new))
    return text


def check_syntax(argv):
    """Runs a server's own check of its configuration; returns what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    said = done.stdout + done.stderr
    if done.returncode != 0:
        raise AssertionError(f"{argv[0]} refuses the configuration:\n{said}")
    return said


def owned_folder(parent, name, user):
    """A new folder that the server's user may write in."""
    folder = parent / name
    folder.mkdir(mode=0o755)
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def copy_of_programs(parent):
    """Copies of the endpoints, so that the server's user reaches them wherever the checkout is."""
    folder = parent / "cgi-bin"
    folder.mkdir(mode=0o755)
    programs = sorted(paths.cgi_bin().glob("*.fcgi"))
    if not programs:
        raise AssertionError(f"{paths.cgi_bin()} is not built")
    for program in programs:
        shutil.copy(program, folder)
    return folder


class Place:
    """The folders around a web server in a sandbox, and what it is to serve."""

    def __init__(self, sandbox, port):
        self.sandbox = sandbox
        self.folder = sandbox.folder
        self.port = port
        self.user = web_user()
        self.cgi_bin = copy_of_programs(self.folder)
        self.logs = owned_folder(self.folder, "logs", self.user)
        self.run = owned_folder(self.folder, "run", self.user)
        self.www = owned_folder(self.folder, "www", self.user)
        self.config = self.folder / "gateway.conf"
        self.server = None

    @property
    def access_log(self):
        """Where the server has to log requests."""
        return self.logs / "access.log"

    @property
    def error_log(self):
        """Where the server has to log all else."""
        return self.logs / "error.log"

    def configure(self, values):
        """Writes the gateway's configuration, the server's user's own."""
        settings.write_config(self.config, values, owner=self.user)

    def write(self, name, text):
        """Writes a file of the server's configuration."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def start_server(self, argv, name, **environment):
        """Starts a web server in the foreground and waits until it listens."""
        self.server = self.sandbox.start(argv, name=name, env={**ENVIRONMENT, **environment})
        wait_for_port(self.port, self.server)

    def start_lighttpd(self, shipped):
        """Starts lighttpd with a shipped file, after its own check of it."""
        lighttpd = find_program("lighttpd")
        file = self.write("lighttpd.conf", self._lighttpd_configuration(shipped))
        check_syntax([lighttpd, "-tt", "-f", file])
        self.start_server([lighttpd, "-D", "-f", file], "lighttpd")

    def _lighttpd_configuration(self, shipped):
        """A whole lighttpd configuration around a shipped file."""
        user = ""
        if self.user:
            name = self.user.pw_name
            user = f'server.username = "{name}"\nserver.groupname = "{name}"'
        return f"""
server.document-root = "{self.www}"
server.bind = "127.0.0.1"
server.port = {self.port}
server.errorlog = "{self.error_log}"
server.breakagelog = "{self.logs}/gateway.log"
server.upload-dirs = ( "{self.run}" )
accesslog.filename = "{self.access_log}"
{user}
include "{self.write("shipped.conf", shipped)}"
"""


def lighttpd_fastcgi(place):
    """contrib/lighttpd/fastcgi.conf for this place."""
    return adapted(
        "contrib/lighttpd/fastcgi.conf",
        {
            '#"bin-environment"': '"bin-environment"',
            CONFIG + '"': f'{place.config}"',
            INSTALLED: place.cgi_bin,
            "/run/lighttpd": place.run,
        },
    )
