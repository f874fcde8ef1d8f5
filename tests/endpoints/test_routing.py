"""Shared integrations, through the endpoint: which destinations an alert has."""

import json

from tests.support.gateway import CGI, FASTCGI, GatewayTest, guance_event
from tests.support.settings import guance_integration

TITLE = "CPU of host-1 above 90 %"
LABELS = {
    "host": "db-01.example.com",
    "ip": "10.0.0.206",
    "ip6": "2001:db8::7",
    "mapped": "::ffff:10.0.0.9",
    "usage": "97.5",
    "below": "-0.5",
    "huge": "1e3",
    "unit": "97.5%",
    "team": "payments",
    "job": "Binlog Sync Delay",
    "path": "/var/log",
    "pipe": "a|b",
    "amp": "a&&b",
    "stars": "50*2?",
    "windows": "C:\\temp",
    "cn": "数据库连接数",
    "a_b": "a.b",
}

# A condition, and whether the alert above (Critical) meets it.
CONDITIONS = (
    # exact
    ("severity == Critical", True),
    ("severity == Warning", False),
    ("severity == Warning|Critical", True),
    ("severity == Warning|Info|Ok", False),
    ("severity != Critical", False),
    ("severity != Warning|Info", True),
    ("severity!=Warning", True),
    ("severity==Critical", True),
    (f"title == {TITLE}", True),
    ("title == CPU of host-1", False),
    ("labels.team == payments", True),
    ("labels.team == Payments", False),
    ("labels.team == search|payments", True),
    ("labels.team != search | payments", False),
    ("labels.job == Binlog Sync Delay", True),
    ("labels.job ==   Binlog Sync Delay  ", True),
    ("labels.job == Binlog", False),
    ("labels.cn == 数据库连接数", True),
    ("labels.windows == C:\\temp", True),
    # what would be a sign of the grammar
    ("labels.pipe == a\\|b", True),
    ("labels.pipe == a|b", False),
    ("labels.amp == a\\&\\&b", True),
    ("labels.amp == a&b", False),
    ("labels.stars == 50\\*2\\?", True),
    ("labels.path == \\/var/log", True),
    # wildcards
    ("labels.host == db-*", True),
    ("labels.host == *.example.com", True),
    ("labels.host == db-??.example.com", True),
    ("labels.host == db-?.example.com", False),
    ("labels.host == db", False),
    ("labels.host == *-01.*", True),
    ("labels.host == *.example.org", False),
    ("labels.host != db-*", False),
    ("labels.stars == 5?\\*2*", True),
    ("labels.stars == 5?\\*3*", False),
    ("labels.cn == 数据?连接数", True),
    ("labels.cn == 数据???", False),
    ("labels.cn == *连接*", True),
    ("title == *host-1*", True),
    ("severity == C*", True),
    # existence
    ("labels.team == *", True),
    ("labels.absent == *", False),
    ("labels.absent != *", True),
    ("labels.team != *", False),
    ("labels.absent == x", False),
    ("labels.absent != x", True),
    ("description == *", True),
    # expressions
    ("title == /CPU/", True),
    ("title == /cpu/", False),
    ("title == /(?i)cpu/", True),
    ("title == /memory/|/host-\\d+/", True),
    ("title == /memory|host-\\d+/", True),
    ("title == /memory/|/disk/", False),
    ("title != /memory/|/disk/", True),
    ("title == /^CPU.*%$/", True),
    ("title == /^of/", False),
    ("labels.job == /Binlog\\s+Sync/", True),
    ("labels.job == /^(?:Binlog|Redo) Sync Delay$/", True),
    ("labels.amp == /a&&b/", True),
    ("labels.path == /^\\/var\\/(log|tmp)$/", True),
    ("labels.cn == /\\p{Han}{4,}/", True),
    ("labels.cn == /^.{6}$/", True),
    ("labels.absent == /.*/", False),
    ("labels.host == /^[a-z]+-[0-9]{2}\\./", True),
    ("labels.a_b == /^a\\.b$/", True),
    # networks
    ("labels.ip == cidr:10.0.0.0/24", True),
    ("labels.ip == cidr:10.0.0.206/24", True),
    ("labels.ip == cidr:10.0.1.0/24", False),
    ("labels.ip == cidr:10.0.0.192/26", True),
    ("labels.ip == cidr:10.0.0.128/26", False),
    ("labels.ip == cidr:0.0.0.0/0", True),
    ("labels.ip == cidr:10.0.0.206/32", True),
    ("labels.ip != cidr:10.0.0.0/8", False),
    ("labels.ip6 == cidr:2001:db8::/32", True),
    ("labels.ip6 == cidr:2001:db9::/32", False),
    ("labels.ip6 == cidr:0.0.0.0/0", False),
    ("labels.mapped == cidr:10.0.0.0/24", True),
    ("labels.host == cidr:0.0.0.0/0", False),
    ("labels.ip == cidr:192.168.0.0/16|cidr:10.0.0.0/8", True),
    # numbers
    ("labels.usage == num:gt:90", True),
    ("labels.usage == num:gt:97.5", False),
    ("labels.usage == num:ge:97.5", True),
    ("labels.usage == num:lt:1e2", True),
    ("labels.usage == num:le:97.4", False),
    ("labels.below == num:lt:0", True),
    ("labels.huge == num:ge:1000", True),
    ("labels.unit == num:gt:0", False),
    ("labels.team == num:gt:0", False),
    ("labels.absent != num:gt:0", True),
    ("labels.usage == num:lt:10|num:gt:90", True),
    # all of them must hold
    ("severity == Critical && labels.team == payments", True),
    ("severity == Critical && labels.team == search", False),
    ("severity == Warning && labels.team == payments", False),
    ("severity==Critical&&labels.team==payments&&labels.usage==num:gt:90", True),
    ("labels.job == /cpu/|/io/|/Sync/ && labels.usage == num:gt:90", True),
    ("labels.job == /cpu/|/io/|/disk/ && labels.usage == num:gt:90", False),
)

