"""Vendors that post: each message until it is answered 2xx, those of an alert one by one."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

WORDS = ("critical", "error", "info", "ok")
# A vendor whose connection broke, or who was told 503, posts again after this.
AGAIN_SECONDS = (0.02, 0.2)


class Vendors:
    """Threads that post for the alerts of a Place.

    ways: functions of a message that post it once and return the answer, chosen at random.
    """

    def __init__(self, place, ways, threads=8, seed=1, patience=30, pause=0.0):
        self.place = place
        self.ways = ways
        self.threads = threads
        self.seed = seed
        self.patience = patience
        self.pause = pause
        self.given_up = []
        self.slowest = 0.0

    def post_until_taken(self, post, chance):
        """Repeats a message until it is answered 2xx; whether it was in time."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            start = time.monotonic()
            answer = chance.choice(self.ways)(post)
            if answer is not None:
                self.slowest = max(self.slowest, time.monotonic() - start)
            if answer is not None and 200 <= answer.status < 300:
                return True
            time.sleep(chance.uniform(*AGAIN_SECONDS))
        self.given_up.append(post)
        return False

    def _run(self, number, alerts, until, most):
        chance = random.Random(self.seed * 1000 + number)
        while not until.is_set() and next(most, None) is not None:
            integration, alert = chance.choice(alerts)
            post = self.place.history.post(integration, alert, chance.choice(WORDS))
            if not self.post_until_taken(post, chance):
                until.set()
            time.sleep(self.pause * chance.random() * 2)

    def run(self, count, keys_a_thread=4, seconds=None, until=None):
        """Posts so many messages, or for so long or until an event if that is over first; returns the
        seconds."""
        start = time.monotonic()
        until = until or threading.Event()
        lock = threading.Lock()
        numbers = iter(range(count))

        class Most:
            """So many, for all threads together."""

            def __next__(self):
                with lock:
                    return next(numbers)

        timer = threading.Timer(seconds, until.set) if seconds else None
        if timer:
            timer.start()
        names = self.place.names
        with ThreadPoolExecutor(self.threads) as pool:
            runs = []
            for number in range(self.threads):
                alerts = [
                    (names[(number * keys_a_thread + k) % len(names)], f"t{number}k{k}")
                    for k in range(keys_a_thread)
                ]
                runs.append(pool.submit(self._run, number, alerts, until, Most()))
            for run in runs:
                run.result()
        if timer:
            timer.cancel()
        return time.monotonic() - start

    @contextmanager
    def running(self, count, keys_a_thread=4):
        """Posts while the context lasts, so many messages at most."""
        until = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(self.run, count, keys_a_thread, until=until)
            try:
                yield
            finally:
                until.set()
            run.result()
