"""The gateway's log, read strictly: a line that is no record of logfmt is an error."""

import re

LINE_MAX = 1024
CUT = "…"
LEVELS = {"debug", "info", "warning", "error"}

_BARE = r"[A-Za-z0-9_.:/@+()\-]+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\.)*"'
_PAIR = re.compile(rf"([a-z_]+)=({_QUOTED}|{_BARE}{CUT}?|{CUT})")
_HEAD = re.compile(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(\w+) msg=")
_ESCAPE = re.compile(r'\\(?:u\{([0-9a-f]{4,6})\}|x([0-9a-f]{2})|([nrt"\\]))')
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
# What ends a line or turns the direction of writing on somebody's screen.
_DECEIVING = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def _unescape(match):
    code_point, byte, plain = match.groups()
    return _PLAIN[plain] if plain else chr(int(code_point or byte, 16))


def _value(text):
    if text.startswith('"'):
        return _ESCAPE.sub(_unescape, text[1:-1])
    return text


def parse_line(line):
    """A record as a dictionary; AssertionError if it is none. One too long ends with `…`."""
    if len(line.encode()) + 1 > LINE_MAX:
        raise AssertionError(f"a line of {len(line.encode()) + 1} bytes: {line}")
    deceiving = _DECEIVING.search(line)
    if deceiving:
        raise AssertionError(f"{deceiving.group()!r} in {line!r}")
    head = _HEAD.match(line)
    if not head or head.group(1) not in LEVELS:
        raise AssertionError(f"no record: {line!r}")
    values = {}
    position = 0
    while pair := _PAIR.match(line, position):
        name, value = pair.groups()
        if name in values:
            raise AssertionError(f"{name} stands twice: {line!r}")
        values[name] = _value(value)
        position = pair.end()
        if position == len(line):
            return values
        if line[position] != " ":
            break
        position += 1
    if re.fullmatch(rf"[a-z_]*=?{CUT}", line[position:]):
        return values
    raise AssertionError(f"no pair at character {position}: {line!r}")


def parse(text):
    """All records of a log."""
    if text and not text.endswith("\n"):
        raise AssertionError(f"the last line has no end: {text[-200:]!r}")
    return [parse_line(line) for line in text.split("\n")[:-1]]
