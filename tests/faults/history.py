"""What was posted and answered, held against what Flashduty accepted and what the store remembers.

A History is written by those who post. check() returns everything in it that breaks a promise:

* what was answered 2xx is accepted by Flashduty in the end, where it belongs and nowhere else;
* no event of an alert key overtakes another, nor comes again after a later one;
* an event is accepted twice only if nobody could know that it had been accepted: its answer was
  lost on the way, or the process was killed before it could write it down;
* a repeat of a message is never sent for itself;
* what is closed at Flashduty in the end is what has recovered;
* the ledger adds up, nothing waits, no process has it, and nothing waits for what is over.

While nodes cannot reach their database they know nothing of one another. What they take then may come
twice; it may overtake what another node has, or be dropped because something newer of its alert was
accepted: but never so that what has recovered is open in the end.
"""

import sqlite3
import threading
import time
from collections import Counter, defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from tests.support.gateway import guance_event

# Outcomes that promise that Flashduty gets the alert.
PROMISES = ("delivered", "queued", "duplicate")
GUANCE_WORDS = {"critical": "Critical", "error": "Warning", "info": "Info", "ok": "Ok"}
# The answer to a send and the note of it lie within this time, or a kill between them is no excuse.
NOTE_SECONDS = 2.0
# So long after an outage a node may still be at work on what it took in it.
NOTICE_SECONDS = 3.0
ACCEPTED = 0  # enum try_verdict
# What the gateway itself says of waiting and rejected alerts.
OF_THE_GATEWAY = "flashduty-gateway: "
OVER = 2  # enum delivery_state: what is less waits or is being sent


@dataclass
class Post:
    """One message of a vendor, however often it was posted; `answers`: (time, status, outcome)."""

    integration: str
    alert: str
    number: int
    word: str
    time_s: int
    answers: list = field(default_factory=list)
    tries: int = 0
    posted: float = field(default_factory=time.time)

    @property
    def title(self):
        """What it is known by at Flashduty."""
        return f"{self.integration} {self.alert} #{self.number}"

    @property
    def message_id(self):
        """What the vendor calls the message."""
        return f"event-{self.integration}-{self.alert}-{self.number}"

    @property
    def body(self):
        """The message."""
        return guance_event(
            timestamp=self.time_s,
            df_status=self.word,
            df_event_id=self.message_id,
            df_title=self.title,
            df_monitor_checker_event_ref=f"{self.integration}-{self.alert}",
        )

    @property
    def is_promised(self):
        """Whether any answer said that it arrives."""
        return any(outcome in PROMISES for _, _, outcome in self.answers)

    @property
    def delivered_at(self):
        """When the vendor first heard that Flashduty has it; None if it never did."""
        return next((at for at, _, outcome in self.answers if outcome == "delivered"), None)


class History:
    """All that was posted, in order for each alert. Those of one alert are posted one by one."""

    def __init__(self):
        self._lock = threading.Lock()
        self._alerts = defaultdict(list)
        self.kills = []
        self.outages = []
        # When nodes say that they could not use their database, for whatever reason.
        self.noticed = []
        # Ids of messages that a node says it has taken without its database.
        self.spooled = set()
        # What could not be written down, or was not heard, may come again.
        self.may_repeat = False
        # No two messages of an alert have the same second, as those of a monitor that looks once in ten.
        self.has_distinct_times = False
        self.started = time.time()

    def post(self, integration, alert, word, time_s=None):
        """A new message, to be posted until it is answered."""
        with self._lock:
            posts = self._alerts[integration, alert]
            now_s = int(time.time())
            if self.has_distinct_times and posts:
                now_s = max(now_s, posts[-1].time_s + 1)
            post = Post(integration, alert, len(posts), word, time_s or now_s)
            posts.append(post)
            return post

    def answered(self, post, answer):
        """What was answered to it, or None for nothing."""
        with self._lock:
            post.tries += 1
            if answer is not None:
                post.answers.append((time.time(), answer.status, answer.outcome))

    def killed(self):
        """A process was killed just now."""
        with self._lock:
            self.kills.append(time.time())

    @contextmanager
    def outage(self):
        """Meanwhile some node may not reach its database."""
        outage = [time.time(), float("inf")]
        with self._lock:
            self.outages.append(outage)
        try:
            yield
        finally:
            outage[1] = time.time()

    def is_out(self, begin, end):
        """Whether there was an outage at any time between these."""
        outages = self.outages + self.noticed
        return any(first <= end and begin <= last + NOTICE_SECONDS for first, last in outages)

    def was_out(self, post):
        """Whether a message was taken in an outage, or may have been."""
        last = post.answers[-1][0] if post.answers else post.posted
        return post.message_id in self.spooled or self.is_out(post.posted, last)

    @property
    def alerts(self):
        """The messages of each alert."""
        with self._lock:
            return {key: list(posts) for key, posts in self._alerts.items()}

    @property
    def posts(self):
        """All messages."""
        return [post for posts in self.alerts.values() for post in posts]

    @property
    def promised(self):
        """Those that have to arrive."""
        return [post for post in self.posts if post.is_promised]


