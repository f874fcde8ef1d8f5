"""An outage of Flashduty behind each web server, with a store: nothing is refused or lost."""

import sqlite3
import time
import unittest

from tests.servers import test_apache, test_caddy, test_haproxy, test_lighttpd, test_nginx
from tests.servers.contract import GUANCE_EVENT, GUANCE_QUERY, JSON
from tests.servers.site import Site
from tests.support import settings
from tests.support.answer import http_request
from tests.support.gateway import to_bytes
from tests.support.process import Sandbox
from tests.support.webserver import owned_folder

# Plain CGI has nobody who drains but what a request starts after its answer.
MODES = {
    "Apache, mod_cgid": test_apache.ModCgid,
    "Apache, mod_fcgid": test_apache.ModFcgid,
    "Apache, mod_proxy_fcgi": test_apache.ModProxyFcgi,
    "lighttpd, CGI": test_lighttpd.Cgi,
    "lighttpd, FastCGI": test_lighttpd.FastCgi,
    "nginx": test_nginx.Nginx,
    "nginx, fcgiwrap": test_nginx.Fcgiwrap,
    "Caddy": test_caddy.Caddy,
    "HAProxy": test_haproxy.Shipped,
}
BY_REQUESTS = {"Apache, mod_cgid", "lighttpd, CGI", "nginx, fcgiwrap"}
# A destination that keeps failing is tried once in five seconds.
SECONDS = 30


class Outage(unittest.TestCase):
    """One after the other: each is a web server with both endpoints."""

    def site(self, sandbox):
        """A gateway with a store of the server's user."""
        site = Site(sandbox)
        self.store = owned_folder(site.folder, "store", site.user) / "gateway.db"
        site.configure(
            settings.settings(
                site.flashduty.push_url, store=f"sqlite:{self.store}", deadline_ms=500
            )
        )
        return site

    def post(self, site, number, status):
        """Posts an event of an alert of its own."""
        event = {
            **GUANCE_EVENT,
            "df_event_id": f"event-{number}-{status}",
            "df_status": status,
            "df_monitor_checker_event_ref": f"ref-{number}",
        }
        body = to_bytes(event)
        return http_request(site.port, "/guance" + GUANCE_QUERY, body, headers=JSON)

    def wait_for_events(self, site, count, pokes):
        """Waits for the events; whoever drains by requests gets some, as a monitor's would be."""
        end = time.monotonic() + SECONDS
        while len(site.flashduty.events) < count and time.monotonic() < end:
            if pokes:
                site.request("/guance/healthz")
            time.sleep(0.5)
        self.assertEqual(len(site.flashduty.events), count)

    def check(self, mode):
        """An outage, from its beginning to its end."""
        with Sandbox() as sandbox:
            site = self.site(sandbox)
            MODES[mode].start(site)
            self.assertEqual(self.post(site, 0, "critical").outcome, "delivered")
            self.assertEqual(self.post(site, 0, "critical").outcome, "duplicate")
            site.flashduty.answer({"do": "status", "status": 503}, times=None)
            for number in (1, 2):
                for status in ("critical", "ok"):
                    answer = self.post(site, number, status)
                    self.assertEqual((answer.status, answer.outcome), (202, "queued"))
            site.flashduty.script.clear()
            self.wait_for_events(site, 5, mode in BY_REQUESTS)
            arrived = [(event.alert_key, event.status) for event in site.flashduty.events]
            for number in (1, 2):
                mine = [status for key, status in arrived if key == f"guance:ref-{number}"]
                self.assertEqual(mine, ["Critical", "Ok"])
            self.assertEqual(site.flashduty.violations, [])
            site.server.stop()
            with sqlite3.connect(self.store) as store:
                ledger = dict(store.execute("SELECT place, count FROM ledger WHERE count > 0"))
            store.close()
            self.assertEqual(ledger, {"received": 6, "delivered": 5, "duplicate": 1})
            self.assertEqual(self.store.stat().st_mode & 0o777, 0o600)

    def test_nothing_is_refused_or_lost(self):
        for mode, server in MODES.items():
            if not getattr(server, "__unittest_skip__", False):
                with self.subTest(mode):
                    self.check(mode)


if __name__ == "__main__":
    unittest.main()
