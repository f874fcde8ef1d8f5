"""No statement of the store reads a whole table, but those that are meant to.

The statements are taken from the sources, so that none is forgotten; a store that the gateway has made tells
how SQLite would run them.
"""

import re
import sqlite3
import unittest

from tests.support import paths
from tests.support.gateway import CGI, GatewayTest, guance_event

# A C string, a comment, or any other character.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|/\*.*?\*/|.', re.DOTALL)
STATEMENT = re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE)\b")
# Tables of a few rows, whatever is kept: integrations times places, one for each Flashduty key, …
SMALL = {"fact", "ledger", "destination", "volume", "counter", "subscription", "alarm", "moving_count", "node"}
# What LIMIT bounds.
LIMITED = {"CONSTANT", "claims"}
# Indexes of what is under way now, which CLAIMS_MAX and workers bound; read in order, to the first.
BOUNDED = {"delivery_by_lease", "delivery_by_end"}
# What has waited for too long, or was not accepted: the watchdog counts all of it.
WATCHED = {"late", "delivery_unfinished"}
# The deliveries of one alert: a few.
FEW = "delivery_by_alert"
# What a person asks for who wants everything counted, or taken elsewhere.
THOROUGH = {"history_audit.c", "upkeep.c", "transfer.c"}


def literals_of(source):
    """All that is written as adjacent string literals, joined as the compiler does."""
    joined, found = None, []
    for token in TOKEN.findall(source):
        if token.startswith('"') and len(token) > 1:
            joined = (joined or "") + token[1:-1].replace('\\"', '"')
        elif joined is not None and not token.isspace() and not token.startswith("/*"):
            found.append(joined)
            joined = None
    return found


def statements():
    """(file, statement) for each in the store's sources."""
    found = []
    for file in sorted((paths.ROOT / "src/store").glob("*.c")):
        is_meant = file.name == "schema.c" or file.name.startswith("postgres") or file.name in THOROUGH
        if not is_meant:
            texts = literals_of(file.read_text(encoding="utf-8"))
            found += [(file.name, text) for text in texts if STATEMENT.match(text)]
    return found


def scans(database, statement):
    """What of a statement's plan reads a table, or an index, from end to end."""
    values = [None] * len(set(re.findall(r"\?\d+", statement)))
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    found = []
    for line in plan:
        words = [*line.split(), ""]
        is_small = words[1] in SMALL | WATCHED | LIMITED or words[1].startswith("(subquery")
        if words[0] == "SCAN" and not is_small and words[-2] not in BOUNDED | WATCHED:
            found.append(line)
    return found


def sorts_for_a_few(database, statement):
    """Whether all that fits is read and sorted, although LIMIT asks for the first of it."""
    values = [None] * len(set(re.findall(r"\?\d+", statement)))
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    is_sorted = any("TEMP B-TREE FOR ORDER BY" in line for line in plan)
    return "LIMIT" in statement and is_sorted and not any(FEW in line for line in plan)


class QueryPlans(GatewayTest):
    mode = CGI

    def setUp(self):
        super().setUp()
        store = self.sandbox.folder / "gateway.db"
        guance = self.gateway(store=f"sqlite:{store}")
        self.assert_delivered(guance.post(guance_event()))
        self.database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
        self.addCleanup(self.database.close)

    def test_no_statement_reads_a_whole_table(self):
        found, unfinished = [], []
        for file, statement in statements():
            try:
                lines = scans(self.database, statement)
            except sqlite3.OperationalError as error:
                # What is put together at run time: lists for a person, by filters.
                self.assertRegex(str(error), "incomplete input|no such column", statement)
                unfinished.append(file)
                continue
            found += [f"{file}: {line}: {statement}" for line in lines]
        self.assertEqual(found, [])
        self.assertLessEqual(set(unfinished), {"history.c", "history_alerts.c", "history_lately.c"})

    def test_who_wants_a_few_does_not_sort_all(self):
        found = []
        for file, statement in statements():
            try:
                sorts = sorts_for_a_few(self.database, statement)
            except sqlite3.OperationalError:
                continue  # as above
            found += [f"{file}: {statement}"] if sorts else []
        self.assertEqual(found, [])

    def test_the_statements_are_found(self):
        texts = [text for _, text in statements()]
        self.assertGreater(len(texts), 80)
        self.assertTrue(any(text.startswith("INSERT INTO delivery (") for text in texts))

    def test_a_scan_is_seen(self):
        self.assertTrue(scans(self.database, "SELECT 1 FROM delivery WHERE code = ?1"))
        self.assertTrue(scans(self.database, "SELECT count(*) FROM alert"))
        by_title = "SELECT id FROM alert ORDER BY title LIMIT 1"
        self.assertTrue(sorts_for_a_few(self.database, by_title))
        self.assertFalse(sorts_for_a_few(self.database, by_title.replace("title", "id")))


if __name__ == "__main__":
    unittest.main()
