"""The completions of bash and zsh, in those shells, against the table of commands."""

import subprocess
import unittest

from tests.packaging.trees import commands
from tests.support import paths

FOLDER = paths.ROOT / "contrib/completion"
BASH = r"""
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_flashduty_gateway
printf '%s\n' "${COMPREPLY[@]}"
"""
# What adds words to zsh's list, outside of an editor, prints them.
ZSH = r"""
_describe() { print -rl -- ${${(P)2}%%:*} }
compadd() { [[ $1 == -- ]] && shift; print -rl -- $@ }
_files() { print -r -- FILES }
file=$1
shift
words=("$@") CURRENT=$#
complete_it() { source $file }
complete_it
"""


def said_by(shell, script, *words):
    """The words that a shell offers for the last one."""
    file = FOLDER / ("flashduty-gateway.bash" if shell == "bash" else "_flashduty-gateway")
    flags = ["--norc", "--noprofile"] if shell == "bash" else ["-f"]
    done = subprocess.run(
        [shell, *flags, "-c", script, shell, file, paths.command_line(), *words],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if done.stderr:
        raise AssertionError(done.stderr)
    return [line for line in done.stdout.splitlines() if line]


class Completion:
    """What both shells offer."""

    def offered(self, *words):
        """The words offered for the last one."""
        raise NotImplementedError

    def test_first_come_the_commands(self):
        self.assertEqual(sorted(self.offered("")), sorted([*commands(), "--help", "--version"]))

    def test_every_command_has_its_options(self):
        for command, options in commands().items():
            with self.subTest(command):
                offered = set(self.offered(command, "-")) - {"-o"}
                self.assertEqual(offered, {f"--{option}" for option in options} | {"--help"})

    def test_what_a_command_begins_with(self):
        self.assertEqual(
            [word for word in self.offered("outbox", "") if word != "FILES"],
            ["list", "show", "retry", "drop"],
        )
        self.assertEqual([word for word in self.offered("send", "") if word != "FILES"], ["ces", "guance"])
        self.assertEqual([word for word in self.offered("check", "") if word != "FILES"], [])

    def test_formats_of_records(self):
        self.assertEqual(self.offered("status", "-o", ""), ["json", "text"])

    def test_an_unknown_command_has_nothing(self):
        self.assertLessEqual(set(self.offered("nonsense", "-")), {"--help"})


class Bash(Completion, unittest.TestCase):
    """contrib/completion/flashduty-gateway.bash"""

    def offered(self, *words):
        return said_by("bash", BASH, *words)

    def test_a_word_that_is_begun_is_completed(self):
        self.assertEqual(self.offered("outbox", "--int"), ["--integration"])
        self.assertEqual(self.offered("new"), ["new-integration"])


class Zsh(Completion, unittest.TestCase):
    """contrib/completion/_flashduty-gateway"""

    def offered(self, *words):
        return said_by("zsh", ZSH, *words)

    def test_files_are_offered_for_all_else(self):
        self.assertIn("FILES", self.offered("check", ""))


if __name__ == "__main__":
    unittest.main()
