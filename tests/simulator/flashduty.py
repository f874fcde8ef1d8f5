"""A Flashduty that checks what it is sent as the real one does, and says what was wrong.

    python3 -m tests.simulator.flashduty --port 9000 --print

In a test: `with Flashduty() as flashduty:` and then flashduty.push_url, .events, .violations,
.answer(behaviour, times=n). Behaviours, and /control for other processes, are described in
server.py; here /control also shows "events" and "violations", and takes "keys" (a list, or null
for any) and "rate_limits".

What the real one accepts and cuts (an over-long title, say) is accepted here too, but listed among
the violations: the gateway means to do the cutting itself.

The rules are those of the page "Standard alert event" of Flashduty's documentation.
"""

import argparse
import json
import re
import sys
import threading
import time
import uuid
from collections import deque
from dataclasses import asdict, dataclass

from tests.simulator.server import Answer, ScriptedServer

PUSH_PATH = "/event/push/alert/standard"
STATUSES = ("Critical", "Warning", "Info", "Ok")
FIELDS = {"title_rule", "event_status", "alert_key", "description", "labels", "images"}
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

TITLE_MAX = 512
ALERT_KEY_MAX = 255
DESCRIPTION_MAX = 2048
LABELS_MAX = 50
LABEL_NAME_MAX = 128
LABEL_VALUE_MAX = 2048
IMAGE_SRC_MAX = 256
RATE_LIMITS = ((1.0, 100), (60.0, 1000))

HTTP_STATUS = {
    "InvalidParameter": 400,
    "InvalidContentType": 400,
    "MethodNotAllowed": 400,
    "ResourceNotFound": 400,
    "NoLicense": 400,
    "Unauthorized": 401,
    "AccessDenied": 403,
    "RouteNotFound": 404,
    "RequestTooFrequently": 429,
    "InternalError": 500,
}


class Refused(Exception):
    """Flashduty's answer to what it does not take: the sender's mistake."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class TurnedAway(Refused):
    """The same to a request that is in itself correct: its key is unknown, or used too often."""


@dataclass
class Event:
    """An event that was accepted."""

    key: str
    event: dict
    headers: dict
    time: float
    connection: int
    request_id: str

    @property
    def title(self):
        """What a person reads first."""
        return self.event["title_rule"]

    @property
    def status(self):
        """Critical, Warning, Info or Ok."""
        return self.event["event_status"]

    @property
    def alert_key(self):
        """The alert's identity; None if Flashduty has to choose one."""
        return self.event.get("alert_key")

    @property
    def description(self):
        """The text; empty if there is none."""
        return self.event.get("description", "")

    @property
    def labels(self):
        """The labels; empty if there are none."""
        return self.event.get("labels", {})


class _RateLimit:
    """Flashduty's limits of one integration key, in sliding windows."""

    def __init__(self):
        self._times = deque()

    def admit(self, now):
        """Whether one more request fits; it counts only if it does."""
        while self._times and self._times[0] <= now - RATE_LIMITS[-1][0]:
            self._times.popleft()
        for window, limit in RATE_LIMITS:
            if sum(1 for at in self._times if at > now - window) >= limit:
                return False
        self._times.append(now)
        return True


def _pairs(violations):
    """A hook for json.loads that notices a name that stands twice in an object."""

    def build(pairs):
        value = dict(pairs)
        if len(value) != len(pairs):
            violations.append("a member stands twice in one object")
        return value

    return build


def _no_constant(name):
    raise Refused("InvalidParameter", f"{name} is no JSON")


def parse_event(body, violations):
    """The JSON object in a request's body."""
    try:
        event = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_pairs(violations),
            parse_constant=_no_constant,
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Refused("InvalidParameter", f"the body is no JSON: {error}") from error
    if not isinstance(event, dict):
        raise Refused("InvalidParameter", "the body is no JSON object")
    return event


def _text(event, name, limit, violations):
    """An optional text; over its limit Flashduty cuts it."""
    value = event.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused("InvalidParameter", f"{name} is no string")
    if len(value) > limit:
        violations.append(f"{name} has {len(value)} characters, cut at {limit}")
        event[name] = value[:limit]
    return value


def _check_status_and_key(event):
    status = event.get("event_status")
    if status not in STATUSES:
        raise Refused("InvalidParameter", f"event_status is {status!r}, not one of {STATUSES}")
    key = event.get("alert_key")
    if key is None or key == "":
        if status == "Ok":
            raise Refused("InvalidParameter", "alert_key is required for Ok")
        return
    if not isinstance(key, str) or len(key) > ALERT_KEY_MAX:
        raise Refused("InvalidParameter", f"alert_key is no string of {ALERT_KEY_MAX} at most")


def _check_labels(event, violations):
    labels = event.get("labels")
    if labels is None:
        return
    if not isinstance(labels, dict):
        raise Refused("InvalidParameter", "labels is no object")
    if len(labels) > LABELS_MAX:
        raise Refused("InvalidParameter", f"{len(labels)} labels, at most {LABELS_MAX}")
    for name, value in labels.items():
        if len(name) > LABEL_NAME_MAX or not LABEL_NAME.fullmatch(name):
            raise Refused("InvalidParameter", f"{name!r} is no label name")
        if not isinstance(value, str):
            raise Refused("InvalidParameter", f"label {name} is no string")
        if len(value) > LABEL_VALUE_MAX:
            violations.append(f"label {name} has {len(value)} characters, cut")
            labels[name] = value[:LABEL_VALUE_MAX]


def _check_images(event):
    for image in event.get("images") or []:
        source = image.get("src", "") if isinstance(image, dict) else ""
        if not source.startswith(("http://", "https://")) or len(source) > IMAGE_SRC_MAX:
            raise Refused("InvalidParameter", "an image without a usable src")


