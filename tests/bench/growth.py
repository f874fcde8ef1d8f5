#!/usr/bin/env python3
"""What a request costs as work grows: `make bench-growth`.

CPU for 1,000 alerts, of the gateway alone, with 0 to a million deliveries waiting in the outbox, with
bodies of 1 to 512 KiB and with 1 to 1,000 integrations; and for 1,000 that are sent from an outbox of
1,000 to a million. The exponent is that of the growth from the first
to the last: 0 is flat, 1 is linear. Results: build/bench/growth.json and growth.svg.
"""

import argparse
import json
import math
import os
import sqlite3
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import alerts, load, report  # noqa: E402
from tests.bench.place import Place  # noqa: E402
from tests.bench.rivals import push_key, start_rivals  # noqa: E402
from tests.bench.upstream import Upstream, key_of  # noqa: E402
from tests.bench.measure import cost_of  # noqa: E402
from tests.support.process import wait_until  # noqa: E402

OUTPUT = ROOT / "build/bench"
CLIENTS = 16
STEPS = {
    "waiting deliveries": (0, 1000, 100000, 1000000),
    "KiB of body": (1, 4, 16, 64, 256, 512),
    "integrations": (1, 100, 1000),
    "deliveries to send": (1000, 100000, 1000000),
}
QUICK_STEPS = {
    "waiting deliveries": (0, 1000),
    "KiB of body": (1, 64),
    "integrations": (1, 100),
    "deliveries to send": (1000, 10000),
}
# So many of them are sent to know what one costs.
SENT = 1000
DRAIN_SECONDS = 300
# Of an integration that is no longer configured: they wait for the whole of a window.
OTHER_KEY = "bench-other"

FILL = (
    "INSERT INTO alert (scope, integration, request_id, message_id, alert_key, severity, title, event,"
    " time_s, received_ms, outcome) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    " WHERE i < :count) SELECT 'other', 'other', printf('%032x', i), 'filled-' || i,"
    " 'filled:' || i, 1, 'title', printf('%.*c', 900, 'x'), 0, :now, 0 FROM n",
    "INSERT INTO delivery (alert_id, scope, alert_key, route, flashduty_key, state, rank, after, due_ms,"
    " scheduled_ms, lease_steady_ms, tries, rounds, created_ms, finished_ms, code, message)"
    " SELECT id, scope, alert_key, '', :key, 0, 1, 0, :due, :now, 0, 1, 1, :now, 0, '', '' FROM alert"
    " WHERE message_id LIKE 'filled-%'",
    "INSERT INTO seen SELECT message_id, scope, id, :now FROM alert"
    " WHERE message_id LIKE 'filled-%'",
    "INSERT INTO volume VALUES ('', :count) ON CONFLICT (scope) DO UPDATE SET kept = kept + :count",
    "INSERT INTO ledger VALUES ('other', 'received', :count), ('other', 'queued', :count)"
    " ON CONFLICT (integration, place) DO UPDATE SET count = count + excluded.count",
)


def fill(store, count, key=OTHER_KEY, due_s=7200):
    """Puts deliveries that wait, and are due in so long, into a store that nobody uses."""
    database = sqlite3.connect(store)
    with database:
        now = database.execute("SELECT CAST(strftime('%s') AS INTEGER) * 1000").fetchone()[0]
        values = {"count": count, "key": key, "now": now, "due": now + due_s * 1000}
        for statement in FILL if count else ():
            database.execute(statement, values)
    database.close()


class Growth:
    """A gateway whose work grows."""

    def __init__(self, place, seconds):
        self.place, self.seconds = place, seconds
        self.upstream = Upstream(place)
        self.gateway = start_rivals(
            place, self.upstream, {"gateway"}, outbox_limit=2000000, max_body_bytes=1048576
        )["gateway"]
        self.template = place.folder / "guance.json"
        self.plain_config = self.gateway.config.read_text(encoding="utf-8")

    def measure(self, what, step):
        """CPU seconds for 1,000 alerts at a step."""
        self.template.write_bytes(alerts.guance_template(step * 1024 if "body" in what else 0))
        self._configure(step if what == "integrations" else 0)
        self.gateway.renew()
        if what == "deliveries to send":
            return self._drain(step)
        if what == "waiting deliveries" and step:
            self._fill(step)
            self.gateway.start()
        self._post(1)
        before = cost_of({process.pid for process in self.gateway.own})
        window = self._post(self.seconds)
        after = cost_of({process.pid for process in self.gateway.own})
        if window["errors"]:
            raise SystemExit(f"{what} {step}: {window['errors']} errors")
        return (after.cpu_s - before.cpu_s) / window["requests"] * 1000

    def _fill(self, *which):
        self._post(1)
        self.gateway.stop()
        fill(self.gateway.store, *which)

    def _drain(self, waiting):
        self._fill(waiting, key_of(0), 0)
        before = self.upstream.requests()
        self.gateway.start()
        wait_until(
            lambda: self.upstream.requests() >= before + SENT, DRAIN_SECONDS, "the outbox being sent"
        )
        cost = cost_of({process.pid for process in self.gateway.own})
        return cost.cpu_s / (self.upstream.requests() - before) * 1000

    def _post(self, seconds):
        alert = ("guance", self.template)
        return load.finish_wrk(
            load.start_wrk(self.place, self.gateway, 0, alert, CLIENTS, seconds), seconds
        )

    def _configure(self, count):
        """With so many integrations more, all of them before the one that is posted to."""
        text = self.plain_config
        more = "".join(
            f'{{ name = "more-{i}"; vendor = "guance"; push_key = [ "push-key-of-number-{i:06}" ];'
            f' flashduty_key = "{key_of(0)}"; }}, '
            for i in range(count)
        )
        text = text.replace("integrations = (", f"integrations = ( {more}")
        assert push_key("guance", 0) in text
        self.gateway.config.write_text(text, encoding="utf-8")


def exponent(figures):
    """Of the growth from the first step that is not 0 to the last one."""
    steps = [(step, cost) for step, cost in figures if step > 0]
    (first, cheap), (last, dear) = steps[0], steps[-1]
    if first == last:
        return 0.0
    return math.log(max(dear, 1e-6) / max(cheap, 1e-6)) / math.log(last / first)


def main():
    """Prints a line a step, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="few steps, short windows")
    parser.add_argument("--output", metavar="FOLDER", default=OUTPUT, type=Path, help="build/bench")
    options = parser.parse_args()
    found = {}
    with Place() as place:
        os.sched_setaffinity(0, {place.load_core})
        growth = Growth(place, 1 if options.quick else 4)
        for what, steps in (QUICK_STEPS if options.quick else STEPS).items():
            found[what] = []
            for step in steps:
                cost = growth.measure(what, step)
                found[what].append((step, cost))
                print(f"{step:>9,} {what}: {cost:.3f} s of CPU for 1,000 alerts", flush=True)
            print(f"          exponent {exponent(found[what]):.2f}")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "growth.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    (options.output / "growth.svg").write_text(report.growth_chart(found), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
