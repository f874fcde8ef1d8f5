"""Records as no web server sends them: nothing forged is served, and nobody else has to wait."""

import contextlib
import os
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from tests.support import fastcgi, paths, settings
from tests.support.cgi import variables
from tests.support.fastcgi import (
    ABORT_REQUEST,
    AUTHORIZER,
    END_REQUEST,
    FILTER,
    GET_VALUES,
    GET_VALUES_RESULT,
    KEEP_CONN,
    PARAMS,
    RECORD_MAX,
    STDIN,
    begin,
    name_values,
    parse_name_values,
    record,
    stream,
    whole_request,
)
from tests.support.gateway import GatewayTest, guance_event, query_of, to_bytes
from tests.support.process import wait_until

READERS_MAX = 64
HEAD_WAYS_MAX = 4
WORKERS = 4
# The main thread, the one that owns the outgoing connections, and a sanitizer's own.
OTHER_THREADS = 3
RECEIVE_SECONDS = 10
BODY = to_bytes(guance_event())
BUFFER = 8192
RECORD_HEAD = 8
UNKNOWN_ROLE = 9


def parameters(body=BODY, **changes):
    """The parameters of a request that posts the body."""
    request = {"query": query_of("guance"), "content_length": len(body), **changes}
    return variables(**request)


class FramingTest(GatewayTest):
    """One gateway a test."""

    def setUp(self):
        super().setUp()
        self.guance = self.gateway(**self.settings())

    def settings(self):
        """What differs from the usual configuration."""
        return {}

    def send(self, data):
        """Sends bytes on a new connection and returns it."""
        connection = self.guance.connect()
        self.addCleanup(connection.close)
        connection.send(data)
        return connection

    def assert_goes_on(self):
        """The process is alive and serves a correct request, the next one."""
        before = len(self.flashduty.events)
        answer = self.guance.post(BODY)
        self.assert_delivered(answer, before + 1)

    def assert_nothing_came_of_it(self):
        """Nothing was forwarded, and the process serves on."""
        self.assert_goes_on()
        self.assertEqual(len(self.flashduty.requests), 1)


class Records(FramingTest):
    """Correct requests in unusual records."""

    def test_padded_records_are_read(self):
        for count, padding in enumerate((1, 7, 255), 1):
            with self.subTest(padding):
                connection = self.send(whole_request(parameters(), BODY, padding=padding))
                self.assert_delivered(connection.answer(), count)

    def test_many_tiny_records_are_read(self):
        for count, size in enumerate((1, 2, 7), 1):
            with self.subTest(size):
                data = begin() + stream(PARAMS, name_values(parameters()), size=size)
                connection = self.send(data + stream(STDIN, BODY, size=size))
                self.assert_delivered(connection.answer(), count)

    def test_records_that_arrive_byte_by_byte_are_read(self):
        connection = self.send(b"")
        connection.send_slowly(whole_request(parameters(), BODY), pause=0.0001)
        self.assert_delivered(connection.answer())

    def test_the_largest_records_are_read(self):
        self.guance = self.gateway(max_body_bytes=RECORD_MAX)
        body = BODY + b" " * (RECORD_MAX - len(BODY))
        connection = self.send(whole_request(parameters(body), body, padding=255))
        self.assert_delivered(connection.answer())

    def test_parameters_of_many_kilobytes_are_read(self):
        cookies = {"Cookie": "c" * 100000, **{f"X-{number}": "v" for number in range(500)}}
        values = parameters(headers=cookies)
        self.assert_delivered(self.send(whole_request(values, BODY)).answer())

    def test_a_request_may_have_any_id(self):
        for count, request_id in enumerate((1, 2, 255, 256, 65535), 1):
            with self.subTest(request_id):
                connection = self.send(whole_request(parameters(), BODY, request_id=request_id))
                self.assert_delivered(connection.answer(request_id), count)

    def test_a_body_without_content_length_is_read_to_its_end(self):
        values = parameters(content_length=None)
        data = begin() + stream(PARAMS, name_values(values)) + stream(STDIN, BODY, size=50)
        self.assert_delivered(self.send(data).answer())

    def test_management_values_are_told_before_a_request(self):
        asked = record(GET_VALUES, name_values({"FCGI_MPXS_CONNS": ""}), request_id=0, padding=7)
        connection = self.send(asked + whole_request(parameters(), BODY))
        told = connection.receive()
        self.assertEqual((told.kind, told.request_id), (GET_VALUES_RESULT, 0))
        self.assertEqual(parse_name_values(told.content), {"FCGI_MPXS_CONNS": "0"})
        self.assert_delivered(connection.answer())


