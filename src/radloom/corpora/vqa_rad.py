"""VQA-RAD (Lau et al. 2018, doi 10.1038/sdata.2018.251): questions that clinicians asked about radiology images.

Read is a folder with `qa.jsonl`, one question a line (`qid, image, question, answer, answer_type, question_type`), and
the images that it names. All of them are of VQA-RAD's training part; a tenth of the images is set apart here as `val`,
by a hash of the image's name, since an image must not be in two splits. One row of the manifest is one image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from radloom.corpora.draft import IMAGE_SUFFIXES, Draft, existing_folder, find_files, read_jsonl
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.corpora.splits import hash_split
from radloom.errors import ManifestError
from radloom.progress import Progress
from radloom.study import Question, View

QUESTION_TYPES = {
    "PRES": "presence",
    "POS": "location",
    "ABN": "normality",
    "SIZE": "size",
    "ATTRIB": "attribute",
    "ATRIB": "attribute",
    "MODALITY": "modality",
    "PLANE": "plane",
    "ORGAN": "organ",
    "COUNT": "count",
    "COLOR": "color",
    "OTHER": "other",
}
"""VQA-RAD's codes -> the words of `Question.question_type`; of several codes the first counts."""


def prepare_vqa_rad(
    source: Path | str,
    out: Path | str,
    *,
    progress: Progress | None = None,
    view_of: Callable[[Path], View] | None = None,
    workers: int = 0,
) -> Manifest:
    """Make the manifest of VQA-RAD's chest images.

    Args:
        source: the folder that holds `qa.jsonl`.
        out: where the manifest goes.
        progress: called after each image with the number done and the number of all.
        view_of: predicts the view of an image; without it all are taken as frontal, as nearly all are.
        workers: processes that look at images; see `Draft.finish`.

    Raises:
        ManifestError: no `qa.jsonl`, or one without the columns needed, or nothing usable.
    """
    source = existing_folder(source)
    table = source / "qa.jsonl"
    if not table.is_file():
        raise ManifestError(f"{source} holds no qa.jsonl; name the folder of VQA-RAD that does.")
    draft = Draft("vqa-rad", source)
    draft.notes.append(
        "All questions are of VQA-RAD's training part; a tenth of the images is val. VQA-RAD's own test questions are "
        "about images of this manifest, so that they do not test on unseen images."
    )
    draft.notes.append("Views predicted." if view_of else "Views not given: all images taken as frontal.")
    merged: dict[str, Row] = {}
    for number, record in enumerate(read_jsonl(table, draft), start=1):
        missing = [name for name in ("image", "question", "answer") if record.get(name) in (None, "")]
        if missing:
            draft.drop(str(record.get("qid", f"record {number}")), "question", f"no {missing[0]}")
            continue
        image = Path(str(record["image"])).as_posix()
        row = merged.get(image)
        if row is None:
            row = _row(image, view_of, draft)
        question = Question(
            qid=str(record.get("qid", number)),
            question=str(record["question"]).strip(),
            answer=str(record["answer"]).strip(),
            answer_type=str(record.get("answer_type", "open")).lower(),
            question_type=_question_type(str(record.get("question_type", ""))),
            image=image,
        )
        merged[image] = replace(row, questions=(*row.questions, question))
    draft.rows = list(merged.values())
    draft.drop_unnamed(find_files(source, IMAGE_SUFFIXES, skip=out), set(merged))
    return draft.finish(out, progress, workers)


def _row(image: str, view_of: Callable[[Path], View] | None, draft: Draft) -> Row:
    uid = Path(image).stem
    view = draft.predict_view(image, view_of) if view_of else View.FRONTAL
    images = (ImageRef(image, view),) if view else ()
    return Row(uid=uid, patient=uid, split=hash_split(uid), images=images, corpus=draft.corpus)


def _question_type(codes: str) -> str:
    first = codes.split(",")[0].strip()
    return QUESTION_TYPES.get(first.upper(), first.lower())
