"""contrib/nginx/spawn.sh, as a person runs it, with its folders moved into a site's."""

import os
import subprocess

from tests.support import paths
from tests.support.process import wait_until

SCRIPT = paths.ROOT / "contrib" / "nginx" / "spawn.sh"


def run(site, word):
    """spawn.sh start, stop or restart."""
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin",
        "CGI_BIN": str(site.cgi_bin),
        "RUN_DIR": str(site.run),
        "LOG_DIR": str(site.logs),
        "FLASHDUTY_GATEWAY_CONFIG": str(site.config),
        **paths.SANITIZER_OPTIONS,
    }
    done = subprocess.run(
        ["sh", SCRIPT, word], env=environment, capture_output=True, timeout=30, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"spawn.sh {word}: {done.stderr.decode()}")


def _is_running(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def spawn_endpoints(site):
    """Starts all endpoints; the site's end stops them and waits until they are gone."""
    run(site, "start")
    pids = [int(path.read_text()) for path in site.run.glob("*.pid")]

    def stop():
        run(site, "stop")
        for pid in pids:
            wait_until(lambda pid=pid: not _is_running(pid), 15, f"the end of process {pid}")

    site.sandbox.defer(stop)


def answer_without_process(site, key):
    """What an alarm is answered while nothing listens on its endpoint's socket."""
    socket, elsewhere = site.run / "guance.socket", site.run / "elsewhere.socket"
    socket.rename(elsewhere)
    try:
        return site.request("/guance?integration_key=" + key, b"{}")
    finally:
        elsewhere.rename(socket)