def _texts(value):
    """Every string in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _check_texts(event, violations):
    """What would be evaluated as a template, or is no text at all."""
    if event["title_rule"].startswith("[TPL]"):
        violations.append("the title is a template")
    for text in _texts(event):
        if "{{" in text:
            violations.append(f"template braces in {text[:80]!r}")
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            violations.append(f"U+0000 or a lone surrogate in {text[:80]!r}")


def check_event(event, violations):
    """Raises Refused for what Flashduty refuses; adds to violations what it silently mends."""
    unknown = sorted(set(event) - FIELDS)
    if unknown:
        raise Refused("InvalidParameter", f"unknown fields: {', '.join(unknown)}")
    if not _text(event, "title_rule", TITLE_MAX, violations):
        raise Refused("InvalidParameter", "title_rule is required")
    _check_status_and_key(event)
    _text(event, "description", DESCRIPTION_MAX, violations)
    _check_labels(event, violations)
    _check_images(event)
    _check_texts(event, violations)


class Flashduty(ScriptedServer):
    """The simulator. `keys`: the integration keys it knows; None: any."""

    def __init__(self, port=0, keys=None, rate_limits=False, tls=None, on_event=None):
        super().__init__(port, tls)
        self.keys = keys
        self.rate_limits = rate_limits
        self._tls = tls is not None
        self._on_event = on_event
        self._state = threading.Lock()
        self._events = []
        self._violations = []
        self._limits = {}

    @property
    def push_url(self):
        """What flashduty_url has to say."""
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}{PUSH_PATH}"

    @property
    def events(self):
        """The events that were accepted, in order."""
        with self._state:
            return list(self._events)

    @property
    def violations(self):
        """What the sender did wrong in all requests, accepted or not."""
        with self._state:
            return list(self._violations)

    def wait_for_events(self, count, seconds=10):
        """Waits until that many events were accepted; False if they are not in time."""
        return self.wait_for(lambda: len(self._events) >= count, seconds)

    def obey(self, order):
        """Besides behaviours: which keys are known, whether the limits are kept."""
        super().obey(order)
        if "keys" in order:
            self.keys = order["keys"]
        if "rate_limits" in order:
            self.rate_limits = bool(order["rate_limits"])

    def state(self):
        """Besides the counts: events and violations."""
        events = [asdict(event) for event in self.events]
        return {**super().state(), "events": events, "violations": self.violations}

    def clear(self):
        """Forgets all events, violations, limits and behaviours."""
        super().clear()
        with self._state:
            self._events.clear()
            self._violations.clear()
            self._limits.clear()

    def key_of(self, request):
        """Rules may be for one integration key."""
        return request.parameter("integration_key")

    def respond(self, request):
        """The real one's answer."""
        request_id = uuid.uuid4().hex
        violations = []
        try:
            event = self._accept(request, violations)
        except Refused as refusal:
            if not isinstance(refusal, TurnedAway):
                violations.append(str(refusal))
            self._remember(None, violations)
            error = {"code": refusal.code, "message": refusal.message}
            return Answer.of_json(
                HTTP_STATUS[refusal.code], {"request_id": request_id, "error": error}
            )
        accepted = Event(
            key=self.key_of(request),
            event=event,
            headers=request.headers,
            time=request.time,
            connection=request.connection,
            request_id=request_id,
        )
        self._remember(accepted, violations)
        data = {"alert_key": accepted.alert_key or uuid.uuid4().hex}
        return Answer.of_json(200, {"request_id": request_id, "data": data})

    def _accept(self, request, violations):
        if request.path != PUSH_PATH:
            raise Refused("RouteNotFound", request.path)
        if request.method != "POST":
            raise Refused("MethodNotAllowed", request.method)
        content_type = request.headers.get("content-type", "")
        if content_type.split(";")[0].strip().lower() != "application/json":
            raise Refused("InvalidContentType", content_type)
        self._check_key(request)
        event = parse_event(request.body, violations)
        check_event(event, violations)
        return event

    def _check_key(self, request):
        key = self.key_of(request)
        if not key or (self.keys is not None and key not in self.keys):
            raise TurnedAway("InvalidParameter", "integration_key is invalid")
        if self.rate_limits:
            with self._state:
                limit = self._limits.setdefault(key, _RateLimit())
                if not limit.admit(time.monotonic()):
                    raise TurnedAway("RequestTooFrequently", "the limit of this key is reached")

    def _remember(self, event, violations):
        with self._state:
            self._violations.extend(violations)
            if event is None:
                return
            self._events.append(event)
        if self._on_event:
            self._on_event(event)


def describe(event):
    """An event as a person wants to see it arrive."""
    lines = [f"{event.status}: {event.title}", f"  alert key  {event.alert_key}"]
    width = max((len(name) for name in event.labels), default=0)
    lines += [f"  {name:<{width}}  {value}" for name, value in event.labels.items()]
    return "\n".join(lines)


def main():
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="flashduty", description="A Flashduty to test against.")
    parser.add_argument("--port", type=int, default=0, help="default: a free one, printed")
    parser.add_argument("--key", action="append", help="a key that it knows; default: any")
    parser.add_argument("--rate-limits", action="store_true", help="keep the real one's limits")
    parser.add_argument("--print", action="store_true", help="print every event")
    options = parser.parse_args()

    def show(event):
        print(describe(event), flush=True)

    flashduty = Flashduty(
        port=options.port,
        keys=options.key,
        rate_limits=options.rate_limits,
        on_event=show if options.print else None,
    )
    print(flashduty.push_url, flush=True)
    with flashduty:
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
