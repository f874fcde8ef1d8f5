"""gateway.conf files, written from Python values in libconfig's syntax."""

import os

from tests.support import paths

CES_PUSH_KEY = "canary-push-key-of-prod-ces"
GUANCE_PUSH_KEY = "canary-push-key-of-prod-guance"
CES_FLASHDUTY_KEY = "canary-flashduty-key-of-prod-ces"
GUANCE_FLASHDUTY_KEY = "canary-flashduty-key-of-prod-guance"
STATUS_KEY = "canary-status-key-of-the-gateway"

# For where Flashduty fails: no more than two quick tries, so that a key does not count as one that
# keeps failing. With a sanitizer the program needs more of that time for itself.
SHORT_DEADLINE_MS = 300 if paths.BUILD == "release" else 600


def ces_integration(**changes):
    """The integration prod-ces, with other settings where given."""
    return {
        "name": "prod-ces",
        "vendor": "ces",
        "push_key": [CES_PUSH_KEY],
        "flashduty_key": CES_FLASHDUTY_KEY,
        **changes,
    }


def guance_integration(**changes):
    """The integration prod-guance, with other settings where given."""
    return {
        "name": "prod-guance",
        "vendor": "guance",
        "push_key": [GUANCE_PUSH_KEY],
        "flashduty_key": GUANCE_FLASHDUTY_KEY,
        **changes,
    }


def settings(flashduty_url, **changes):
    """A configuration with one integration of each vendor that pins no further certificate."""
    return {
        "flashduty_url": flashduty_url,
        "store": "none",
        "smn": {"verify": "pinned", "max_age_hours": 0},
        "integrations": [ces_integration(), guance_integration()],
        **changes,
    }


def trusting(keys, console_port=None):
    """The section smn that takes what the SMN simulator signs and, on its port, confirms."""
    section = {
        "verify": "pinned",
        "certificate": [str(keys.signing_certificate)],
        "max_age_hours": 0,
    }
    if console_port:
        section.update(host=[f"localhost:{console_port}"], private_network=True)
    return section


def _value(value):
    """A value in libconfig's syntax: a dict is a group, a list of dicts a list, else an array."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{ " + " ".join(_setting(*item) for item in value.items()) + " }"
    open_, close = "()" if value and isinstance(value[0], dict) else "[]"
    return f"{open_} {', '.join(_value(item) for item in value)} {close}"


def _setting(name, value):
    return f"{name} = {_value(value)};"


def config_text(values):
    """A whole file."""
    return "".join(_setting(*item) + "\n" for item in values.items())


def write_config(path, values, owner=None, mode=0o600):
    """Writes a configuration (a dict, or text as it is) that only its owner may read."""
    text = values if isinstance(values, str) else config_text(values)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path
