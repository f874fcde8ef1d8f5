"""README.md and README.zh-CN.md tell the truth: what they show is run, or held against the code.

`<!-- test: NAME -->` above a block or a table names it here. Examples run in a copy of the checkout
with a few literal replacements; those that install a web server are checked word by word instead,
for tests/servers runs the files that they name.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import unittest
from pathlib import Path

from tests.simulator.flashduty import Flashduty
from tests.simulator.smn import shared_keys
from tests.support import fixtures, paths, settings, shared
from tests.support.cgi import program_environment, run_cgi
from tests.support.process import Sandbox
from tests.support.webserver import Place, lighttpd_fastcgi

READMES = ("README.md", "README.zh-CN.md")
DOCUMENTS = (*READMES, "SECURITY.md", *(f"docs/{path.name}" for path in (paths.ROOT / "docs").glob("*.md")))

RUN = {
    "run", "shared-hosting", "new-integration", "check", "send", "send-forged", "map", "drill",
    "status-key", "status-look", "routes",
}  # fmt: skip
INSTALLATIONS = {
    "install", "apache-cgid", "apache-fcgid", "apache-proxy", "lighttpd", "nginx", "spawn",
}  # fmt: skip
# tests/servers/test_door.py runs web servers with them.
DOORS = {"door-apache", "door-lighttpd", "door-nginx"}
# These are run by tests/packaging/test_deb.py, but for what installs other packages.
PACKAGE = {
    "package-install", "package-configure", "package-check", "package-apache", "package-lighttpd",
    "package-nginx", "package-send", "package-upgrade",
}  # fmt: skip
# tests/cluster/test_readme.py runs these, but for what installs.
NODES = {
    "nodes-primary", "nodes-standby", "nodes-synchronous", "nodes-store", "nodes-balancer",
    "nodes-promote",
}  # fmt: skip
CHECKED = INSTALLATIONS | DOORS | PACKAGE | NODES | {"make-test", "certificate"}
NOT_COMMANDS = {"smn", "watchdog", "canary", "severity-ces", "severity-guance"}

PROGRAM = "flashduty-gateway"
INSTALLED = f"/opt/{PROGRAM}"
CONFIGURED = "/etc/flashduty-gateway"
STATE = "/var/lib/flashduty-gateway"
PUBLIC = "https://gateway.example.com"

BLOCK = re.compile(r"^<!-- test: (\S+) -->\n```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^<!-- test: (\S+) -->\n((?:\|.*\n)+)", re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SETTING = re.compile(r"`((?:topic_urn|severity) = \[[^`]*\])`")
# Where the repository's own files are; build/ and the programs in cgi-bin/ are made.
REPOSITORY_PATH = re.compile(r"(?:apache-conf|contrib|docs|examples|src|tests)/[\w./*-]+")


def text_of(document):
    """The text of a document of the repository."""
    return (paths.ROOT / document).read_text(encoding="utf-8")


def blocks(document):
    """The marked blocks: name → text."""
    return {name: text for name, _, text in BLOCK.findall(text_of(document))}


def tables(document):
    """The marked tables: name → rows of cells, without head and backticks."""
    found = {}
    for name, table in TABLE.findall(text_of(document)):
        rows = [line.strip("|").split("|") for line in table.replace("`", "").splitlines()[2:]]
        found[name] = [[cell.strip() for cell in row] for row in rows]
    return found


def without_comments(script):
    """What of a script is commands."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).rstrip() for line in script.splitlines())
    return [line for line in lines if line]


def logical_lines(script):
    """The commands of a script as words; what is between the lines of <<'END' is left out."""
    script = re.sub(r"<<'END'\n.*?^END$", "", script, flags=re.MULTILINE | re.DOTALL)
    script = script.replace("\\\n", "")
    return [shlex.split(line, comments=True) for line in without_comments(script)]


