#!/usr/bin/env python3
"""The long runs of the cluster: `make test-cluster ROUNDS=1000`, `make test-cluster OUTAGE=3600`.

Chaos: so many rounds, each with one fault of a node, of the database, of a way between them or of
Flashduty, while vendors post. Outage: so many seconds of traffic, without the database for a third of
them. What came of it is printed; exit status 1 if a promise was broken.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.cluster.chaos import run_chaos  # noqa: E402
from tests.cluster.outage import run_outage  # noqa: E402
from tests.faults.long import show  # noqa: E402


def say(words):
    """Prints at once."""
    print(words, flush=True)


def main():
    """Exit status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=0, help="of chaos")
    parser.add_argument("--outage", type=int, default=0, metavar="SECONDS", help="of traffic")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000,
                        help="of what is left to chance; printed")  # fmt: skip
    options = parser.parse_args()
    say(f"seed {options.seed}")
    is_good = True
    if options.rounds:
        problems, figures, faults = run_chaos(options.rounds, options.seed, say)
        is_good &= show("chaos", problems, f"{figures}; {dict(faults)}")
    if options.outage:
        is_good &= show("outage", *run_outage(options.outage, seed=options.seed, say=say))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
