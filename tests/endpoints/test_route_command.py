"""The command `route`, and `check` of routes: why an alert goes where it goes."""

import json
import os
import re

from tests.endpoints.test_command_line import DONE, GUANCE, NO, NOT_FOUND, USAGE, CommandLine
from tests.endpoints.test_routing import (
    CONDITIONS,
    CRITICAL,
    DROP,
    LABELS,
    ROUTE_SETS,
    TITLE,
    by_label,
    key_of,
    route,
)
from tests.support import settings
from tests.support.gateway import FASTCGI, GatewayTest, guance_event

TEAM = {"df_dimension_tags": json.dumps({"team": "payments"})}


class RouteCommand(CommandLine):
    """A configuration with routes, and the command line."""

    def routed(self, routes, name="gateway.conf", **changes):
        """A configuration of Guance with these routes."""
        section = settings.guance_integration(**({"routes": routes} if routes else {}), **changes)
        section = {name: value for name, value in section.items() if value is not None}
        values = settings.settings("http://127.0.0.1:9/x", integrations=[section])
        return settings.write_config(self.box.folder / name, values)

    def payload(self, name="payload.json", **changes):
        """A file with an event."""
        path = self.box.folder / name
        path.write_text(json.dumps(guance_event(**changes)))
        return path

    def route(self, config, *words, payload=None):
        """Runs route on a payload, or with other words."""
        return self.run_it("route", "prod-guance", *([payload] if payload else []), *words, config=config)


class Explanations(RouteCommand):
    """What is printed for a payload."""

    def explained(self, routes, settings_=None, **changes):
        """The explanation as JSON."""
        done = self.route(
            self.routed(routes, **(settings_ or {})), "-o", "json", payload=self.payload(**changes)
        )
        self.assertEqual(done.returncode, DONE, done.stderr)
        return json.loads(done.stdout)

    def test_destinations_are_those_of_the_endpoint(self):
        """The same table as the endpoint's."""
        for name, (routes, changed, changes, expected) in ROUTE_SETS.items():
            with self.subTest(name):
                shown = self.explained(routes, changed, **changes)
                self.assertEqual([d["route"] for d in shown["destinations"]], expected)

    def test_each_condition_is_shown_with_what_was_seen(self):
        """The value that decided stands beside it."""
        routes = [route(f"{i}", text) for i, (text, _) in enumerate(CONDITIONS)]
        fields = {f"labels.{name}": value for name, value in LABELS.items()}
        fields.update(severity="Critical", title=TITLE)
        shown = self.explained(
            routes, df_dimension_tags=json.dumps(LABELS), df_title=TITLE
        )["routes"]
        for (text, expected), one in zip(CONDITIONS, shown, strict=True):
            with self.subTest(text):
                self.assertEqual(one["takes_it"], expected)
                (filter_,) = one["match"]
                self.assertEqual((filter_["text"], filter_["holds"]), (text, expected))
                verdicts = [condition["holds"] for condition in filter_["conditions"]]
                # What decided: all of them, or the first that does not hold.
                self.assertEqual(verdicts[:-1], [True] * (len(verdicts) - 1))
                self.assertEqual(verdicts[-1], expected)
                for condition in filter_["conditions"]:
                    if condition["field"] != "description":
                        self.assertEqual(condition["seen"], fields.get(condition["field"]))

    def test_words(self):
        """A person reads it from top to bottom."""
        routes = [
            route("db", ["severity == Critical && labels.team == x && title == y", CRITICAL, "title == z"]),
            {**by_label("t", "team", "payments"), "continue": False},
            route("rest"),
        ]
        config = self.routed(routes)
        done = self.route(config, payload=self.payload(**TEAM))
        self.assertEqual(done.returncode, DONE, done.stderr)
        words = re.sub(r" {2,}", "  ", done.stdout.replace(str(config), "FILE"))
        self.assertEqual(
            words.splitlines()[1:],
            [
                'route "db" (FILE:4)',
                "  match[0]",
                '  yes  severity == Critical  severity is "Critical"',
                '  no  labels.team == x  labels.team is "payments"',
                "  -  title == y  not looked at",
                "  not all hold",
                "  match[1]",
                '  yes  severity == Critical  severity is "Critical"',
                "  all hold",
                "  match[2]",
                "  -  title == z  not looked at",
                "  takes it: db (key-…), and the next route is looked at",
                'route "t" (FILE:4)',
                "  by_label",
                '  yes  labels.team is "payments"',
                "  takes it: t=payments (key-…), and no further route is looked at",
                'route "rest" (FILE:4)',
                "  not looked at",
                "destinations: db (key-…), t=payments (key-…)",
            ],
        )
        self.assertNotIn(key_of("db"), done.stdout)

    def test_the_default_route(self):
        """It takes what no route took, or nothing does."""
        done = self.route(self.routed([route("a", "severity == Info")]), payload=self.payload())
        self.assertIn("no route took it: the default route does\n", done.stdout)
        self.assertIn("destinations: default (cana…)\n", done.stdout)
        config = self.routed([route("a", "severity == Info")], **DROP)
        done = self.route(config, payload=self.payload())
        self.assertIn('no route took it, and unmatched = "drop" says so\n', done.stdout)
        self.assertIn("destinations: none, it is counted as unrouted\n", done.stdout)

    def test_a_recovery_follows_its_alert(self):
        """The explanation says so."""
        done = self.route(self.routed([route("a")]), payload=self.payload(df_status="ok"))
        self.assertIn("a recovery: it goes where its alert went", done.stdout)

    def test_what_cannot_be_explained(self):
        """Exit status and words."""
        config = self.routed([route("a")])
        done = self.run_it("route", "nobody", GUANCE, config=config)
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertIn('"nobody" is no integration', done.stderr)
        done = self.route(config, payload="/nonexistent")
        self.assertEqual(done.returncode, NOT_FOUND)
        for words in (("--recent", "0"), ("--recent", "x"), ("--recent", "5", "payload")):
            self.assertEqual(self.route(config, *words).returncode, USAGE)
        self.assertEqual(self.run_it("route", config=config).returncode, USAGE)


