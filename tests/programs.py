"""Programs of others that tests run: a browser, DICOM senders and validators."""

from __future__ import annotations

import os
import shutil

import pytest


def program(names: str, package: str) -> str:
    """The path of the first of these programs, separated by spaces, that is installed.

    Where none is, the test is skipped. Under continuous integration, where `CI` is
    set, it fails instead; `make tools` installs all of them.
    """
    if found := next(filter(None, map(shutil.which, names.split())), None):
        return found
    missing = f"{' or '.join(names.split())} is not installed (make tools; Debian's package {package})"
    if os.environ.get("CI", "false") not in ("", "0", "false"):
        pytest.fail(missing)
    pytest.skip(missing)
