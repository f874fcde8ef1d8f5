"""The status endpoint: its door, its JSON, and that it only looks."""

import base64
import json
import sqlite3
import unittest
from contextlib import closing

from tests.support import paths, settings
from tests.support.gateway import CGI, FASTCGI, FLASHDUTY_KEYS, GatewayTest, guance_event
from tests.support.process import runs_in, wait_until
from tests.support.settings import STATUS_KEY

LOGGED_IN = {"REMOTE_USER": "ann", "AUTH_TYPE": "Basic"}
BROKEN = {"do": "error", "code": "InternalError", "status": 500}


def basic(password, user="anybody"):
    """The header of HTTP's Basic scheme."""
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": "Basic " + word}


def bearer(key=STATUS_KEY):
    """The header with a token."""
    return {"Authorization": "Bearer " + key}


def event_of(number, **changes):
    """An alert of its own."""
    return guance_event(
        **{
            "df_event_id": f"event-{number}",
            "df_monitor_checker_event_ref": f"ref-{number}",
            "df_title": f"Disk {number} full",
            **changes,
        }
    )


class StatusTest(GatewayTest):
    """A gateway with a store, and its status endpoint."""

    key = STATUS_KEY

    def setUp(self):
        super().setUp()
        self.store = self.sandbox.folder / "gateway.db"
        # Plain CGI leaves a program behind that drains.
        self.sandbox.defer(
            lambda: wait_until(lambda: not runs_in(self.sandbox.folder), 30, "the end of drains")
        )
        self.config = self.configure(**self.configuration())
        self.status = self.start("status", self.config)

    def configuration(self):
        """What differs from the tests' usual one."""
        return {
            "store": f"sqlite:{self.store}",
            "status_key": self.key,
            "deadline_ms": settings.SHORT_DEADLINE_MS,
        }

    def get(self, path="", query="", headers=None, method="GET", **more):
        """One look, with the key unless other headers are given."""
        headers = bearer() if headers is None else headers
        return self.status.request(
            method=method, path_info=path, query=query, headers=headers, content_type=None, **more
        )

    def data(self, path, query=""):
        """The data of an answer in JSON."""
        answer = self.get(path, query)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["data"]

    def post(self, event, outcome="delivered"):
        """One event at the other endpoint, which plain CGI keeps from draining by itself."""
        answer = self.guance().post(event)
        self.assertEqual(answer.outcome, outcome, answer.body)
        return answer

    def guance(self):
        """The endpoint of Guance as plain CGI."""
        mode, self.mode = self.mode, CGI
        try:
            return self.start("guance", self.config)
        finally:
            self.mode = mode

    def post_queued(self, event):
        """One that Flashduty does not take now."""
        self.flashduty.answer(BROKEN, times=None)
        self.post(event, "queued")

    def post_rejected(self, event):
        """One that Flashduty refuses for good."""
        self.flashduty.keys = ()
        self.post(event, "rejected")
        self.flashduty.keys = self.flashduty_keys


