"""Many requests at once, and the end of a process."""

import re
import signal
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import fastcgi, paths
from tests.support.cgi import program_environment, variables
from tests.support.gateway import CGI, FASTCGI, GatewayTest, guance_event, query_of, to_bytes
from tests.support.process import wait_until

DEADLINE_MS = 1000
# How much later than its deadline an answer may be.
GRACE_MS = 300
SHUTDOWN_SECONDS = 5
# For a process that ends without its threads, as it should: they are no leak, and not waited for.
THREADS_LEFT = {
    "TSAN_OPTIONS": f"{paths.SANITIZER_OPTIONS['TSAN_OPTIONS']}"
    ":report_thread_leaks=0:atexit_sleep_ms=0"
}
HANG = {"do": "hang", "seconds": 30}


class CgiProcess(GatewayTest):
    """A process for one request."""

    mode = CGI

    def test_a_signal_ends_the_process_at_once(self):
        self.flashduty.answer(HANG, times=None)
        body = to_bytes(guance_event())
        request = variables(query=query_of("guance"), content_length=len(body))
        environment = {**program_environment(self.configure(deadline_ms=30000)), **request}
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            with self.subTest(number):
                before = len(self.flashduty.requests)
                with subprocess.Popen(
                    [paths.endpoint("guance")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                ) as process:
                    self.addCleanup(process.kill)
                    process.stdin.write(body)
                    process.stdin.close()
                    self.assertTrue(self.flashduty.wait_for_requests(before + 1))
                    start = time.monotonic()
                    process.send_signal(number)
                    self.assertEqual(process.wait(10), -number)
                    self.assertLess(time.monotonic() - start, 1)


    def test_who_posts_nothing_is_answered_while_standard_input_stays_open(self):
        """A server need not close it, and a GET need not say that it has no body."""
        configured = program_environment(self.configure())
        for method, path_info, status in (
            ("GET", "", b"405"),
            ("HEAD", "", b"405"),
            ("GET", "/healthz", b"200"),
            ("HEAD", "/healthz", b"200"),
        ):
            with self.subTest(method + path_info):
                request = variables(method=method, path_info=path_info, content_type=None)
                with subprocess.Popen(
                    [paths.endpoint("guance")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**configured, **request},
                ) as process:
                    self.addCleanup(process.kill)
                    start = time.monotonic()
                    answer = process.stdout.read()
                    self.assertLess(time.monotonic() - start, 3)
                    self.assertEqual(answer.split()[:2], [b"Status:", status])
                    self.assertEqual(process.wait(10), 0)


class FastCgiProcess(GatewayTest):
    """A process for many requests at once."""

    mode = FASTCGI

    def post_all(self, guance, count):
        """Posts so many alerts at once; their answers as futures."""
        pool = ThreadPoolExecutor(count)
        self.addCleanup(pool.shutdown)
        return [
            pool.submit(guance.post, guance_event(df_monitor_checker_event_ref=f"{number:032}"))
            for number in range(count)
        ]

    def test_sixty_four_requests_at_once_are_served_side_by_side(self):
        self.flashduty.answer({"do": "hang", "seconds": 0.3}, times=None)
        guance = self.gateway()
        start = time.monotonic()
        answers = [future.result() for future in self.post_all(guance, 64)]
        seconds = time.monotonic() - start
        self.assertEqual([answer.outcome for answer in answers], ["delivered"] * 64)
        self.assertEqual(len(self.flashduty.events), 64)
        self.assertEqual(len({event.alert_key for event in self.flashduty.events}), 64)
        self.assertLess(seconds, 64 * 0.3 / 4)

    def test_many_more_requests_than_threads_are_all_answered(self):
        guance = self.gateway(workers=4, deadline_ms=20000)
        answers = [future.result() for future in self.post_all(guance, 150)]
        self.assertEqual([answer.outcome for answer in answers], ["delivered"] * 150)

    def test_requests_that_get_no_worker_are_503_by_their_deadline(self):
        self.flashduty.answer(HANG, times=None)
        guance = self.gateway(workers=2, deadline_ms=DEADLINE_MS)
        for future in self.post_all(guance, 20):
            answer = future.result(timeout=10)
            self.assert_error(answer, 503)
            self.assertIn("retry-after", answer.headers)
        for record in guance.requests:
            self.assertLessEqual(float(record["total_ms"]), DEADLINE_MS + GRACE_MS)

    def test_who_waited_in_vain_for_a_worker_is_told_so(self):
        """The time of these began before that of the two that hold the workers."""
        self.flashduty.answer(HANG, times=None)
        guance = self.gateway(workers=2, deadline_ms=DEADLINE_MS)
        whole = self.whole()
        waiting = [guance.connect() for _ in range(5)]
        for connection in waiting:
            self.addCleanup(connection.close)
            connection.send(whole[:-20])
        time.sleep(0.4)
        self.post_all(guance, 2)
        self.assertTrue(self.flashduty.wait_for_requests(2))
        for connection in waiting:
            connection.send(whole[-20:])
        for connection in waiting:
            self.assert_error(connection.answer(), 503, "workers = 2 are busy")
        self.assertEqual(len(self.flashduty.requests), 2)

    def test_a_process_that_has_nothing_to_do_ends_at_once(self):
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            with self.subTest(number):
                guance = self.gateway()
                guance.post(guance_event())
                silent = guance.connect()
                self.addCleanup(silent.close)
                start = time.monotonic()
                self.assertEqual(guance.stop(number), 0)
                self.assertLess(time.monotonic() - start, 1)

    def test_who_was_taken_just_before_the_end_is_answered(self):
        """A web server connects and then speaks. It has little time for that, a loaded machine
        perhaps none: once in a few tries it must come out right for every connection."""
        self.assertTrue(any(self.all_taken_are_answered() for _ in range(5)))

    def all_taken_are_answered(self):
        """Whether 20 connections, taken before SIGTERM and used after it, get their answers."""
        guance = self.gateway()
        self.assertEqual(guance.post(guance_event()).status, 200)
        descriptors = Path(f"/proc/{guance.process.pid}/fd")
        before = len(list(descriptors.iterdir()))
        connections = [guance.connect() for _ in range(20)]
        for connection in connections:
            self.addCleanup(connection.close)
        # The connection of the request before may have been among those that were there.
        wait_until(lambda: len(list(descriptors.iterdir())) >= before + 19, what="20 connections")
        guance.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_pending(guance.process.pid), what="the end's beginning")
        try:
            for connection in connections:
                connection.send(self.whole())
            statuses = [connection.answer().status for connection in connections]
        except (OSError, EOFError):
            return False
        self.assertEqual(guance.process.wait(), 0)
        return statuses == [200] * 20

    def test_a_process_that_has_served_nothing_ends_at_once(self):
        guance = self.gateway()
        wait_until(lambda: "started" in guance.log, what="its start")
        start = time.monotonic()
        self.assertEqual(guance.stop(), 0)
        self.assertLess(time.monotonic() - start, 1)

    def test_requests_in_flight_are_answered_before_the_end(self):
        for number in (signal.SIGTERM, signal.SIGUSR1):
            with self.subTest(number):
                self.flashduty.clear()
                self.flashduty.answer({"do": "hang", "seconds": 1}, times=None)
                guance = self.gateway()
                futures = self.post_all(guance, 10)
                self.assertTrue(self.flashduty.wait_for_requests(10))
                start = time.monotonic()
                self.assertEqual(guance.stop(number), 0)
                self.assertLess(time.monotonic() - start, 3)
                outcomes = [future.result().outcome for future in futures]
                self.assertEqual(outcomes, ["delivered"] * 10)

    def test_what_a_busy_process_forwards_before_its_end_is_answered(self):
        """Who is not answered was not served: the web server may ask another process."""
        for delay in (0, 0.05, 0.1):
            with self.subTest(delay):
                self.flashduty.clear()
                guance = self.gateway(workers=8)
                guance.request(method="GET")
                with ThreadPoolExecutor(16) as pool:
                    futures = [pool.submit(self.post_until_refused, guance) for _ in range(16)]
                    time.sleep(delay)
                    self.assertEqual(guance.stop(), 0)
                answered = sum(future.result() for future in futures)
                self.assertEqual(len(self.flashduty.events), answered)

    def post_until_refused(self, guance):
        """Posts one alert after the other until there is no answer; how many were delivered."""
        for count in range(10000):
            try:
                answer = guance.post(guance_event())
            except (EOFError, ConnectionError):
                return count
            self.assertEqual(answer.outcome, "delivered", answer.body)
        raise AssertionError("the process did not end")

    def test_a_retry_that_is_under_way_is_finished_before_the_end(self):
        self.flashduty.answer({"do": "status", "status": 503, "retry_after": 1})
        guance = self.gateway()
        future = self.post_all(guance, 1)[0]
        self.assertTrue(self.flashduty.wait_for_requests(1))
        self.assertEqual(guance.stop(), 0)
        self.assertEqual(future.result().outcome, "delivered")

    def test_what_takes_too_long_does_not_hold_the_process(self):
        """A request that waits for Flashduty, and one whose body never ends."""
        self.flashduty.answer(HANG, times=None)
        guance = self.gateway(environment=THREADS_LEFT, deadline_ms=30000)
        with guance.connect() as hanging, guance.connect() as endless:
            endless.send(self.whole()[:-20])
            hanging.send(self.whole())
            self.assertTrue(self.flashduty.wait_for_requests(1))
            start = time.monotonic()
            self.assertEqual(guance.stop(), 0)
            seconds = time.monotonic() - start
        self.assertGreater(seconds, SHUTDOWN_SECONDS - 1)
        self.assertLess(seconds, SHUTDOWN_SECONDS + 0.7)
        messages = [record["msg"] for record in guance.records]
        self.assertIn("stopped before every request was answered", messages)

    def whole(self):
        """The records of a request."""
        body = to_bytes(guance_event())
        values = variables(query=query_of("guance"), content_length=len(body))
        return fastcgi.whole_request(values, body)


def is_pending(pid):
    """Whether a signal to a process has not been delivered yet."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return re.search(r"^ShdPnd:\t0+$", status, re.MULTILINE) is None


if __name__ == "__main__":
    unittest.main()
