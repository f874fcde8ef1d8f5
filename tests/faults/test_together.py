"""Everybody at once on one store: two FastCGI processes, plain CGI, drains; and the same without
the shared memory that a write-ahead log needs, as on a network file system."""

import random
import sqlite3
import threading
import unittest
from contextlib import closing, contextmanager

from tests.faults.gateways import Killer, Place, Served
from tests.faults.load import Vendors

DEADLINE_MS = 1500
# What failed three times before Flashduty was well again is tried two minutes later.
EMPTY_SECONDS = 150


@contextmanager
def draining(place, pause=0.5):
    """Drains one after the other, as if cron were in a hurry."""
    over = threading.Event()

    def run():
        while not over.wait(pause):
            place.drain()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def without_log(path):
    """Makes a database with a rollback journal, which the program then keeps."""
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA journal_mode = DELETE")
        store.execute("CREATE TABLE page (number INTEGER)")
        store.execute("DROP TABLE page")
        store.commit()
    path.chmod(0o600)


def run_together(count, seconds, pauses=None, has_log=True, seed=1):
    """Posts by every way at once: (problems, figures)."""
    with Place(2, seed=seed, deadline_ms=DEADLINE_MS) as place:
        if not has_log:
            without_log(place.store)
        served = [Served(place, f"guance-{number}") for number in range(2)]
        ways = [*(one.post for one in served), place.post_by_cgi]
        vendors = Vendors(place, ways, pause=0.05, seed=seed)
        place.upstream.fail(0.3)
        with draining(place):
            if pauses:
                with Killer(served, pauses, random.Random(seed)):
                    vendors.run(count, seconds=seconds)
            else:
                vendors.run(count, seconds=seconds)
            place.upstream.fail(0)
        place.end_pauses()
        place.wait_until_empty(EMPTY_SECONDS)
        problems = place.problems()
        problems += [f"never taken: {post.title}" for post in vendors.given_up]
        has_file = place.store.with_name(place.store.name + "-wal").exists()
        if has_file != has_log:
            problems.append("the journal is not what it was to be")
        return problems, place.figures


class Together(unittest.TestCase):
    """Several processes."""

    def check(self, what, *arguments, **options):
        """Runs, prints, and wants no problems."""
        problems, figures = run_together(*arguments, **options)
        print(f"{what}: {figures}")
        self.assertEqual(problems, [], "\n".join(problems))

    def test_two_fastcgi_processes_plain_cgi_and_drains(self):
        self.check("together", 400, seconds=10)

    def test_the_same_with_a_rollback_journal(self):
        self.check("without a log", 200, seconds=10, has_log=False)

    def test_the_same_with_a_rollback_journal_and_kills(self):
        self.check("without a log, killed", 200, seconds=10, has_log=False, pauses=(0.3, 1.0))


if __name__ == "__main__":
    unittest.main()
