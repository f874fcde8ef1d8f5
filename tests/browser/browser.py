"""The browser of tests/browser/driver.mjs."""

import json
import os
import shutil
import subprocess

from tests.support import paths

MODULES = paths.ROOT / "build" / "browser"
DRIVER = paths.ROOT / "tests" / "browser" / "driver.mjs"


def find_chromium():
    """Debian's browser, or None."""
    return shutil.which("chromium")


class Browser:
    """Each command of the driver is a method: browser.open(url=…), browser.text() …"""

    def __init__(self, folder):
        self._process = subprocess.Popen(
            ["node", DRIVER, MODULES, find_chromium()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)},
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def __getattr__(self, name):
        def command(**values):
            self._process.stdin.write(json.dumps({"do": name, **values}) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline() or '{"error": "the browser ended"}')
            if "error" in answer:
                raise AssertionError(f"{name} {values}: {answer['error']}")
            return answer["value"]

        return command
