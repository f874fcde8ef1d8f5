"""The store's own tests, those that SQLite passes, on PostgreSQL."""

import os
import subprocess
import unittest

from tests.cluster.postgres import DATABASE, USER, Server
from tests.run import count_cmocka
from tests.support import paths
from tests.support.process import Sandbox, refuse_findings

# Where a test program looks for a server instead of making files.
VARIABLE = "FLASHDUTY_GATEWAY_TEST_POSTGRESQL"
INCLUDED = ('#include "storing.h"', '#include "spooling.h"')
SECONDS = 240


def programs():
    """The test programs of the store."""
    sources = sorted((paths.ROOT / "tests/unit").glob("test_*.c"))
    names = [
        path.stem
        for path in sources
        if any(line in path.read_text(encoding="utf-8") for line in INCLUDED)
    ]
    return [paths.build_folder() / "tests" / name for name in names]


class Units(unittest.TestCase):
    """One server for all of them: each test has a schema of its own."""

    def test_the_store_keeps_its_promises_on_postgresql_too(self):
        with Sandbox() as sandbox:
            server = Server(sandbox, "db_1")
            server.make()
            url = f"postgresql://{USER}@127.0.0.1:{server.port}/{DATABASE}?sslmode=disable"

            def run(program):
                return subprocess.run(
                    [program],
                    env={**os.environ, **paths.SANITIZER_OPTIONS, VARIABLE: url},
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, errors="replace", timeout=SECONDS, check=False,
                )  # fmt: skip

            passed = 0
            for program in programs():
                with self.subTest(program.name):
                    done = run(program)
                    if done.returncode:
                        # The store waits for half a second, which a busy machine may take longer
                        # for: whatever is wrong is wrong twice.
                        print(done.stdout[-4000:])
                        done = run(program)
                    self.assertEqual(done.returncode, 0, done.stdout[-8000:])
                    refuse_findings(done.stdout, program.name)
                    counts = count_cmocka(done.stdout)
                    self.assertGreater(counts[0], 0)
                    passed += counts[0]
            print(f"{passed} tests of {len(programs())} programs on PostgreSQL")
            # Nothing but files would have been used if the variable had another name.
            connections = server.number(
                f"SELECT sessions FROM pg_stat_database WHERE datname = '{DATABASE}'"
            )
            self.assertGreater(connections, passed)


if __name__ == "__main__":
    unittest.main()
