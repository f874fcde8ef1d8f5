"""Traffic of some time, with the database down for a third of it."""

import time

from tests.cluster.evidence import evidence
from tests.cluster.nodes import Cluster
from tests.cluster.ways import CLOSED, SILENT
from tests.faults import history as histories
from tests.faults.load import Vendors

THREADS = 6
KEYS_A_THREAD = 16
# A thread posts so often; together they do not exceed what Flashduty takes of two keys.
PAUSE_SECONDS = 0.3
PATIENCE_SECONDS = 60
# Nothing is repeated for a vendor: what is not answered 2xx at once is a fault. SMN waits for 5 s.
ANSWER_SECONDS = 4.5
# A delivery that failed three times is tried again after two minutes.
EMPTY_SECONDS = 150
ALERTS_MAX = 10**9


def _lose(cluster, way):
    if way == "stopped":
        for server in cluster.database.servers:
            server.kill()
    else:
        cluster.lose_ways(cluster.nodes, way, cut=way == CLOSED)


def _give_back(cluster, way):
    if way == "stopped":
        for server in cluster.database.servers:
            server.start()
    else:
        cluster.open_ways()


def run_outage(seconds, ways=("stopped", SILENT), seed=1, say=lambda words: None):
    """A third of the time all is well, for a third of it the database is lost, in each of these ways
    for a part of that, and for a third all is well again: (problems, figures)."""
    with Cluster(seed=seed, deadline_ms=1500) as cluster:
        cluster.history.has_distinct_times = True
        vendors = Vendors(
            cluster, [cluster.post], THREADS, seed, PATIENCE_SECONDS, pause=PAUSE_SECONDS
        )
        third = seconds / 3
        with vendors.running(ALERTS_MAX, KEYS_A_THREAD):
            time.sleep(third)
            with cluster.history.outage():
                for way in ways:
                    _lose(cluster, way)
                    time.sleep(third / len(ways))
                    _give_back(cluster, way)
            time.sleep(third)
        cluster.wait_until_empty(EMPTY_SECONDS)
        problems = cluster.problems()
        for line in evidence(cluster, problems):
            say(line)
        answers = [answer for post in cluster.history.posts for answer in post.answers]
        problems += [f"answered {status}" for _, status, _ in answers if status // 100 != 2]
        problems += [f"never taken: {post.title}" for post in vendors.given_up]
        again = sum(post.tries > 1 for post in cluster.history.posts)
        if again:
            problems.append(f"{again} messages were not answered at once")
        if vendors.slowest > ANSWER_SECONDS:
            problems.append(f"an answer took {vendors.slowest:.1f} s")
        figures = histories.figures(cluster.history, cluster.upstream.events)
        figures["spooled"] = len(cluster.history.spooled)
        figures["ms of the slowest answer"] = round(1000 * vendors.slowest)
        return problems, figures
