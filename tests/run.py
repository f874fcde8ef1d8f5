#!/usr/bin/env python3
"""Runs the tests: `make test` calls it after building.

    tests/run.py                          everything, for release, asan, tsan, fuzz, static builds
    tests/run.py -k apache --variant asan modules with "apache" in their name, for one build
    tests/run.py --browser                those that need a browser, and those alone
    tests/run.py --cluster                those that need PostgreSQL, and those alone

The unit tests are cmocka programs (build/VARIANT/tests/test_*), the fuzz targets libFuzzer's
(build/fuzz/fuzzers/fuzz_*), which run for seconds from their corpora; all others are Python modules
(tests/*/test_*.py). Each is a process of its own, and several run at once. A module's output is shown only
if it fails. Each gets a temporary folder, in which nothing may be left and no process may still
run when it ends.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.simulator import smn  # noqa: E402
from tests.support import canaries, paths, process, shared  # noqa: E402

# Folders of Python modules, slowest first, and the builds that they are run with: web servers are
# slow to start and know nothing of threads in the program, so they are spared the thread sanitizer.
FOLDERS = {
    "packaging": ("release",),
    "faults": ("release", "asan"),
    "hosting": ("static",),
    "servers": ("release", "asan"),
    "endpoints": paths.VARIANTS,
    "framing": paths.VARIANTS,
    "simulator": ("release",),
    "bench": ("release",),
}
# Needs a browser; `make test-browser` asks for it by name.
BROWSER = {"browser": ("release",)}
# Needs PostgreSQL and takes minutes; `make test-cluster` asks for it by name.
CLUSTER = {"cluster": ("release",)}
MODULE_SECONDS = 300
# Those that build packages and start machines may take twice as long.
SLOW_FOLDERS = ("tests/packaging/",)
LEFTOVER_GRACE_SECONDS = 3
# Temporary folders are in memory where it has room for all of them: a disk that is shared with
# others may take seconds for a sync, which no test is about.
MEMORY_FOLDER = "/dev/shm"
MEMORY_BYTES = 8 << 30

VARIANTS = (*paths.VARIANTS, "static", "fuzz")
# Those of tests/endpoints in which a static build could differ.
STATIC_MODULES = (
    "test_certificates",
    "test_confirmation",
    "test_forwarding",
    "test_hardening",
    "test_memory",
    "test_store",
)
FUZZ_FOLDER = paths.ROOT / "tests/fuzz"
# The same inputs each time, as far as they get in these seconds.
FUZZ_LIMITS = ("-seed=1", "-runs=20000", "-max_total_time=5", "-max_len=4096", "-timeout=5")

CMOCKA_RAN = re.compile(r"^\[==========\] (?:.*: )?(\d+) test\(s\) run\.", re.MULTILINE)
CMOCKA_BAD = re.compile(r"^\[  (FAILED|SKIPPED) +\] .*?(\d+) test\(s\)", re.MULTILINE)
FUZZER_DONE = re.compile(r"^Done \d+ runs in ", re.MULTILINE)
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_BAD = re.compile(r"(?<!expected )(failures|errors|skipped|unexpected successes)=(\d+)")


@dataclass
class Module:
    """Something to run, for one build. count: (passed, failed, skipped) by its output."""

    name: str
    variant: str
    command: list
    count: Callable


@dataclass
class Result:
    """What came of a module."""

    module: Module
    seconds: float
    passed: int
    failed: int
    skipped: int
    output: str
    problems: list

    @property
    def is_good(self):
        """Whether nothing failed."""
        return not self.failed


def unit_tests(variant):
    """The cmocka programs of a build."""
    if variant == "static":
        return []
    folder = paths.build_folder(variant) / "tests"
    programs = sorted(path for path in folder.glob("test_*") if os.access(path, os.X_OK))
    if not programs:
        sys.exit(f"no unit tests in {folder}: run make tests-build VARIANT={variant}")
    return [
        Module(str(path.relative_to(paths.ROOT)), variant, [str(path)], count_cmocka)
        for path in programs
    ]


def fuzz_targets():
    """The fuzz targets. They are given files and no folder, into which they would write."""
    modules = []
    for source in sorted(FUZZ_FOLDER.glob("fuzz_*.c")):
        program = paths.build_folder("fuzz") / "fuzzers" / source.stem
        if not program.exists():
            sys.exit(f"no {program}: run make fuzz-build VARIANT=fuzz")
        name = source.stem.removeprefix("fuzz_")
        corpus = sorted((FUZZ_FOLDER / "corpus" / name).iterdir())
        command = [
            str(program),
            *FUZZ_LIMITS,
            f"-dict={FUZZ_FOLDER}/dictionaries/{name}.dict",
            f"-artifact_prefix={program.parents[1]}/{source.stem}-",
            f"-seed_inputs={','.join(map(str, corpus))}",
        ]
        modules.append(Module(str(source.relative_to(paths.ROOT)), "fuzz", command, count_fuzzer))
    return modules


def is_for(path, variant, allowed):
    """Whether a Python module of a folder for these builds is to be run with a build."""
    is_static = variant == "static" and path.stem in STATIC_MODULES
    return variant in allowed or is_static


def python_tests(folder, variant, allowed):
    """The Python modules of a folder that are for a build."""
    modules = []
    for path in sorted((paths.ROOT / "tests" / folder).glob("test_*.py")):
        if not is_for(path, variant, allowed):
            continue
        name = str(path.relative_to(paths.ROOT))
        dotted = name.removesuffix(".py").replace("/", ".")
        modules.append(
            Module(name, variant, [sys.executable, "-m", "unittest", dotted], count_unittest)
        )
    return modules


def collect(variants, substring, folders):
    """All modules to run, those first that take longest."""
    modules = []
    if "static" in variants and not paths.cgi_bin("static").exists():
        print("skipped: the static build is not there (make hosting)")
        variants = [variant for variant in variants if variant != "static"]
    for folder, allowed in folders.items():
        for variant in variants:
            modules += python_tests(folder, variant, allowed)
    for variant in variants if folders is FOLDERS else ():
        modules += fuzz_targets() if variant == "fuzz" else unit_tests(variant)
    return [module for module in modules if substring in module.name]


def count_cmocka(output):
    """(passed, failed, skipped) by cmocka's closing lines, one set a group."""
    ran = sum(int(number) for number in CMOCKA_RAN.findall(output))
    bad = {"FAILED": 0, "SKIPPED": 0}
    for kind, number in CMOCKA_BAD.findall(output):
        bad[kind] += int(number)
    return ran - bad["FAILED"] - bad["SKIPPED"], bad["FAILED"], bad["SKIPPED"]


