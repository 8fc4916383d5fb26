"""The manifest: one Parquet file that lists the studies of a corpus, and that everything downstream reads.

A prepared corpus is a folder of three files:

- `manifest.parquet`: one row a study. Columns: `uid`, `patient`, `split`, `corpus`; `images`, a list of structs
  `path, view, aspect`; `indication`, `findings`, `impression`; one column an observation of `OBSERVATIONS` with
  `positive`, `negative`, `uncertain` or null; `questions`, a list of structs with the fields of `Question`; `made`,
  the parts of the study that a model made (manifests of earlier versions lack the column). The metadata of the schema
  carry the format version, the corpus and the root that image paths are relative to.
- `dropped.jsonl`: what was left out, one `{"id", "what", "why"}` a line (and `"detail"` where there is more to say).
- `summary.json`: counts of studies, images, labels and dropped things, and notes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from radloom.errors import ManifestError, did_you_mean
from radloom.files import write_whole
from radloom.study import OBSERVATIONS, Mention, Part, Question, Report, View

FORMAT = 1
"""Version of the manifest layout, written to the metadata of every `manifest.parquet`."""

FILE = "manifest.parquet"
DROPPED = "dropped.jsonl"
SUMMARY = "summary.json"

SCHEMA = pa.schema(
    [
        ("uid", pa.string()),
        ("patient", pa.string()),
        ("split", pa.string()),
        ("corpus", pa.string()),
        ("images", pa.list_(pa.struct([("path", pa.string()), ("view", pa.string()), ("aspect", pa.float64())]))),
        ("indication", pa.string()),
        ("findings", pa.string()),
        ("impression", pa.string()),
        *((observation, pa.string()) for observation in OBSERVATIONS),
        ("questions", pa.list_(pa.struct([(f.name, pa.string()) for f in fields(Question)]))),
        ("made", pa.list_(pa.string())),
    ]
)
LATER = ("made",)
"""Columns that manifests of earlier versions may lack."""


@dataclass(frozen=True)
class ImageRef:
    """One image file of a study.

    Attributes:
        path: the file, in posix form, relative to the manifest's root.
        view: frontal or lateral.
        aspect: true width / height where the file's pixels were squashed to another shape; None where they were not.
    """

    path: str
    view: View
    aspect: float | None = None


@dataclass(frozen=True)
class Row:
    """One study of a corpus.

    Attributes:
        uid: unique within its corpus.
        patient: unique within its corpus; all studies of a patient are in one split.
        split: `train`, `val`, `test` or another name.
        images: any number of each view.
        report: cleaned sections; empty when there is none.
        labels: observation -> what is said of it; unmentioned observations are absent.
        questions: about the study or one of its images.
        corpus: the data set it comes from.
        made: parts of it that a model made.
    """

    uid: str
    patient: str
    split: str
    images: tuple[ImageRef, ...] = ()
    report: Report = field(default_factory=Report)
    labels: dict[str, Mention] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    corpus: str = ""
    made: tuple[Part, ...] = ()

    def image(self, view: View | str) -> ImageRef | None:
        """The first image of that view, or None."""
        return next((ref for ref in self.images if ref.view is View(view)), None)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that it has."""
        there = {ref.view.part for ref in self.images} | ({Part.REPORT} if self.report else set())
        return tuple(part for part in Part if part in there)

    def is_made(self, ref: ImageRef) -> bool:
        """Whether a model made that image of it."""
        return ref.view.part in self.made


@dataclass(frozen=True)
class Dropped:
    """A thing that was left out of a corpus.

    Attributes:
        id: the study, or the file relative to the corpus folder.
        what: `image`, `report`, `study`, `question` or `row`.
        why: one of a few fixed reasons, so that they can be counted.
        detail: more on this one case, for example the error's text.
    """

    id: str
    what: str
    why: str
    detail: str = ""


