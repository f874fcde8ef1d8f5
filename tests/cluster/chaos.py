"""Rounds of one fault each, while vendors post: a node, the database, a way between them, Flashduty."""

import random
import threading
import time
from collections import Counter
from contextlib import suppress

from tests.cluster.evidence import evidence
from tests.cluster.nodes import Cluster
from tests.cluster.ways import CLOSED, OPEN, SILENT
from tests.faults import history as histories
from tests.faults.load import Vendors

THREADS = 6
KEYS_A_THREAD = 16
PAUSE_SECONDS = 0.1
# A vendor's threads may have to wait for the longest that a request can take, again and again.
PATIENCE_SECONDS = 60
# After so many rounds everything is healed, and looked at.
ROUNDS_OF_A_PART = 50
# A delivery that failed three times is tried again after two minutes.
EMPTY_SECONDS = 150
ALERTS_MAX = 10**9
NODE_WITH_WRONG_CLOCK = 2
# How long a fault lasts, and the calm behind it.
FAULT_SECONDS = (0.1, 1.2)
CALM_SECONDS = (0.0, 0.6)
# Of a primary, how often a round of another kind stands between two losses: a copy takes seconds.
WEIGHTS = {
    "node killed": 24,
    "node frozen": 8,
    "connections cut": 12,
    "one node's ways silent": 10,
    "one node's ways closed": 8,
    "all ways silent": 10,
    "all ways closed": 8,
    "primary lost": 9,
    "primary lost in silence": 4,
    "standby frozen": 3,
    "Flashduty fails": 12,
}


class Chaos:
    """Does things to a cluster, of which `history` says when they were."""

    def __init__(self, cluster, seed=1):
        self.cluster = cluster
        self.chance = random.Random(seed)
        self.seed = seed
        self.done = Counter()
        self.problems = []
        self.vendors = []
        self._copying = None

    # ---- faults ----

    def _last(self):
        time.sleep(self.chance.uniform(*FAULT_SECONDS))

    def _node(self):
        return self.chance.choice(self.cluster.nodes)

    def node_killed(self):
        """kill -9, and after a while it is there again."""
        node = self._node()
        node.kill()
        self._last()
        node.start()

    def node_frozen(self):
        """It is stopped where it is and goes on after that, as a machine that swaps."""
        node = self._node()
        # What it was sending may be taken for dead, and be sent by others.
        with self.cluster.history.outage():
            node.freeze(True)
            self._last()
            node.freeze(False)

    def connections_cut(self):
        """Every connection to the database ends; new ones are taken."""
        with self.cluster.history.outage():
            self.cluster.ways.cut([way for node in self.cluster.nodes for way in node.ways])

    def _without_ways(self, nodes, state):
        with self.cluster.history.outage():
            self.cluster.lose_ways(nodes, state, cut=self.chance.random() < 0.3)
            self._last()
            self.cluster.open_ways(nodes, cut=self.chance.random() < 0.5)

    def one_nodes_ways_silent(self):
        """A node is behind a firewall that drops everything."""
        self._without_ways([self._node()], SILENT)

    def one_nodes_ways_closed(self):
        """A node is refused."""
        self._without_ways([self._node()], CLOSED)

    def all_ways_silent(self):
        """Nobody hears anything of the database."""
        self._without_ways(self.cluster.nodes, SILENT)

    def all_ways_closed(self):
        """Everybody is refused."""
        self._without_ways(self.cluster.nodes, CLOSED)

    def primary_lost(self, is_silent=False):
        """The primary dies, and the standby takes its place; then it is made anew, meanwhile."""
        self._finish_copy()
        database = self.cluster.database
        lost = database.servers.index(database.primary)
        ways = [node.ways[lost] for node in self.cluster.nodes]
        with self.cluster.history.outage():
            if is_silent:
                self.cluster.ways.become(ways, SILENT)
            database.lose_primary()
        if is_silent:
            self._last()
        self.cluster.ways.become(ways, OPEN, cut=True)
        self._copying = threading.Thread(target=self._copy, daemon=True)
        self._copying.start()

    def primary_lost_in_silence(self):
        """The same, and whoever speaks to it hears nothing for a while, even when it is replaced."""
        self.primary_lost(is_silent=True)

    def _copy(self):
        try:
            self.cluster.database.rebuild()
        except Exception as problem:  # pylint: disable=broad-exception-caught
            self.problems.append(f"no new standby: {problem!r}")

    def _finish_copy(self):
        if self._copying:
            self._copying.join()
            self._copying = None

    def standby_frozen(self):
        """Whoever commits waits, for as long as the standby does not answer."""
        self._finish_copy()
        standby = self.cluster.database.standby
        with self.cluster.history.outage():
            standby.freeze(True)
            self._last()
            standby.freeze(False)

    def flashduty_fails(self):
        """Requests fail in all the ways that they can."""
        self.cluster.upstream.fail(self.chance.choice((0.5, 1.0)))
        self._last()
        self.cluster.upstream.fail(0.0)

    # ---- rounds ----

    def _kinds(self):
        """The faults that can happen now: name → weight."""
        kinds = dict(WEIGHTS)
        is_copying = self._copying and self._copying.is_alive()
        needs_database = [name for name in kinds if not name.startswith(("node ", "Flashduty"))]
        for name in needs_database if not self.cluster.database else ():
            del kinds[name]
        for name in ("primary lost", "primary lost in silence", "standby frozen"):
            if is_copying:
                del kinds[name]
        return kinds

    def round(self):
        """One fault, and a calm."""
        kinds = self._kinds()
        kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
        getattr(self, kind.lower().replace(" ", "_").replace("'", ""))()
        self.done[kind] += 1
        time.sleep(self.chance.uniform(*CALM_SECONDS))

    def part(self, rounds):
        """So many rounds; then everything is healed, and what came of it is looked at."""
        vendors = Vendors(
            self.cluster, [self.cluster.post], THREADS, len(self.vendors) + self.seed,
            PATIENCE_SECONDS, PAUSE_SECONDS,
        )  # fmt: skip
        self.vendors.append(vendors)
        with vendors.running(ALERTS_MAX, KEYS_A_THREAD):
            for _ in range(rounds):
                self.round()
            self._finish_copy()
        # What still waits then is named by the checks below.
        with suppress(AssertionError):
            self.cluster.wait_until_empty(EMPTY_SECONDS)
        self.problems += [f"never taken: {post.title}" for post in vendors.given_up]
        self.problems += self.cluster.problems()
        return self.problems

    @property
    def figures(self):
        """How many there were of what."""
        figures = histories.figures(self.cluster.history, self.cluster.upstream.events)
        figures["spooled"] = len(self.cluster.history.spooled)
        figures["ms of the slowest answer"] = round(
            1000 * max(vendors.slowest for vendors in self.vendors)
        )
        return figures


def run_chaos(rounds, seed=1, say=lambda words: None, **options):
    """Rounds in parts, up to the first part that finds something: (problems, figures, faults)."""
    with Cluster(seed=seed, deadline_ms=1500, rate_per_second=0, rate_per_minute=0,
                 clocks={NODE_WITH_WRONG_CLOCK: 120}, **options) as cluster:  # fmt: skip
        cluster.history.has_distinct_times = True
        chaos = Chaos(cluster, seed)
        left = rounds
        while left > 0 and not chaos.problems:
            chaos.part(min(left, ROUNDS_OF_A_PART))
            left -= ROUNDS_OF_A_PART
            say(f"{rounds - max(left, 0)} rounds: {chaos.figures}")
        for line in evidence(cluster, chaos.problems):
            say(line)
        return chaos.problems, chaos.figures, chaos.done
