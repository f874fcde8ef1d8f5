"""The zip that `make hosting` builds, unpacked as a person does."""

import os
import unittest
import zipfile

from tests.support import paths

FOLDER = paths.ROOT / "build" / "hosting"


def unpack(folder, owner=None):
    """Unpacks the zip into a folder; returns what came of it, alerts/."""
    zips = sorted(FOLDER.glob("*.zip"))
    if len(zips) != 1:
        raise unittest.SkipTest("run make hosting first")
    with zipfile.ZipFile(zips[0]) as archive:
        archive.extractall(folder)
        for entry in archive.infolist():
            path = folder / entry.filename
            path.chmod(entry.external_attr >> 16 & 0o777)
            if owner is not None:
                os.chown(path, owner, owner)
    return folder / "alerts"


def endpoints(folder):
    """The endpoints in it."""
    return sorted(path.name.removesuffix(".fcgi") for path in folder.glob("*.fcgi"))