# What is wrong, the character where it is (None: at its start), and a word of what was expected.
WRONG = (
    ("", None, "a field"),
    ("severity", 9, "=="),
    ("severity = Critical", 10, "=="),
    ("severity === Critical", 12, "Critical, Warning"),
    ("severity ==", 12, "a value"),
    ("severity == Critical|", 22, "a value"),
    ("severity == Critical||Info", 22, "a value"),
    ("severity == |Critical", 13, "a value"),
    ("severity == critical", 13, "Critical, Warning"),
    ("severity == Critical &&", 24, "a field"),
    ("severity == Critical && && title == x", 25, "a field"),
    ("&& title == x", None, "a field"),
    ("( severity == Critical )", None, "a field"),
    ("level == Critical", None, "a field"),
    ("labels == x", None, "a field"),
    ("labels. == x", 8, "a label's name"),
    ("labels.a-b == x", 8, "a label's name"),
    ("labels.标签 == x", 8, "a label's name"),
    ("labels.x == /a", 13, "closes this expression"),
    ("labels.x == /a/b/", 16, "behind an expression"),
    ("labels.标 == /a", 8, "a label's name"),
    ("title == 数据库|/(/", 16, "group that is open"),
    ("title == /(a/", 13, "group that is open"),
    ("title == /a)/", 12, "no group is open"),
    ("title == /*/", 11, "repeated"),
    ("title == /a**/", 13, "repeated"),
    ("title == /a++/", 13, "repeated"),
    ("title == /a{2}{3}/", 15, "repeated"),
    ("title == /a{,3}/", 12, "{2,}"),
    ("title == /a{1001}/", 12, "1000"),
    ("title == /a{3,2}/", 12, "{2,}"),
    ("title == /(?=a)/", 11, "look-around"),
    ("title == /(?<!a)b/", 11, "look-around"),
    ("title == /(?>a)/", 11, "look-around"),
    ("title == /(?x)a/", 11, "look-around"),
    ("title == /(*UTF)/", 12, "repeated"),
    ("title == /(a)\\1/", 14, "back reference"),
    ("title == /\\Ka/", 11, "an escape of RE2"),
    ("title == /\\Z/", 11, "an escape of RE2"),
    ("title == /[a/", 11, "closes this class"),
    ("title == /[z-a]/", 12, "goes up"),
    ("title == /[[:foo:]]/", 12, "[:alpha:]"),
    ("title == /\\p{Foo}/", 12, "category"),
    ("title == /\\x{110000}/", 12, "hexadecimal"),
    ("labels.ip == cidr:10.0.0.0", 19, "a network"),
    ("labels.ip == cidr:10.0.0.0/33", 19, "a network"),
    ("labels.ip == cidr:10.0.0/8", 19, "a network"),
    ("labels.ip == cidr:2001:db8::/129", 19, "a network"),
    ("labels.usage == num:90", 21, "gt:"),
    ("labels.usage == num:gt:", 21, "gt:"),
    ("labels.usage == num:gt:abc", 21, "gt:"),
    ("labels.usage == num:gt:0x10", 21, "gt:"),
    ("labels.usage == num:gt:inf", 21, "gt:"),
)


