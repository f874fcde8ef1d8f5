#!/usr/bin/env python3
"""Half of what the gateway can take, for long, while Flashduty fails now and then: `make soak SECONDS=1800`.

Of each minute Flashduty is down for ten seconds; else one answer in twenty is an error, a connection that
ends, or silence for five seconds. Then what waits is sent, which takes longer if the machine has other work.
In the end memory and descriptors must be what they were early on, none may have been refused, and
every alert that was answered 2xx must have been accepted by Flashduty.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import alerts, load, measure  # noqa: E402
from tests.bench.place import Place  # noqa: E402
from tests.bench.rivals import start_rivals  # noqa: E402
from tests.bench.upstream import ANSWER, PATH  # noqa: E402
from tests.support import paths, process, shared  # noqa: E402

CLIENTS = 64
CEILING_SECONDS = 3
SAMPLE_SECONDS = 1.0
# What memory may grow by between the first and the last third; a page cache breathes.
GROWTH_FACTOR, GROWTH_MB = 1.1, 4
# In the end what waits is sent, however long that takes, as long as it becomes less in this time.
STANDSTILL_SECONDS = 60

CONFIG = """
load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
{user}
worker_processes 1;
pid {folder}/weather.pid;
error_log {folder}/weather-errors.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/weather-bodies;
    client_body_buffer_size 1m;
    client_body_in_single_buffer on;
    default_type application/json;
    keepalive_timeout 300s;
    keepalive_requests 10000;
    ssl_certificate {keys.server_certificate};
    ssl_certificate_key {keys.server_key};
    ssl_protocols TLSv1.2 TLSv1.3;
    map $request_body $event {{ default ""; "~\\"event_id\\":\\"(?<id>[^\\"]*)" $id; }}
    map $time_iso8601 $is_down {{ default 0; "~T..:..:{down}" 1; }}
    split_clients $request_id $chance {{ 3% error; 1% gone; 1% hang; * well; }}
    map $is_down $weather {{ 1 error; default $chance; }}
    log_format event '$event';
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        location {path} {{
            {rules}
            echo_read_request_body;
            access_log {folder}/accepted.log event;
            echo -n '{answer}';
        }}
        location = /error {{ return 503 '{{"request_id":"0","error":{{"code":"InternalError","message":"weather"}}}}'; }}
        location = /hang {{ echo_sleep 5; echo -n '{{}}'; }}
    }}
}}
"""
# Ten seconds of each minute; none.
DOWN, NEVER_DOWN = "3[0-9]", "never"
RULES = """if ($weather = error) { rewrite ^ /error last; }
            if ($weather = hang) { rewrite ^ /hang last; }
            if ($weather = gone) { return 444; }"""


class Weather:
    """A mock of Flashduty that fails now and then, and writes down what it has accepted."""

    def __init__(self, place):
        self.place, self.port = place, shared.free_port()
        self.process = place.start_nginx("weather", self._config(DOWN, RULES), place.load_core)
        process.wait_for_port(self.port, self.process)

    def _config(self, down, rules):
        return CONFIG.format(
            user=self.place.nginx_user, folder=self.place.folder, keys=self.place.keys,
            port=self.port, path=PATH, answer=ANSWER, down=down, rules=rules,
        )  # fmt: skip

    @property
    def url(self):
        """Where alerts are posted."""
        return f"https://127.0.0.1:{self.port}{PATH}"

    def clear_up(self):
        """From now on all is well."""
        file = self.place.folder / "weather.conf"
        file.write_text(self._config(NEVER_DOWN, ""), encoding="utf-8")
        self.process.send_signal(signal.SIGHUP)

    def accepted(self):
        """The ids of all alerts that were accepted."""
        return set((self.place.folder / "accepted.log").read_text("ascii").split())


class Watch:
    """Memory and descriptors of a process, once a second."""

    def __init__(self, pid):
        self.pid = pid
        self.samples = []

    def run(self, wrk):
        """Until wrk has ended."""
        while wrk.poll() is None:
            megabytes = measure.cost_of({self.pid}).resident_bytes / 1e6
            self.samples.append((megabytes, measure.descriptors_of(self.pid)))
            time.sleep(SAMPLE_SECONDS)

    def thirds(self, column):
        """The medians of the first and the last third, the start left out."""
        values = [sample[column] for sample in self.samples[len(self.samples) // 10 :]]
        third = max(1, len(values) // 3)
        return statistics.median(values[:third]), statistics.median(values[-third:])

    def problems(self):
        """What has grown."""
        found = []
        early, late = self.thirds(0)
        if late > early * GROWTH_FACTOR + GROWTH_MB:
            found.append(f"memory has grown from {early:.1f} to {late:.1f} MB")
        early, late = self.thirds(1)
        # A connection to Flashduty for each request in flight, and those that were cut off.
        if late > early + CLIENTS:
            found.append(f"descriptors have grown from {early:.0f} to {late:.0f}")
        return found


class Soak:
    """A gateway, the weather, and alerts."""

    def __init__(self, place):
        self.place = place
        self.weather = Weather(place)
        self.gateway = start_rivals(place, self.weather, {"gateway"})["gateway"]
        self.gateway.renew()
        self.template = place.folder / "guance.json"
        self.template.write_bytes(alerts.guance_template())

    def _start_wrk(self, seconds, pause_ms=0):
        return load.start_wrk(
            self.place, self.gateway, 0, ("guance", self.template), CLIENTS, seconds, pause_ms=pause_ms
        )

    def run(self, seconds):
        """(problems, figures in words)."""
        ceiling = load.finish_wrk(self._start_wrk(CEILING_SECONDS), CEILING_SECONDS)
        rate = ceiling["requests"] / ceiling["seconds"] / 2
        watch = Watch(self.gateway.own[0].pid)
        running = self._start_wrk(seconds, pause_ms=round(CLIENTS / rate * 1000))
        watch.run(running)
        window = load.finish_wrk(running, seconds)
        taken = sum(one["requests"] - one["refused"] for one in (ceiling, window))
        self.weather.clear_up()
        problems = watch.problems() + self._drained() + self._lost(taken)
        if window["refused"]:
            problems.append(f"{window['refused']} were not taken: what waits is not sent in time")
        early, late = watch.thirds(0)
        return problems, (
            f"{window['requests']:,} alerts in {seconds} s ({rate:,.0f}/s asked for),"
            f" {window['refused']} not taken; memory {early:.1f} → {late:.1f} MB,"
            f" descriptors {watch.thirds(1)[0]:.0f} → {watch.thirds(1)[1]:.0f};"
            f" {len(self.weather.accepted()):,} accepted by Flashduty of {taken:,} taken"
        )

    def _drained(self):
        """Waits until nothing is under way or waits; what is wrong then."""
        least, since = None, time.monotonic()
        command = [paths.command_line(), "outbox", "list", "-o", "json"]
        environment = {**os.environ, **self.gateway.environment}
        while True:
            listed = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            ).stdout
            waiting = len(listed.splitlines())
            if not waiting:
                break
            if least is None or waiting < least:
                least, since = waiting, time.monotonic()
            if time.monotonic() > since + STANDSTILL_SECONDS:
                return [f"{waiting} wait and nothing is sent any more"]
            time.sleep(SAMPLE_SECONDS)
        audit = subprocess.run(
            [paths.command_line(), "status", "--audit"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return [] if audit.returncode == 0 else [f"the ledger: {audit.stdout}{audit.stderr}"]

    def _lost(self, taken):
        accepted = len(self.weather.accepted())
        return [f"{taken - accepted} of {taken} were lost"] if accepted < taken else []


def main():
    """Exit status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=600, help="how long (600)")
    options = parser.parse_args()
    with Place() as place:
        os.sched_setaffinity(0, {place.load_core})
        problems, figures = Soak(place).run(options.seconds)
    print(f"{'FAIL' if problems else 'ok  '} {figures}")
    for problem in problems:
        print(f"     {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