class Figures(dict):
    """What came of a history, in a line."""

    def __str__(self):
        return ", ".join(f"{value} {name}" for name, value in self.items())


def _accepted_twice(post, accepted, history, noted):
    """Why the second of two acceptances of an event is a fault; None if nobody could know."""
    for earlier, later in zip(accepted, accepted[1:]):
        around = earlier.time - NOTE_SECONDS, earlier.time + NOTE_SECONDS
        if history.is_out(*around) or post.message_id in history.spooled:
            continue
        if post.delivered_at is not None and later.time > post.delivered_at + 0.1:
            return "sent again after the vendor was told that it is delivered"
        if earlier.request_id in noted:
            return "sent again although the store knew that it was accepted"
        was_killed = any(around[0] <= kill <= around[1] for kill in history.kills)
        if not (earlier.is_unheard or was_killed):
            return "sent again although its answer was given and nobody was killed"
    return None


def _overtaken(posts, events, history):
    """The title of an event that came after one that was posted later; None if there is none."""
    of = {post.title: post for post in posts}
    newest = None
    for event in events:
        post = of[event.title]
        if newest is None or post.number >= newest.number:
            newest = post
        elif not (history.was_out(post) or history.was_out(newest)):
            return post.title
    return None


def _check_end(posts, events):
    """Whether what is open at Flashduty in the end is what is open."""
    accepted = {event.title for event in events}
    known = [post for post in posts if post.is_promised or post.title in accepted]
    if not known or not events:
        return
    is_over, is_closed = known[-1].word == "ok", events[-1].status == GUANCE_WORDS["ok"]
    if is_over and not is_closed:
        yield f"left open: {events[-1].title}, although {known[-1].title} has recovered"
    if is_closed and not is_over:
        yield f"closed: {known[-1].title}, by the older {events[-1].title}"


def _missing(posts, accepted, history):
    """Of one alert the messages that were promised and are not among the titles of what was accepted:
    those that are lost, and those that are stale: something newer was accepted."""
    lost, stale = [], []
    has_newer = has_newer_out = False
    for post in reversed(posts):
        is_accepted = post.title in accepted
        if post.is_promised and not is_accepted:
            is_stale = has_newer_out or (has_newer and history.was_out(post))
            (stale if is_stale else lost).append(post)
        has_newer |= is_accepted
        has_newer_out |= is_accepted and history.was_out(post)
    return lost, stale


def _check_alert(posts, events, history, noted):
    """What is wrong with one alert: its posts in order, its acceptances in order."""
    of = defaultdict(list)
    for event in events:
        of[event.title].append(event)
    lost, _ = _missing(posts, set(of), history)
    for post in posts:
        if post in lost:
            yield f"lost: {post.title}, answered {post.answers}"
        fault = None
        if not history.may_repeat:
            fault = _accepted_twice(post, of[post.title], history, noted)
        if fault:
            at = [round(event.time, 3) for event in of[post.title]]
            yield f"{fault}: {post.title} at {at}, answered {post.answers}"
    overtaken = _overtaken(posts, events, history)
    if overtaken:
        yield f"out of order: {overtaken} in {[event.title for event in events]}"
    yield from _check_end(posts, events)


