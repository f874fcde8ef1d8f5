"""The README's section about several nodes, as far as one machine can have them.

Its blocks are run as they stand but for names, ports and folders: two servers of Debian's own kind
(pg_createcluster, with a folder of ours in place of /etc/postgresql), three nodes with the
configuration that the README makes, nginx in front of each and HAProxy in front of all, both with the
shipped files.
"""

import json
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from tests.cluster.postgres import find_postgres, server_user
from tests.endpoints.test_readme import blocks
from tests.simulator.flashduty import Flashduty
from tests.simulator.smn import shared_keys
from tests.support import paths, settings, shared
from tests.support.answer import http_request
from tests.support.cgi import program_environment
from tests.support.gateway import guance_event
from tests.support.process import Sandbox, wait_until
from tests.support.webserver import adapted, check_syntax, find_program, owned_folder

CLUSTER = "pg_createcluster"
NAME = "main"
PASSWORDS = {"GATEWAY_PASSWORD": "gwpassword1", "STANDBY_PASSWORD": "sbpassword2"}
INTEGRATION = settings.guance_integration(
    push_key=["push-key-of-the-nodes"], flashduty_key="flashduty-key-of-the-nodes"
)
NODES = 3
SECONDS = 30
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{}}
http {{
    client_body_temp_path {folder}/bodies;
    fastcgi_temp_path {folder}/fastcgi;
    proxy_temp_path {folder}/proxy;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/shipped.conf;
}}
"""


class Machine:
    """A machine of the README's that has a database server: folders and a port of its own."""

    def __init__(self, sandbox, name):
        self.sandbox = sandbox
        self.name = name
        self.port = shared.free_port()
        self.version = find_postgres().parent.name
        self.user = server_user()
        self.folder = owned_folder(sandbox.folder, name, self.user)
        self.etc = owned_folder(self.folder, "etc", self.user)
        self.data = self.folder / "data"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PG_CLUSTER_CONF_ROOT": str(self.etc),
            "PGHOST": str(self.folder),
            "PGPORT": str(self.port),
            "LC_ALL": "C.UTF-8",
        }

    def install(self):
        """What installing the package does: it makes a server and starts it."""
        user = ["-u", self.user.pw_name] if self.user else []
        self.run_command(
            CLUSTER, *user, "-d", self.data, "-s", self.folder, "-l", self.folder / "server.log",
            "-p", self.port, "--locale=C.UTF-8", self.version, NAME,
        )  # fmt: skip
        with open(self.etc / self.version / NAME / "postgresql.conf", "a", encoding="ascii") as file:
            file.write("fsync = off\nlog_checkpoints = off\n" + self._tls())
        self.sandbox.defer(self.stop)
        self.control("start")

    def _tls(self):
        """Settings with a certificate, as Debian's have one."""
        lines = ["ssl = on"]
        keys = shared_keys()
        for name, source in (("ssl_cert_file", keys.server_certificate), ("ssl_key_file", keys.server_key)):
            path = Path(shutil.copy(source, self.folder))
            path.chmod(0o600)
            if self.user:
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
            lines.append(f"{name} = '{path}'")
        return "\n".join(lines) + "\n"

    def control(self, word):
        """pg_ctlcluster, which leaves the server running in the background."""
        more = ["--mode", "immediate"] if word == "stop" else []
        self.run_command("pg_ctlcluster", *more, self.version, NAME, word)

    def stop(self):
        """Ends it if it runs, at once."""
        if (self.data / "postmaster.pid").exists():
            self.control("stop")

    def run_command(self, *words):
        """Runs a command."""
        self.run("exec " + " ".join(f"'{word}'" for word in words))

    def run(self, script):
        """Runs a script as a person pastes it; what it says."""
        # Not a pipe: the server would keep it.
        output = self.sandbox.folder / f"{self.name}-said.log"
        with open(output, "wb") as sink:
            done = subprocess.run(
                ["sh", "-e", "-c", script], cwd=self.folder, env=self.environment, timeout=120,
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False,
            )  # fmt: skip
        said = output.read_text(errors="replace")
        if done.returncode:
            raise AssertionError(f"{script}: {said}")
        return said

    def adapt(self, script, others):
        """A block of the README for this machine; others: the machines that it names."""
        as_user = f"runuser -u {self.user.pw_name} -- " if self.user else ""
        script = re.sub(r"(?m)^sudo apt install .*\n", "", script)
        changes = {
            "sudo -u postgres ": as_user,
            "sudo systemctl stop postgresql": f"pg_ctlcluster {self.version} {NAME} stop",
            "sudo systemctl start postgresql": f"pg_ctlcluster {self.version} {NAME} start",
            "sudo systemctl restart postgresql": f"pg_ctlcluster {self.version} {NAME} restart",
            "sudo ": "",
            "/etc/postgresql/15/": f"{self.etc}/{self.version}/",
            f"/var/lib/postgresql/15/{NAME}": str(self.data),
            "pg_ctlcluster 15": f"pg_ctlcluster {self.version}",
            "10.0.0.0/24": "127.0.0.1/32",
            "listen_addresses = '*'": "listen_addresses = '127.0.0.1'",
            **{f"host={other.name} ": f"host=127.0.0.1 port={other.port} " for other in others},
            **PASSWORDS,
        }
        for old, new in changes.items():
            script = script.replace(old, new)
        return script


