#!/usr/bin/env python3
"""The gateway at work, for `make run`: behind lighttpd, with one sample alarm of each vendor.

    make run                 lighttpd on 127.0.0.1:8080, forwarding to a Flashduty simulator
    PORT=8081 make run       another port
    RUN_ONCE=1 make run      ends after the two samples, with 0 if both were delivered

    FLASHDUTY_GATEWAY_FLASHDUTY_URL=https://api.flashcat.cloud/event/push/alert/standard \\
    FLASHDUTY_KEY=… make run     forwards to Flashduty itself, with the key of a
                                 'Standard Alert Event' integration
"""

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.simulator.flashduty import Flashduty, describe  # noqa: E402
from tests.simulator.smn import shared_keys  # noqa: E402
from tests.support import paths, settings  # noqa: E402
from tests.support.process import Sandbox  # noqa: E402
from tests.support.webserver import Place, find_program, lighttpd_fastcgi, owned_folder  # noqa: E402

VENDORS = ("ces", "guance")
SAMPLE_TOPIC = "urn:smn:cn-north-4:*:flashduty-gateway-sample"
URL_VARIABLE = "FLASHDUTY_GATEWAY_FLASHDUTY_URL"
KEY_VARIABLE = "FLASHDUTY_KEY"


class CannotRun(Exception):
    """Something is missing that only the user can provide."""


def chosen_port():
    """The port to listen on, which has to be free."""
    try:
        port = int(os.environ.get("PORT") or 8080)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (ValueError, OverflowError):
        raise CannotRun(f"PORT={os.environ['PORT']} is no port") from None
    except OSError as error:
        raise CannotRun(
            f"cannot listen on 127.0.0.1:{port} ({error.strerror}): "
            f"choose another, for example PORT={port + 1 if port < 65535 else 8081} make run"
        ) from None
    return port


def check_programs():
    """Everything that is started has to be there."""
    for program in (*(paths.endpoint(vendor) for vendor in VENDORS), paths.command_line()):
        if not program.exists():
            raise CannotRun(f"{program.relative_to(paths.ROOT)} is not built: run make")
    for name in ("lighttpd", "openssl"):
        if not find_program(name):
            raise CannotRun(f"{name} is not installed: run make deps")


def destination(sandbox):
    """(URL, key, simulator or None): where the gateway forwards to."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        flashduty = sandbox.enter(Flashduty(on_event=lambda event: print(f"\n{describe(event)}")))
        return flashduty.push_url, "simulated-integration", flashduty
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise CannotRun(
            f"{URL_VARIABLE} is set, {KEY_VARIABLE} is not: set it to the integration key of a "
            "'Standard Alert Event' integration of that Flashduty"
        )
    return url, key, None


def configuration(url, key, push_keys, keys, store, status_key):
    """One integration of each vendor, a store, and the key of the status page."""
    integrations = [
        {
            "name": f"demo-{vendor}",
            "vendor": vendor,
            "push_key": [push_keys[vendor]],
            "flashduty_key": key,
        }
        for vendor in VENDORS
    ]
    integrations[0]["topic_urn"] = [SAMPLE_TOPIC]
    return settings.settings(
        url,
        store=f"sqlite:{store}",
        status_key=status_key,
        smn=settings.trusting(keys),
        integrations=integrations,
    )


def send_command(vendor, push_url, keys):
    """The command line that posts a sample alarm."""
    command = [str(paths.command_line()), "send", vendor, "--url", push_url]
    if vendor == "ces":
        command += ["--sign-key", str(keys.signing_key)]
    return command


def send_samples(commands, flashduty):
    """Sends a sample of each vendor; whether all were delivered."""
    delivered = True
    for vendor, command in commands.items():
        print(f"\nA sample alarm of {vendor}: {' '.join(command[:3])} …")
        before = len(flashduty.events) if flashduty else 0
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        print(f"The gateway's answer: {done.stdout.strip() or done.stderr.strip()}")
        arrived = flashduty is None or len(flashduty.events) == before + 1
        if done.returncode != 0 or not arrived:
            print(f"The sample of {vendor} was NOT delivered.", file=sys.stderr)
            delivered = False
    return delivered


def explain(push_urls, commands, flashduty, status_url, status_key):
    """What to do with what is running now."""
    print("\nThe gateway is running. Push URLs:")
    for vendor, url in push_urls.items():
        print(f"  {vendor:<7} {url}")
    print(f"\nThe status page: {status_url}, any user name, password {status_key}")
    print("\nA sample again, from another terminal:")
    for command in commands.values():
        print(f"  {shlex.join(command)}")
    if flashduty:
        print("\nWhat arrives at the simulated Flashduty is shown here.")
    print("\nCtrl-C ends all of it.", flush=True)


def show_logs(place):
    """What a person needs to see when a sample did not arrive."""
    for log in sorted(place.logs.glob("*.log")):
        print(f"--- {log.name}\n{log.read_text(errors='replace').strip()}", file=sys.stderr)


def demonstrate(sandbox, stopped):
    """Starts all, sends the samples, and stays unless RUN_ONCE is set. Returns the exit status."""
    check_programs()
    port = chosen_port()
    url, key, flashduty = destination(sandbox)
    keys = shared_keys()
    push_keys = {vendor: secrets.token_hex(16) for vendor in VENDORS}
    status_key = secrets.token_hex(16)
    place = Place(sandbox, port)
    store = owned_folder(place.folder, "store", place.user) / "gateway.db"
    place.configure(configuration(url, key, push_keys, keys, store, status_key))
    place.start_lighttpd(lighttpd_fastcgi(place))
    push_urls = {
        vendor: f"http://127.0.0.1:{port}/cgi-bin/{vendor}.fcgi?integration_key={push_key}"
        for vendor, push_key in push_keys.items()
    }
    commands = {vendor: send_command(vendor, push_urls[vendor], keys) for vendor in VENDORS}
    delivered = send_samples(commands, flashduty)
    if not delivered:
        show_logs(place)
    if os.environ.get("RUN_ONCE", "") in ("", "0"):
        status_url = f"http://127.0.0.1:{port}/status"
        explain(push_urls, commands, flashduty, status_url, status_key)
        stopped.wait()
        return 0
    return 0 if delivered else 1


def main():
    """Ends by itself, or by Ctrl-C or SIGTERM; either way nothing is left running."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with Sandbox() as sandbox:
            return demonstrate(sandbox, stopped)
    except (CannotRun, AssertionError) as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
