"""Processes are replaced under load, as an upgrade does it, and no request is refused.

tests/packaging/test_deb.py does the same to the services of systemd.
"""

import os
import re
import shutil
import signal
import threading
import unittest
from pathlib import Path

from tests.servers import test_apache, test_lighttpd, test_nginx
from tests.servers.contract import GUANCE_EVENT, GUANCE_QUERY, JSON
from tests.servers.site import Site
from tests.servers.spawn import run
from tests.support import settings
from tests.support.answer import http_request
from tests.support.gateway import to_bytes
from tests.support.process import Sandbox, wait_until
from tests.support.webserver import owned_folder

CLIENTS = 6
RESTARTS = 3
STARTED = re.compile(r"msg=started vendor=guance ")


class Load:
    """Clients that post one alarm after the other while it lasts; used as a context."""

    def __init__(self, port):
        self.port = port
        self.outcomes = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(i,)) for i in range(CLIENTS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _post(self, client):
        number = 0
        while not self._is_over.is_set():
            number += 1
            name = f"{client}-{number}"
            event = {**GUANCE_EVENT, "df_event_id": name, "df_monitor_checker_event_ref": name}
            try:
                answer = http_request(
                    self.port, "/guance" + GUANCE_QUERY, to_bytes(event), headers=JSON
                )
                self.outcomes.append((answer.status, answer.body[:300]))
            except OSError as problem:
                self.outcomes.append((None, problem))

    def go_on(self, count=40):
        """Waits until so many more have been answered."""
        reached = len(self.outcomes) + count
        wait_until(lambda: len(self.outcomes) >= reached, 60, f"{count} more answers")


def runs(program):
    """Whether a process is of this very file, not of one that stood in its place."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "exe").samefile(program):
                return True
        except OSError:
            continue
    return False


class Restart(unittest.TestCase):
    """Load through a web server, while the process behind it is replaced again and again."""

    def check(self, server, restart):
        """Every request is answered 200 or 202, and every alarm arrives once."""
        with Sandbox() as sandbox:
            site = Site(sandbox)
            store = owned_folder(site.folder, "store", site.user) / "gateway.db"
            site.configure(
                settings.settings(
                    site.flashduty.push_url,
                    store=f"sqlite:{store}",
                    rate_per_second=0,
                    rate_per_minute=0,
                )
            )
            # So that some are always in flight.
            site.flashduty.answer({"do": "hang", "seconds": 0.1}, times=None)
            server.start(site)
            with Load(site.port) as load:
                for _ in range(RESTARTS):
                    load.go_on()
                    before = self.starts(site)
                    restart(site)
                    wait_until(lambda n=before: self.starts(site) > n, 60, "a new process")
                load.go_on()
            refused = [outcome for outcome in load.outcomes if outcome[0] not in (200, 202)]
            self.assertEqual(refused, [])
            wait_until(
                lambda: len(site.flashduty.events) >= len(load.outcomes), 60, "all alarms' arrival"
            )
            self.assertEqual(len(site.flashduty.events), len(load.outcomes))
            self.assertEqual(site.flashduty.violations, [])

    def starts(self, site):
        """How often a process has begun."""
        return sum(len(STARTED.findall(text)) for text in site.log_texts().values())

    def test_the_shell_keeps_the_socket(self):
        self.check(test_nginx.Nginx, lambda site: run(site, "restart"))

    def test_lighttpd_keeps_its_own(self):
        self.check(test_lighttpd.FastCgi, lambda site: site.server.send_signal(signal.SIGUSR1))

    def test_apache_reloads_mod_fcgid(self):
        self.check(test_apache.ModFcgid, lambda site: site.server.send_signal(signal.SIGUSR1))

    def test_mod_fcgid_takes_up_a_replaced_program(self):
        def install(site):
            program = site.cgi_bin / "guance.fcgi"
            newer = Path(shutil.copy(program, site.cgi_bin / "newer"))
            newer.replace(program)
            wait_until(lambda: runs(program), 60, "a process of the new program")

        self.check(test_apache.ModFcgid, install)

    def test_a_process_that_dies_is_replaced(self):
        with Sandbox() as sandbox:
            site = Site(sandbox)
            test_nginx.Nginx.start(site)
            keeper = (site.run / "guance.pid").read_text(encoding="ascii").strip()
            children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text(encoding="ascii")
            os.kill(int(children.split()[0]), signal.SIGKILL)
            wait_until(lambda: self.starts(site) > 1, 30, "a new process")
            answer = http_request(
                site.port, "/guance" + GUANCE_QUERY, to_bytes(GUANCE_EVENT), headers=JSON
            )
            self.assertEqual(answer.status, 200)


if __name__ == "__main__":
    unittest.main()