def source_texts():
    """The C sources with adjacent string literals joined, so that a message stands in one piece."""
    files = sorted((paths.ROOT / "src").rglob("*.c"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return re.sub(r'"\s*\n\s*"', "", text).replace('\\"', '"')


def help_of(*words):
    """What --help says, of the program or of one command."""
    command = [paths.command_line(), *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def mapped(vendor, payload):
    """The event that a payload becomes."""
    done = subprocess.run(
        [paths.command_line(), "map", vendor, "-o", "json"],
        input=json.dumps(payload),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def ces_payload(level, is_alarm=True):
    """A CES alarm of a level."""
    message = {
        "version": "v1",
        "data": {
            "AlarmRuleName": "rule",
            "MetricName": "metric",
            "ResourceName": "resource",
            "AlarmLevel": level,
            "IsAlarm": is_alarm,
        },
    }
    return {"type": "Notification", "message": json.dumps(message)}


def guance_payload(status):
    """A Guance event with a status."""
    return {"df_status": status, "df_monitor_checker_event_ref": "0123456789abcdef"}


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.replace(" ", "-")


class Documents(unittest.TestCase):
    """What can be seen without running anything."""

    def test_both_languages_show_the_same_commands(self):
        english, chinese = (blocks(readme) for readme in READMES)
        self.assertEqual(list(english), list(chinese))
        for name, script in english.items():
            with self.subTest(name):
                self.assertEqual(without_comments(script), without_comments(chinese[name]))

    def test_every_block_of_commands_is_marked_and_known(self):
        for readme in READMES:
            with self.subTest(readme):
                marked = {name for name, kind, _ in BLOCK.findall(text_of(readme)) if kind == "sh"}
                self.assertEqual(marked, RUN | CHECKED)
                self.assertEqual(len(SHELL.findall(text_of(readme))), len(marked))
                others = (set(blocks(readme)) | set(tables(readme))) - marked
                self.assertEqual(others, NOT_COMMANDS)

    def test_relative_links_resolve(self):
        for document in DOCUMENTS:
            for link in LINK.findall(text_of(document)):
                if "://" in link:
                    continue
                with self.subTest(document=document, link=link):
                    name, _, fragment = link.partition("#")
                    target = (paths.ROOT / document).parent / name if name else Path(document)
                    target = paths.ROOT / target
                    self.assertTrue(target.exists())
                    if fragment:
                        text = target.read_text(encoding="utf-8")
                        self.assertIn(fragment, map(anchor, HEADING.findall(text)))

    def test_files_that_are_named_exist(self):
        for document in DOCUMENTS:
            for code in [*INLINE.findall(text_of(document)), *blocks(document).values()]:
                # Where `make install` puts what stands below contrib/.
                code = code.replace(f"/usr/share/doc/{PROGRAM}/examples/", "contrib/")
                for path in REPOSITORY_PATH.findall(code):
                    with self.subTest(document=document, path=path):
                        self.assertTrue(list(paths.ROOT.glob(path.rstrip("/"))))

    def test_make_targets_that_are_named_exist(self):
        targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile") + text_of("contrib/install.mk"), re.MULTILINE))
        for document in DOCUMENTS:
            text = text_of(document)
            for code in [*INLINE.findall(text), *"".join(SHELL.findall(text)).splitlines()]:
                found = re.match(r"(?:sudo )?make((?: [a-z-]+)*)$", code)
                with self.subTest(document=document, code=code):
                    self.assertLessEqual(set(found[1].split()) if found else set(), targets)

    def test_the_command_line_has_what_is_shown(self):
        commands = re.findall(r"^  ([a-z-]+) {2,}", help_of(), re.MULTILINE)
        for readme in READMES:
            text = text_of(readme)
            for words in logical_lines("\n".join(SHELL.findall(text))):
                for start, word in enumerate(words):
                    if not word.endswith("build/flashduty-gateway"):
                        continue
                    with self.subTest(readme=readme, words=words):
                        self.assertIn(words[start + 1], commands)
                        options = {word for word in words[start:] if word.startswith("--")}
                        shown = set(re.findall(r"--[a-z-]+", help_of(words[start + 1])))
                        self.assertLessEqual(options, shown)
            for code in INLINE.findall(text):
                found = re.match(r"flashduty-gateway ([a-z-]+)", code)
                with self.subTest(readme=readme, code=code):
                    self.assertIn(found[1] if found else "check", commands)

    def test_messages_that_are_quoted_stand_in_the_sources(self):
        sources = source_texts()
        for readme in READMES:
            rows = re.findall(r"^\| \*\*503\*\* \*(.+?)\* \|", text_of(readme), re.MULTILINE)
            quotes = re.findall(r"\*[\"“](.+?)[\"”]\*", text_of(readme))
            messages = re.findall(r"\*(this is the .+?)\*", text_of(readme).replace("\n", " "))
            self.assertEqual((len(rows), len(quotes), len(messages)), (6, 1, 1))
            for quote in [*rows, *quotes, *messages]:
                parts = (re.escape(part.strip()) for part in quote.split("…"))
                with self.subTest(readme=readme, quote=quote):
                    self.assertRegex(sources, ".{1,60}".join(parts))

    def test_the_answers_are_those_of_the_gateway(self):
        code = set(re.findall(r"= \{(\d{3}), \"", text_of("src/response.c"))) - {"404"}
        code |= set(re.findall(r"#define STATUS_KEPT (\d{3})", text_of("src/response.h")))
        for readme in READMES:
            with self.subTest(readme):
                rows = re.findall(r"^\| (\d{3}[^|]*) \|", text_of(readme), re.MULTILINE)
                self.assertEqual(set(re.findall(r"\d{3}", " ".join(rows))), code)


class Severities(unittest.TestCase):
    """The tables of severities are the code's."""

    def test_the_tables_of_the_readmes(self):
        for readme in READMES:
            for first, second, severity in tables(readme)["severity-ces"]:
                for word in (first, second):
                    with self.subTest(readme=readme, word=word):
                        payload = ces_payload(word)
                        if severity == "Ok":
                            payload = ces_payload("Critical", is_alarm=False)
                        self.assertEqual(mapped("ces", payload)["event_status"], severity)
            for name, status, severity in tables(readme)["severity-guance"]:
                with self.subTest(readme=readme, name=name):
                    event = mapped("guance", guance_payload(status))
                    self.assertEqual(event["event_status"], severity)

    def test_the_tables_of_the_reference_are_complete(self):
        level = re.compile(r'\{"([^"]+)", "([^"]+)", SEVERITY_([A-Z]+)\}')
        for vendor in ("ces", "guance"):
            with self.subTest(vendor):
                source = text_of(f"src/vendors/{vendor}.c")
                table = tables("docs/mapping.md")[f"words-{vendor}"]
                code = {
                    (row, word.lower(), severity.title())
                    for word, row, severity in level.findall(source)
                }
                told = {
                    (row, word.lower(), severity)
                    for row, words, severity in table
                    for word in words.split(", ")
                    if severity != "Ok"
                }
                self.assertEqual(told, code)

    def test_recoveries_of_guance(self):
        rows = {row: words for row, words, _ in tables("docs/mapping.md")["words-guance"]}
        for word in rows["(recovered)"].split(", "):
            with self.subTest(word):
                self.assertEqual(mapped("guance", guance_payload(word))["event_status"], "Ok")


class Installations(unittest.TestCase):
    """The blocks that install web servers, which no test can do."""

    def test_what_is_linked_copied_or_started_is_shipped(self):
        for readme in READMES:
            script = "\n".join(blocks(readme)[name] for name in sorted(INSTALLATIONS))
            named = set(re.findall(re.escape(INSTALLED) + r"/([\w./-]+)", script))
            self.assertEqual(
                named,
                {
                    "build/flashduty-gateway",
                    "apache-conf/mod_cgid.conf",
                    "apache-conf/mod_fcgid.conf",
                    "apache-conf/mod_proxy_fcgi.conf",
                    "contrib/lighttpd/fastcgi.conf",
                    "contrib/nginx/flashduty-gateway.conf",
                    "contrib/nginx/spawn.sh",
                },
            )
            for path in named:
                self.assertTrue((paths.ROOT / path).is_file(), path)

    def test_each_module_of_apache_goes_with_its_file(self):
        for name in ("cgid", "fcgid", "proxy"):
            script = blocks("README.md")[f"apache-{name}"]
            module = re.search(r"a2enmod (\w+)", script)[1]
            file = re.search(r"apache-conf/mod_(\w+)\.conf", script)[1]
            self.assertEqual(module, file)
            self.assertIn(f"a2enmod {module}\n", text_of(f"apache-conf/mod_{file}.conf"))

    def test_the_virtual_host_is_the_one_that_the_shipped_file_asks_for(self):
        script = blocks("README.md")["apache-cgid"]
        target = re.search(r"mod_cgid\.conf (\S+)", script)[1]
        self.assertIn(f"Include {target}\n", script)
        log_format = re.search(r"CustomLog \S+ (\w+)", script)[1]
        for module in ("cgid", "fcgid", "proxy_fcgi"):
            shipped = text_of(f"apache-conf/mod_{module}.conf")
            self.assertRegex(shipped, rf'LogFormat ".*" {log_format}\n')

    def test_the_files_are_where_the_shipped_files_expect_them(self):
        for path in ("apache-conf/mod_cgid.conf", "contrib/lighttpd/fastcgi.conf",
                     "contrib/lighttpd/cgi.conf", "contrib/nginx/spawn.sh"):  # fmt: skip
            self.assertIn(f"{INSTALLED}/cgi-bin", text_of(path))
        self.assertIn(f'"{CONFIGURED}/gateway.conf"', source_texts())
        self.assertIn(f'"{os.path.dirname(STATE)}/" PROGRAM', source_texts())

    def test_nginx_gets_its_name(self):
        shipped = text_of("contrib/nginx/flashduty-gateway.conf")
        expression = re.search(r"sed -i '([^']+)'", blocks("README.md")["nginx"])[1]
        done = subprocess.run(
            ["sed", expression], input=shipped, capture_output=True, text=True, check=True
        )
        self.assertRegex(done.stdout, r"(?m)^    server_name gateway\.example\.com;$")

    def test_a_certificate_is_fetched_from_its_own_region(self):
        script = blocks("README.md")["certificate"]
        name = re.search(r"^FILE=(SMN_([a-z0-9-]+)_[0-9a-f]{32}\.pem)$", script, re.MULTILINE)
        self.assertIn(f" https://smn.{name[2]}.myhuaweicloud.com/smn/$FILE\n", script)
        self.assertIn(name[1], blocks("README.md")["smn"])
        self.assertIn(f"`{name[1]}`", text_of("README.md"))


class Examples(unittest.TestCase):
    """The blocks that run."""

    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.checkout = self.copy_of_checkout()
        self.etc = self.sandbox.folder / "etc"
        self.script = blocks("README.md")

    def copy_of_checkout(self):
        """A checkout with the programs of this build in it."""
        folder = self.sandbox.folder / "checkout"
        ignored = shutil.ignore_patterns(".git", "build", "__pycache__", "*.fcgi", "fixtures")
        shutil.copytree(paths.ROOT, folder, ignore=ignored)
        if paths.BUILD == "release":
            shutil.copytree(paths.build_folder(), folder / "build" / "release")
        (folder / "build").mkdir(exist_ok=True)
        shutil.copy2(paths.command_line(), folder / "build")
        for name in ("ces", "guance", "status"):
            shutil.copy2(paths.endpoint(name), folder / "cgi-bin")
        return folder

    def run_block(self, name, replacements=None, environment=None, status=0, seconds=120):
        """Runs a block as a user would paste it; its output."""
        script = self.script[name]
        changes = {
            "sudo -u www-data ": "",
            "sudo ": "",
            "-o www-data ": "",
            "-o root ": "",
            "-g www-data ": "",
            INSTALLED + "/": f"{self.checkout}/",
            f"cd {INSTALLED}\n": f"cd {self.checkout}\n",
            CONFIGURED: str(self.etc),
            STATE: str(self.sandbox.folder / "state"),
            **(replacements or {}),
        }
        for old, new in changes.items():
            script = script.replace(old, str(new))
        for old in replacements or {}:
            self.assertIn(old, self.script[name])
        process = self.sandbox.start(
            ["sh", "-e", "-c", script],
            name=f"block-{name}",
            cwd=self.checkout,
            env={"PATH": os.environ["PATH"], "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
                 "XDG_STATE_HOME": str(self.sandbox.folder), **paths.SANITIZER_OPTIONS, **(environment or {})},
        )  # fmt: skip
        self.assertEqual(process.wait(seconds), status, process.output)
        return process.output

    def configured(self, flashduty_url="http://127.0.0.1:9/"):
        """The configuration as the README has it made, filled in as it says."""
        self.run_block("new-integration")
        file = self.etc / "gateway.conf"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        text = file.read_text(encoding="utf-8")
        self.assertEqual(text.count('flashduty_key = ""'), 2)
        for key in ("a-flashduty-key", "another-flashduty-key"):
            text = text.replace('flashduty_key = ""', f'flashduty_key = "{key}"', 1)
        inline = SETTING.findall(text_of("README.md"))
        self.assertEqual(len(inline), 2)
        topics, severities = inline
        text, count = re.subn(r"topic_urn +=.*", topics + "\n" + severities, text)
        self.assertEqual(count, 1)
        file.write_text(f'flashduty_url = "{flashduty_url}"\n{text}', encoding="utf-8")
        return file

    def check(self, file):
        """The block `check`, of this file."""
        return self.run_block("check", environment={"FLASHDUTY_GATEWAY_CONFIG": str(file)})

    def test_the_configuration_is_valid_when_it_is_filled_in(self):
        file = self.configured()
        said = self.check(file)
        self.assertIn(f"{file}: valid, 2 integrations\n", said)

    def test_the_certificate_is_added_as_shown(self):
        file = self.configured()
        section = self.script["smn"]
        name = re.search(r'"(.+\.pem)"', section)[1]
        shutil.copy(shared_keys().signing_certificate, self.etc / name)
        file.write_text(section + file.read_text(encoding="utf-8"), encoding="utf-8")
        self.assertIn("valid, 2 integrations", self.check(file))

    def test_the_watchdog_is_added_as_shown(self):
        file = self.configured()
        section = self.script["watchdog"]
        file.write_text(section + file.read_text(encoding="utf-8"), encoding="utf-8")
        self.assertIn("paged to the watchdog's own key", self.check(file))

    def test_the_canarys_line_names_an_integration_of_the_example(self):
        schedule, command = self.script["canary"].split(" flashduty-gateway ")
        self.assertEqual(len(schedule.split()), 5)
        name = command.split()[1]
        self.assertEqual(command, f"canary {name} >/dev/null\n")
        self.assertIn(f'name          = "{name}"', text_of("examples/gateway.conf"))

    def test_alarms_are_sent_through_a_web_server(self):
        flashduty = self.sandbox.enter(Flashduty())
        text = self.configured(flashduty.push_url).read_text(encoding="utf-8")
        keys = dict(re.findall(r"/(ces|guance)\?integration_key=(\w+)", text))
        place = Place(self.sandbox, shared.free_port())
        settings.write_config(place.config, text, owner=place.user)
        place.start_lighttpd(lighttpd_fastcgi(place))
        local = {PUBLIC: f"http://127.0.0.1:{place.port}"}
        said = self.run_block("send", {**local, "PUSH_KEY": keys["guance"]})
        self.assertEqual(said.count('"outcome":"delivered"'), 2)
        trigger, recovery = flashduty.events
        self.assertEqual((trigger.status, recovery.status), ("Critical", "Ok"))
        self.assertEqual(trigger.alert_key, recovery.alert_key)
        forged = self.run_block("send-forged", {**local, "PUSH_KEY": keys["ces"]}, status=1)
        self.assertIn("HTTP status 403", forged)
        self.assertEqual(len(flashduty.events), 2)
        self.assertEqual(flashduty.violations, [])

    def test_the_status_page_is_opened_with_a_key(self):
        file = self.configured()
        key = re.search(r'status_key = "(\w{40})"', self.run_block("status-key"))[1]
        self.check(file)
        place = Place(self.sandbox, shared.free_port())
        settings.write_config(place.config, f'store = "sqlite:{place.run}/gateway.db"\n'
                              + file.read_text(encoding="utf-8"), owner=place.user)  # fmt: skip
        place.start_lighttpd(lighttpd_fastcgi(place))
        local = {PUBLIC: f"http://127.0.0.1:{place.port}", "STATUS_KEY": key}
        said = self.run_block("status-look", local)
        self.assertIn('"outbox":{"waiting":0', said)
        self.assertIn("# TYPE ", said)

    def test_the_drill_ends_with_both_alarms_delivered(self):
        said = self.run_block("drill", {"9000": shared.free_port()})
        queued, arrived = said.split("Critical: Disk of db-1 full", 1)
        self.assertEqual(queued.count('"outcome":"queued"'), 2)
        self.assertEqual(len(re.findall(r"^ *\d+ +waiting ", queued, re.MULTILINE)), 2, said)
        self.assertIn("Ok: Disk of db-1 full", arrived)
        self.assertIn("2 received: 2 delivered", arrived)
        self.assertIn("the ledger adds up", arrived)

    def test_a_payload_is_mapped(self):
        event = json.loads(self.run_block("map"))
        self.assertEqual(event["event_status"], "Warning")
        self.assertEqual(event["title_rule"], "Disk of db-1 almost full")

    def test_routes_are_checked_and_explained(self):
        said = self.run_block("routes")
        self.assertEqual(said.count(": ok: "), 3)
        self.assertTrue(said.endswith("destinations: database (0000…)\n"), said)

    def test_each_example_of_routes_is_valid_and_holds_its_tests(self):
        names = sorted(path.name.removesuffix(".tests.conf")
                       for path in (paths.ROOT / "examples/routes").glob("*.tests.conf"))  # fmt: skip
        self.assertEqual(names, ["by-severity", "by-team", "escalation", "private", "shared"])
        folder = self.sandbox.folder / "routes"
        shutil.copytree(paths.ROOT / "examples/routes", folder)
        for name in names:
            config = folder / f"{name}.conf"
            config.chmod(0o600)
            done = subprocess.run(
                [paths.command_line(), "check", config, "--tests", folder / f"{name}.tests.conf"],
                env=program_environment(), capture_output=True, text=True, check=False,
            )  # fmt: skip
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_a_shared_host_gets_a_folder_that_works(self):
        static = paths.build_folder("static")
        # As for the demonstration: once is enough.
        if paths.BUILD != "release":
            return
        if not static.exists():
            self.skipTest("there is no static build: run make hosting")
        shutil.copytree(static, self.checkout / "build" / "static")
        changes = {"scp -r": "mkdir public_html\ncp -r", "USER@HOST:": ""}
        self.run_block("shared-hosting", changes, environment={"NO_DEPS": "1"})
        folder = self.checkout / "public_html" / "alerts"
        names = sorted(path.name for path in folder.iterdir())
        endpoints = [f"{path.stem}.fcgi" for path in (paths.ROOT / "cgi-bin").glob("*.c")]
        programs = [*endpoints, "flashduty-gateway"]
        self.assertEqual(names, sorted([".htaccess", "example.conf", "index.html", *programs]))
        for name in names:
            mode = 0o755 if name in programs else 0o644
            self.assertEqual((folder / name).stat().st_mode & 0o777, mode, name)
        with Flashduty(keys=["KEY"]) as flashduty:
            answer = run_cgi(
                "guance",
                fixtures.case("guance", "01-critical-threshold").body,
                environment={"FLASHDUTY_GATEWAY_FLASHDUTY_URL": flashduty.push_url},
                query="integration_key=KEY",
                program=folder / "guance.fcgi",
            )
            self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
            self.assertEqual([event.key for event in flashduty.events], ["KEY"])
        self.assertEqual(run_cgi("ces", method="GET", program=folder / "ces.fcgi").status, 405)

    def test_the_demonstration_delivers_both_samples(self):
        # It is about the release build, which `make` makes; others have nothing of their own here.
        if paths.BUILD != "release":
            return
        said = self.run_block(
            "run",
            environment={"RUN_ONCE": "1", "NO_DEPS": "1", "PORT": str(shared.free_port())},
        )
        self.assertEqual(said.count('"outcome":"delivered"'), 2, said)


if __name__ == "__main__":
    unittest.main()
