"""What SQLite promises as a store, on PostgreSQL."""

import unittest

from tests.cluster.units import run_units


class StoreUnits(unittest.TestCase):
    """The tests of the store itself."""

    def test_the_store_keeps_its_promises_on_postgresql_too(self):
        run_units(self, of_the_store=True)


if __name__ == "__main__":
    unittest.main()
