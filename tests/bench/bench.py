#!/usr/bin/env python3
"""Measures the gateway beside others that forward alerts, in one run: `make bench`.

All on loopback: a mock of Flashduty over TLS that answers after 0, 20 or 100 ms, and wrk, on the last
core; what is measured, with its web server, on the first. The full run takes about 20 minutes, QUICK=1
half a minute. Results: build/bench/results.json, table.md and chart.svg. Ratios to nginx's proxy_pass
in the same repeat are what can be compared between runs and machines; absolute figures drift.

    make bench COMPARE=FILE   compares with an earlier results.json; fails if a row lost a tenth
    make bench QUICK=1        short windows: whether the bench works, not how fast anything is
    make bench PUBLISH=1      puts results, table and chart where the README has them
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import alerts, load, measure, report, results  # noqa: E402
from tests.bench.place import Place  # noqa: E402
from tests.bench.plan import BURST_CLIENTS, BURST_DELAY_MS, CEILING, FULL, QUICK  # noqa: E402
from tests.bench.rivals import start_rivals  # noqa: E402
from tests.bench.upstream import Upstream  # noqa: E402

OUTPUT = ROOT / "build/bench"
BURST_RIVALS = ("nginx", "gateway", "gateway-256", "gateway-no-store", "node-nginx")


def machine():
    """What a reader has to know of the machine."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cores": os.cpu_count(),
        "cpu": cpu,
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


class Bench:
    """A run: a place, an upstream, the rivals, and the plan that is followed."""

    def __init__(self, place, plan, wanted=None):
        self.place, self.plan = place, plan
        self.upstream = Upstream(place)
        self.rivals = start_rivals(place, self.upstream, wanted)
        self.files = self._write_alerts()
        self.result = {
            "machine": machine(),
            "repeats": plan.repeats,
            "seconds": plan.seconds,
            "burst": plan.burst,
            "windows": {},
            "bursts": {},
            "idle_mb": {},
        }

    def _write_alerts(self):
        template, messages = self.place.folder / "guance.json", self.place.folder / "ces.jsonl"
        template.write_bytes(alerts.guance_template())
        is_wanted = any(rival.vendor == "ces" for rival in self.rivals.values())
        count = self.plan.ces_messages if is_wanted else 0
        with open(messages, "wb") as file:
            for message in alerts.ces_messages(self.place.keys, count):
                file.write(message + b"\n")
        return {"guance": template, "ces": messages}

    def _alerts_for(self, rival):
        return rival.vendor, self.files[rival.vendor]

    def run(self):
        """All of it."""
        for repeat in range(self.plan.repeats):
            for cell in self.plan.cells():
                say(f"repeat {repeat + 1} of {self.plan.repeats}: {cell.name}")
                self._run_cell(cell, repeat)
            self._run_bursts()
        self._measure_idle()
        self.result["machine"]["load_after"] = os.getloadavg()[0]
        return self.result

    def _run_cell(self, cell, repeat):
        rivals = [rival for rival in self.rivals.values() if self.plan.takes(rival, cell)]
        # Not always in the same order: what one leaves behind must not always meet the same next.
        start = repeat * 3 % len(rivals)
        row = self.result["windows"].setdefault(cell.name, {})
        for rival in rivals[start:] + rivals[:start]:
            window = load.measure_window(
                self.place, self.upstream, rival, self._alerts_for(rival), cell, self.plan.seconds
            )
            row.setdefault(rival.name, []).append(window)

    def _run_bursts(self):
        for clients in BURST_CLIENTS:
            row = self.result["bursts"].setdefault(str(clients), {})
            for name in filter(self.rivals.__contains__, BURST_RIVALS):
                rival = self.rivals[name]
                took = load.measure_burst(
                    self.place, rival, self._alerts_for(rival), clients, self.plan.burst,
                    BURST_DELAY_MS,
                )  # fmt: skip
                row.setdefault(name, []).append(took)

    def _measure_idle(self):
        """After one alert: what a process that nobody asks anything holds."""
        for rival in self.rivals.values():
            rival.renew()
            if not rival.own:
                continue
            one = load.start_wrk(self.place, rival, 0, self._alerts_for(rival), 1, 5, stop_after=1)
            load.finish_wrk(one, 5)
            cost = measure.cost_of({process.pid for process in rival.own})
            self.result["idle_mb"][rival.name] = cost.resident_bytes / 1e6


def say(text):
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short windows")
    parser.add_argument("--compare", metavar="FILE", help="an earlier results.json")
    parser.add_argument("--publish", action="store_true", help="results, table and chart of the README")  # fmt: skip
    parser.add_argument("--only", metavar="NAMES", help="these rivals (and nginx), by commas")
    parser.add_argument("--output", metavar="FOLDER", default=OUTPUT, type=Path, help="build/bench")
    return parser.parse_args()


def write_all(result, folder):
    """results.json, table.md and chart.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(report.table(result), encoding="utf-8")
    (folder / "chart.svg").write_text(report.chart(result), encoding="utf-8")


def judge(result, before):
    """Prints goals, problems and, if there is an earlier result, what is worse. Whether all is well."""
    print(report.goals_text(result))
    problems = results.problems(result)
    for problem in problems:
        print(f"not as it should be: {problem}")
    worse = results.compare(before, result) if before else []
    for row in worse:
        print(f"worse by more than a tenth: {row}")
    if before and not worse:
        print("no row is worse by more than a tenth")
    return not problems and not any(row.is_certain for row in worse)


def main():
    """Exit status 1 if a window failed, or a row is certainly worse than in COMPARE."""
    options = arguments()
    before = json.loads(Path(options.compare).read_text("utf-8")) if options.compare else None
    wanted = {CEILING, *options.only.split(",")} if options.only else None
    with Place() as place:
        os.sched_setaffinity(0, {place.load_core})
        result = Bench(place, QUICK if options.quick else FULL, wanted).run()
    write_all(result, options.output)
    print(report.table(result))
    if options.publish:
        report.publish(result, ROOT)
    return 0 if judge(result, before) else 1


if __name__ == "__main__":
    sys.exit(main())
