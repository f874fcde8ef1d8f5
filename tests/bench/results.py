"""What a run found: medians, ratios to the ceiling of the same repeat, goals, comparisons.

A result is a dictionary, written as JSON: {"machine": …, "windows": {CELL: {RIVAL: [window, …]}},
"bursts": {CLIENTS: {RIVAL: [seconds, …]}}, "idle_mb": {RIVAL: megabytes}}.
"""

import statistics
from dataclasses import dataclass

from tests.bench.plan import CEILING

# Who forwards nothing.
NULL = "null"
# What a row may lose before it counts as worse.
TENTH = 0.1
# Whom the goals for 256 clients are about.
MANY = "gateway-256"
# What plain CGI is judged by: shared hosts get these programs.
CGI = "cgi-static"
# What a window is judged by: the name, and whether more of it is better.
JUDGED = {"requests_per_s": True, "cpu_s_per_1000": False, "p50_ms": False}


@dataclass(frozen=True)
class Spread:
    """The median of some figures, the least and the greatest."""

    median: float
    least: float
    greatest: float

    @staticmethod
    def of(figures):
        """Of one figure at least."""
        return Spread(statistics.median(figures), min(figures), max(figures))


def figure(result, cell, rival, name):
    """The spread of a figure over the repeats; None if it was not measured."""
    windows = result["windows"].get(cell, {}).get(rival)
    return Spread.of([window[name] for window in windows]) if windows else None


def ratio(result, cell, rival, name):
    """The spread of a figure's ratio to the ceiling's in the same repeat; None if there is none."""
    rivals = result["windows"].get(cell, {})
    pairs = list(zip(rivals.get(rival, []), rivals.get(CEILING, [])))
    ratios = [one[name] / top[name] for one, top in pairs if top[name] > 0]
    return Spread.of(ratios) if ratios else None


def problems(result):
    """Windows that did not do what they measure: errors, alerts that never reached Flashduty."""
    found = []
    for cell, rivals in result["windows"].items():
        for rival, windows in rivals.items():
            errors = sum(window["errors"] for window in windows)
            forwarded = min(window["forwarded"] for window in windows)
            if errors:
                found.append(f"{cell} {rival}: {errors} errors")
            if forwarded < 0.95 and rival != NULL:
                found.append(f"{cell} {rival}: only {forwarded:.0%} was forwarded")
    return found


# ---- comparing ----


@dataclass(frozen=True)
class Worse:
    """A figure of a row that has lost more than a tenth; certain if the repeats do not overlap."""

    cell: str
    rival: str
    name: str
    before: float
    now: float
    is_certain: bool

    def __str__(self):
        sure = "" if self.is_certain else " (within the spread of the repeats)"
        return (
            f"{self.cell} {self.rival} {self.name}: {self.before:.3g} → {self.now:.3g}"
            f" times {CEILING}{sure}"
        )


def _loss(before, now, more_is_better):
    """By which part it is worse; below 0 it is better."""
    return before / now - 1 if more_is_better else now / before - 1


def compare(before, now):
    """The rows of our own and others' that are worse than in an earlier result, by their ratios."""
    found = []
    for cell, rivals in now["windows"].items():
        for rival in rivals:
            if rival != CEILING:
                found += _compare_row(before, now, cell, rival)
    return found


def _compare_row(before, now, cell, rival):
    found = []
    for name, more_is_better in JUDGED.items():
        old, new = ratio(before, cell, rival, name), ratio(now, cell, rival, name)
        if not old or not new or not old.median or not new.median:
            continue
        if _loss(old.median, new.median, more_is_better) <= TENTH:
            continue
        apart = new.greatest < old.least if more_is_better else new.least > old.greatest
        found.append(Worse(cell, rival, name, old.median, new.median, apart))
    return found


# ---- goals ----


@dataclass(frozen=True)
class Goal:
    """What is aimed at, what was measured (None: it was not), and the bound."""

    what: str
    bound: str
    measured: float | None
    is_met: bool


def _goal(what, measured, most=None, least=None, unit=""):
    if most is not None:
        bound, is_met = f"≤ {most:g}{unit}", measured is not None and measured <= most
    else:
        bound, is_met = f"≥ {least:g}{unit}", measured is not None and measured >= least
    return Goal(what, bound, measured, is_met)


def _median(spread):
    return spread.median if spread else None


def _signature_cost(result):
    """CPU for 1,000 alerts that checking signatures takes; of each repeat its own difference."""
    rivals = result["windows"].get("0ms-64", {})
    pairs = zip(rivals.get("ces", []), rivals.get("ces-unverified", []))
    costs = [a["cpu_s_per_1000"] - b["cpu_s_per_1000"] for a, b in pairs]
    return statistics.median(costs) if costs else None


def _burst(result, clients, rival, burst_delay_s=0.02):
    """How many times as long as the ideal a burst took."""
    seconds = result["bursts"].get(str(clients), {}).get(rival)
    if not seconds:
        return None
    ideal = result["burst"] / clients * burst_delay_s
    return statistics.median(seconds) / ideal


def goals(result):
    """All goals, in the order in which they are shown."""

    def of(cell, name, rival="gateway"):
        return _median(figure(result, cell, rival, name))

    def share(cell, rival="gateway"):
        return _median(ratio(result, cell, rival, "requests_per_s"))

    return [
        _goal("20 ms, 64 clients: share of nginx", share("20ms-64"), least=0.95),
        _goal("20 ms, 64 clients: p99", of("20ms-64", "p99_ms"), most=28, unit=" ms"),
        _goal("20 ms, 256 clients: share of nginx", share("20ms-256", MANY), least=0.5),
        _goal("0 ms, 64 clients: share of nginx", share("0ms-64"), least=0.14),
        _goal("the same without a store", share("0ms-64", "gateway-no-store"), least=0.2),
        _goal("0 ms, 256 clients: p99", of("0ms-256", "p99_ms", MANY), most=60, unit=" ms"),
        _goal("CPU for 1,000 alerts", of("0ms-64", "cpu_s_per_1000"), most=0.15, unit=" s"),
        _goal("the same without a store", of("0ms-64", "cpu_s_per_1000", "gateway-no-store"), most=0.09, unit=" s"),  # fmt: skip
        _goal("CPU for 1,000 alerts, plain CGI", of("0ms-1", "cpu_s_per_1000", CGI), most=8, unit=" s"),  # fmt: skip
        _goal("alerts a second, plain CGI", _median(figure(result, "0ms-1", CGI, "requests_per_s")), least=110),  # fmt: skip
        _goal("CPU for 1,000 signatures", _signature_cost(result), most=0.05, unit=" s"),
        _goal("resident, idle", result["idle_mb"].get("gateway"), most=12, unit=" MB"),
        _goal("resident, 64 in flight", of("100ms-64", "resident_mb"), most=25, unit=" MB"),
        _goal("resident, 256 in flight", of("100ms-256", "resident_mb", MANY), most=60, unit=" MB"),
        _goal("one alert alone, 20 ms", of("20ms-1", "p50_ms"), most=21.5, unit=" ms"),
        _goal("the same by plain CGI", of("20ms-1", "p50_ms", CGI), most=30, unit=" ms"),
        _goal("burst at 64 clients, times the ideal", _burst(result, 64, "gateway"), most=1.2),
        _goal("burst at 256 clients, times the ideal", _burst(result, 256, MANY), most=2),
    ]
