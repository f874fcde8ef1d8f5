"""What the packaging's tests share: make in a tree, and a tree without git."""

import functools
import os
import re
import shutil
import subprocess
from contextlib import nullcontext

from tests.support import paths, shared
from tests.support.process import Sandbox

ENDPOINTS = sorted(path.stem for path in (paths.ROOT / "cgi-bin").glob("*.c"))
VERSION = (paths.ROOT / "VERSION").read_text(encoding="ascii").strip()
MADE = shutil.ignore_patterns(".git", "build", "__pycache__", "*.fcgi")


def run(command, folder=paths.ROOT, seconds=280, **environment):
    """Runs a command to its end; its output. It must succeed."""
    # What an outer make tells its own children is nothing for ours.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def make(*words, folder=paths.ROOT, **environment):
    """make, which installs no packages and builds no more at once than the machine has cores."""
    command = ["make", "NO_DEPS=1", f"-j{os.cpu_count()}", *words]
    # Two at once in one tree would write the same files.
    with shared.locked("make") if folder == paths.ROOT else nullcontext():
        return run(command, folder, **environment)


def copy_of_tree(folder):
    """A checkout with nothing built in it, and without its history."""
    return shutil.copytree(paths.ROOT, folder, ignore=MADE)


@functools.cache
def commands():
    """The table of commands: name → names of its options, by the source."""
    sources = {path: path.read_text(encoding="utf-8") for path in (paths.ROOT / "src/cli").glob("*.c")}
    table = re.search(r"commands\[\] = \{(.*?)\};", sources[paths.ROOT / "src/cli/main.c"], re.DOTALL)
    found = {}
    for command in re.findall(r"&(command_\w+)", table[1]):
        text = next(text for text in sources.values() if f"const struct command {command} = {{" in text)
        row = text[text.index(f"const struct command {command} = {{") :]
        name = re.search(r'\.name = "([a-z-]+)"', row)[1]
        options = re.search(r"\.options = (\w+)", row[: row.index("};")])
        declared = options and re.search(
            rf"struct cli_option {options[1]}\[\] = \{{(.*?)\}};", text, re.DOTALL
        )
        found[name] = re.findall(r'\.name = "([a-z-]+)"', declared[1]) if declared else []
    return found


class Installed:
    """`make install` into a folder, below /usr; removed with the sandbox."""

    def __init__(self):
        self.sandbox = Sandbox()
        self.folder = self.sandbox.folder / "root"
        self.said = make("install", f"DESTDIR={self.folder}", "PREFIX=/usr")

    def path(self, name):
        """Where something of below /usr is."""
        return self.folder / "usr" / name
