"""Files and folders that are written whole or not at all, and files of JSON lines."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radloom.errors import RadloomError


def write_whole(path: Path, content: bytes, error: type[RadloomError] = RadloomError) -> Path:
    """Write a file whole or not at all; its folder is made if need be.

    Args:
        path: the file; one that is there is replaced.
        content: all of it.
        error: what is raised.

    Returns:
        The path written.

    Raises:
        RadloomError: a place that cannot be written; of the type `error`.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as reason:
        raise error(f"{path} cannot be written ({reason.strerror or reason}); choose another place.") from None
    return path


@contextmanager
def whole_folder(folder: Path | str) -> Iterator[Path]:
    """A new, empty folder beside `folder`, whose place it takes when the block ends without an error.

    What an interrupted call left is put in order first, and the folder's parent is made if need be.
    """
    folder = Path(folder)
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():  # a kill between the two renames below
        old.replace(folder)
    for stale in (new, old):
        shutil.rmtree(stale, ignore_errors=True)
    new.mkdir(parents=True)
    yield new
    if folder.exists():
        folder.replace(old)
    new.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Within, no other process that asks for the same place works on it; where the system has no locks, one may.

    Args:
        place: a file, there or not, or a folder that is there.

    Raises:
        RadloomError: another process is at it.
    """
    lock = place / ".lock" if place.is_dir() else place.with_name(f".{place.name}.lock")
    descriptor = _held(lock, place)
    try:
        yield
    finally:
        if descriptor is not None:
            lock.unlink(missing_ok=True)
            os.close(descriptor)  # which ends the lock, as the end of the process does


def _held(lock: Path, place: Path) -> int | None:
    """The open lock of this process; None where there can be none."""
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
        except OSError:
            return None  # a place that cannot be written; whoever writes says so
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and lock.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return descriptor  # a file system without locks
            os.close(descriptor)
            raise RadloomError(f"Another process is at work on {place}; wait for it, or name another place.") from None
        os.close(descriptor)  # the one before has just removed it


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file.

    Raises:
        RadloomError: a line that is not an object, with its number.
    """
    lines = []
    text = file.read_text(encoding="utf-8-sig")
    for number, line in enumerate(text.split("\n"), start=1):  # and at no other break that Unicode knows
        if line.strip():
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append(None)
            if not isinstance(lines[-1], dict):
                raise RadloomError(f"{file}, line {number} is not a JSON object; write one a line.")
    return lines
