"""The rule-labeller against the MeSH terms that coders gave the reports of the Indiana / Open-i collection.

    python -m radloom.reports.agreement DIR_OF_XML [--splits splits.csv --split val]

prints a Markdown table. The coders indexed what they thought worth finding, with another vocabulary than CheXpert's:
an observation counts as coded when a term matches a pattern of `MESH_TERMS`. Figures below 1 are therefore not all
errors of the labeller; docs/labeller.md names the known causes.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from radloom.errors import RadloomError, ReportError
from radloom.reports.labeller import NAME, VERSION, label
from radloom.reports.openi import OpenIRecord, read_openi
from radloom.study import OBSERVATIONS, Mention

MESH_TERMS: dict[str, str] = {
    "No Finding": r"normal",
    "Enlarged Cardiomediastinum": r"Mediastinum(/.*)?/(prominent|enlarged)",
    "Cardiomegaly": r"Cardiomegaly|(Cardiac Shadow|Heart)/(enlarged|borderline|prominent)",
    "Lung Opacity": r"Opacity|Infiltrate|Airspace Disease|Lung Diseases, Interstitial|Density/lung|Cicatrix(?!/pleura)"
    r"|Markings/.*interstitial|Lung/interstitial|Thickening/(lung|bronchovascular)",
    "Lung Lesion": r"(Nodule|Granuloma|Calcified Granuloma|Mass)(?!/(pleura|mediastinum|breast|ribs))|Cavitation"
    r"|Density/lung/.*round",
    "Edema": r"Pulmonary Edema|Pulmonary Congestion|Heart Failure",
    "Consolidation": r"Consolidation",
    "Pneumonia": r"Pneumonia",
    "Atelectasis": r"Pulmonary Atelectasis",
    "Pneumothorax": r"Pneumothorax|Hydropneumothorax|Hemopneumothorax",
    "Pleural Effusion": r"Pleural Effusion|Hydropneumothorax|Hemopneumothorax|Hemothorax",
    "Pleural Other": r"(Thickening|Cicatrix|Calcinosis|Mass|Nodule|Pleura)/pleura|(Pulmonary )?Fibrosis",
    "Fracture": r"Fractures, Bone",
    "Support Devices": r"Catheters, Indwelling|Surgical Instruments|Implanted Medical Device|Medical Device"
    r"|Tube, Inserted|Stents|Sutures",
}
"""Observation -> the coders' terms that stand for it: a pattern of the head and, where it matters, its qualifiers."""

NOT_CODED = "No Indexing"
"""The term of a study that the coders did not index."""


@dataclass(frozen=True)
class Agreement:
    """Counts for one observation; `as_negative` and `as_positive` say how `uncertain` is counted.

    Each pair is (labelled and coded, labelled).
    """

    observation: str
    coded: int
    as_negative: tuple[int, int]
    as_positive: tuple[int, int]


def mesh_agreement(records: Iterable[OpenIRecord]) -> list[Agreement]:
    """Labels of each report against its MeSH terms, an observation a row; studies that were not coded are skipped."""
    coded = dict.fromkeys(OBSERVATIONS, 0)
    counts = {(observation, u): [0, 0] for observation in OBSERVATIONS for u in (False, True)}
    for record in records:
        if NOT_CODED in record.mesh or not record.mesh:
            continue
        labels, terms = label(record.report), mesh_labels(record.mesh)
        for observation in OBSERVATIONS:
            coded[observation] += observation in terms
            for count_uncertain in (False, True):
                said = labels.get(observation)
                if said is Mention.POSITIVE or (count_uncertain and said is Mention.UNCERTAIN):
                    counts[observation, count_uncertain][0] += observation in terms
                    counts[observation, count_uncertain][1] += 1
    return [
        Agreement(o, coded[o], (counts[o, False][0], counts[o, False][1]), (counts[o, True][0], counts[o, True][1]))
        for o in OBSERVATIONS
    ]


def mesh_labels(terms: Iterable[str]) -> set[str]:
    """The observations that MeSH terms of the collection stand for."""
    return {
        o
        for o, pattern in MESH_TERMS.items()
        if any(re.fullmatch(rf"(?:{pattern})(?:/.*)?", term.strip()) for term in terms)
    }


def table(rows: Sequence[Agreement]) -> str:
    """Precision and recall as a Markdown table; `-` where nothing was labelled or coded."""
    lines = [
        "| observation | coded | precision [u=neg] | recall [u=neg] | precision [u=pos] | recall [u=pos] |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = [
            _ratio(part, whole)
            for both, labelled in (row.as_negative, row.as_positive)
            for part, whole in ((both, labelled), (both, row.coded))
        ]
        lines.append(f"| {row.observation} | {row.coded} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table for a folder of XML files; exit code 2 with one sentence where that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m radloom.reports.agreement", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="folder with the collection's XML files")
    parser.add_argument("--splits", type=Path, help="CSV with the columns uid and split")
    parser.add_argument("--split", help="only studies of this split")
    options = parser.parse_args(arguments)
    try:
        records = list(_records(options.folder, options.splits, options.split))
    except RadloomError as error:
        print(error, file=sys.stderr)
        return 2
    coded = sum(bool(record.mesh) and NOT_CODED not in record.mesh for record in records)
    print(f"{NAME} version {VERSION}, {coded} coded reports of {len(records)}\n")
    print(table(mesh_agreement(records)))
    return 0


def _records(folder: Path, splits: Path | None, split: str | None) -> Iterable[OpenIRecord]:
    paths = sorted(folder.glob("*.xml"))
    if not paths:
        raise ReportError(f"{folder} holds no XML files; name the folder with the collection's reports.")
    if (splits is None) != (split is None):
        raise ReportError("--splits and --split belong together; give both or neither.")
    wanted = None if splits is None else _uids(splits, split)
    for path in paths:
        record = read_openi(path)
        if wanted is None or record.uid in wanted:
            yield record


def _uids(splits: Path, split: str | None) -> set[str]:
    try:
        with splits.open(encoding="utf-8", newline="") as file:
            return {row["uid"] for row in csv.DictReader(file) if row["split"] == split}
    except OSError as error:
        raise ReportError(f"{splits} cannot be read ({error.strerror}); check the path.") from None
    except KeyError as error:
        raise ReportError(f"{splits} has no column {error.args[0]!r}; it needs uid and split.") from None


def _ratio(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    raise SystemExit(main())
