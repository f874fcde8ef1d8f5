"""The Debian packages that tests install: of this tree, and of a release before it."""

import re
import shutil
import subprocess

from tests.packaging.trees import VERSION, copy_of_tree, make, run
from tests.support import paths, shared

PACKAGE = "flashduty-gateway"
OLDER = "0.0.9"
SCHEMA = "src/store/schema.h"
# The unit tests are run by tests/run.py anyway; how fast an older program is matters to nobody.
BUILD = {"DEB_BUILD_OPTIONS": "nocheck parallel=2"}
BUILD_OLDER = {"DEB_BUILD_OPTIONS": "nocheck noopt noautodbgsym parallel=2"}
MAINTAINER = "The tests of flashduty-gateway <tests@noreply.example.org>"


def schema_version(header):
    """The version of the store that a program writes, by its sources."""
    return int(re.search(r"^#define SCHEMA_VERSION (\d+)$", header, re.MULTILINE)[1])


def built():
    """The folder that this tree's package was built into, once in a run."""
    folder = shared.folder() / "deb"
    with shared.locked("deb"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make("deb", f"MAINTAINER={MAINTAINER}", folder=copy_of_tree(folder), **BUILD)
            (folder / "done").touch()
    return folder / "build"


def package_in(folder, version=VERSION):
    """The package of a version in a folder."""
    return next(folder.glob(f"{PACKAGE}_{version}_*.deb"))


def _git(*words):
    """What git says of this checkout; empty where there is none, or not that much of it."""
    if not (paths.ROOT / ".git").exists():
        return b""
    # Whoever runs the tests trusts their own checkout, whomever it belongs to.
    command = ["git", "-c", f"safe.directory={paths.ROOT}", "-C", str(paths.ROOT), *words]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else b""


def first_release():
    """The oldest commit that has a package; empty where the history does not go back so far."""
    words = ("log", "--diff-filter=A", "--format=%H", "--", "debian/control")
    commits = _git(*words).decode().split()
    # Of a shallow clone its oldest commit adds everything.
    is_whole = _git("rev-parse", "--is-shallow-repository").strip() == b"false"
    return commits[-1] if commits and is_whole else ""


def _older_by_its_sources(folder, commit):
    """The package that was built in those days, but for its number."""
    tree = folder / "older"
    tree.mkdir()
    subprocess.run(
        ["tar", "-x", "-C", tree], input=_git("archive", commit), timeout=60, check=True
    )
    (tree / "VERSION").write_text(f"{OLDER}\n", encoding="ascii")
    changelog = tree / "debian/changelog"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(re.sub(r"\(.*?\)", f"({OLDER})", text, count=1), encoding="utf-8")
    make("deb", folder=tree, **BUILD_OLDER)
    return package_in(tree / "build", OLDER), schema_version((tree / SCHEMA).read_text("utf-8"))


def _older_by_its_number(folder, package):
    """The same package as an older version."""
    tree = folder / "older"
    run(["dpkg-deb", "--raw-extract", package, tree])
    control = tree / "DEBIAN/control"
    text = control.read_text(encoding="utf-8")
    control.write_text(text.replace(f"\nVersion: {VERSION}\n", f"\nVersion: {OLDER}\n"), "utf-8")
    target = folder / package.name.replace(f"_{VERSION}_", f"_{OLDER}_")
    run(["dpkg-deb", "--root-owner-group", "--build", tree, target])
    return target


class Older:
    """A package to upgrade from, in a folder: of the first commit that had one, where git knows it;
    else this one under a lower number. Says which."""

    def __init__(self, folder):
        commit = first_release()
        if commit:
            self.package, self.schema = _older_by_its_sources(folder, commit)
            print(f"the older package: built from commit {commit[:9]}, store version {self.schema}")
        else:
            # Its own store would be as new as ours.
            self.package, self.schema = _older_by_its_number(folder, package_in(built())), None
            print("the older package: this one renumbered, its outbox a store of version 1: no history here")
