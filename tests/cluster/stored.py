"""A gateway of a test whose store is, or becomes, a PostgreSQL server's."""

import shutil
import unittest

from tests.cluster.postgres import DATABASE, USER, Server, find_postgres
from tests.support.process import Sandbox

EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


@unittest.skipUnless(find_postgres(), "PostgreSQL is not installed")
class Stored(unittest.TestCase):
    """One server for all tests of a class, empty before each. Mixed into a GatewayTest, first."""

    @classmethod
    def setUpClass(cls):
        sandbox = Sandbox()
        cls.addClassCleanup(sandbox.close)
        # A store holds keys, and so do the server's files.
        sandbox.defer(lambda: shutil.rmtree(cls.server.folder))
        cls.server = Server(sandbox, "db_1")
        cls.server.make()

    def setUp(self):
        self.server.sql(EMPTY)
        super().setUp()

    @property
    def url(self):
        """The store there."""
        return f"postgresql://{USER}@127.0.0.1:{self.server.port}/{DATABASE}?sslmode=disable"