@dataclass
class Manifest:
    """The studies of a corpus and the folder that their images lie in."""

    rows: list[Row]
    root: Path
    corpus: str

    @classmethod
    def read(cls, path: Path | str, root: Path | str | None = None) -> Manifest:
        """Read a manifest.

        Args:
            path: `manifest.parquet` or the folder that holds it.
            root: where the images are now; by default where they were when the manifest was written.

        Raises:
            ManifestError: no manifest there, not Parquet, of another format version, a missing column, a value that
                is not understood, or a root that is not a folder.
        """
        path = Path(path)
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise ManifestError(f"{file} does not exist; make a manifest with `radloom prepare`.")
        try:
            table = pq.read_table(file)
        except (pa.ArrowException, OSError) as error:
            raise ManifestError(
                f"{file} is not a readable Parquet file ({_first_line(error)}); prepare it again."
            ) from None
        meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        if "radloom.format" not in meta:
            raise ManifestError(f"{file} is not a radloom manifest; make one with `radloom prepare`.")
        if meta["radloom.format"] != str(FORMAT):
            raise ManifestError(
                f"{file} has manifest format {meta['radloom.format']}; this radloom reads format {FORMAT}. "
                "Prepare the corpus again with this version."
            )
        for name in LATER:
            if name not in table.schema.names:
                table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
        missing = [name for name in SCHEMA.names if name not in table.schema.names]
        if missing:
            raise ManifestError(f"{file} lacks the column {missing[0]!r}; prepare the corpus again.")
        folder = Path(root) if root is not None else file.parent / meta.get("radloom.root", ".")
        if not folder.is_dir():
            raise ManifestError(
                f"{file}: its images should be below {folder}, which is not a folder. Say where they are now with "
                "`--images DIR` (in a recipe: `images` of the corpus; in Python: `Manifest.read(path, root=DIR)`)."
            )
        try:
            records = table.select(SCHEMA.names).cast(SCHEMA).to_pylist()
        except pa.ArrowException as error:
            raise ManifestError(
                f"{file} has a column of another type ({_first_line(error)}); prepare the corpus again."
            ) from None
        rows = [_from_record(record, file) for record in records]
        return cls(rows, folder.resolve(), meta.get("radloom.corpus", ""))

    def write(self, folder: Path | str, dropped: Sequence[Dropped] = (), notes: Sequence[str] = ()) -> Path:
        """Write `manifest.parquet`, `dropped.jsonl` and `summary.json` to `folder`, replacing those that are there.

        Rows go in the natural order of their uid, so the same corpus gives the same bytes. Each file appears whole or
        not at all, the manifest last. The root is stored as a relative path when it lies inside `folder`, so that the
        two can be moved together, and as an absolute one otherwise.

        Returns:
            The path of `manifest.parquet`.

        Raises:
            ManifestError: two rows with one uid, or a folder that cannot be written.
        """
        folder = Path(folder)
        rows = sorted(self.rows, key=lambda row: (row.corpus, natural_key(row.uid)))
        for before, after in pairwise(rows):
            if (before.corpus, before.uid) == (after.corpus, after.uid):
                raise ManifestError(f"The study {after.uid!r} appears twice in {self.corpus}; give each its own uid.")
        home, root = folder.resolve(), self.root.resolve()
        stored_root = root.relative_to(home).as_posix() if root.is_relative_to(home) else root.as_posix()
        meta = {"radloom.format": str(FORMAT), "radloom.corpus": self.corpus, "radloom.root": stored_root}
        table = pa.Table.from_pylist([_to_record(row) for row in rows], schema=SCHEMA.with_metadata(meta))
        lines = [json.dumps({k: v for k, v in asdict(d).items() if v or k != "detail"}) + "\n" for d in dropped]
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer)
        contents = {
            DROPPED: "".join(lines).encode(),
            SUMMARY: (json.dumps(summary(self, dropped, notes), indent=2) + "\n").encode(),
            FILE: buffer.getvalue().to_pybytes(),
        }
        for name, content in contents.items():
            write_whole(folder / name, content, ManifestError)
        return folder / FILE

    def split(self, name: str) -> Manifest:
        """The rows of one split.

        Raises:
            ManifestError: no row is in it; the text names the splits that there are.
        """
        rows = [row for row in self.rows if row.split == name]
        if not rows:
            known = sorted({row.split for row in self.rows})
            raise ManifestError(
                f"{self.corpus or 'The manifest'} has no split {name!r}{did_you_mean(name, known)}. "
                f"It has: {', '.join(known) or 'no studies at all'}."
            )
        return replace(self, rows=rows)

    def synthetic(self) -> Manifest:
        """The images that a model made, and the studies that have some.

        Raises:
            ManifestError: there are none.
        """
        kept = [(row, tuple(ref for ref in row.images if row.is_made(ref))) for row in self.rows]
        rows = [replace(row, images=images) for row, images in kept if images]
        if not rows:
            raise ManifestError(
                f"{self.corpus or 'The manifest'} has no image that a model made; make a synthetic corpus with "
                "`radloom complete MANIFEST --want frontal --replace -o DIR`."
            )
        return replace(self, rows=rows)

    def fingerprint(self) -> str:
        """16 hex digits that change with anything that the rows say, wherever the images lie."""
        records = sorted(json.dumps(_to_record(row), sort_keys=True, default=str) for row in self.rows)
        return hashlib.sha256("\n".join(records).encode()).hexdigest()[:16]

    def path(self, ref: ImageRef) -> Path:
        """The file of an image of this manifest."""
        return self.root / ref.path

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def combine(manifests: Sequence[Manifest]) -> Manifest:
    """Several corpora as one manifest, its root the nearest folder above all of theirs.

    Raises:
        ManifestError: nothing to combine, or roots without a common folder.
    """
    if not manifests:
        raise ManifestError("No manifest to combine; name at least one.")
    try:
        root = Path(os.path.commonpath([m.root.resolve() for m in manifests]))
    except ValueError:
        raise ManifestError("The manifests' images lie on different drives; copy them below one folder.") from None
    rows = []
    for manifest in manifests:
        below = PurePosixPath(manifest.root.resolve().relative_to(root).as_posix())
        for row in manifest:
            images = tuple(replace(ref, path=str(below / ref.path)) for ref in row.images)
            questions = tuple(replace(q, image=str(below / q.image)) if q.image else q for q in row.questions)
            rows.append(replace(row, images=images, questions=questions))
    return Manifest(rows, root, "+".join(dict.fromkeys(m.corpus for m in manifests)))


