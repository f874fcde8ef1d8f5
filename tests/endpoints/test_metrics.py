"""/metrics: what Prometheus reads, what its rules watch, and what Grafana draws of it."""

import json
import re
import subprocess

from tests.endpoints.test_status import BROKEN, StatusTest, event_of
from tests.support import paths
from tests.support.canaries import refuse_keys
from tests.support.gateway import CGI, FASTCGI, PUSH_KEYS

PROMETHEUS = paths.ROOT / "contrib/prometheus"
SAMPLE = re.compile(r"^(flashduty_gateway_\w+)(?:\{(.*)\})? (\S+)$")
NAME = re.compile(r"\bflashduty_gateway_\w+")


def promtool(*words, text=None):
    """What Prometheus' own judge complains about; of a text it says nothing if all is well."""
    done = subprocess.run(
        ["promtool", *words],
        cwd=PROMETHEUS,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return done.stdout if done.returncode or text is not None else ""


class Metrics:
    """Under CGI and FastCGI."""

    def metrics(self):
        """The whole text."""
        answer = self.get("/metrics")
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        text = answer.body.decode()
        self.assertEqual(promtool("check", "metrics", text=text), "")
        refuse_keys(text, "/metrics")
        return text

    def values(self, text):
        """name{labels} → value."""
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual([line for line in lines if not SAMPLE.match(line)], [])
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def expect(self, **wanted):
        """Values of the integration prod-guance, or of none."""
        values = self.values(self.metrics())
        for name, value in wanted.items():
            name = "flashduty_gateway_" + name
            found = values.get(name, values.get(f'{name}{{integration="prod-guance"}}'))
            self.assertEqual(found, value, name)

    def test_all_processes_count_together(self):
        self.post(event_of(1))
        self.post(event_of(2))
        self.post(event_of(1), "duplicate")
        self.expect(received_total=3, verified_total=3, delivered_total=2, duplicate_total=1,
                    delivery_seconds_count=2, store_up=1, configuration_valid=1)  # fmt: skip

    def test_what_waits_and_why(self):
        self.flashduty.answer(BROKEN, times=None)
        self.post(event_of(1), "queued")
        values = self.values(self.metrics())
        prefix = "flashduty_gateway_"
        self.assertEqual(values[prefix + 'outbox_deliveries{state="waiting"}'], 1)
        self.assertEqual(values[prefix + 'queued_total{integration="prod-guance"}'], 1)
        answers = prefix + 'upstream_answers_total{status="500",code="InternalError"}'
        self.assertEqual(values[answers], len(self.flashduty.requests))

    def test_refusals_have_a_reason(self):
        guance = self.guance()
        guance.post(b"{")
        guance.post(event_of(1), query="integration_key=canary-push-key-of-nobody")
        guance.post(event_of(1), content_type="text/plain")
        guance.post({"signature": "x"}, query=f"integration_key={PUSH_KEYS['guance']}")
        values = self.values(self.metrics())
        refused = 'flashduty_gateway_refused_total{integration="%s",reason="%s"}'
        self.assertEqual(values[refused % ("(none)", "key")], 1)
        self.assertEqual(values[refused % ("(none)", "content_type")], 1)
        self.assertGreaterEqual(values[refused % ("prod-guance", "payload")], 1)

    def test_without_a_store_the_text_says_so(self):
        self.status = self.gateway("status", store="none", status_key=self.key)
        values = self.values(self.metrics())
        self.assertEqual(values["flashduty_gateway_store_up"], 0)
        self.assertNotIn("flashduty_gateway_kept_deliveries", values)

    def test_it_has_a_door(self):
        self.assertEqual(self.get("/metrics", headers={}).status, 401)

    def test_rules_and_dashboard_know_the_names(self):
        """What is watched or drawn is there; the histogram has three names."""
        self.post(event_of(1))
        self.canary()
        text = self.metrics()
        there = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
        there |= {SAMPLE.match(line)[1] for line in text.splitlines() if line[0] != "#"}
        for file in ("alerts.yml", "alerts_test.yml", "dashboard.json", "README.md"):
            used = set(NAME.findall((PROMETHEUS / file).read_text(encoding="utf-8")))
            self.assertEqual(used - there, set(), file)

    def canary(self):
        """A canary of Guance's integration."""
        self.run_command("canary", "prod-guance")

    def run_command(self, *words):
        """The command line with this gateway's configuration."""
        done = subprocess.run(
            [paths.command_line(), *words],
            env={"FLASHDUTY_GATEWAY_CONFIG": str(self.config), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_canary_leaves_its_time(self):
        name = 'flashduty_gateway_last_canary_timestamp_seconds{integration="prod-guance"}'
        self.assertNotIn(name, self.values(self.metrics()))
        self.canary()
        self.assertGreater(self.values(self.metrics())[name], 0)


class MetricsOfCgi(Metrics, StatusTest):
    mode = CGI


class MetricsOfFastCgi(Metrics, StatusTest):
    mode = FASTCGI


class Shipped(StatusTest):
    """What lies in contrib/prometheus."""

    def test_the_rules_are_right_and_fire_when_they_should(self):
        self.assertEqual(promtool("check", "rules", "alerts.yml"), "")
        self.assertEqual(promtool("test", "rules", "alerts_test.yml"), "")

    def test_every_rule_is_tested(self):
        rules = re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text())
        tests = (PROMETHEUS / "alerts_test.yml").read_text()
        self.assertEqual([rule for rule in rules if f'"{rule}"' not in tests], [])

    def test_the_dashboard_is_whole(self):
        dashboard = json.loads((PROMETHEUS / "dashboard.json").read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        taken = {(x, y) for p in places for x in range(p["x"], p["x"] + p["w"])
                 for y in range(p["y"], p["y"] + p["h"])}  # fmt: skip
        self.assertEqual(len(taken), sum(p["w"] * p["h"] for p in places))
        for panel in dashboard["panels"]:
            self.assertTrue(panel["title"] and panel["description"] and panel["targets"])
            for target in panel["targets"]:
                self.assertEqual(target["datasource"]["uid"], "${datasource}")


del StatusTest
