"""A corpus on its way from raw files to a manifest: what all `prepare_...` functions share."""

from __future__ import annotations

import csv
import gzip
import json
import multiprocessing
import os
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from threading import Thread
from typing import Any

from radloom.corpora.checks import identical_images, leak_check
from radloom.corpora.manifest import Dropped, ImageRef, Manifest, Row, natural_key
from radloom.errors import ImageError, ManifestError
from radloom.progress import Progress
from radloom.study import Mention, Question, Report, View

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom"})


@dataclass
class Draft:
    """Rows gathered so far, and what was left out and why.

    Attributes:
        corpus: name of the corpus.
        root: folder that the images' paths are relative to.
    """

    corpus: str
    root: Path
    rows: list[Row] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def drop(self, id: str, what: str, why: str, detail: str = "") -> None:
        """Record that something is left out."""
        self.dropped.append(Dropped(id, what, why, detail))

    def drop_unnamed(self, files: Iterable[Path], named: set[str]) -> None:
        """Record the image files whose path relative to the root is not in `named`."""
        for file in files:
            path = relative(file, self.root)
            if path not in named:
                self.drop(path, "image", "belongs to no study")

    def predict_view(self, path: str, view_of: Callable[[Path], View]) -> View | None:
        """The view that `view_of` sees in an image of this corpus; None, with a record, if it cannot be read."""
        try:
            return view_of(self.root / path)
        except ImageError as error:
            self.drop(path, "image", "unreadable", str(error))
            return None

    def finish(self, out: Path | str, progress: Progress | None = None, workers: int = 0) -> Manifest:
        """Check all images, drop what cannot be used, check for leaks and write the manifest to `out`.

        Every image is decoded once. Of files with the same bytes one is kept, in a held-out split if it is in any.
        Studies that are left with neither image nor report are dropped.

        Args:
            out: folder of the manifest.
            progress: called after each image with the number done and the number of all.
            workers: processes that decode; 0 is this one. A script that asks for some guards what it runs by
                `if __name__ == "__main__":`, as those of `multiprocessing` do.

        Raises:
            ManifestError: no study is left, a patient is in two splits, or `out` cannot be written.
        """
        self.rows.sort(key=lambda row: natural_key(row.uid))
        self.rows = list(map(self._once, self.rows))
        self._keep_images(self._readable(progress, workers))
        self._keep_images(self._unique())
        self.rows = [row for row in map(self._with_answerable, self.rows) if self._has_content(row)]
        self._number_questions()
        if not self.rows:
            first = next((f": {d.what} {d.id} ({d.why}) and others were left out" for d in self.dropped), "")
            raise ManifestError(f"{self.root} holds no usable study{first}. Name the folder of a whole corpus.")
        manifest = Manifest(self.rows, self.root, self.corpus)
        leak_check([manifest])
        manifest.write(out, list(dict.fromkeys(self.dropped)), self.notes)
        return manifest

    def _number_questions(self) -> None:
        """Name questions that share a number after their studies."""
        counts = Counter(question.qid for row in self.rows for question in row.questions)
        if shared := [qid for qid, count in counts.items() if count > 1]:
            self.notes.append(f"Numbers of several questions, which are named after their studies: {len(shared)}.")
            self.rows = [
                replace(row, questions=tuple(_apart(row, counts, n) for n in range(len(row.questions))))
                for row in self.rows
            ]

    def _once(self, row: Row) -> Row:
        """The row without a second mention of an image."""
        images: dict[str, ImageRef] = {}
        for ref in row.images:
            if images.setdefault(ref.path, ref) is not ref:
                self.drop(ref.path, "image", "duplicate", f"listed before in study {row.uid}")
        return replace(row, images=tuple(images.values()))

    def _readable(self, progress: Progress | None, workers: int) -> set[tuple[str, str]]:
        places = [(row.uid, ref.path) for row in self.rows for ref in row.images]
        keep: set[tuple[str, str]] = set()
        coloured: list[str] = []
        remarks: list[str] = []
        with _looks([self.root / path for _, path in places], workers) as looks:
            for done, ((uid, path), (trouble, caught)) in enumerate(zip(places, looks, strict=True), start=1):
                if trouble is None:
                    self.drop(path, "image", "not on disk", f"study {uid}")
                elif trouble:
                    self.drop(path, "image", "unreadable", trouble)
                else:
                    keep.add((uid, path))
                    coloured += [path] if COLOUR in caught else []
                    remarks += [text for text in caught if text != COLOUR]
                if progress is not None:
                    progress(done, len(places))
        if coloured:
            self.notes.append(f"{len(coloured)} colour images, read as greyscale: {', '.join(coloured)}.")
        if remarks:
            self.notes.append(f"{len(remarks)} remarks on images that were kept; the first: {remarks[0]}")
        return keep

    def _unique(self) -> set[tuple[str, str]]:
        keep = {(row.uid, ref.path) for row in self.rows for ref in row.images}
        for group in identical_images((self.root / ref.path, row, ref) for row in self.rows for ref in row.images):
            kept_row, kept = min(group, key=lambda member: member[0].split == "train")
            for row, ref in group:
                if (row.uid, ref.path) != (kept_row.uid, kept.path):
                    keep.discard((row.uid, ref.path))
                    self.drop(ref.path, "image", "duplicate", f"same file as {kept.path} of study {kept_row.uid}")
        return keep

    def _keep_images(self, keep: set[tuple[str, str]]) -> None:
        self.rows = [
            replace(row, images=tuple(ref for ref in row.images if (row.uid, ref.path) in keep)) for row in self.rows
        ]

    def _with_answerable(self, row: Row) -> Row:
        """The row without questions about images that it does not have."""
        paths = {"", *(ref.path for ref in row.images)}
        for question in row.questions:
            if question.image not in paths:
                self.drop(question.qid, "question", "its image was dropped", question.image)
        return replace(row, questions=tuple(question for question in row.questions if question.image in paths))

    def _has_content(self, row: Row) -> bool:
        if not row.images and not row.report:
            self.drop(row.uid, "study", "neither image nor report")
        return bool(row.images or row.report)