def count_unittest(output):
    """(passed, failed, skipped) by unittest's closing lines."""
    ran = UNITTEST_RAN.findall(output)
    if not ran:
        return 0, 0, 0
    closing = output[output.rindex("\nRan ") :]
    bad = {kind: int(number) for kind, number in UNITTEST_BAD.findall(closing)}
    skipped = bad.pop("skipped", 0)
    failed = sum(bad.values())
    return max(0, int(ran[-1]) - failed - skipped), failed, skipped


def count_fuzzer(output):
    """(passed, failed, skipped): a target that runs to its end has passed."""
    return len(FUZZER_DONE.findall(output)), 0, 0


def processes_in(folder):
    """Processes (id → command) whose command, folder or environment names this folder."""
    needle = os.fsencode(folder)
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
            traces = command + environment + os.fsencode(os.readlink(entry / "cwd"))
        except OSError:
            continue
        if needle in traces:
            found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def end_processes(pids):
    """Ends processes for good."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def leftovers(folder):
    """What a module left behind; processes are ended, so that the run itself leaves nothing."""
    end = time.monotonic() + LEFTOVER_GRACE_SECONDS
    while (running := processes_in(folder)) and time.monotonic() < end:
        time.sleep(0.1)
    end_processes(running)
    problems = [f"left running: {pid} {command}" for pid, command in running.items()]
    problems += [f"left behind: {path.name}" for path in sorted(folder.iterdir())]
    return problems


def environment_for(module, folder, shared_folder):
    """The environment of a module."""
    return {
        **os.environ,
        **paths.SANITIZER_OPTIONS,
        "GATEWAY_BUILD": module.variant,
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder),
        "XDG_STATE_HOME": str(folder),
        shared.VARIABLE: str(shared_folder),
    }


def execute(command, environment, output, seconds):
    """Runs a command; its exit status, or None if it took too long."""
    with open(output, "wb") as sink:
        child = subprocess.Popen(
            command,
            cwd=paths.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return None


def run_module(module, top, seconds):
    """Runs a module in a temporary folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=top, prefix="m"))
    folder.chmod(0o755)
    start = time.monotonic()
    environment = environment_for(module, folder, top / "shared")
    output_file = top / f"{folder.name}.output"
    seconds *= 2 if module.name.startswith(SLOW_FOLDERS) else 1
    status = execute(module.command, environment, output_file, seconds)
    output = output_file.read_text(errors="replace")
    passed, failed, skipped = module.count(output)
    problems = leftovers(folder)
    if status is None:
        problems.append(f"not done after {seconds} s")
    elif status != 0 and not failed:
        problems.append(f"ended with status {status}")
    elif passed + failed + skipped == 0:
        problems.append("has no tests")
    if process.SANITIZER_FINDING.search(output) and not failed:
        problems.append("a sanitizer's report stands in the output")
    if not failed and any(key in output for key in canaries.KEYS):
        problems.append("a key stands in the output")
    shutil.rmtree(folder, ignore_errors=True)
    elapsed = time.monotonic() - start
    return Result(module, elapsed, passed, failed + bool(problems), skipped, output, problems)


