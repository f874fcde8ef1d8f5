"""A window: wrk posts alerts for some seconds, and what it cost is read off."""

import itertools
import json
import subprocess
import time
from pathlib import Path

from tests.bench.measure import cost_of

SCRIPT = Path(__file__).with_name("alerts.lua")
BURST_SECONDS_MAX = 60
_seeds = itertools.count(int(time.time()) % 40000)


class WindowFailed(Exception):
    """wrk could not run."""


def start_wrk(place, rival, delay_ms, alerts, clients, seconds, first=0, stop_after=0, pause_ms=0):
    """Starts wrk against a rival. alerts: ("guance", template) or ("ces", file)."""
    argv = [
        "taskset", "-c", place.load_core, "wrk", "-t", 1, "-c", clients, "-d", f"{seconds}s",
        "--timeout", "20s", "-s", SCRIPT, rival.url, "--",
        rival.query(delay_ms), *alerts, next(_seeds) % 65536, first, stop_after, pause_ms,
    ]  # fmt: skip
    return subprocess.Popen(
        list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish_wrk(wrk, seconds):
    """What alerts.lua prints, as a dictionary."""
    said = wrk.communicate(timeout=seconds + 60)[0]
    lines = [line for line in said.splitlines() if line.startswith("{")]
    if wrk.returncode or not lines:
        raise WindowFailed(f"wrk: {said}")
    return json.loads(lines[0])


def measure_window(place, upstream, rival, alerts, cell, seconds):
    """One window of a rival: what wrk says, plus CPU, memory and how many alerts arrived."""
    wrk = [place, rival, cell.delay_ms, alerts, cell.clients]
    rival.renew()
    warm = finish_wrk(start_wrk(*wrk, 1), 1)
    arrived, cost = upstream.requests(), cost_of(rival.sessions())
    running = start_wrk(*wrk, seconds, first=warm["requests"] + cell.clients)
    time.sleep(seconds / 2)
    resident = cost_of({process.pid for process in rival.own or rival.front}).resident_bytes
    window = finish_wrk(running, seconds)
    cost_after, arrived_after = cost_of(rival.sessions()), upstream.requests()
    requests = max(window["requests"], 1)
    return {
        "requests_per_s": window["requests"] / window["seconds"],
        "p50_ms": window["p50_ms"],
        "p99_ms": window["p99_ms"],
        "cpu_s_per_1000": (cost_after.cpu_s - cost.cpu_s) / requests * 1000,
        "resident_mb": resident / 1e6,
        "errors": window["errors"],
        "forwarded": (arrived_after - arrived) / requests,
    }


def measure_burst(place, rival, alerts, clients, count, delay_ms):
    """The seconds until that many alerts are answered."""
    wrk = [place, rival, delay_ms, alerts, clients]
    rival.renew()
    finish_wrk(start_wrk(*wrk, 1), 1)
    burst = start_wrk(*wrk, BURST_SECONDS_MAX, stop_after=count)
    return finish_wrk(burst, BURST_SECONDS_MAX)["took"]
