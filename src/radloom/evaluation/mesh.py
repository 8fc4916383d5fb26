"""The classifier against the MeSH terms that coders gave the Indiana studies: labels that no rule of radloom made.

    python -m radloom.evaluation.mesh MANIFEST DIR_OF_XML [--split val] [--model nano]

prints a Markdown table over the frontal views of studies that were coded. Which terms stand for an observation is in
`radloom.reports.agreement`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError, ReportError
from radloom.evaluation.bench import SEED, Vision
from radloom.reports.agreement import NOT_CODED, mesh_labels
from radloom.reports.openi import read_openi
from radloom.scores.classification import score_auroc
from radloom.scores.statistics import Bootstrap, Interval
from radloom.study import OBSERVATIONS, View


def score_mesh(vision: Vision, manifest: Manifest, coded: Mapping[str, set[str]]) -> dict[str, Interval | None]:
    """AUROC of each observation and their means over the frontal views of the coded studies.

    Args:
        vision: the classifier.
        manifest: whose images.
        coded: uid -> observations that its terms stand for.

    Raises:
        RadloomError: no frontal view of a coded study.
    """
    pairs = [(row, ref) for row in manifest for ref in row.images if ref.view is View.FRONTAL and row.uid in coded]
    if not pairs:
        raise RadloomError("No frontal view belongs to a coded study; check that manifest and XML are of one corpus.")
    chances = vision.chances(vision.features(manifest, [ref for _, ref in pairs]))[:, : len(OBSERVATIONS)]
    truth = np.array([[observation in coded[row.uid] for observation in OBSERVATIONS] for row, _ in pairs])
    draw = Bootstrap([row.patient for row, _ in pairs], seed=SEED)
    return score_auroc(truth, chances, OBSERVATIONS, "frontal", "classifier", "MeSH", bootstrap=draw)


def coded_studies(folder: Path) -> dict[str, set[str]]:
    """uid -> observations that the terms stand for, of every study of a folder of XML files that was coded.

    Raises:
        ReportError: no XML file, or one that cannot be read.
    """
    records = [read_openi(path) for path in sorted(folder.glob("*.xml"))]
    if not records:
        raise ReportError(f"{folder} holds no XML files; name the folder with the collection's reports.")
    return {r.uid: mesh_labels(r.mesh) for r in records if r.mesh and NOT_CODED not in r.mesh}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 2 with one sentence where that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m radloom.evaluation.mesh", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("manifest", type=Path, help="a folder that `radloom prepare indiana` made")
    parser.add_argument("xml", type=Path, help="folder with the collection's XML files")
    parser.add_argument("--split", default="val", help="what is scored")
    parser.add_argument("--model", default="nano", help="a model inside the package, or the folder of one")
    options = parser.parse_args(arguments)
    try:
        from radloom.model_folder import load_vision

        _, classifier, transform = load_vision(options.model)
        manifest = Manifest.read(options.manifest).split(options.split)
        scores = score_mesh(Vision(classifier, transform), manifest, coded_studies(options.xml))
    except RadloomError as error:
        print(error, file=sys.stderr)
        return 2
    print("| score | model |\n|---|---|")
    for name, interval in scores.items():
        print(f"| {name} | {interval or 'unavailable: all of one class'} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
