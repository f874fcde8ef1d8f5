#!/usr/bin/env python3
"""The long run of the fault tests: `make test-faults SECONDS=600`.

Ten thousand alerts while processes are killed every second and Flashduty fails half the time; a
burst of 2,000 against Flashduty's own limits; every system call of a delivery killed and failing,
none left out; then more rounds of the first with other seeds, until the time is over. What came of
each is printed in a line; exit status 1 if anything was lost, sent twice or overtaken.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.faults.test_burst import run_burst  # noqa: E402
from tests.faults.test_kill import run_kills  # noqa: E402
from tests.faults.test_together import run_together  # noqa: E402

ALERTS = 10000
# Of the time there is, alerts are posted for this part at most.
POSTING_PART = 0.5
THREADS = 16
KILL_SECONDS = (0.8, 1.2)
ROUND_ALERTS, ROUND_SECONDS = 2000, 45
SHOWN_MAX = 20


def show(what, problems, figures):
    """A line for a part, and what was wrong in it; whether nothing was."""
    print(f"{'ok  ' if not problems else 'FAIL'} {what}: {figures}")
    for problem in problems[:SHOWN_MAX]:
        print(f"     {problem}")
    sys.stdout.flush()
    return not problems


def kills(count, seconds, seed):
    """Kills every second, while so many alerts are posted in not quite so many seconds."""
    pause = 0.8 * seconds * THREADS / count
    return run_kills(
        count,
        KILL_SECONDS,
        seconds,
        processes=2,
        integrations=16,
        seed=seed,
        pause=pause,
        threads=THREADS,
    )


def every_system_call():
    """The modules' own tests, with each call instead of some: (problems, figures)."""
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "tests.faults.test_system_calls"],
        cwd=ROOT,
        env={**os.environ, "FAULTS_EVERY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.lstrip(".") for line in done.stdout.splitlines() if " calls hit: " in line]
    for line in lines:
        print(f"     {line}")
    problems = done.stderr.splitlines()[-200:] if done.returncode else []
    return problems, f"{len(lines)} tests"


def main():
    """Exit status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=600, help="how long (600)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000,
                        help="of what is left to chance; printed")  # fmt: skip
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    print(f"seed {options.seed}")
    posting = options.seconds * POSTING_PART
    is_good = show("killed", *kills(ALERTS, posting, options.seed))
    if time.monotonic() < end:
        is_good &= show("burst", *run_burst(2000, 100, 1000, keeps_limits=True))
    if time.monotonic() < end:
        is_good &= show("system calls", *every_system_call())
    seed = options.seed
    while time.monotonic() + ROUND_SECONDS < end:
        seed += 1
        is_good &= show("killed", *kills(ROUND_ALERTS, ROUND_SECONDS, seed))
        is_good &= show("together", *run_together(ROUND_ALERTS, ROUND_SECONDS / 2, (0.5, 1.5), seed=seed))  # fmt: skip
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
