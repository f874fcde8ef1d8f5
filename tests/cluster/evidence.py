"""What is known of the alerts that a problem names: for whoever has to find out how it came to that."""

import re

from tests.faults.history import rows_of

NAMED = re.compile(r"\b(i\d+) (t\d+k\d+) #\d+")
ROWS = {
    "alert": "SELECT * FROM alert WHERE alert_key LIKE ? ORDER BY id",
    "memory": "SELECT * FROM memory WHERE alert_key LIKE ?",
    "delivery": "SELECT * FROM delivery WHERE alert_key LIKE ? ORDER BY id",
    "try": "SELECT t.* FROM try AS t JOIN delivery AS d ON d.id = t.delivery_id"
           " WHERE d.alert_key LIKE ? ORDER BY 1, 2",
}  # fmt: skip
# Messages of an alert that are shown, up to the last.
LAST = 8


def _near(times, since):
    return ", ".join(
        f"{begin:.3f}–{end:.3f}" if begin != end else f"{begin:.3f}"
        for begin, end in times
        if end >= since
    )


def evidence_of(cluster, integration, alert):
    """Lines: the last messages and answers, what Flashduty accepted, logs, and rows of all stores."""
    history = cluster.history
    posts = history.alerts[integration, alert][-LAST:]
    titles = {post.title for post in posts}
    since = posts[0].posted
    yield f"---- {integration} {alert}, since {since:.3f}"
    yield f"outages: {_near(history.outages, since)}"
    yield f"nodes without the database: {_near(sorted(history.noticed), since)}"
    yield f"kills: {_near([(kill, kill) for kill in history.kills], since)}"
    for post in posts:
        answers = [(round(at, 3), status, outcome) for at, status, outcome in post.answers]
        yield f"posted {post.posted:.3f} #{post.number} {post.word} time_s={post.time_s} {answers}"
    for event in cluster.upstream.events:
        if event.title in titles:
            unheard = " (unheard)" if event.is_unheard else ""
            yield f"accepted {event.time:.3f} {event.title} {event.status} {event.request_id}{unheard}"
    word = re.compile(rf"{integration}-{alert}\b")
    for node in cluster.nodes:
        lines = node.log.read_text(errors="replace").splitlines()
        yield from (f"{node.name}: {line}" for line in lines[-200000:] if word.search(line))
    for store in cluster.stores:
        for table, sql in ROWS.items():
            yield from (f"{store} {table}: {row}" for row in rows_of(store, sql, f"%{integration}-{alert}"))


def evidence(cluster, problems, alerts_max=3):
    """Lines of the first alerts that the problems name."""
    named = dict.fromkeys(found.groups() for found in map(NAMED.search, problems) if found)
    for integration, alert in list(named)[:alerts_max]:
        yield from evidence_of(cluster, integration, alert)
