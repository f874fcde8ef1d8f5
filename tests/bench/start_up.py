"""What a process for one request costs: from its start to the answer's first byte, and in processor time.

    python3 -m tests.bench.start_up [--runs 200] [--build release --build static]

Flashduty is the simulator in a process of its own, over TLS, at 0 ms; its CA lies in a hashed folder.
Figures of one run compare with each other, not with those of another machine or hour.
"""

import argparse
import multiprocessing
import resource
import statistics
import subprocess
import time

from tests.simulator.flashduty import Flashduty
from tests.simulator.smn import shared_keys
from tests.support import paths, settings
from tests.support.cgi import program_environment, variables
from tests.support.gateway import guance_event, query_of, to_bytes
from tests.support.process import Sandbox

WARM_UP = 3
CASES = (
    ("a browser's GET", "GET", False),
    ("an alarm, no store", "POST", False),
    ("an alarm, store on", "POST", True),
)


def serve(keys, pipe):
    """Flashduty, until the pipe says that it is over."""
    with Flashduty(tls=keys.server_context()) as flashduty:
        pipe.send(flashduty.push_url)
        pipe.recv()


def run(program, environment, body):
    """One request; seconds from the program's start to the answer's first byte."""
    start = time.perf_counter()
    with subprocess.Popen(
        [program], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        process.stdin.write(body)
        process.stdin.close()
        process.stdout.read(1)
        took = time.perf_counter() - start
        process.stdout.read()
    return took


def processor_time():
    """Seconds that the programs run so far have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(build, method, config, runs):
    """Seconds to the first byte, one a run; seconds of processor time a run."""
    times = []
    for number in range(WARM_UP + runs):
        if number == WARM_UP:
            used = processor_time()
        event = guance_event(df_event_id=f"e-{number}", df_monitor_checker_event_ref=f"r-{number}")
        body = to_bytes(event) if method == "POST" else b""
        request = variables(method=method, query=query_of("guance"), content_length=len(body))
        environment = {**program_environment(config), **request}
        times.append(run(paths.endpoint("guance", build), environment, body))
    return times[WARM_UP:], (processor_time() - used) / runs


def report(builds, url, sandbox, runs):
    """A line a build and case."""
    print(f"{'build':<10}{'request':<22}{'first byte: min':>17}{'median':>10}{'processor':>11}   ms")
    for build in builds:
        for number, (name, method, has_store) in enumerate(CASES):
            store = f"sqlite:{sandbox.folder}/{build}-{number}.db" if has_store else "none"
            changes = {
                "store": store,
                "ca_file": str(sandbox.folder / "certs"),
                "rate_per_second": 0,
                "rate_per_minute": 0,
            }
            config = settings.write_config(
                sandbox.folder / "gateway.conf", settings.settings(url, **changes)
            )
            times, used = measure(build, method, config, runs)
            print(f"{build:<10}{name:<22}{min(times) * 1000:17.2f}"
                  f"{statistics.median(times) * 1000:10.2f}{used * 1000:11.2f}", flush=True)  # fmt: skip


def main():
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--build", action="append", choices=("release", "static"))
    options = parser.parse_args()
    keys = shared_keys()
    ours, theirs = multiprocessing.Pipe()
    flashduty = multiprocessing.Process(target=serve, args=(keys, theirs))
    flashduty.start()
    with Sandbox() as sandbox:
        certificates = sandbox.folder / "certs"
        certificates.mkdir()
        (certificates / "ca.pem").write_bytes(keys.ca_certificate.read_bytes())
        subprocess.run(["openssl", "rehash", certificates], check=True)
        builds = options.build or ("release", "static")
        report(builds, ours.recv(), sandbox, options.runs)
    ours.send("over")
    flashduty.join()


if __name__ == "__main__":
    main()
