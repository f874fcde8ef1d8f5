"""Where the bench runs: a sandbox, two cores, and what is started on them.

What is measured, with its web server, has the first core; load and upstream have the last.
"""

import os

from tests.simulator import smn
from tests.support.process import Sandbox
from tests.support.webserver import find_program


class Place:
    """A sandbox whose programs are bound to cores. Used as a context."""

    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        self.core, self.load_core = cores[0], cores[-1]
        self.sandbox = Sandbox()
        self.folder = self.sandbox.folder
        self.keys = smn.shared_keys()
        self.nginx_user = "user root;" if os.geteuid() == 0 else ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sandbox.close()

    def start(self, argv, name, core=None, **options):
        """Starts a program on a core; unless told otherwise, that of what is measured."""
        core = self.core if core is None else core
        return self.sandbox.start(["taskset", "-c", core, *argv], name=name, **options)

    def start_nginx(self, name, config, core=None):
        """Starts nginx in the foreground with a configuration."""
        file = self.folder / f"{name}.conf"
        file.write_text(config, encoding="utf-8")
        argv = [find_program("nginx"), "-p", self.folder, "-c", file, "-g", "daemon off;"]
        return self.start(argv, name, core)