class Recent(GatewayTest, RouteCommand):
    """Alerts of the store under another configuration."""

    mode = FASTCGI
    flashduty_keys = None

    def setUp(self):
        super().setUp()
        self.box = self.sandbox
        self.store = f"sqlite:{self.sandbox.folder / 'gateway.db'}"

    def file(self, name, routes, **changes):
        """A configuration with a store."""
        section = settings.guance_integration(**({"routes": routes} if routes else {}), **changes)
        section = {name: value for name, value in section.items() if value is not None}
        values = settings.settings(
            self.flashduty.push_url, store=self.store, integrations=[section]
        )
        return settings.write_config(self.sandbox.folder / name, values)

    def receive(self, config):
        """A Critical, a Warning and a recovery, taken by a gateway."""
        gateway = self.start("guance", config)
        for number, status in enumerate(("critical", "warning", "ok")):
            event = guance_event(
                df_status=status,
                df_event_id=f"event-{number}",
                df_title=f"title {status}",
                df_monitor_checker_event_ref=f"ref-{number}",
                **TEAM,
            )
            self.assertEqual(gateway.post(event).status, 200)

    def changes(self, config, other, *words):
        """What would change, by title, and the exit status."""
        done = self.route(config, "--against", other, "-o", "json", *words)
        found = {}
        for line in done.stdout.splitlines():
            record = json.loads(line)
            found[record["title"].removeprefix("title ")] = tuple(
                [one["route"] for one in record[name]] for name in ("added", "removed", "unchanged")
            )
        return found, done

    def test_added_removed_and_unchanged(self):
        """Recoveries are not shown: they go where their alerts went."""
        config = self.file("now.conf", [route("a"), route("b", CRITICAL)])
        self.receive(config)
        other = self.file("new.conf", [route("a"), by_label("t", "team", "payments")])
        found, done = self.changes(config, other)
        self.assertEqual(
            found,
            {
                "critical": (["t=payments"], ["b"], ["a"]),
                "warning": (["t=payments"], [], ["a"]),
            },
        )
        self.assertEqual(done.returncode, DONE)
        self.assertIn("2 alerts, 2 with other destinations", done.stderr)
        words = self.route(config, "--recent", "1", "--against", other).stdout
        self.assertIn("title warning\n  + t=payments (key-…)\n  = a (key-…)\n", words)

    def test_a_critical_that_would_lose_every_destination(self):
        """Exit status 1; a Warning that does is no error."""
        config = self.file("now.conf", [route("a")], **DROP)
        self.receive(config)
        other = self.file("new.conf", [route("a", "severity != Critical")], **DROP)
        found, done = self.changes(config, other)
        self.assertEqual(found["critical"], ([], ["a"], []))
        self.assertEqual(done.returncode, NO)
        self.assertIn("1 Critical alerts would lose every destination", done.stderr)
        other = self.file("new.conf", [route("a", CRITICAL)], **DROP)
        found, done = self.changes(config, other)
        self.assertEqual(found["warning"], ([], ["a"], []))
        self.assertEqual(done.returncode, DONE)

    def test_the_same_configuration_changes_nothing(self):
        """And --recent alone says where alerts go today."""
        config = self.file("now.conf", [route("a")])
        self.receive(config)
        found, done = self.changes(config, config)
        self.assertEqual(found["critical"], ([], [], ["a"]))
        self.assertIn("2 alerts, 0 with other destinations", done.stderr)
        done = self.route(config, "--recent", "5")
        self.assertIn("  = a (key-…)\n", done.stdout)

    def test_another_configuration_that_is_wrong(self):
        """Its errors, or that it lacks the integration."""
        config = self.file("now.conf", [route("a")])
        self.receive(config)
        broken = settings.write_config(self.sandbox.folder / "broken.conf", "integrations = (\n")
        self.assertEqual(self.route(config, "--against", broken).returncode, NO)
        values = settings.settings("http://127.0.0.1:9/x")
        values["integrations"] = [settings.ces_integration()]
        lacking = settings.write_config(self.sandbox.folder / "lacking.conf", values)
        self.assertEqual(self.route(config, "--against", lacking).returncode, NOT_FOUND)