class Keeping(FramingTest):
    """Connections that the peer wants to keep."""

    def test_the_connection_is_closed_after_the_answer(self):
        for count, flags in enumerate((0, KEEP_CONN), 1):
            with self.subTest(flags=flags):
                connection = self.send(whole_request(parameters(), BODY, flags=flags))
                self.assert_delivered(connection.answer(), count)
                self.assertTrue(connection.is_closed_by_peer())

    def test_a_second_request_on_a_connection_is_not_served(self):
        data = whole_request(parameters(), BODY, flags=KEEP_CONN)
        connection = self.send(data + data)
        self.assert_delivered(connection.answer())
        self.assertTrue(connection.is_closed_by_peer())
        self.assert_goes_on()
        self.assertEqual(len(self.flashduty.requests), 2)

    def test_a_second_request_beside_the_first_is_not_served(self):
        head = begin() + stream(PARAMS, name_values(parameters()))
        second = whole_request(parameters(), BODY, request_id=2)
        connection = self.send(head + second + stream(STDIN, BODY))
        try:
            while True:
                got = connection.receive()
                if (got.kind, got.request_id) == (END_REQUEST, 1):
                    break
        except EOFError:
            pass
        self.assertLessEqual(len(self.flashduty.requests), 1)
        self.assert_goes_on()

    def test_a_request_forged_in_a_body_is_never_served(self):
        """libfcgi reads a buffer at a time, and takes for records what is left behind one."""
        self.guance = self.gateway(max_body_bytes=1024)
        forged = whole_request(parameters(), BODY, flags=KEEP_CONN)
        length = 40000
        for declared in (length, 5, None):
            values = parameters(content_length=declared)
            head = begin(flags=KEEP_CONN) + stream(PARAMS, name_values(values))
            for buffers in (1, 2, 3):
                start = buffers * BUFFER - len(head) - RECORD_HEAD
                for shift in (-RECORD_HEAD, -1, 0, 1, RECORD_HEAD):
                    body = (b" " * (start + shift) + 3 * forged).ljust(length)
                    connection = self.send(head + stream(STDIN, body))
                    self.assertEqual(connection.answer().status, 413)
                    self.assertTrue(connection.is_closed_by_peer())
        self.assert_nothing_came_of_it()

    def test_a_request_forged_behind_a_refused_one_is_never_served(self):
        forged = whole_request(parameters(), BODY, flags=KEEP_CONN)
        for body in (b"{", b""):
            for length in (len(body), len(body) + 1, 10**9):
                values = parameters(body, content_length=length)
                request = whole_request(values, body, flags=KEEP_CONN)
                connection = self.send(request + forged)
                self.assertIn(connection.answer().status, (400, 413))
                self.assertTrue(connection.is_closed_by_peer())
        self.assert_nothing_came_of_it()