def check_history(history, events, destinations, noted=()):
    """What is wrong; destinations: integration → the Flashduty key of its alerts."""
    problems = []
    by_alert = defaultdict(list)
    posts = {post.title: post for post in history.posts}
    for event in events:
        post = posts.get(event.title)
        if event.title.startswith(OF_THE_GATEWAY):
            continue
        if post is None:
            problems.append(f"nobody posted {event.title}")
        elif event.key != destinations[post.integration]:
            problems.append(f"{event.title} went to the wrong destination")
        elif event.status != GUANCE_WORDS[post.word]:
            problems.append(f"{event.title} came as {event.status}, not {post.word}")
        else:
            by_alert[post.integration, post.alert].append(event)
    for key, of_alert in history.alerts.items():
        problems += _check_alert(of_alert, by_alert[key], history, noted)
    return problems


def figures(history, events):
    """How many there were of what."""
    times = Counter(event.title for event in events)
    answers = [answer for post in history.posts for answer in post.answers]
    missing = [_missing(posts, times, history) for posts in history.alerts.values()]
    return Figures(
        {
            "alerts": len(history.posts),
            "promised": len(history.promised),
            "posts": sum(post.tries for post in history.posts),
            "answers 503": sum(status == 503 for _, status, _ in answers),
            "queued": sum(outcome == "queued" for _, _, outcome in answers),
            "kills": len(history.kills),
            "accepted": len(events),
            "unheard": sum(event.is_unheard for event in events),
            "duplicates": len(events) - len(times),
            "stale": sum(len(stale) for _, stale in missing),
            "lost": sum(len(lost) for lost, _ in missing),
            "s": round(time.time() - history.started),
        }
    )


# ---- the store ----


def rows_of(store, sql, *values):
    """The rows of a query; store: the path of a file, or a server."""
    if hasattr(store, "rows"):  # not a file of SQLite's
        return store.rows(sql, *values)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql, values).fetchall()


def noted_requests(store):
    """Flashduty's ids of the requests that the store knows to have been accepted."""
    return {row[0] for row in rows_of(store, "SELECT request_id FROM try WHERE verdict = 0")}


def waiting(store):
    """How many deliveries of what was posted wait or are being sent."""
    sql = (
        "SELECT count(*) FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id"
        " WHERE d.state < ? AND a.title NOT LIKE ?"
    )
    return rows_of(store, sql, OVER, f"{OF_THE_GATEWAY}%")[0][0]


def check_ledger(store):
    """Whether each integration's places add up to what it received, and are what there is."""
    problems = []
    ledger, kept = defaultdict(dict), {}
    # One statement: between two, a node may hand over what it took.
    both = (
        "SELECT integration, place, count FROM ledger UNION ALL"
        " SELECT integration, NULL, count(*) FROM alert WHERE outcome = 0 GROUP BY integration"
    )
    for integration, place, count in rows_of(store, both):
        if place is None:
            kept[integration] = count
        else:
            ledger[integration][place] = count
    for integration, places in ledger.items():
        received = places.pop("received", 0)
        if received != sum(places.values()):
            problems.append(f"ledger of {integration}: {received} received, but {places}")
        problems += [f"ledger of {integration}: {p} = {n}" for p, n in places.items() if n < 0]
    for integration in set(ledger) | set(kept):
        queued = ledger[integration].get("queued", 0)
        if queued != kept.get(integration, 0):
            there = kept.get(integration, 0)
            problems.append(f"ledger of {integration}: {queued} queued, but there are {there}")
    return problems


def check_store(store):
    """What a store that has been drained must not hold."""
    problems = check_ledger(store)
    is_file = not hasattr(store, "rows")
    for (word,) in rows_of(store, "PRAGMA integrity_check") if is_file else ():
        if word != "ok":
            problems.append(f"integrity: {word}")
    for row in rows_of(store, "SELECT id, state, after, alert_key FROM delivery WHERE state < 2"):
        problems.append(f"still in the outbox: id, state, after, alert {row}")
    # One statement, as in check_ledger.
    kept, there = rows_of(
        store,
        "SELECT coalesce((SELECT kept FROM volume WHERE scope = ''), 0) AS kept,"
        " (SELECT count(*) FROM delivery) AS there",
    )[0]
    if kept != there:
        problems.append(f"{kept} deliveries counted, {there} kept")
    orphans = rows_of(
        store, "SELECT count(*) FROM delivery WHERE alert_id NOT IN (SELECT id FROM alert)"
    )[0][0]
    if orphans:
        problems.append(f"{orphans} deliveries without an alert")
    return problems
