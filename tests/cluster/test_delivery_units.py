"""What is delivered from a store, and waits in a spool, on PostgreSQL."""

import unittest

from tests.cluster.units import run_units


class DeliveryUnits(unittest.TestCase):
    """The tests of all that uses a store."""

    def test_what_waits_on_postgresql_is_delivered_too(self):
        run_units(self, of_the_store=False)


if __name__ == "__main__":
    unittest.main()