def key_of(name):
    """The Flashduty key of a route in these tests."""
    return "key-of-" + "".join(c if c.isalnum() else "_" for c in name)


def route(name, match=None, **more):
    """A route with a key of its own, unless it maps names."""
    settings = {"name": name}
    if match is not None:
        settings["match"] = [match] if isinstance(match, str) else match
    if "by_label" not in more and "flashduty_key" not in more:
        settings["flashduty_key"] = key_of(name)
    return {**settings, **more}


def by_label(name, label, *values, **more):
    """A route that maps the values of a label."""
    rows = [f"{value}={key_of(value)}" for value in values]
    return route(name, by_label=label, destination=rows, **more)


PAYMENTS = {"df_dimension_tags": json.dumps({"team": "payments", "host": "a"})}
SEARCH = {"df_dimension_tags": json.dumps({"team": "search", "host": "b"})}
NOBODY = {"df_dimension_tags": json.dumps({"host": "c"})}
WARNING = {"df_status": "warning"}
CRITICAL = "severity == Critical"
DROP = {"flashduty_key": None, "unmatched": "drop"}

# Routes, settings of the integration, changes of the event, the destinations it has.
ROUTE_SETS = {
    "no route": ([], {}, {}, ["default"]),
    "a hit leaves the default route out": ([route("a", CRITICAL)], {}, {}, ["a"]),
    "no hit": ([route("a", CRITICAL)], {}, WARNING, ["default"]),
    "no hit and no default route": ([route("a", CRITICAL)], DROP, WARNING, []),
    "a route without match takes all": ([route("a")], {}, WARNING, ["a"]),
    "a hit continues": ([route("a", CRITICAL), route("b")], {}, {}, ["a", "b"]),
    "continue may be said": (
        [{**route("a", CRITICAL), "continue": True}, route("b")],
        {},
        {},
        ["a", "b"],
    ),
    "a hit stops": ([{**route("a", CRITICAL), "continue": False}, route("b")], {}, {}, ["a"]),
    "what does not hit does not stop": (
        [{**route("a", CRITICAL), "continue": False}, route("b")],
        {},
        WARNING,
        ["b"],
    ),
    "order": ([route("b"), route("a"), route("c")], {}, {}, ["b", "a", "c"]),
    "alternatives": (
        [route("a", ["severity == Info", "labels.team == payments"])],
        {},
        {**WARNING, **PAYMENTS},
        ["a"],
    ),
    "no alternative": (
        [route("a", ["severity == Info", "labels.team == payments"])],
        {},
        {**WARNING, **SEARCH},
        ["default"],
    ),
    "one destination once": (
        [route("a", CRITICAL), route("b", flashduty_key=key_of("a")), route("c")],
        {},
        {},
        ["a", "c"],
    ),
    "name mapping": ([by_label("t", "team", "payments", "search")], {}, SEARCH, ["t=search"]),
    "name mapping without a row": ([by_label("t", "team", "payments")], {}, SEARCH, ["default"]),
    "name mapping without the label": (
        [by_label("t", "team", "payments")],
        DROP,
        NOBODY,
        [],
    ),
    "name mapping for some": (
        [by_label("t", "team", "payments", match=[CRITICAL])],
        {},
        {**PAYMENTS, **WARNING},
        ["default"],
    ),
    "name mapping continues": (
        [by_label("t", "team", "payments"), route("b")],
        {},
        PAYMENTS,
        ["t=payments", "b"],
    ),
    "name mapping stops": (
        [{**by_label("t", "team", "payments"), "continue": False}, route("b")],
        {},
        PAYMENTS,
        ["t=payments"],
    ),
    "name mapping without a row does not stop": (
        [{**by_label("t", "team", "payments"), "continue": False}, route("b")],
        {},
        SEARCH,
        ["b"],
    ),
    "severity is the integration's own": (
        [route("a", "severity == Info")],
        {"severity": ["warning=Info"]},
        WARNING,
        ["a"],
    ),
    "labels are the integration's own": (
        [by_label("t", "team", "search")],
        {"labels": ["team=search"]},
        PAYMENTS,
        ["t=search"],
    ),
    "escalation": (
        [route("chat"), route("pager", CRITICAL)],
        {},
        {},
        ["chat", "pager"],
    ),
    "no escalation": ([route("chat"), route("pager", CRITICAL)], {}, WARNING, ["chat"]),
    "Flashduty's own example": (
        [
            route(
                "a",
                [
                    "severity == Critical|Warning && labels.job == Binlog Sync Delay",
                    "labels.job == /cpu/|/io/|/disk/ && labels.usage == num:gt:90",
                ],
            )
        ],
        {},
        {"df_dimension_tags": json.dumps({"job": "disk full", "usage": "90.5"})},
        ["a"],
    ),
}


