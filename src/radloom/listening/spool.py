"""Studies on a disk, whose places say how far they are, so that a process may be killed at any moment.

    received/STUDY/   its images; more may come
    reported/STUDY/   the report lies beside the images; it is to be sent, where reports are sent
    sent/STUDY/       the other application entity has taken the report
    failed/STUDY/     it could not be reported; why.txt says why
    partial/          what is being written

STUDY is a hash of the Study Instance UID, and a study is in one place only. Files and folders get to their places by
rename within one file system, after what they hold is on the disk (fsync). The report of a set of images has a name of
its own, `report-SET.dcm`, or `report-SET-sent.dcm` once it was sent; a study that gets another image goes back to
`received/` and is reported anew, with all its images.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock

from radloom.errors import RadloomError

DEATHS = 3
"""How often the process may die while it reads a study; then the study is set aside."""


class State(StrEnum):
    """How far a study is; the name of the folder that it is in."""

    RECEIVED = "received"
    REPORTED = "reported"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True)
class Batch:
    """The images of a study at a moment.

    Attributes:
        folder: of the study.
        images: its files, in the order in which they came.
    """

    folder: Path
    images: tuple[Path, ...]

    @property
    def key(self) -> str:
        """Names the study."""
        return self.folder.name

    @property
    def name(self) -> str:
        """Names this set of images of this study."""
        return short_hash(" ".join([self.key, *sorted(image.name for image in self.images)]))

    @property
    def report(self) -> Path:
        """Where the report of these images is until it is sent."""
        return self.folder / f"report-{self.name}.dcm"

    @property
    def sent(self) -> Path:
        """Where it is after that."""
        return self.folder / f"report-{self.name}-sent.dcm"


class Spool:
    """The folders above, held by one process until the end of a `with` statement.

    Args:
        folder: where they are; made if need be, for its owner alone, since it holds patients' data.

    Attributes:
        counts: since it was opened, new images as `"images"`, and studies by the state that they came to.

    Raises:
        RadloomError: another process holds the spool.
        OSError: a folder that cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.counts = folder, Counter[str]()
        self._moving = Lock()
        self._arrivals: dict[str, float] = {}  # study -> when its last new image came, by the monotonic clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = _hold(folder)
        for name in (*State, "partial"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name).chmod(0o700)  # also below a folder that others may look into
        for rest in (folder / "partial").iterdir():
            rest.unlink()
        _sync(folder)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._held)

    # -- images come in ----------------------------------------------------------------------------------------------

    def add(self, study: str, instance: str, content: bytes) -> bool:
        """Put an instance on the disk.

        Args:
            study, instance: Study Instance UID and SOP Instance UID.
            content: the whole file.

        Returns:
            False if the study has that instance already; then the one that came first is kept.

        Raises:
            OSError: the disk does not take it.
        """
        key, name = short_hash(study), f"image-{short_hash(instance)}.dcm"
        with self._written(content) as unfinished, self._moving:
            state = self._find(key)
            if state and (self._place(state, key) / name).exists():
                return False
            folder = self._place(State.RECEIVED, key)
            if state is None:
                folder.mkdir()
                _sync(folder.parent)
            elif state is not State.RECEIVED:
                self._move(key, state, State.RECEIVED)
            unfinished.replace(folder / name)
            _sync(folder)
            self._arrivals[key] = time.monotonic()
            self.counts["images"] += 1
        return True

    # -- studies move on ---------------------------------------------------------------------------------------------

    def studies(self, state: State) -> list[str]:
        """The studies in that state."""
        return sorted(entry.name for entry in os.scandir(self.folder / state) if entry.is_dir())

    def due(self, wait: float) -> list[str]:
        """Received studies to which nothing was added for `wait` seconds, those that wait longest first.

        Of what was there when the spool was opened, no wait before that counts.
        """
        now = time.monotonic()
        with self._moving:
            self._arrivals = {key: self._arrivals.get(key, now) for key in self.studies(State.RECEIVED)}
            due = [key for key, arrival in self._arrivals.items() if now - arrival >= wait]
            return sorted(due, key=lambda key: self._arrivals[key])

    def postpone(self, key: str) -> None:
        """Let a received study be due later, as if it had come just now."""
        with self._moving:
            self._arrivals[key] = time.monotonic()

    def batch(self, key: str, state: State) -> Batch:
        """The images of a study.

        Raises:
            FileNotFoundError: it is not in that state any more.
        """
        folder = self._place(state, key)
        arrived = sorted((path.stat().st_mtime_ns, path.name) for path in folder.iterdir() if _is_image(path))
        return Batch(folder, tuple(folder / name for _, name in arrived))

    @contextmanager
    def survived(self, batch: Batch) -> Iterator[None]:
        """Within, the death of the process is noted with the study: damaged pixels can abort a decoder.

        Raises:
            RadloomError: it died here too often.
        """
        note = batch.folder / "deaths"
        deaths = note.stat().st_size if note.exists() else 0
        try:
            if deaths >= DEATHS:
                raise RadloomError(f"radloom died {deaths} times while it read this study; look at its images.")
            _write(note, b"x" * (deaths + 1))
            yield
        finally:
            note.unlink(missing_ok=True)

    def finish(self, batch: Batch, report: bytes | None = None) -> bool:
        """Call a received study reported; one whose report was sent before goes where it was.

        Args:
            batch: what was reported.
            report: the file; None for one that is there.

        Returns:
            False if images came meanwhile, so that the report is none of the study any more; nothing is changed then.
        """
        with self._moving:
            if self.batch(batch.key, State.RECEIVED).name != batch.name:
                return False
            if report is not None:
                with self._written(report) as unfinished:
                    unfinished.replace(batch.report)
            (batch.folder / "why.txt").unlink(missing_ok=True)
            _sync(batch.folder)
            self._move(batch.key, State.RECEIVED, State.SENT if batch.sent.exists() else State.REPORTED)
        return True

    def fail(self, batch: Batch, why: str) -> None:
        """Set a received study aside, unless images came meanwhile, so that it is read again."""
        with self._moving:
            if self.batch(batch.key, State.RECEIVED).name != batch.name:
                return
            _write(batch.folder / "why.txt", f"{why}\n".encode())
            self._move(batch.key, State.RECEIVED, State.FAILED)

    def mark_sent(self, batch: Batch) -> None:
        """Note that the report of a batch was sent, even if more images of its study came meanwhile."""
        with self._moving:
            state = self._find(batch.key)
            if state is None:
                return
            folder = self._place(state, batch.key)
            if (folder / batch.report.name).exists():
                (folder / batch.report.name).replace(folder / batch.sent.name)
                _sync(folder)
            if state is State.REPORTED and self.batch(batch.key, state).name == batch.name:
                self._move(batch.key, State.REPORTED, State.SENT)

    # -- places ------------------------------------------------------------------------------------------------------

    def _place(self, state: State, key: str) -> Path:
        return self.folder / state / key

    def _find(self, key: str) -> State | None:
        return next((state for state in State if self._place(state, key).is_dir()), None)

    def _move(self, key: str, old: State, new: State) -> None:
        self._place(old, key).rename(self._place(new, key))
        _sync(self.folder / new)
        _sync(self.folder / old)
        self.counts[new] += 1

    @contextmanager
    def _written(self, content: bytes) -> Iterator[Path]:
        """A file in `partial/` that is on the disk; what is not moved from there is removed."""
        path = self.folder / "partial" / secrets.token_hex(8)
        try:
            _write(path, content)
            yield path
        finally:
            path.unlink(missing_ok=True)


def short_hash(text: str) -> str:
    """16 hex digits: a name for what has one that may not be told, or not be that of a file."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_image(path: Path) -> bool:
    return path.name.startswith("image-") and path.suffix == ".dcm"


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Names in a folder reach the disk when the folder does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hold(folder: Path) -> int:
    """A lock that ends with the process, however it ends."""
    try:
        import fcntl
    except ImportError:
        raise RadloomError("A spool needs locks and folders as Linux and macOS have them; run it there.") from None
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RadloomError(f"{folder} is in use by another radloom listen; stop that one, or name another.") from None
    return descriptor
