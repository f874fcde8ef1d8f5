"""The faults of Flashduty and of the way to it: each is waited out, and what was promised arrives."""

import re
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

from tests.faults import dead_ends
from tests.faults.gateways import Place, Served, flashduty_key
from tests.faults.history import check_ledger, waiting
from tests.simulator import smn
from tests.support import paths
from tests.support.process import wait_until

DEADLINE_MS = 1000
# The default, for where another try is to fit in on a slow machine.
ROOMY_DEADLINE_MS = 3500
# How much later than its deadline an answer may be, by the gateway's own clock.
GRACE_MS = 500
# Messages on their way together: none may wait for the store for longer than its patience, and with
# a sanitizer each has it for several times as long.
AT_ONCE = 6 if paths.BUILD == "release" else 3
TOTAL_MS = re.compile(r"msg=request .*total_ms=(\d+)")
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
OK_BODY = b'{"request_id":"x","data":{"alert_key":"x"}}'


def status(number, body="", **more):
    """An answer of a proxy."""
    return {"do": "status", "status": number, "body": body, **more}


def error(code, number):
    """An error of Flashduty's."""
    return {"do": "error", "code": code, "status": number}


def raw(data, then="close", **more):
    """Bytes."""
    return {"do": "raw", "bytes": data, "then": then, **more}


FAULTS = {
    "internal error": error("InternalError", 500),
    "internal error in a 200": error("InternalError", 200),
    "too frequently": error("RequestTooFrequently", 429),
    "408": status(408),
    "413": status(413, "<html>too large</html>"),
    "425": status(425),
    "429": status(429),
    "429, again in 1 s": status(429, retry_after=1),
    "429, again at a date": status(429, headers={"Retry-After": formatdate(time.time() + 5, usegmt=True)}),  # fmt: skip
    "429, again nonsense": status(429, headers={"Retry-After": "soon"}),
    "500": status(500, "oops"),
    "502": status(502, "<html>Bad Gateway</html>"),
    "503": status(503),
    "503, again in 2 s": status(503, retry_after=2),
    "504": status(504),
    "204": status(204),
    "200 with nothing": status(200),
    "200 with a page": status(200, "<html>Log in</html>"),
    "200 with other JSON": status(200, '{"ok":true}'),
    "404 of a proxy": status(404, "<html>Not Found</html>"),
    "403 of a proxy": status(403, "<html>Forbidden</html>"),
    "301": {"do": "redirect", "location": "/elsewhere", "status": 301},
    "302": {"do": "redirect", "location": "/elsewhere", "status": 302},
    "307": {"do": "redirect", "location": "/elsewhere", "status": 307},
    "no HTTP": {"do": "garbage"},
    "silence": {"do": "hang", "seconds": 60},
    "closed before the body": {"do": "drop", "when": "before"},
    "closed after the body": {"do": "drop", "when": "after"},
    "accepted, no answer": {"do": "drop", "when": "accepted"},
    "accepted, an answer that drips": {"do": "drip", "seconds": 60},
    "accepted, closed within the head": raw(OK_HEAD[:30], accept=True),
    "accepted, closed before the body": raw(
        OK_HEAD + b"Content-Length: 43\r\n\r\n", accept=True
    ),
    "reset after the request": raw(b"", "reset"),
    "reset within the head": raw(OK_HEAD[:30], "reset"),
    "reset within the body": raw(OK_HEAD + b"Content-Length: 43\r\n\r\n" + OK_BODY[:20], "reset"),
    "cut short": raw(OK_HEAD + b"Content-Length: 4300\r\n\r\n" + OK_BODY),
    "chunks that are none": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + OK_BODY),
    "a chunk that never ends": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2b\r\n{", "hang"),
    "a head that drips": raw(b"X-Slow: 1\r\n", pause=0.3, times=200),
    "a huge head": raw(b"X-Long: " + b"x" * 60000 + b"\r\n", times=40),
    "a huge body": raw(OK_HEAD + b"Content-Length: 99999999\r\n\r\n" + b"x" * 100000, times=1),
    "an endless body": raw(OK_HEAD + b"\r\n" + b"x" * 100000, times=300),
}
REJECTIONS = {
    "InvalidParameter": 400,
    "NoLicense": 400,
    "Unauthorized": 401,
    "AccessDenied": 403,
    "RouteNotFound": 404,
}


