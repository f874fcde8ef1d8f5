#!/usr/bin/env python3
"""What one, two and three nodes on one PostgreSQL do, in one run: `make bench-cluster`.

All on loopback: wrk posts through HAProxy to as many nodes, which forward to a mock of Flashduty (TLS,
20 ms). The database has a synchronous standby and syncs, as in production. Load and mock have the last
core, all else the first: so ratios say what more nodes cost on one core, not what they gain on machines
of their own. What a core has to spend on 1,000 alerts, and where, is what can be calculated with.

Windows of one, two and three nodes take turns; the table has medians of the repeats and, of ratios, of
those to one node in the same repeat. Results: build/bench/cluster.json and cluster.md.
"""

import argparse
import json
import os
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import alerts, load  # noqa: E402
from tests.bench.bench import machine  # noqa: E402
from tests.bench.measure import cost_of, cost_of_family  # noqa: E402
from tests.bench.place import Place  # noqa: E402
from tests.bench.rivals import push_key  # noqa: E402
from tests.bench.upstream import Upstream, key_of  # noqa: E402
from tests.cluster.nodes import Node, haproxy_configuration, postgresql_url  # noqa: E402
from tests.cluster.postgres import Pair  # noqa: E402
from tests.faults.history import History  # noqa: E402
from tests.support import settings, shared  # noqa: E402
from tests.support.process import wait_for_port  # noqa: E402
from tests.support.webserver import find_program  # noqa: E402

OUTPUT = ROOT / "build/bench"
NODES = (1, 2, 3)
DELAY_MS = 20
CLIENTS = 64
WARM_SECONDS = 1
# What a million alerts an hour are, a second.
WANTED_PER_S = 1e6 / 3600