class Checks(RouteCommand):
    """Errors and warnings about routes."""

    def problems(self, config):
        """Exit status, and the lines on stderr without the file's name."""
        done = self.run_it("check", config)
        return done.returncode, done.stderr.replace(os.fspath(config), "FILE")

    def test_errors(self):
        """What is wrong with a route, and what would be right."""
        cases = (
            ([{"name": "a"}], {}, "routes[0]: needs one destination"),
            ([route("a", by_label="team")], {}, "belong together"),
            ([route("a", destination=["x=y"])], {}, "needs one destination"),
            ([route("a", by_label="team", destination=["x"])], {}, "VALUE=KEY"),
            ([route("a", by_label="team", destination=["=k"])], {}, "VALUE=KEY"),
            ([route("a", by_label="team", destination=["x=k", "x=l"])], {}, "keep one"),
            ([route("a", by_label="labels.team", destination=["x=k"])], {}, 'leave out "labels."'),
            ([route("a", by_label="te-am", destination=["x=k"])], {}, "is no label's name"),
            ([route("a"), route("a")], {}, "is the name of route 1 too"),
            ([route("default")], {}, "is no route's name"),
            ([route("a=b")], {}, "is no route's name"),
            ([route("")], {}, "is no route's name"),
            ([{"flashduty_key": "k"}], {}, "name: is missing"),
            ([route("a", nonsense=1)], {}, "routes[0].nonsense: is unknown"),
            ([route("a", flashduty_key="not a key")], {}, "is no integration key"),
            ([route("a", flashduty_key="file:/nonexistent")], {}, "cannot be opened"),
            ([], {"flashduty_key": None}, "flashduty_key: is missing"),
            ([route("a")], {"flashduty_key": None}, 'say unmatched = "drop"'),
            ([route("a")], {"unmatched": "drop"}, "keep one of them"),
            ([route("a")], {"unmatched": "x"}, 'one of "default", "drop" is right'),
        )
        for routes, changes, expected in cases:
            with self.subTest(expected, routes=routes):
                status, said = self.problems(self.routed(routes, **changes))
                self.assertEqual(status, NO, said)
                self.assertIn(expected, said)
                self.assertRegex(said, r"^FILE:4: integration 1: ")

    def test_warnings(self):
        """What is probably not meant."""
        stop = {"continue": False}
        cases = (
            ([{**route("a"), **stop}, route("b")], "routes[1]: can never be reached"),
            ([{**route("a", "severity == *"), **stop}, route("b")], "can never be reached"),
            ([route("a", "title == /.*/")], "found in every text"),
            ([route("a", "title == x|/a*/")], "found in every text"),
        )
        for routes, expected in cases:
            with self.subTest(expected, routes=routes):
                status, said = self.problems(self.routed(routes))
                self.assertEqual(status, DONE, said)
                self.assertIn(expected, said)
        for routes in ([route("a"), route("b")], [{**route("a", CRITICAL), **stop}, route("b")]):
            self.assertEqual(self.problems(self.routed(routes)), (DONE, ""))

    def test_one_key_in_two_integrations(self):
        """A key that was copied sends one team's alerts to another."""
        config = self.config(
            integrations=[
                settings.guance_integration(),
                settings.guance_integration(
                    name="b", push_key="0123456789abcdef", flashduty_key="x",
                    routes=[route("a", flashduty_key=settings.GUANCE_FLASHDUTY_KEY)],
                ),
            ]
        )
        status, said = self.problems(config)
        self.assertEqual(status, DONE)
        self.assertIn("integration 2: sends to a Flashduty integration that integration 1", said)