@contextmanager
def _looks(files: Sequence[Path], workers: int) -> Iterator[Iterable[tuple[str | None, list[str]]]]:
    """`_look` at each of many files, in order."""
    if not workers:
        yield map(_look, files)
        return
    if workers < 0:
        raise ManifestError(f"workers is {workers}; give 0 or more.")
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        try:
            yield pool.map(_look, files, chunksize=16)
        except BrokenProcessPool:
            raise ManifestError(
                "A process that looks at images was ended or could not begin; try fewer workers, and guard a script "
                'by `if __name__ == "__main__":`.'
            ) from None


def _end_with_parent() -> None:
    """In a process that looks at images: end when the one that began it does."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


COLOUR = "colour"
"""What `_look` says of a colour image."""


def _look(file: Path) -> tuple[str | None, list[str]]:
    """Why an image cannot be read, `""` if it can and None if it is not there; and the warnings of it."""
    from radloom.imaging import ColourWarning, ImageWarning, read_image, shows_nothing

    if not file.is_file():
        return None, []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ImageWarning)
            if shows_nothing(read_image(file)):
                return "one grey value everywhere", []
    except ImageError as error:
        return str(error), []
    return "", [COLOUR if issubclass(w.category, ColourWarning) else str(w.message) for w in caught]


def clean_report(report: Report) -> Report:
    """The report with each section on one line, without bullets, list numbers and HTML entities."""
    from radloom.reports.cleaning import sentences
    from radloom.reports.sections import ended

    return Report(**{f.name: ended(sentences(getattr(report, f.name))) for f in fields(Report)})


def _apart(row: Row, counts: Counter[str], place: int) -> Question:
    """A question of a row, with a number of its own where several have the same."""
    question = row.questions[place]
    if counts[question.qid] == 1:
        return question
    twice = sum(other.qid == question.qid for other in row.questions) > 1
    return replace(question, qid=f"{row.uid}-{question.qid}" + (f"-{place + 1}" if twice else ""))


def labels_of(report: Report) -> dict[str, Mention]:
    """What the rule-based labeller finds in a report; nothing where there is none."""
    from radloom.reports.labeller import label

    return label(report) if report else {}


def existing_folder(path: Path | str) -> Path:
    """`path`, resolved.

    Raises:
        ManifestError: it is not a folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise ManifestError(f"{path} is not a folder; name the folder that holds the corpus.")
    return path.resolve()


def find_files(folder: Path, suffixes: Iterable[str], skip: Path | str) -> list[Path]:
    """All files below `folder` with one of the suffixes, in natural order, leaving out those below `skip`."""
    suffixes, skip = frozenset(suffixes), Path(skip).resolve()
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if Path(place, name) != skip and not name.startswith(".")]
        found += [Path(place, name) for name in names if Path(name).suffix.lower() in suffixes]
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: natural_key(str(path)))


def relative(path: Path, root: Path) -> str:
    """`path` relative to `root`, in posix form; as it is where it lies elsewhere."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def read_csv(path: Path, draft: Draft) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, packed by gzip or not; cells without surrounding space, missing ones empty.

    Rows with more cells than the header are recorded in `draft` as dropped.

    Raises:
        ManifestError: the file cannot be read as CSV in UTF-8, or is empty.
    """
    rows = []
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name.strip() for name in reader.fieldnames or ()]
            for row in reader:
                if None in row:
                    draft.drop(f"{path.name}:{reader.line_num}", "row", "more cells than columns")
                else:
                    rows.append({name.strip(): (cell or "").strip() for name, cell in row.items()})
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} cannot be read as CSV ({error}); save it as CSV in UTF-8.") from None
    if not names:
        raise ManifestError(f"{path} is empty; its first line must name the columns.")
    if repeated := [name for name, count in Counter(names).items() if name and count > 1]:
        raise ManifestError(f"{path} has two columns called {repeated[0]!r}; give each its own name.")
    return rows


def read_jsonl(path: Path, draft: Draft) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; lines that hold no JSON object are recorded in `draft` as dropped.

    Raises:
        ManifestError: the file cannot be read as UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # and at no other character that Unicode calls a break
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read ({error}); save it as JSON lines in UTF-8.") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if isinstance(row, dict):
                rows.append(row)
            else:
                draft.drop(f"{path.name}:{number}", "row", "not a JSON object")
    return rows