def summary(manifest: Manifest, dropped: Sequence[Dropped] = (), notes: Sequence[str] = ()) -> dict[str, Any]:
    """Counts of a prepared corpus as plain data: per split, per observation, and what was dropped by reason."""
    splits: dict[str, dict[str, int]] = {}
    labels = {name: dict.fromkeys(Mention, 0) for name in OBSERVATIONS}
    for name in sorted({row.split for row in manifest}):
        rows = [row for row in manifest if row.split == name]
        views = Counter(ref.view for row in rows for ref in row.images)
        splits[name] = {
            "studies": len(rows),
            "patients": len({row.patient for row in rows}),
            **{view.value: views[view] for view in View},
            "reports": sum(bool(row.report) for row in rows),
            "questions": sum(len(row.questions) for row in rows),
        }
    for row in manifest:
        for name, mention in row.labels.items():
            labels[name][mention] += 1
    left_out: dict[str, dict[str, int]] = {}
    for (what, why), count in sorted(Counter((d.what, d.why) for d in dropped).items()):
        left_out.setdefault(what, {})[why] = count
    return {
        "format": FORMAT,
        "corpus": manifest.corpus,
        "studies": len(manifest),
        "splits": splits,
        "labels": labels,
        "dropped": left_out,
        "notes": list(notes),
    }


def summary_lines(folder: Path) -> list[str]:
    """What `summary.json` of a prepared corpus says, as lines for people."""
    counts = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    lines = [f"{counts['corpus']}: {counts['studies']} studies in {folder}"]
    for name, split in counts["splits"].items():
        lines.append(f"  {name}: " + ", ".join(f"{count} {what}" for what, count in split.items()))
    for what, reasons in counts["dropped"].items():
        lines += [f"  left out: {count} x {what}, {why}" for why, count in reasons.items()]
    if counts["dropped"]:
        lines.append(f"  each by its id in {folder / DROPPED}")
    return lines + [f"  {note}" for note in counts["notes"]]


def natural_key(text: str) -> tuple[list[str | int], str]:
    """A sort key that puts `CXR9` before `CXR10`."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", text))], text


def _to_record(row: Row) -> dict[str, Any]:
    unknown = row.labels.keys() - set(OBSERVATIONS)
    if unknown:
        raise ManifestError(f"Study {row.uid!r}: {min(unknown)!r} is not one of the 14 observations.")
    return {
        "uid": row.uid,
        "patient": row.patient,
        "split": row.split,
        "corpus": row.corpus,
        "images": [{"path": ref.path, "view": ref.view.value, "aspect": ref.aspect} for ref in row.images],
        **asdict(row.report),
        **{name: row.labels[name].value if name in row.labels else None for name in OBSERVATIONS},
        "questions": [asdict(question) for question in row.questions],
        "made": [part.value for part in row.made],
    }


def _from_record(record: dict[str, Any], file: Path) -> Row:
    try:
        return Row(
            uid=record["uid"],
            patient=record["patient"],
            split=record["split"],
            corpus=record["corpus"],
            images=tuple(ImageRef(i["path"], View(i["view"]), i["aspect"]) for i in record["images"] or ()),
            report=Report(**{f.name: record[f.name] or "" for f in fields(Report)}),
            labels={name: Mention(record[name]) for name in OBSERVATIONS if record[name] is not None},
            questions=tuple(Question(**question) for question in record["questions"] or ()),
            made=tuple(Part(name) for name in record["made"] or ()),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestError(f"{file}: study {record['uid']!r} has {error}; prepare the corpus again.") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