class TableOfTests(RouteCommand):
    """check --tests FILE"""

    def run_tests(self, config, *tests, text=None):
        """Runs a table."""
        path = self.box.folder / "route-tests.conf"
        path.write_text(text if text is not None else settings.config_text({"tests": list(tests)}))
        return self.run_it("check", config, "--tests", path, "-o", "json")

    def results(self, done):
        """Whether each holds, or what is wrong."""
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return [line["problem"] for line in lines if "holds" in line]

    def test_results(self):
        """Each test, and the whole by the exit status."""
        config = self.routed([route("a", CRITICAL), by_label("t", "team", "payments")])
        self.payload("event.json", **TEAM)
        self.payload("warning.json", df_status="warning")
        (self.box.folder / "ignored.json").write_text('{"df_status": "ok"}')
        one = {"integration": "prod-guance", "payload": "event.json"}
        right = [
            {**one, "severity": "Critical", "destinations": ["a", "t=payments"]},
            {**one, "severity": "Critical"},
            {**one, "payload": "warning.json", "destinations": ["default"]},
            {**one, "payload": "ignored.json", "ignored": True},
        ]
        done = self.run_tests(config, *right)
        self.assertEqual((done.returncode, self.results(done)), (DONE, [""] * 4), done.stderr)
        wrong = [
            {**one, "severity": "Warning"},
            {**one, "destinations": ["t=payments", "a"]},
            {**one, "destinations": ["a"]},
            {**one, "ignored": True},
            {**one, "payload": "absent.json", "severity": "Critical"},
            {**one, "integration": "nobody", "severity": "Critical"},
        ]
        done = self.run_tests(config, *right, *wrong)
        self.assertEqual(done.returncode, NO)
        self.assertEqual(
            self.results(done)[4:],
            [
                "severity is Critical, not Warning",
                'destinations are [ "a", "t=payments" ], not [ "t=payments", "a" ]',
                'destinations are [ "a", "t=payments" ], not [ "a" ]',
                "it becomes an alert",
                "its payload cannot be read",
                "there is no such integration",
            ],
        )
        self.assertIn("6 of 10 tests failed", done.stderr)

    def test_errors(self):
        """A table that cannot be read."""
        config = self.routed([])
        one = 'integration = "a" payload = "b"'
        for text, expected in (
            ("", "tests: is missing"),
            ("tests = ( {} )", "test 1: integration: is missing"),
            (f"tests = ( {{ {one} }} )", "expects nothing"),
            (f'tests = ( {{ {one} severity = "x" }} )', "is no severity"),
            (f'tests = ( {{ {one} severity = "Ok" ignored = true }} )', "keep one of them"),
            (f"tests = ( {{ {one} other = 1 }} )", "test 1: other: is unknown"),
            ("tests = (\n", ":2: syntax: "),
        ):
            with self.subTest(text):
                done = self.run_tests(config, text=text)
                self.assertEqual(done.returncode, NO)
                self.assertIn(expected, done.stderr)
        done = self.run_it("check", config, "--tests", "/nonexistent")
        self.assertEqual(done.returncode, NOT_FOUND)