class Rules:
    """What holds both ways."""

    def test_the_key_opens_as_token_and_as_password(self):
        for headers in (bearer(), basic(STATUS_KEY), basic(STATUS_KEY, user=""),
                        {"Authorization": "bearer " + STATUS_KEY}):  # fmt: skip
            with self.subTest(headers):
                self.assertEqual(self.get("/api/outbox", headers=headers).status, 200)

    def test_nothing_else_opens(self):
        wrong = (
            {},
            bearer("x" + STATUS_KEY[1:]),
            bearer(STATUS_KEY + "x"),
            bearer(""),
            {"Authorization": STATUS_KEY},
            {"Authorization": "Bearer"},
            {"Authorization": "Digest " + STATUS_KEY},
            basic("wrong"),
            basic(""),
            {"Authorization": "Basic !!!!"},
            {"Authorization": "Basic " + "A" * 5000},
            {"Authorization": "Basic " + base64.b64encode(STATUS_KEY.encode()).decode()},
            {"Remote-User": "ann", "Auth-Type": "Basic"},
            {"X-Integration-Key": STATUS_KEY},
        )
        for headers in wrong:
            for path in ("/api/outbox", "/api/deliveries", "/api/integrations", "/api/nodes", "/nothing"):
                with self.subTest(headers=headers, path=path):
                    answer = self.get(path, headers=headers)
                    self.assertEqual(answer.status, 401)
                    self.assertEqual(answer.error_code, "Unauthorized")
                    self.assertRegex(answer.headers["www-authenticate"], '^Basic realm="')
        self.assertEqual(self.get("/api/outbox", f"key={STATUS_KEY}", headers={}).status, 401)

    def test_a_store_of_one_machine_has_no_nodes(self):
        self.post(event_of(1))
        self.assertEqual(self.data("/api/nodes"), {"nodes": [], "next": None})
        self.assertNotIn(b"nodes", self.get().body)
        self.assertNotRegex(self.get("/metrics").body, rb"(?m)^flashduty_gateway_node")

    def test_health_is_open(self):
        answer = self.get("/healthz", headers={})
        self.assertEqual((answer.status, answer.json["data"]), (200, {"status": "ok"}))

    def test_an_empty_store_is_empty(self):
        self.assertEqual(self.data("/api/deliveries"), {"deliveries": [], "next": None})
        data = self.data("/api/outbox")
        self.assertEqual((data["deliveries"], data["outbox"]["waiting"]), ([], 0))
        names = [item["name"] for item in self.data("/api/integrations")["integrations"]]
        self.assertEqual(names, ["prod-ces", "prod-guance"])

    def test_what_is_not_there_is_404(self):
        for path in ("/nothing", "/api", "/api/", "/api/outbox/"):
            with self.subTest(path):
                self.assertEqual(self.get(path).status, 404)

    def test_json_is_for_reading(self):
        answer = self.get("/api/outbox", method="POST")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"))
        head = self.get("/api/outbox", method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_a_query_that_is_no_number_or_state_is_400(self):
        for path, query in (("/api/outbox", "limit=0"), ("/api/outbox", "limit=201"),
                            ("/api/outbox", "after=x"), ("/api/deliveries", "before=-1"),
                            ("/api/deliveries", "state=lost"), ("/api/deliveries", "id=1e9"),
                            ("/api/integrations", "limit=99999999999999999999")):  # fmt: skip
            with self.subTest(query):
                self.assertEqual(self.get(path, query).error_code, "InvalidParameter")


class RulesOfCgi(Rules, StatusTest):
    mode = CGI


class RulesOfFastCgi(Rules, StatusTest):
    mode = FASTCGI


class WithoutAKey(StatusTest):
    """Then only the web server's users come in."""

    mode = CGI
    key = ""

    def look(self, environment):
        """One look with what a web server sets."""
        self.status.environment = environment
        return self.get("/api/outbox", headers={})

    def test_a_user_whom_the_web_server_has_logged_in_comes_in(self):
        self.assertEqual(self.look(LOGGED_IN).status, 200)

    def test_a_name_that_nobody_has_checked_does_not(self):
        for missing in LOGGED_IN:
            for value in (None, ""):
                with self.subTest(missing=missing, value=value):
                    answer = self.look({**LOGGED_IN, missing: value})
                    self.assertEqual(answer.status, 403)
                    self.assertNotIn("www-authenticate", answer.headers)
                    self.assertIn("status_key", answer.message)

    def test_a_server_that_says_so_of_everybody_is_not_believed(self):
        self.assertEqual(self.look({**LOGGED_IN, "SERVER_SOFTWARE": "HAProxy 2.6.12"}).status, 403)

    def test_no_empty_key_opens(self):
        for headers in (basic(""), bearer(""), {"Authorization": "Bearer "}):
            self.status.environment = {}
            self.assertEqual(self.get("/api/outbox", headers=headers).status, 403)


class Records(StatusTest):
    """What the JSON holds is what the store holds."""

    def test_deliveries_newest_first_page_by_page(self):
        for number in range(5):
            self.post(event_of(number))
        titles, query = [], "limit=2"
        while query:
            data = self.data("/api/deliveries", query)
            self.assertLessEqual(len(data["deliveries"]), 2)
            titles += [record["title"] for record in data["deliveries"]]
            query = data["next"] and f"limit=2&{data['next']}"
        self.assertEqual(titles, [f"Disk {number} full" for number in reversed(range(5))])

    def test_a_long_store_is_searched_whole(self):
        self.post(event_of(1))
        self.post(event_of(2, df_title="The needle"))
        columns = (
            "scope, alert_key, route, flashduty_key, state, rank, after, due_ms, scheduled_ms,"
            " lease_steady_ms, tries, rounds, created_ms, finished_ms, code, message"
        )
        with closing(sqlite3.connect(self.store)) as store, store:
            for shift in (1000, 2000, 4000):
                store.execute(f"INSERT INTO delivery (id, alert_id, {columns}) SELECT"
                              f" id + {shift}, alert_id, {columns} FROM delivery WHERE alert_id = 1")
        records = self.data("/api/deliveries", "q=needle")["deliveries"]
        self.assertEqual([record["id"] for record in records], [2])
        records = self.data("/api/deliveries", "q=Disk")["deliveries"]
        self.assertEqual([record["id"] for record in records][-2:], [1001, 1])
        self.assertEqual(len(records), 8)

    def test_search(self):
        self.post(event_of(1, df_title="100 % of CPU_a, <b>“quoted”</b>"))
        self.post_rejected(event_of(2))
        flashduty_id = self.flashduty.events[0].request_id
        request_id = self.data("/api/deliveries", "q=ref-1")["deliveries"][0]["request_id"]
        for query, expected in (
            ("", [2, 1]),
            ("q=cpu_A", [1]),
            ("q=100+%25", [1]),
            ("q=%25", [1]),
            ("q=CPU%5Fa%2C+%3Cb%3E%E2%80%9Cquoted", [1]),
            ("q=disk+2", [2]),
            ("q=guance:ref-", [2, 1]),
            ("q=ref-2", [2]),
            (f"q={request_id}", [1]),
            (f"q={flashduty_id}", [1]),
            ("q=event-2:critical", [2]),
            ("q=nothing+of+the+kind", []),
            ("state=rejected", [2]),
            ("state=delivered,rejected", [2, 1]),
            ("state=waiting", []),
            ("integration=prod-guance", [2, 1]),
            ("integration=prod-ces", []),
            ("id=1", [1]),
            ("q=%00&state=", []),
            ("q=%FF", []),
        ):
            with self.subTest(query):
                records = self.data("/api/deliveries", query)["deliveries"]
                self.assertEqual([record["id"] for record in records], expected)
        self.assertEqual(self.get("/api/deliveries", "id=77").status, 404)

    def test_a_delivery_has_its_tries_with_flashdutys_request_id(self):
        self.post(event_of(1))
        record = self.data("/api/deliveries")["deliveries"][0]
        self.assertEqual(record["state"], "delivered")
        self.assertEqual(record["key"], "cana…")
        (one,) = record["tries"]
        self.assertEqual((one["verdict"], one["status"]), ("accepted", 200))
        self.assertEqual(one["request_id"], self.flashduty.events[0].request_id)

    def test_the_outbox_is_what_the_command_line_lists(self):
        self.post(event_of(1))
        self.post_rejected(event_of(2))
        self.post_queued(event_of(3))
        data = self.data("/api/outbox")
        self.assertEqual([record["state"] for record in data["deliveries"]], ["rejected", "waiting"])
        figures = data["outbox"]
        self.assertEqual((figures["waiting"], figures["rejected"], figures["kept"]), (1, 1, 3))
        first = self.data("/api/outbox", "limit=1")
        self.assertEqual([record["id"] for record in first["deliveries"]], [2])
        second = self.data("/api/outbox", first["next"])
        self.assertEqual([record["id"] for record in second["deliveries"]], [3])
        self.assertIsNone(second["next"])

    def test_integrations(self):
        self.post(event_of(1))
        self.post(event_of(1), "duplicate")
        self.post_rejected(event_of(2))
        ces, guance = self.data("/api/integrations")["integrations"]
        self.assertEqual((ces["name"], ces["vendor"], ces["latest"]), ("prod-ces", "ces", None))
        self.assertEqual(guance["hour"], {"received": 2, "delivered": 1, "waiting": 0, "failed": 1})
        self.assertEqual(guance["total"]["duplicate"], 1)
        self.assertRegex(guance["latest"], "^20")
        self.assertEqual((guance["destinations"], guance["failing"]), (1, 0))
        self.assertRegex(guance["accepted"], "^20")
        first = self.data("/api/integrations", "limit=1")
        self.assertEqual([item["name"] for item in first["integrations"]], ["prod-ces"])
        rest = self.data("/api/integrations", first["next"])
        self.assertEqual([item["name"] for item in rest["integrations"]], ["prod-guance"])

    def test_no_key_is_told(self):
        # refuse_keys looks at every answer; here all keys are in the store.
        self.post_queued(event_of(1))
        for path in ("/api/outbox", "/api/deliveries", "/api/integrations"):
            self.assertNotIn(FLASHDUTY_KEYS["guance"][:8], json.dumps(self.data(path)))


class Configuration(StatusTest):
    """What goes wrong is said."""

    mode = CGI

    def test_without_a_store_the_json_is_503(self):
        self.status = self.start("status", self.configure(store="none", status_key=STATUS_KEY))
        answer = self.get("/api/outbox")
        self.assertEqual((answer.status, answer.message), (503, "this gateway has no store"))
        self.assertEqual(self.get("/healthz", headers={}).status, 200)

    def test_a_file_with_the_key_that_others_may_read_is_refused(self):
        path = settings.write_config(
            self.sandbox.folder / "open.conf",
            {"pass_through": True, "status_key": STATUS_KEY},
            mode=0o644,
        )
        self.status = self.start("status", path)
        answer = self.get("/api/outbox")
        self.assertEqual((answer.status, answer.error_code), (503, "Unavailable"))
        self.assertIn("holds keys that others may read", self.status.log)

    def test_a_key_that_is_short_is_refused(self):
        self.status = self.start("status", self.configure(status_key="short"))
        self.assertEqual(self.get("/api/outbox").status, 503)
        self.assertIn("is no status key", self.status.log)

    def test_the_key_may_come_from_the_environment(self):
        self.status = self.start(
            "status",
            self.configure(status_key=None, store=f"sqlite:{self.store}"),
            {"FLASHDUTY_GATEWAY_STATUS_KEY": STATUS_KEY},
        )
        self.assertEqual(self.get("/api/outbox").status, 200)

    def test_the_programs_are_there(self):
        names = {path.name for path in paths.cgi_bin().glob("*.fcgi")}
        self.assertEqual(names, {"ces.fcgi", "guance.fcgi", "status.fcgi"})


if __name__ == "__main__":
    unittest.main()
