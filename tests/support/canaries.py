"""The keys of the tests' configurations: they stand in requests and settings, and nowhere else."""

from tests.support import settings

KEYS = (
    settings.CES_PUSH_KEY,
    settings.GUANCE_PUSH_KEY,
    settings.CES_FLASHDUTY_KEY,
    settings.GUANCE_FLASHDUTY_KEY,
    settings.STATUS_KEY,
)
# Files of a sandbox that tests write keys into, copies of the repository, programs.
NOT_LOOKED_AT = ("*.conf", "*key*", "*.fcgi")
CHECKOUT = "checkout"
# A store holds keys, the last valid configuration too, and nobody but their owner may read them.
PRIVATE = ("*.db", "*.db-*", "*.last-valid")


class KeyTold(AssertionError):
    """A key stands where anybody may read it."""


def refuse_keys(text, where):
    """Fails if a key stands in the text."""
    for key in KEYS:
        position = text.find(key)
        if position >= 0:
            raise KeyTold(f"a key in {where}: {text[max(0, position - 200) : position + 100]}")


def is_private(path):
    """Whether it is a file of the gateway's own that only its owner may read."""
    return any(map(path.match, PRIVATE)) and path.stat().st_mode & 0o077 == 0


def refuse_keys_in_files(folder):
    """Fails if a key stands in a file that is not there to hold it."""
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if CHECKOUT in relative.parts or any(map(relative.match, NOT_LOOKED_AT)):
            continue
        if path.is_file() and not path.is_symlink() and not is_private(path):
            refuse_keys(path.read_text(errors="replace"), relative)