class Node:
    """A machine of the README's with a gateway: its endpoints, and nginx in front of them."""

    def __init__(self, sandbox, number):
        self.sandbox = sandbox
        self.name = f"node-{number}"
        self.port = shared.free_port()
        self.folder = sandbox.folder / self.name
        self.folder.mkdir()
        self.config = self.folder / "gateway.conf"
        self.environment = program_environment(self.config, {"HOME": str(self.folder)})

    def start(self):
        """Starts the endpoints and nginx."""
        for endpoint in ("guance", "ces", "status"):
            self.sandbox.start(
                ["spawn-fcgi", "-n", "-s", self.folder / f"{endpoint}.socket", "-M", "0666", "--",
                 paths.endpoint(endpoint)],
                f"{self.name}-{endpoint}", env=self.environment,
            )  # fmt: skip
        shipped = adapted(
            "contrib/nginx/flashduty-gateway.conf",
            {
                "listen 80;": f"listen 127.0.0.1:{self.port};",
                "/var/log/nginx": self.folder,
                "/run/flashduty-gateway": self.folder,
            },
        )
        (self.folder / "shipped.conf").write_text(shipped, encoding="utf-8")
        file = self.folder / "nginx.conf"
        text = NGINX.format(folder=self.folder)
        file.write_text(("user root;" if os.getuid() == 0 else "") + text, encoding="utf-8")
        errors = self.folder / "nginx-errors.log"
        self.sandbox.start(
            [find_program("nginx"), "-p", self.folder, "-e", errors, "-c", file], f"{self.name}-nginx"
        )
        try:
            wait_until(self.is_well, SECONDS, self.name)
        except AssertionError as problem:
            logs = self.sandbox.folder.glob(f"{self.name}*.log")
            raise AssertionError("".join(path.read_text()[-2000:] for path in logs)) from problem

    def is_well(self):
        """Whether its health is good."""
        try:
            return http_request(self.port, "/guance/healthz").status == 200
        except OSError:
            return False

    def run(self, script):
        """Runs a script on it; what it says."""
        done = subprocess.run(
            ["sh", "-e", "-c", script], cwd=self.folder,
            env={**self.environment, "PATH": f"{paths.command_line().parent}:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"{script}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr


class Section(unittest.TestCase):
    """From nothing to three nodes, and on to the loss of the primary."""

    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.blocks = blocks("README.md")
        self.flashduty = self.sandbox.enter(Flashduty())
        self.one, self.two = (Machine(self.sandbox, name) for name in ("db-1", "db-2"))
        self.nodes = [Node(self.sandbox, number) for number in range(1, NODES + 1)]
        self.port = shared.free_port()

    def follow(self, name, machine):
        """Runs a block on a machine; what it says."""
        return machine.run(machine.adapt(self.blocks[f"nodes-{name}"], (self.one, self.two)))

    def configure(self, node):
        """The block of a node, whose gateway is started in the place of systemd."""
        values = settings.settings(self.flashduty.push_url, integrations=[INTEGRATION])
        del values["store"]
        settings.write_config(node.config, values)
        script = self.blocks["nodes-store"]
        changes = {
            "sudo -u flashduty-gateway ": "",
            "sudo ": "",
            "/etc/flashduty-gateway/gateway.conf": str(node.config),
            "@db-1,db-2/": f"@127.0.0.1:{self.one.port},127.0.0.1:{self.two.port}/",
            **PASSWORDS,
        }
        for old, new in changes.items():
            self.assertIn(old, script + "".join(PASSWORDS))
            script = script.replace(old, new)
        before, after = re.split(r"systemctl restart .*\n", script)
        self.assertIn("valid", node.run(before))
        node.start()
        self.assertIn("the ledger adds up", node.run(after))

    def start_haproxy(self):
        """The load balancer with the shipped file."""
        self.assertIn("contrib/haproxy/nodes.cfg", self.blocks["nodes-balancer"])
        shipped = adapted(
            "contrib/haproxy/nodes.cfg",
            {
                "bind :443 ssl crt /etc/haproxy/gateway.example.com.pem": f"bind 127.0.0.1:{self.port}",
                **{f"10.0.0.1{number + 1}:80": f"127.0.0.1:{node.port}"
                   for number, node in enumerate(self.nodes)},
            },
        )  # fmt: skip
        file = self.sandbox.folder / "haproxy.cfg"
        file.write_text(
            f"global\n    log stdout format raw local0\ndefaults\n    log global\n"
            f"    timeout client 30s\n{shipped}", encoding="utf-8",
        )  # fmt: skip
        haproxy = find_program("haproxy")
        self.assertNotIn("WARNING", check_syntax([haproxy, "-c", "-f", file]))
        self.sandbox.start([haproxy, "-db", "-f", file], "haproxy")

        def answers():
            try:
                return http_request(self.port, "/guance/healthz").status == 200
            except OSError:
                return False

        wait_until(answers, SECONDS, "HAProxy")

    def post(self, status, alert="a"):
        """Posts an event of an alert through the load balancer; the answer."""
        event = guance_event(
            df_status=status,
            df_event_id=f"event-{alert}-{status}",
            df_monitor_checker_event_ref=f"ref-{alert}",
            timestamp=1795485600 + (status == "ok"),
        )
        return http_request(
            self.port, f"/guance?integration_key={INTEGRATION['push_key'][0]}", json.dumps(event).encode(),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip

    def arrived(self, alert):
        """The severities of what Flashduty has of an alert."""
        key = f"guance:ref-{alert}"
        return [event.status for event in self.flashduty.events if event.alert_key == key]

    def test_three_nodes_and_a_pair_of_servers_as_the_readme_has_them(self):
        for machine in (self.one, self.two):
            machine.install()
        self.follow("primary", self.one)
        self.follow("standby", self.two)
        wait_until(
            lambda: self.follow("synchronous", self.one).rstrip().endswith("(1 row)"), SECONDS,
            "the standby",
        )  # fmt: skip
        wait_until(
            lambda: "sync" in self.follow("synchronous", self.one).split("application_name")[1],
            SECONDS, "a synchronous standby",
        )  # fmt: skip
        for node in self.nodes:
            self.configure(node)
        self.start_haproxy()
        self.assertEqual(self.post("critical").outcome, "delivered")
        outcomes = {self.post("critical").outcome for _ in range(2 * NODES)}
        self.assertEqual(outcomes, {"duplicate"}, self.logs())
        self.assertEqual(self.post("ok").outcome, "delivered")
        self.assertEqual(self.arrived("a"), ["Critical", "Ok"])
        self.check_secrets()
        self.lose_primary()

    def logs(self):
        """What the nodes have logged."""
        logs = sorted(self.sandbox.folder.glob("node-*.log"))
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in logs)

    def check_secrets(self):
        """No log and no page shows the database's password."""
        for path in self.sandbox.folder.glob("*.log"):
            text = path.read_text(errors="replace")
            self.assertNotIn(PASSWORDS["GATEWAY_PASSWORD"], text, path.name)

    def lose_primary(self):
        """The primary is stopped for good, and the standby takes its place as the README has it."""
        self.one.stop()
        self.assertEqual(self.post("critical", "b").outcome, "delivered")
        self.assertEqual(self.post("ok", "b").status, 202)
        self.follow("promote", self.two)
        wait_until(lambda: self.arrived("b") == ["Critical", "Ok"], SECONDS, "the recovery")
        wait_until(
            lambda: "the ledger adds up" in self.nodes[0].run("flashduty-gateway status --audit"),
            SECONDS, "the audit",
        )  # fmt: skip
        self.assertEqual(self.flashduty.violations, [])


if __name__ == "__main__":
    unittest.main()
