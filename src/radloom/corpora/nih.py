"""NIH ChestX-ray14 (Wang et al. 2017, arXiv 1705.02315): frontal X-rays with labels mined from their reports.

Read is a folder with a table and the images it names: `metadata.csv` (`image, patient_id, labels`, the labels separated
by `|`) or the NIH's own `Data_Entry_2017*.csv` (`Image Index, Patient ID, Finding Labels`).

The NIH's classes become CheXpert's observations by `CLASSES`. The NIH states every class of every image, so that an
observation with a counterpart is positive or negative, never absent. Three things to know:

- CheXpert's hierarchy holds: a lung opacity is there when any of `OPACITIES` is, not only an infiltration.
- Emphysema, fibrosis and hernia have no counterpart; an image with one of them is only not `No Finding`.
- Enlarged Cardiomediastinum, Fracture and Support Devices have no NIH class and stay absent.
"""

from __future__ import annotations

from pathlib import Path

from radloom.corpora.draft import IMAGE_SUFFIXES, Draft, existing_folder, find_files, read_csv, relative
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import ManifestError, did_you_mean
from radloom.progress import Progress
from radloom.study import Mention, View

CLASSES: dict[str, str | None] = {
    "No Finding": "No Finding",
    "Cardiomegaly": "Cardiomegaly",
    "Infiltration": "Lung Opacity",
    "Mass": "Lung Lesion",
    "Nodule": "Lung Lesion",
    "Edema": "Edema",
    "Consolidation": "Consolidation",
    "Pneumonia": "Pneumonia",
    "Atelectasis": "Atelectasis",
    "Pneumothorax": "Pneumothorax",
    "Effusion": "Pleural Effusion",
    "Pleural_Thickening": "Pleural Other",
    "Emphysema": None,
    "Fibrosis": None,
    "Hernia": None,
}
"""The NIH's classes -> CheXpert's observations."""

OPACITIES = frozenset({"Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis"})
"""The observations below Lung Opacity in CheXpert's hierarchy (Irvin et al. 2019, arXiv 1901.07031, figure 1)."""

COLUMNS = {
    "image": ("image", "Image Index"),
    "patient": ("patient_id", "Patient ID"),
    "labels": ("labels", "Finding Labels"),
}


def prepare_nih(source: Path | str, out: Path | str, *, progress: Progress | None = None, workers: int = 0) -> Manifest:
    """Make the manifest of NIH ChestX-ray14 or a part of it: one row an image, all in `train`.

    Args:
        source: the folder that holds the table and, anywhere below, the images.
        out: where the manifest goes.
        progress: called after each image with the number done and the number of all.
        workers: processes that look at images; see `Draft.finish`.

    Raises:
        ManifestError: no table, a column missing, or nothing usable.
    """
    source = existing_folder(source)
    table = _find_table(source)
    draft = Draft("nih", source, notes=["All images are in train."])
    records = read_csv(table, draft)
    image, patient, labels = (_column(table, records, names) for names in COLUMNS.values())
    files = find_files(source, IMAGE_SUFFIXES, skip=out)
    file_of = {file.name: file for file in reversed(files)}
    named: set[str] = set()
    for record in records:
        name = Path(record[image]).name
        file = file_of.get(name)
        if file is None:
            draft.drop(name, "image", "not on disk")
            continue
        path = relative(file, source)
        if path in named:
            draft.drop(name, "row", "second row of an image")
            continue
        named.add(path)
        classes = [part.strip() for part in record[labels].split("|")]
        unknown = [part for part in classes if part not in CLASSES]
        if unknown:
            draft.drop(path, "image", "unknown label", f"{unknown[0]!r}{did_you_mean(unknown[0], CLASSES)}")
            continue
        draft.rows.append(
            Row(
                uid=file.stem,
                patient=record[patient] or file.stem,
                split="train",
                images=(ImageRef(path, View.FRONTAL),),
                labels=observations(classes),
                corpus=draft.corpus,
            )
        )
    draft.drop_unnamed(files, named)
    return draft.finish(out, progress, workers)


def observations(classes: list[str]) -> dict[str, Mention]:
    """CheXpert's observations of an image with these NIH classes."""
    found = {CLASSES[name] for name in classes}
    if found & OPACITIES:
        found.add("Lung Opacity")
    stated = dict.fromkeys(name for name in CLASSES.values() if name is not None)
    return {name: Mention.POSITIVE if name in found else Mention.NEGATIVE for name in stated}


def _find_table(source: Path) -> Path:
    for path in (source / "metadata.csv", *sorted(source.glob("Data_Entry_2017*.csv"))):
        if path.is_file():
            return path
    raise ManifestError(f"{source} holds neither metadata.csv nor Data_Entry_2017.csv; name the folder that does.")


def _column(table: Path, records: list[dict[str, str]], names: tuple[str, ...]) -> str:
    there = records[0].keys() if records else ()
    for name in names:
        if name in there:
            return name
    raise ManifestError(f"{table} lacks the column `{names[0]}`{did_you_mean(names[0], there)}; add or rename it.")