@contextmanager
def on_core(core):
    """What is started meanwhile runs there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Front:
    """A port of HAProxy, with so many nodes behind it."""

    def __init__(self, count):
        self.count = count
        self.port = shared.free_port()
        self.url = f"http://127.0.0.1:{self.port}/guance"

    def query(self, delay_ms):
        """What wrk posts to."""
        return f"/guance?integration_key={push_key('guance', delay_ms)}"


class Nodes:
    """What Node expects around itself."""

    targets = ()

    def __init__(self, place):
        self.sandbox, self.folder = place.sandbox, place.folder
        self.history = History()


class Bench:
    """A run."""

    def __init__(self, place, seconds):
        self.place, self.seconds = place, seconds
        self.upstream = Upstream(place)
        self.template = place.folder / "guance.json"
        self.template.write_bytes(alerts.guance_template())
        with on_core(place.core):
            self.database = Pair(place.sandbox, is_synced=True)
            self.nodes = [Node(Nodes(place), number) for number in range(max(NODES))]
            for node in self.nodes:
                node.configure(self._settings())
            self.fronts = [Front(count) for count in NODES]
            self.haproxy = self._start_haproxy()
        self.windows = {count: [] for count in NODES}

    def _settings(self):
        ports = [server.port for server in self.database.servers]
        integration = settings.guance_integration(
            name="bench", push_key=[push_key("guance", DELAY_MS)], flashduty_key=key_of(DELAY_MS)
        )
        return settings.settings(
            self.upstream.url, store=postgresql_url(ports), integrations=[integration],
            ca_file=str(self.place.keys.ca_certificate), rate_per_second=0, rate_per_minute=0,
            log_level="warning",
        )  # fmt: skip

    def _start_haproxy(self):
        text = "".join(
            haproxy_configuration(front.port, self.nodes[: front.count], f"-{front.count}")
            for front in self.fronts
        )
        file = self.place.folder / "haproxy.cfg"
        file.write_text("global\n    nbthread 1\ndefaults\n    timeout client 60s\n" + text)
        process = self.place.start([find_program("haproxy"), "-db", "-f", file], "haproxy")
        wait_for_port(self.fronts[-1].port, process)
        return process

    def _cost(self, nodes):
        return {
            "nodes": cost_of({node.pid for node in nodes}).cpu_s,
            "primary": cost_of_family(self.database.primary.pid),
            "standby": cost_of_family(self.database.standby.pid),
            "haproxy": cost_of({self.haproxy.pid}).cpu_s,
        }

    def window(self, front):
        """One window with as many nodes running as it has."""
        nodes = self.nodes[: front.count]
        with on_core(self.place.core):
            for node in nodes:
                node.start()
        time.sleep(WARM_SECONDS)
        wrk = [self.place, front, DELAY_MS, ("guance", self.template), CLIENTS]
        load.finish_wrk(load.start_wrk(*wrk, WARM_SECONDS), WARM_SECONDS)
        before, arrived = self._cost(nodes), self.upstream.requests()
        said = load.finish_wrk(load.start_wrk(*wrk, self.seconds), self.seconds)
        after, arrived_after = self._cost(nodes), self.upstream.requests()
        for node in nodes:
            node.stop()
        thousands = max(said["requests"], 1) / 1000
        self.windows[front.count].append(
            {
                "alerts_per_s": said["requests"] / said["seconds"],
                "p50_ms": said["p50_ms"],
                "p99_ms": said["p99_ms"],
                "errors": said["errors"],
                "forwarded": (arrived_after - arrived) / max(said["requests"], 1),
                "cpu_s_per_1000": {
                    name: (after[name] - before[name]) / thousands for name in after
                },
            }
        )

    def run(self, repeats):
        """All windows, in turns."""
        for repeat in range(repeats):
            turn = repeat % len(self.fronts)
            for front in self.fronts[turn:] + self.fronts[:turn]:
                self.window(front)
                window = self.windows[front.count][-1]
                print(
                    f"repeat {repeat + 1} of {repeats}, {front.count} nodes:"
                    f" {window['alerts_per_s']:.0f} alerts/s",
                    flush=True,
                )
        return self.windows


def median(windows, figure):
    """The median of a figure of some windows."""
    return statistics.median(map(figure, windows))


def table(windows):
    """A row for each number of nodes."""
    lines = [
        "| nodes | alerts/s (spread) | of one node | p50 ms | p99 ms |"
        " CPU s / 1,000: nodes | primary | standby | HAProxy |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for count, of_count in windows.items():
        speeds = [window["alerts_per_s"] for window in of_count]
        ratios = [
            window["alerts_per_s"] / one["alerts_per_s"]
            for window, one in zip(of_count, windows[1])
        ]
        cells = [
            f"{count}",
            f"{statistics.median(speeds):,.0f} ({min(speeds):,.0f}–{max(speeds):,.0f})",
            f"{statistics.median(ratios):.2f}",
            *(f"{median(of_count, lambda w, n=name: w[n]):.0f}" for name in ("p50_ms", "p99_ms")),
            *(
                f"{median(of_count, lambda w, n=name: w['cpu_s_per_1000'][n]):.2f}"
                for name in ("nodes", "primary", "standby", "haproxy")
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def needed(windows):
    """What a million alerts an hour need by the costs of three nodes: name → cores."""
    return {
        name: WANTED_PER_S / 1000 * median(windows[3], lambda w, n=name: w["cpu_s_per_1000"][n])
        for name in ("nodes", "primary", "standby", "haproxy")
    }


def problems(windows):
    """Windows that did not do what they measure."""
    found = []
    for count, of_count in windows.items():
        errors = sum(window["errors"] for window in of_count)
        least = min(window["forwarded"] for window in of_count)
        if errors:
            found.append(f"{count} nodes: {errors} errors")
        if least < 0.95:
            found.append(f"{count} nodes: only {least:.0%} was forwarded")
    return found


def main():
    """Prints the table, and writes it and the figures; exit status 1 if anything was refused."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one short window each")
    parser.add_argument("--output", metavar="FOLDER", default=OUTPUT, type=Path, help="build/bench")
    options = parser.parse_args()
    with Place() as place:
        os.sched_setaffinity(0, {place.load_core})
        result = {"machine": machine()}
        bench = Bench(place, 2 if options.quick else 10)
        result["windows"] = bench.run(1 if options.quick else 5)
        result["machine"]["load_after"] = os.getloadavg()[0]
    print(table(result["windows"]))
    cores = needed(result["windows"])
    words = ", ".join(f"{name} {count:.2f}" for name, count in cores.items())
    print(f"A million alerts an hour ({WANTED_PER_S:.0f} a second) need so many cores: {words}")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "cluster.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (options.output / "cluster.md").write_text(table(result["windows"]) + "\n", "utf-8")
    wrong = problems(result["windows"])
    for words in wrong:
        print(words)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