class Faults:
    """What holds for CGI and FastCGI alike; open() makes a way to post."""

    def place_with(self, integrations=1, deadline_ms=DEADLINE_MS):
        """A place and what posts to it."""
        place = Place(integrations, deadline_ms=deadline_ms)
        self.addCleanup(place.close)
        return place, self.open(place)

    def check_log(self, log):
        """No answer came later than the deadline."""
        late = [line for line in log.splitlines() if self.is_late(line)]
        self.assertEqual(late, [])

    @staticmethod
    def is_late(line):
        """Whether it is the record of a request that took too long."""
        match = TOTAL_MS.search(line)
        return bool(match) and int(match.group(1)) > DEADLINE_MS + GRACE_MS

    def post_for_all(self, place, way, word):
        """A message for each integration: name → answer."""

        def post(name):
            answer = way.post(place.history.post(name, "a", word))
            self.assertIsNotNone(answer)
            return answer

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(place.names, pool.map(post, place.names)))

    def test_a_fault_that_lasts_is_waited_out(self):
        place, way = self.place_with(len(FAULTS))
        for name, fault in zip(place.names, FAULTS.values()):
            place.upstream.lasting[flashduty_key(name)] = fault
        for word in ("critical", "ok"):
            answers = self.post_for_all(place, way, word)
            for fault, answer in zip(FAULTS, answers.values()):
                with self.subTest(fault, word=word):
                    self.assertEqual((answer.status, answer.outcome), (202, "queued"), answer.body)
        self.check_log(way.log)
        self.assertEqual(waiting(place.store), 2 * len(FAULTS))
        place.upstream.lasting.clear()
        way.drain()
        print(f"{len(FAULTS)} faults of Flashduty: {place.figures}")
        self.assertEqual(place.problems(), [])

    def test_a_fault_that_passes_is_tried_again_at_once(self):
        names = [name for name, fault in FAULTS.items() if not self.takes_the_deadline(fault)]
        place, way = self.place_with(len(names), ROOMY_DEADLINE_MS)
        for name, fault in zip(place.names, names):
            key = flashduty_key(name)
            place.upstream.script.once[key] = FAULTS[fault]
        answers = self.post_for_all(place, way, "critical")
        for fault, answer in zip(names, answers.values()):
            with self.subTest(fault):
                self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertEqual(place.problems(), [])

    @staticmethod
    def takes_the_deadline(fault):
        """Whether no time is left for another try."""
        return (
            "retry_after" in fault
            or "headers" in fault
            or "pause" in fault
            or fault["do"] in ("hang", "drip")
            or fault.get("then") == "hang"
        )

    def test_what_flashduty_refuses_is_kept(self):
        place, way = self.place_with(len(REJECTIONS))
        for name, (code, number) in zip(place.names, REJECTIONS.items()):
            place.upstream.lasting[flashduty_key(name)] = error(code, number)
        for answer in self.post_for_all(place, way, "critical").values():
            self.assertEqual((answer.status, answer.outcome), (202, "rejected"), answer.body)
        self.assertEqual(check_ledger(place.store), [])

    def dead_ends(self):
        """name → a context with a URL."""
        return {
            "refused": dead_ends.refused(),
            "black hole": dead_ends.black_hole(),
            "reset": dead_ends.reset_on_accept(),
            "closed": dead_ends.closed_on_accept(),
            "half open": dead_ends.half_open(),
            "other protocol": dead_ends.other_protocol(),
            "handshake stall": dead_ends.handshake_stall(),
            "no TLS": dead_ends.no_tls(),
            "unknown name": dead_ends.unknown_name(),
            "unknown authority": dead_ends.unknown_authority(
                smn.shared_keys().server_context()
            ),
        }

    def try_dead_end(self, way_there):
        """Posts while the URL leads nowhere, then drains where it is right: what was wrong."""
        with way_there as url, Place(deadline_ms=DEADLINE_MS, flashduty_url=url) as place:
            way = self.open(place)
            answers = [way.post(place.history.post("i0", "a", word)) for word in ("critical", "ok")]
            late = [line for line in way.log.splitlines() if self.is_late(line)]
            place.configure(flashduty_url=place.upstream.push_url)
            way.again()
            way.drain()
            outcomes = [answer.outcome for answer in answers]
            wrong = [] if outcomes == ["queued"] * 2 else [f"answered {outcomes}"]
            return wrong + late + place.problems()

    def test_a_way_that_leads_nowhere(self):
        ways = self.dead_ends()
        with ThreadPoolExecutor(5) as pool:
            for name, wrong in zip(ways, pool.map(self.try_dead_end, ways.values())):
                with self.subTest(name):
                    self.assertEqual(wrong, [])


class Cgi:
    """A process a request."""

    def __init__(self, place):
        self.place = place
        self.log = ""

    def post(self, post):
        """Posts a message once."""
        answer = self.place.post_by_cgi(post)
        self.log += answer.stderr
        return answer

    def again(self):
        """There is nothing to start anew."""

    def drain(self):
        """As cron does it."""
        assert self.place.drain_until_empty(), "not drained"


class FastCgi:
    """One process."""

    def __init__(self, place):
        self.place = place
        self.served = Served(place)

    @property
    def log(self):
        """What it wrote."""
        return self.served.log.read_text(errors="replace")

    def post(self, post):
        """Posts a message once."""
        return self.served.post(post)

    def again(self):
        """A new process, with the configuration as it is now."""
        self.served.end()
        self.served.start()

    def drain(self):
        """It drains by itself: failing destinations are tried every 5 s."""
        wait_until(lambda: not waiting(self.place.store), 40, "an empty outbox")


class FaultsOfCgi(Faults, unittest.TestCase):
    """A process a request."""

    open = Cgi

    def test_a_retry_after_of_a_year_is_believed_for_an_hour(self):
        place, way = self.place_with()
        place.upstream.lasting[flashduty_key("i0")] = status(429, retry_after=31536000)
        self.assertEqual(way.post(place.history.post("i0", "a", "critical")).outcome, "queued")
        place.upstream.lasting.clear()
        place.let_pass(3500)
        place.drain()
        self.assertEqual(waiting(place.store), 1)
        place.let_pass(100)
        place.drain()
        self.assertEqual(place.problems(), [])


class FaultsOfFastCgi(Faults, unittest.TestCase):
    """One process for all requests."""

    open = FastCgi


if __name__ == "__main__":
    unittest.main()