class Routing:
    """Rules that hold under CGI and FastCGI alike."""

    flashduty_keys = None

    def routed(self, routes, **changes):
        """A gateway for Guance with these routes."""
        integration = guance_integration(routes=routes, **changes)
        integration = {name: value for name, value in integration.items() if value != []}
        integration = {name: value for name, value in integration.items() if value is not None}
        return self.gateway(integrations=[integration])

    def end(self, gateway):
        """Ends one of many."""
        if self.mode == FASTCGI:
            gateway.stop()

    def destinations(self, answer):
        """The names of the routes that an answer shows, if there are several."""
        self.assertEqual(answer.status, 200, answer.body)
        data = answer.json["data"]
        return [delivery["route"] for delivery in data.get("deliveries", [])]

    def test_conditions(self):
        """Each condition is a route; those that take the alert are those whose condition holds."""
        half = len(CONDITIONS) // 2
        tags = {"df_dimension_tags": json.dumps(LABELS), "df_title": TITLE}
        for part in (CONDITIONS[:half], CONDITIONS[half:]):
            routes = [route(f"{i}", text) for i, (text, _) in enumerate(part)]
            answer = self.routed(routes).post(guance_event(**tags))
            taken = self.destinations(answer)
            for i, (text, expected) in enumerate(part):
                with self.subTest(text):
                    self.assertEqual(f"{i}" in taken, expected)
        self.assertEqual(self.flashduty.violations, [])

    def test_errors(self):
        """A condition that cannot be read is refused, with its place."""
        for text, character, expected in WRONG:
            with self.subTest(text):
                gateway = self.routed([route("a", text)])
                self.assertEqual(gateway.post(guance_event()).status, 503)
                problem = next(r["problem"] for r in gateway.records if "problem" in r)
                self.assertIn(f"character {character}, " if character else "its start", problem)
                self.assertIn(expected, problem)
                self.end(gateway)

    def test_routes(self):
        """What each set of routes makes of an event."""
        for name, (routes, settings, changes, expected) in ROUTE_SETS.items():
            with self.subTest(name):
                before = len(self.flashduty.events)
                gateway = self.routed(routes, **settings)
                answer = gateway.post(guance_event(**changes))
                keys = [event.key for event in self.flashduty.events[before:]]
                self.assertEqual(sorted(keys), sorted(map(self.key_named, expected)))
                if len(expected) > 1:
                    self.assertEqual(self.destinations(answer), expected)
                self.assertEqual(answer.outcome, "delivered" if expected else "unrouted")
                self.end(gateway)

    @staticmethod
    def key_named(name):
        """The key of the destination that the answer calls so."""
        if name == "default":
            return guance_integration()["flashduty_key"]
        return key_of(name.rpartition("=")[2])


class RoutingOfCgi(Routing, GatewayTest):
    """Under plain CGI."""

    mode = CGI


class RoutingOfFastCgi(Routing, GatewayTest):
    """Under FastCGI."""

    mode = FASTCGI
