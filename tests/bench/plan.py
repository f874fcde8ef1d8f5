"""Which windows are measured, and in which order.

A cell is a delay of Flashduty's answer and a number of clients. In each repeat all rivals have
their windows of a cell one after the other, so that what disturbs the machine disturbs all.
"""

from dataclasses import dataclass

from tests.bench.upstream import DELAYS_MS

CEILING = "nginx"
# CES is measured where it says something: what the signature costs, and that it hides no wait.
CES_CLIENTS = (64,)
SLOW_CLIENTS = (1, 16)
# Where more workers than are usual say something.
MANY_CLIENTS = 256


@dataclass(frozen=True, order=True)
class Cell:
    """delay_ms of Flashduty, and how many clients post at once."""

    delay_ms: int
    clients: int

    @property
    def name(self):
        """As a key of the results."""
        return f"{self.delay_ms}ms-{self.clients}"


@dataclass(frozen=True)
class Plan:
    """How much is measured. ces_messages: signed beforehand, so many for each window."""

    delays_ms: tuple
    clients: tuple
    repeats: int
    seconds: int
    ces_messages: int
    burst: int

    def cells(self):
        """In the order in which they are measured."""
        return [Cell(delay, clients) for delay in self.delays_ms for clients in self.clients]

    def takes(self, rival, cell):
        """Whether a rival has a window in this cell."""
        if rival.is_slow:
            return cell.clients in SLOW_CLIENTS
        if rival.name == "gateway-256":
            return cell.clients == MANY_CLIENTS
        if rival.vendor == "ces":
            return cell.clients in CES_CLIENTS and cell.delay_ms != DELAYS_MS[-1]
        return True


FULL = Plan(DELAYS_MS, (1, 16, 64, 256), repeats=3, seconds=2, ces_messages=24000, burst=5000)
QUICK = Plan((20,), (16, 64), repeats=1, seconds=1, ces_messages=6000, burst=500)
BURST_CLIENTS = (64, 256)
BURST_DELAY_MS = 20
