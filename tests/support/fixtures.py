"""The fixtures: tests/fixtures/VENDOR/CASE with request.json and expected.json or error.

expected.json lists what the request becomes: events as Flashduty receives them, or one member
"ignored", "confirm" or "refused". `error` holds the status and words of the message of a refusal.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.support import paths

FOLDER = paths.ROOT / "tests" / "fixtures"
NO_EVENT = {"ignored", "confirm", "refused"}


@dataclass
class Case:
    """One fixture."""

    folder: Path

    @property
    def name(self):
        """The name of its folder."""
        return self.folder.name

    @property
    def body(self):
        """The request's body."""
        return (self.folder / "request.json").read_bytes()

    @property
    def error(self):
        """(status, words of the message) of a refusal; None if the request is taken."""
        file = self.folder / "error"
        if not file.exists():
            return None
        status, words = file.read_text(encoding="utf-8").strip().split(" ", 1)
        return int(status), words

    @property
    def items(self):
        """What the request becomes."""
        return json.loads((self.folder / "expected.json").read_text(encoding="utf-8"))

    @property
    def events(self):
        """Of those, the events."""
        return [item for item in self.items if not NO_EVENT & set(item)]

    @property
    def confirms(self):
        """Whether it asks for a GET to the vendor's console, which no test does."""
        return self.error is None and any("confirm" in item for item in self.items)


def case(vendor, name):
    """One fixture by its name."""
    return Case(FOLDER / vendor / name)


def cases(vendor):
    """All fixtures of a vendor."""
    return [Case(folder) for folder in sorted((FOLDER / vendor).iterdir()) if folder.is_dir()]