class Cut(FramingTest):
    """Requests that are not whole."""

    def test_a_body_of_another_length_than_declared_is_400(self):
        for length in (len(BODY) - 1, len(BODY) + 1, 0, 1):
            with self.subTest(length):
                data = whole_request(parameters(content_length=length), BODY)
                self.assert_refused(self.send(data).answer(), 400, "CONTENT_LENGTH")

    def test_a_connection_cut_anywhere_forwards_nothing(self):
        data = whole_request(parameters(), BODY)
        ends = [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 30, len(data) // 4, len(data) // 2]
        ends += [len(data) - missing for missing in (100, 17, 16, 15, 9, 8, 7, 1)]
        for end in ends:
            with self.guance.connect() as connection:
                connection.send(data[:end])
        self.assert_nothing_came_of_it()

    def test_a_connection_cut_in_the_parameters_at_a_record_forwards_nothing(self):
        names = name_values(parameters())
        for end in (0, 10, len(names)):
            with self.guance.connect() as connection:
                connection.send(begin() + record(PARAMS, names[:end] or b"x"))
        self.assert_nothing_came_of_it()

    def test_a_body_whose_end_is_missing_is_refused_even_if_it_is_json(self):
        head = begin() + stream(PARAMS, name_values(parameters()))
        connection = self.send(head + record(STDIN, BODY))
        connection.end_sending()
        self.assert_refused(connection.answer(), 400)

    def test_an_aborted_request_is_not_forwarded(self):
        head = begin() + stream(PARAMS, name_values(parameters()))
        abort = record(ABORT_REQUEST)
        for start in (begin(), head, head + record(STDIN, BODY[:20]), head + record(STDIN, BODY)):
            self.send(start + abort).end_sending()
        self.assert_nothing_came_of_it()

    def test_what_is_no_request_ends_the_connection_and_nothing_else(self):
        garbage = {
            "another version": record(1, b"\0\1\0\0\0\0\0\0", version=2),
            "an unknown role": begin(role=UNKNOWN_ROLE) + whole_request(parameters(), BODY)[16:],
            "a short begin": record(1, b"\0\1"),
            "a body first": record(STDIN, BODY),
            "parameters first": stream(PARAMS, name_values(parameters())),
            "HTTP": b"POST /cgi-bin/guance.fcgi HTTP/1.1\r\nHost: x\r\n\r\n",
            "zeros": bytes(1000),
            "noise": os.urandom(1000),
            "an answer": record(fastcgi.STDOUT, b"Status: 200\r\n\r\n"),
        }
        for name, data in garbage.items():
            with self.subTest(name):
                connection = self.send(data)
                connection.end_sending()
                self.assertTrue(connection.is_closed_by_peer(), name)
        self.assert_nothing_came_of_it()

    def test_a_request_of_another_kind_does_not_stop_the_process(self):
        for role in (AUTHORIZER, FILTER):
            self.send(begin(role=role) + whole_request(parameters(), BODY)[16:]).end_sending()
        self.assertEqual(self.guance.post(BODY).status, 200)

    def test_a_pair_that_is_longer_than_its_record_forwards_nothing(self):
        for names in (b"\x0e\x7fREQUEST_METHOD", b"\x0e", b"\xff\xff", b"\x80\x00\xff\xff\x01a"):
            data = begin() + stream(PARAMS, names) + stream(STDIN, BODY)
            self.send(data).end_sending()
        self.assert_nothing_came_of_it()

    def test_a_request_without_a_method_is_not_served(self):
        data = begin() + stream(PARAMS, name_values({"QUERY_STRING": query_of("guance")}))
        self.send(data + stream(STDIN, BODY)).end_sending()
        self.assert_nothing_came_of_it()

    def test_who_leaves_without_reading_the_answer_disturbs_nobody(self):
        for _ in range(20):
            with self.guance.connect() as connection:
                connection.send(whole_request(parameters(), BODY))
        self.assertTrue(self.flashduty.wait_for_events(20))
        self.assert_goes_on()


class Hostile(FramingTest):
    """Records that make libfcgi abort the whole process if it reads them itself."""

    HEAD_MAX = 256 * 1024

    def questions(self, count=40):
        """A correct question for management values, whose answer is longer than it need be."""
        content = count * name_values({"FCGI_MAX_CONNS": ""})
        return record(GET_VALUES, content, request_id=0, padding=8)

    def assert_goes_on_after(self, data):
        """Whatever it is, and whatever the answer, nobody else notices."""
        with contextlib.suppress(OSError, EOFError):
            connection = self.send(data)
            connection.end_sending()
            while True:
                connection.receive()
        self.assertTrue(self.guance.process.running())
        self.assert_goes_on()

    def test_many_questions_for_values_anywhere_harm_nobody(self):
        head = begin() + stream(PARAMS, name_values(parameters()))
        names = record(PARAMS, name_values(parameters()))
        whole = whole_request(parameters(), BODY)
        for data in (
            self.questions() + whole,
            self.questions(3000) + whole,
            100 * self.questions() + whole,
            begin() + self.questions() + whole[16:],
            begin() + names + self.questions() + whole,
            head + self.questions() + stream(STDIN, BODY),
            head + record(STDIN, BODY[:9]) + self.questions() + stream(STDIN, BODY[9:]),
        ):
            self.assert_goes_on_after(data)

    def test_other_management_records_harm_nobody(self):
        for kind in (0, GET_VALUES_RESULT, fastcgi.UNKNOWN_TYPE, 200):
            data = record(kind, bytes(100), request_id=0) + whole_request(parameters(), BODY)
            self.assert_goes_on_after(data)

    def test_names_and_values_longer_than_any_memory_harm_nobody(self):
        for length in (b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe", b"\xc0\0\0\0", b"\x80\x10\0\0"):
            for lengths in (length + length, b"\1" + length + b"a", length + b"\1a"):
                self.assert_goes_on_after(begin() + stream(PARAMS, lengths) + stream(STDIN, BODY))
                self.assert_goes_on_after(begin() + record(PARAMS, lengths + bytes(60000)))

    def test_a_head_has_a_longest_length(self):
        names = name_values(parameters())
        left = self.HEAD_MAX - len(names) - len(name_values({"X": "y" * 1000})) + 1000
        for size, is_served in ((left, True), (left + 1, False)):
            data = begin() + stream(PARAMS, names + name_values({"X": "y" * size}))
            connection = self.send(data + stream(STDIN, BODY))
            if is_served:
                self.assert_delivered(connection.answer())
            else:
                self.assertTrue(connection.is_closed_by_peer())
        self.assert_goes_on()

    def test_parameters_without_an_end_are_cut_off(self):
        connection = self.send(begin())
        endless = record(PARAMS, name_values({"X": "y" * 60000}))
        with self.assertRaises(OSError):
            for _ in range(100):
                connection.send(endless)
        self.assert_goes_on()


class Waiting(FramingTest):
    """Peers that are slow or silent."""

    def test_silent_connections_keep_nobody_waiting(self):
        for _ in range(300):
            self.send(b"")
        start = time.monotonic()
        self.assert_goes_on()
        self.assertLess(time.monotonic() - start, 1)

    def test_connections_that_stop_within_the_head_keep_nobody_waiting(self):
        for _ in range(READERS_MAX):
            self.send(begin()[:5])
        start = time.monotonic()
        self.assert_goes_on()
        self.assertLess(time.monotonic() - start, 2.5)

    def test_who_drips_is_cut_off_and_delays_nobody(self):
        """Heads and bodies, a byte at a time, and one that says nothing at all."""
        whole = whole_request(parameters(), BODY)
        start_of_body = len(whole) - len(stream(STDIN, BODY))
        stop = threading.Event()

        def drip(already_sent):
            connection = self.send(whole[:already_sent])
            start = time.monotonic()
            for position in range(already_sent, len(whole)):
                if stop.wait(0.3):
                    return None
                try:
                    connection.send(whole[position : position + 1])
                except OSError:
                    break
                if connection.is_closed_by_peer(0.001):
                    break
            return time.monotonic() - start

        def others():
            longest = 0
            while not stop.wait(0.5):
                start = time.monotonic()
                self.assertEqual(self.guance.post(BODY).status, 200)
                longest = max(longest, time.monotonic() - start)
            return longest

        silent = self.send(b"")
        with ThreadPoolExecutor(9) as pool:
            starts = (0, 20, start_of_body, start_of_body + 9)
            drips = [pool.submit(drip, start) for start in 2 * starts]
            other = pool.submit(others)
            try:
                for drip_ in drips:
                    seconds = drip_.result(timeout=RECEIVE_SECONDS + 5)
                    self.assertGreater(seconds, RECEIVE_SECONDS - 2)
                    self.assertLess(seconds, RECEIVE_SECONDS + 3)
            finally:
                stop.set()
            self.assertLess(other.result(timeout=10), 1)
        self.assertTrue(silent.is_closed_by_peer(2))
        statuses = [entry["status"] for entry in self.guance.requests]
        self.assertEqual(len(self.flashduty.events), statuses.count("200"))
        self.assertLessEqual(statuses.count("400"), len(drips))

    def test_who_pauses_within_the_body_is_waited_for(self):
        connection = self.send(whole_request(parameters(), BODY)[:-30])
        time.sleep(2)
        connection.send(whole_request(parameters(), BODY)[-30:])
        self.assert_delivered(connection.answer())

    def test_who_reads_its_answer_slowly_gets_it(self):
        test_messages = [{"df_title": "just a test"}] * 2000
        body = to_bytes(test_messages)
        connection = self.send(whole_request(parameters(body), body))
        time.sleep(1)
        answer = connection.answer()
        self.assertEqual(len(answer.json["data"]["alerts"]), len(test_messages))

    def test_an_answer_that_nobody_reads_holds_only_its_own_thread(self):
        body = to_bytes([{"df_title": "just a test"}] * 20000)
        self.guance = self.gateway(max_body_bytes=2**20, workers=1)
        self.send(whole_request(parameters(body), body))
        wait_until(lambda: self.guance.requests, what="the request's record")
        start = time.monotonic()
        self.assert_goes_on()
        self.assertLess(time.monotonic() - start, 1.5)


class OneWorker(FramingTest):
    """A single worker is not held by who only reads."""

    def settings(self):
        return {"workers": 1}

    def test_a_slow_body_does_not_hold_the_worker(self):
        whole = whole_request(parameters(), BODY)
        slow = [self.send(whole[:-20]) for _ in range(5)]
        start = time.monotonic()
        self.assert_goes_on()
        self.assertLess(time.monotonic() - start, 1)
        for count, connection in enumerate(slow, 2):
            connection.send(whole[-20:])
            self.assert_delivered(connection.answer(), count)

    def test_requests_are_served_one_after_the_other(self):
        self.flashduty.answer({"do": "hang", "seconds": 0.2}, times=5)
        start = time.monotonic()
        connections = [self.send(whole_request(parameters(), BODY)) for _ in range(5)]
        for connection in connections:
            self.assertEqual(connection.answer().status, 200)
        self.assertGreaterEqual(time.monotonic() - start, 1)
        self.assertEqual(len(self.flashduty.events), 5)


class Bursts(FramingTest):
    """Many requests at once: all are answered, and in time, for SMN waits no longer than 5 s."""

    # With a sanitizer an answer takes as long as several.
    COUNT = 900 if paths.BUILD == "release" else 450
    PATIENCE_SECONDS = 5
    DEADLINE_MS = 3500
    # How much later than its deadline an answer may be.
    GRACE_MS = 500
    # Leaves some 150 places for connections beside what else a process with 4 workers needs.
    DESCRIPTORS = 400

    def with_few_descriptors(self, deadline_ms=DEADLINE_MS):
        """A gateway that most of a burst has no place in."""
        script = self.sandbox.folder / "few-descriptors"
        program = paths.endpoint("guance")
        script.write_text(f"#!/bin/sh\nulimit -n {self.DESCRIPTORS}\nexec {program}\n")
        script.chmod(0o755)
        return self.gateway(program=script, workers=WORKERS, deadline_ms=deadline_ms)

    def send_burst(self, patience=PATIENCE_SECONDS, count=COUNT):
        """So many requests, each on a connection of its own; their answers' statuses."""
        self.flashduty.answer({"do": "hang", "seconds": 0.1}, times=None)
        whole = whole_request(parameters(), BODY)
        start = time.monotonic()
        connections = [self.send(whole) for _ in range(count)]
        statuses = [connection.answer().status for connection in connections]
        self.assertLess(time.monotonic() - start, patience)
        return statuses

    def assert_next_is_delivered(self):
        """One of the burst that was cut off at its deadline may still be on its way to Flashduty."""
        self.flashduty.clear()
        answer = self.guance.post(BODY)
        self.assertEqual((answer.status, answer.outcome), (200, "delivered"), answer.body)
        self.assertEqual(self.flashduty.violations, [])

    def assert_told_in_time(self):
        """No request was answered later than its deadline."""
        longest = max(float(entry["total_ms"]) for entry in self.guance.requests)
        self.assertLessEqual(longest, self.DEADLINE_MS + self.GRACE_MS)

    def test_a_burst_is_delivered(self):
        self.guance = self.gateway(workers=64, deadline_ms=30000)
        self.assertEqual(self.send_burst(patience=30), [200] * self.COUNT)
        self.assertEqual(len(self.flashduty.events), self.COUNT)

    def test_what_is_too_much_is_told_so_in_time(self):
        self.guance = self.gateway(workers=WORKERS, deadline_ms=self.DEADLINE_MS)
        statuses = self.send_burst()
        self.assertEqual(set(statuses), {200, 503})
        self.assertGreater(statuses.count(200), 20)
        self.assert_told_in_time()

    def test_what_waited_in_the_backlog_is_told_so_in_time(self):
        """As there is no place for it in the process, nobody knows how long it waits."""
        self.guance = self.with_few_descriptors()
        statuses = self.send_burst()
        self.assertEqual(set(statuses), {200, 503})
        self.assertGreater(statuses.count(200), 20)
        self.assert_told_in_time()
        messages = [entry["msg"] for entry in self.guance.records]
        self.assertEqual(messages.count("connections have to wait"), 1)
        self.assert_next_is_delivered()

    def test_who_comes_after_a_burst_has_not_waited(self):
        """However the burst ended: the last place may have been taken by its last request."""
        self.guance = self.with_few_descriptors(deadline_ms=1000)
        for count in range(250, 450, 20):
            self.assertEqual(set(self.send_burst(count=count)), {200, 503})
            self.assert_next_is_delivered()

    def test_only_who_is_silent_makes_room(self):
        """The first have spoken and wait for a worker; the next say nothing for a while."""
        self.flashduty.answer({"do": "hang", "seconds": 2.5}, times=WORKERS)
        self.guance = self.with_few_descriptors()
        whole = whole_request(parameters(), BODY)
        spoken = [self.send(whole) for _ in range(100)]
        silent = [self.send(b"") for _ in range(200)]
        start = time.monotonic()
        late = self.send(whole)
        for connection in [*spoken, late]:
            self.assertEqual(connection.answer().status, 200)
        self.assertLess(time.monotonic() - start, self.PATIENCE_SECONDS)
        self.assertTrue(silent[0].is_closed_by_peer(1))
        self.assertFalse(silent[-1].is_closed_by_peer(0.1))

    def test_silence_is_not_counted_as_waiting(self):
        self.guance = self.gateway(deadline_ms=1000)
        connection = self.send(b"")
        time.sleep(2)
        connection.send(whole_request(parameters(), BODY))
        self.assert_delivered(connection.answer())


class Resources(FramingTest):
    """What a process holds stays bounded."""

    def settings(self):
        return {"workers": WORKERS}

    def descriptors(self):
        """How many descriptors the process has open."""
        return len(os.listdir(f"/proc/{self.guance.process.pid}/fd"))

    def threads(self):
        """How many threads the process has."""
        return len(os.listdir(f"/proc/{self.guance.process.pid}/task"))

    def mixed(self):
        """One request of each kind of end."""
        whole = whole_request(parameters(), BODY)
        self.assertEqual(self.guance.post(BODY).status, 200)
        self.assertEqual(self.guance.post(b"{").status, 400)
        too_long = b" " * 2**20
        self.assertEqual(self.guance.post(too_long).status, 413)
        for data in (b"", whole[:5], whole[:100], whole[:-20], whole, b"garbage, no records"):
            with self.guance.connect() as connection:
                connection.send(data)

    def test_descriptors_do_not_leak(self):
        """Kept are connections to Flashduty, one a worker, and pipes that heads are read from."""
        self.mixed()
        most = self.descriptors() + WORKERS + 2 * HEAD_WAYS_MAX
        for _ in range(40):
            self.mixed()
        wait_until(lambda: self.descriptors() <= most, what=f"{most} descriptors")

    def test_sequential_requests_need_few_threads(self):
        """A thread is idle again only a moment after its answer was read."""
        self.assert_goes_on()
        before = self.threads()
        for _ in range(200):
            self.assertEqual(self.guance.post(BODY).status, 200)
        self.assertLessEqual(self.threads(), before + 10)

    def test_threads_stay_within_their_bound(self):
        whole = whole_request(parameters(), BODY)
        slow = [self.send(whole[:-20]) for _ in range(150)]
        wait_until(lambda: self.threads() > READERS_MAX, what="threads for readers")
        self.assertLessEqual(self.threads(), WORKERS + READERS_MAX + OTHER_THREADS)
        for connection in slow:
            connection.send(whole[-20:])
        statuses = [connection.answer().status for connection in slow]
        self.assertEqual(statuses, [200] * len(slow))

    def test_the_key_of_one_connection_is_not_that_of_another(self):
        whole = whole_request(parameters(), BODY)
        without = whole_request(parameters(query=""), BODY)
        for _ in range(20):
            first, second = self.send(whole[:-9]), self.send(without)
            self.assertEqual(second.answer().status, 400)
            first.send(whole[-9:])
            self.assertEqual(first.answer().status, 200)
        self.assertEqual({event.key for event in self.flashduty.events},
                         {settings.GUANCE_FLASHDUTY_KEY})  # fmt: skip


if __name__ == "__main__":
    unittest.main()