def show(result, verbose):
    """A line for a module; its output if it failed or everything is wanted."""
    module = result.module
    word = "ok  " if result.is_good else "FAIL"
    counts = f"{result.passed} passed"
    if result.failed:
        counts += f", {result.failed} failed"
    if result.skipped:
        counts += f", {result.skipped} skipped"
    print(f"{word} {result.seconds:6.1f} s  {module.variant:<8} {module.name}  ({counts})")
    for problem in result.problems:
        print(f"     {problem}")
    if verbose or not result.is_good:
        print(result.output.rstrip())
    sys.stdout.flush()


def run_all(modules, options, top):
    """Runs the modules, several at once, and shows each when it is done."""
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(run_module, module, top, options.seconds) for module in modules]
        try:
            for future in as_completed(futures):
                results.append(future.result())
                show(results[-1], options.verbose)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            end_processes(processes_in(top))
            raise
    return results


def temporary_root():
    """Where temporary folders are made; None: where Python makes them ($TMPDIR, /tmp)."""
    if "TMPDIR" in os.environ or not os.access(MEMORY_FOLDER, os.W_OK):
        return None
    system = os.statvfs(MEMORY_FOLDER)
    has_room = system.f_bavail * system.f_frsize >= MEMORY_BYTES
    return MEMORY_FOLDER if has_room and not system.f_flag & os.ST_NOEXEC else None


def closing_line(results):
    """The one line that says it all."""
    passed, failed, skipped = (
        sum(getattr(result, kind) for result in results)
        for kind in ("passed", "failed", "skipped")
    )
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("-k", dest="substring", default="", metavar="SUBSTRING",
                        help="only modules with this in their path")  # fmt: skip
    parser.add_argument("--variant", action="append", choices=VARIANTS,
                        help="a build to test, may be repeated; default: all")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1,
                        help="modules at once; default: the machine's cores and one")  # fmt: skip
    parser.add_argument("--seconds", type=int, default=MODULE_SECONDS,
                        help=f"the longest that a module may take ({MODULE_SECONDS})")  # fmt: skip
    parser.add_argument("--browser", action="store_true", help="only what needs a browser")
    parser.add_argument("--cluster", action="store_true", help="only what needs PostgreSQL")
    parser.add_argument("-v", dest="verbose", action="store_true", help="show all output")
    return parser.parse_args()


def main():
    """Exit status 1 if anything failed or nothing was run."""
    options = arguments()
    folders = BROWSER if options.browser else CLUSTER if options.cluster else FOLDERS
    modules = collect(options.variant or VARIANTS, options.substring, folders)
    top = Path(tempfile.mkdtemp(prefix="gateway-tests-", dir=temporary_root()))
    top.chmod(0o755)
    try:
        (top / "shared").mkdir(mode=0o755)
        os.environ[shared.VARIABLE] = str(top / "shared")
        smn.shared_keys()
        results = run_all(modules, options, top)
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print(closing_line(results))
    return 0 if results and all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
