"""Where things are, for the build that is under test (GATEWAY_BUILD: release, asan or tsan)."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = ("release", "asan", "tsan")
BUILD = os.environ.get("GATEWAY_BUILD", "release")

# What each sanitizer has to be told, so that a finding ends the program with 99 and a report.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=0",
}


def build_folder(variant=BUILD):
    """The folder of a variant's objects and unit tests."""
    return ROOT / "build" / variant


def cgi_bin(variant=BUILD):
    """The folder with ces.fcgi and guance.fcgi."""
    return ROOT / "cgi-bin" if variant == "release" else build_folder(variant) / "cgi-bin"


def endpoint(name, variant=BUILD):
    """The program of an endpoint: "ces", "guance"."""
    return cgi_bin(variant) / f"{name}.fcgi"


def command_line(variant=BUILD):
    """The program flashduty-gateway."""
    folder = ROOT / "build" if variant == "release" else build_folder(variant)
    return folder / "flashduty-gateway"
