"""The store's own tests, those that SQLite passes, on PostgreSQL."""

import os
import subprocess

from tests.cluster.postgres import DATABASE, USER, Server
from tests.run import count_cmocka
from tests.support import paths
from tests.support.process import Sandbox, refuse_findings

# Where a test program looks for a server instead of making files.
VARIABLE = "FLASHDUTY_GATEWAY_TEST_POSTGRESQL"
INCLUDED = ('#include "storing.h"', '#include "spooling.h"')
# These know the store by its jobs; the others by what is delivered from it.
OF_THE_STORE = ("test_counters", "test_metrics", "test_postgres", "test_sqlite", "test_store_")
SECONDS = 240


def programs(of_the_store):
    """The test programs that use a store: those of the store itself, or the others."""
    sources = sorted((paths.ROOT / "tests/unit").glob("test_*.c"))
    names = [
        path.stem
        for path in sources
        if any(line in path.read_text(encoding="utf-8") for line in INCLUDED)
        and path.stem.startswith(OF_THE_STORE) == of_the_store
    ]
    return [paths.build_folder() / "tests" / name for name in names]


def _run(program, url):
    return subprocess.run(
        [program],
        env={**os.environ, **paths.SANITIZER_OPTIONS, VARIABLE: url},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=SECONDS, check=False,
    )  # fmt: skip


def run_units(case, of_the_store):
    """Runs them, for a test case, on one server: each of their tests has a schema of its own."""
    with Sandbox() as sandbox:
        server = Server(sandbox, "db_1")
        server.make()
        url = f"postgresql://{USER}@127.0.0.1:{server.port}/{DATABASE}?sslmode=disable"
        passed = 0
        for program in programs(of_the_store):
            with case.subTest(program.name):
                done = _run(program, url)
                if done.returncode:
                    # The store waits for half a second, which a busy machine may take longer for:
                    # whatever is wrong is wrong twice.
                    print(done.stdout[-4000:])
                    done = _run(program, url)
                case.assertEqual(done.returncode, 0, done.stdout[-8000:])
                refuse_findings(done.stdout, program.name)
                counts = count_cmocka(done.stdout)
                case.assertGreater(counts[0], 0)
                passed += counts[0]
        print(f"{passed} tests of {len(programs(of_the_store))} programs on PostgreSQL")
        # Nothing but files would have been used if the variable had another name.
        connections = server.number(
            f"SELECT sessions FROM pg_stat_database WHERE datname = '{DATABASE}'"
        )
        case.assertGreater(connections, passed)
