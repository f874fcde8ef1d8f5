"""The manual pages: without a fault, and true of the commands and settings that there are."""

import re
import subprocess
import unittest

from tests.packaging.trees import ENDPOINTS, Installed, commands
from tests.support import paths

# How the sources write a row of a table of settings.
ROW = re.compile(r'\{\.name = "(\w+)",\s*\.kind = (SETTING_\w+)')
# How the page shows one: its name, "type, range: …; default: …" or "…; needed: …", its meaning.
ITEM = re.compile(r"(\w+) type, range: (.*?); (?:default|needed): (.*?) \.br ")
HEAD = re.compile(r'^\.\\" setting: (.*)$', re.MULTILINE)
RANGE = re.compile(r"^(\d+) to (\d+)$")


def plain(text):
    """mdoc without its escapes."""
    for escape, character in {r"\fB": "", r"\fR": "", r"\-": "-", r"\~": " ", "\n": " "}.items():
        text = text.replace(escape, character)
    return text


class Manual(unittest.TestCase):
    """The pages as they are installed."""

    @classmethod
    def setUpClass(cls):
        cls.installed = Installed()
        cls.addClassCleanup(cls.installed.sandbox.close)
        cls.folder = cls.installed.path("share/man")

    def page(self, name):
        """The text of a page."""
        return (self.folder / f"man{name[-1]}" / name).read_text(encoding="ascii")

    def settings(self):
        """The settings as the page has them: (name, range, default)."""
        page = re.sub(HEAD, "", self.page("flashduty-gateway.conf.5"))
        items = re.split(r" +\.It ", plain(page))
        return [found.groups() for found in map(ITEM.match, items) if found]

    def check(self, *lines):
        """What `check` says of a configuration in pass-through with these lines."""
        file = self.installed.sandbox.folder / "gateway.conf"
        file.write_text("\n".join(["pass_through = true;", *lines]), encoding="ascii")
        file.chmod(0o600)
        command = [paths.command_line(), "check", file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    def check_setting(self, line):
        """The same, of a line that belongs to the top or into one of the groups."""
        for place in ("{}", "smn = {{ {} }};", 'watchdog = {{ flashduty_key = "key"; {} }};'):
            status, said = self.check(place.format(line))
            if "no such setting" not in said:
                return status, said
        raise AssertionError(f"{line} belongs nowhere")

    def test_mandoc_finds_nothing(self):
        pages = sorted(self.folder.glob("man?/*"))
        self.assertEqual(len(pages), 2 + len(ENDPOINTS))
        command = ["mandoc", "-T", "lint", *map(str, pages)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, cwd=self.folder
        )
        # It looks for other manuals where the system has them.
        faults = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
        self.assertEqual(faults, [])
        for page in pages:
            for name, section in re.findall(r"^\.Xr (\S+) (\d)", page.read_text("ascii"), re.MULTILINE):
                self.assertTrue((self.folder / f"man{section}" / f"{name}.{section}").exists(), name)

    def test_every_endpoint_leads_to_its_page(self):
        for name in ENDPOINTS:
            self.assertRegex(self.page(f"{name}.fcgi.8"), rf"(?m)^\.Nm {name}\.fcgi")

    def test_every_command_and_option_has_its_words(self):
        text = plain(self.page("flashduty-gateway.1").replace("\n", " \n"))
        self.assertGreater(len(commands()), 9)
        for command, options in commands().items():
            self.assertIn(f".Ss {command} ", text)
            for option in options:
                self.assertIn(f" [--{option}" if f"[--{option}" in text else f" --{option}", text)

    def test_every_setting_of_the_code_is_in_the_page_and_no_other(self):
        sources = "\n".join(
            path.read_text(encoding="utf-8") for path in (paths.ROOT / "src/config").glob("*.c")
        )
        rows = dict(ROW.findall(sources))
        self.assertGreater(len(rows), 20)
        sections = {name for name in rows if rows[name] in ("SETTING_GROUP", "SETTING_LIST")}
        page = self.page("flashduty-gateway.conf.5")
        shown = set(re.findall(r"`([a-z_]+)`", " ".join(HEAD.findall(page))))
        self.assertEqual(shown - set(rows), set())
        self.assertEqual(set(rows) - shown - sections, set())
        for section in sections:
            self.assertRegex(plain(page), rf"\b{section} = [({{]")

    def test_numbers_are_taken_from_the_least_to_the_most_that_is_said(self):
        ranges = [(name, RANGE.match(kind), default) for name, kind, default in self.settings()]
        ranges = [(name, *map(int, found.groups()), default) for name, found, default in ranges if found]
        self.assertGreater(len(ranges), 7)
        for name, least, most, default in ranges:
            default = int(re.match(r"\d+", default)[0])
            for value in (least, most, default, least - 1, most + 1):
                with self.subTest(f"{name} = {value}"):
                    status, said = self.check_setting(f"{name} = {value};")
                    self.assertEqual(status, 0 if least <= value <= most else 1, said)

    def test_defaults_are_those_of_the_code(self):
        source = (paths.ROOT / "src/config/config.c").read_text(encoding="utf-8")
        body = source[source.index("bool config_defaults(") :]
        body = body[: body.index("\n}")]
        numbers = dict(re.findall(r"\.(\w+) = (\d+)\b", body))
        shown = {
            name: default.split(":")[0]
            for name, kind, default in self.settings()
            if RANGE.match(kind)
        }
        self.assertGreater(len(numbers), 7)
        self.assertEqual({name: shown.get(name) for name in numbers}, numbers)
        url = re.search(r'\.flashduty_url = "([^"]+)"', body)[1]
        self.assertIn(("flashduty_url", "URL", f'"{url}"'), self.settings())

    def test_every_word_of_a_choice_is_taken(self):
        choices = [
            (name, re.findall(r'"([a-z]+)"', kind))
            for name, kind, _ in self.settings()
            if re.fullmatch(r'("[a-z]+"(, )?)+', kind) and name not in ("vendor", "unmatched")
        ]
        self.assertGreaterEqual(len(choices), 2)
        for name, words in choices:
            for word in [*words, "nonsense"]:
                with self.subTest(f"{name} = {word}"):
                    status, said = self.check_setting(f'{name} = "{word}";')
                    self.assertEqual(status, 1 if word == "nonsense" else 0, said)


if __name__ == "__main__":
    unittest.main()
