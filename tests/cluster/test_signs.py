"""Every node that shares a store is seen, with its last sign of life: on the page, as JSON, in metrics."""

import re
import subprocess
import unittest

from tests.cluster.stored import Stored
from tests.endpoints.test_status import StatusTest, bearer
from tests.support import paths
from tests.support.cgi import program_environment
from tests.support.gateway import FASTCGI
from tests.support.process import wait_until

PROGRAMS = ["guance", "status"]
SEEN = re.compile(r'flashduty_gateway_node_last_seen_timestamp_seconds\{node="(\w+)",host="[^"]+",program="(\w+)"\} \d+')


class Signs(Stored, StatusTest):
    """Two endpoints of a node whose store is a server's."""

    mode = FASTCGI

    def configuration(self):
        return {**super().configuration(), "store": self.url}

    def setUp(self):
        super().setUp()
        self.endpoint = self.start("guance", self.config)
        wait_until(lambda: self.programs() == PROGRAMS, 30, "both programs' signs")

    def nodes(self):
        """What the API has."""
        answer = self.get("/api/nodes")
        return answer.json["data"]["nodes"] if answer.status == 200 else []

    def programs(self):
        """The programs that have signed."""
        return [node["program"] for node in self.nodes()]

    def silence(self, program, ms):
        """As if the program had been silent for so long."""
        self.server.sql(f"UPDATE node SET seen_ms = seen_ms - {ms} WHERE program = '{program}'")

    def page(self, language):
        """The page in a language."""
        return self.get(headers={**bearer(), "Accept-Language": language}).body.decode()

    def test_who_is_there_is_shown_everywhere(self):
        guance, status = self.nodes()
        self.assertEqual((guance["silent"], guance["spooled"], guance["id"]), (False, 0, status["id"]))
        self.assertEqual(set(guance), {"id", "host", "program", "version", "since", "seen", "silent", "spooled"})
        for language, words in (("en", ("Nodes", "there", "In its spool")), ("zh", ("节点", "在线", "本地暂存"))):
            text = self.page(language)
            for word in (*words, guance["host"], guance["id"]):
                self.assertIn(f">{word}<", text)
            self.assertNotIn("No sign of life", text)
        metrics = self.get("/metrics").body.decode()
        self.assertEqual([program for _, program in SEEN.findall(metrics)], PROGRAMS)
        self.assertIn("flashduty_gateway_node_spool_alerts{", metrics)

    def test_signs_go_on(self):
        self.silence("guance", 30000)
        wait_until(lambda: self.server.number(
            "SELECT count(*) FROM node WHERE seen_ms > extract(epoch FROM now()) * 1000 - 15000") == 2, 30, "a sign")

    def test_who_is_silent_is_told(self):
        self.assertEqual(self.endpoint.stop(), 0)
        self.silence("guance", 120000)
        guance, status = self.nodes()
        self.assertEqual((guance["silent"], status["silent"]), (True, False))
        for language, words in (("en", ("No sign of life from: ", ">silent<")), ("zh", ("以下节点失联：", ">失联<"))):
            text = self.page(language)
            for word in words:
                self.assertEqual(text.count(word), 1, word)

    def test_who_was_silent_for_a_day_is_forgotten(self):
        self.assertEqual(self.endpoint.stop(), 0)
        self.silence("guance", 86500000)
        # The other one drains, and tidies.
        wait_until(lambda: self.programs() == ["status"], 90, "the end of a day")

    def test_the_command_line_tells_it(self):
        self.assertEqual(self.endpoint.stop(), 0)
        self.silence("guance", 120000)
        done = subprocess.run(
            [paths.command_line(), "status"], env=program_environment(self.config),
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout  # fmt: skip
        self.assertRegex(done, r"(?m)^node \S+ \(\w{8}\) guance \S+: silent since 20\S+Z, running since 20\S+Z$")
        self.assertRegex(done, r"(?m)^node \S+ \(\w{8}\) status \S+: there, seen 20\S+Z, running since 20\S+Z$")

    def test_two_folders_on_a_machine_are_two_nodes(self):
        folder = self.sandbox.folder / "other"
        folder.mkdir()
        self.start("guance", self.config, {"XDG_STATE_HOME": str(folder)})
        wait_until(lambda: len(self.nodes()) == 3, 30, "the third process")
        self.assertEqual(len({node["id"] for node in self.nodes()}), 2)


del Stored, StatusTest

if __name__ == "__main__":
    unittest.main()
