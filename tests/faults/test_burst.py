"""A burst far above what Flashduty accepts: answered at once, kept to the limits, critical first."""

import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from tests.faults.gateways import Place, Served
from tests.faults.load import WORDS

RANKS = {"Critical": 0, "Warning": 1, "Info": 2, "Ok": 3}
# So many sends of a key may be on their way at once: their order of arrival means nothing.
AT_ONCE_SECONDS = 1.0


def worst_window(times, seconds):
    """How many there were at most within so many seconds."""
    times = sorted(times)
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def overtaken(events):
    """The events that came although one that matters more had been waiting: it came much later."""
    problems = []
    best = len(RANKS)
    best_time = None
    for event in reversed(events):
        rank = RANKS[event.status]
        if rank > best and best_time - event.time > AT_ONCE_SECONDS:
            problems.append(f"{event.title} ({event.status}) before one that matters more")
        if rank < best:
            best, best_time = rank, event.time
    return problems


def run_burst(count, per_second, per_minute, threads=32, seconds=150, keeps_limits=False):
    """Posts so many alerts at once: (problems, figures)."""
    rates = {"rate_per_second": per_second, "rate_per_minute": per_minute}
    with Place(1, deadline_ms=3500, **rates) as place:
        place.upstream.rate_limits = keeps_limits
        served = Served(place)

        def post(number):
            start = time.monotonic()
            word = WORDS[number % len(WORDS)]
            answer = served.post(place.history.post("i0", f"a{number}", word))
            return time.monotonic() - start, answer

        with ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(post, range(count)))
        posted_at = time.time()
        problems = [
            f"answered {answer and answer.status}"
            for _, answer in answers
            if answer is None or answer.status not in (200, 202)
        ]
        took = sorted(each for each, _ in answers)
        place.wait_until_empty(seconds)
        times = [request.time for request in place.upstream.requests]
        for window, most in ((1.0, per_second), (60.0, per_minute)):
            worst = worst_window(times, window)
            if worst > most:
                problems.append(f"{worst} requests within {window} s")
        if len(times) != count:
            problems.append(f"{len(times)} requests for {count} alerts")
        later = [event for event in place.upstream.events if event.time > posted_at + 1]
        problems += overtaken(later) + place.problems()
        figures = place.figures
        figures["s of posting"] = round(posted_at - place.history.started, 1)
        figures["ms p99"] = round(took[int(len(took) * 0.99)] * 1000)
        if took[int(len(took) * 0.99)] > 3.5:
            problems.append(f"p99 {figures['ms p99']} ms")
        return problems, figures


class Burst(unittest.TestCase):
    """In FastCGI."""

    def test_a_burst(self):
        problems, figures = run_burst(250, 50, 200)
        print(f"burst: {figures}")
        self.assertEqual(problems, [], "\n".join(problems))


if __name__ == "__main__":
    unittest.main()
