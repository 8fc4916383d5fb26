"""A tiny made-up collection in each of the published layouts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_xray(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 20), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_openi(folder: Path, uid: int, images: list[str], findings: str = "", impression: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uid}.xml"
    parents = "".join(f'<parentImage id="{image}"><caption>PA</caption></parentImage>' for image in images)
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?><eCitation><uId id="CXR{uid}"/><MedlineCitation><Article><Abstract>'
        f'<AbstractText Label="INDICATION">Cough.</AbstractText><AbstractText Label="FINDINGS">{findings}'
        f'</AbstractText><AbstractText Label="IMPRESSION">{impression}</AbstractText></Abstract></Article>'
        f"</MedlineCitation><MeSH><major>normal</major></MeSH>{parents}</eCitation>"
    )
    return path


@pytest.fixture
def xray() -> Callable[[Path, int], Path]:
    return write_xray


@pytest.fixture
def openi() -> Callable[..., Path]:
    return write_openi


@pytest.fixture
def indiana(tmp_path: Path) -> Path:
    """Four studies of two views each, 1 and 2 in train, 3 and 10 in val; study 1 has ids with a doubled number."""
    source = tmp_path / "indiana"
    lines = ["uid,image,view,split,in_r2gen,native_aspect_w_over_h,note"]
    for uid, split in ((1, "train"), (2, "train"), (3, "val"), (10, "val")):
        stem = f"CXR{uid}_1_IM-0001" if uid == 1 else f"CXR{uid}_IM-000{uid % 9}"
        names = [f"{stem}-1001", f"{stem}-2001"]
        for offset, (name, view) in enumerate(zip(names, ("frontal", "lateral"), strict=True)):
            write_xray(source / "images" / f"{name}.png", 2 * uid + offset)
            lines.append(f"{uid},{name}.png,{view},{split},yes,0.8204,")
        finding = "There is a large right pleural effusion." if uid == 2 else "There is no pleural effusion."
        write_openi(source / "ecgen-radiology", uid, names, finding, "See findings.")
    (source / "splits.csv").write_text("\n".join(lines) + "\n")
    return source


@pytest.fixture
def vqa_rad(tmp_path: Path) -> Path:
    """Thirty images with two questions each."""
    source = tmp_path / "vqa_rad"
    lines = []
    for i in range(30):
        write_xray(source / "images" / f"synpic{i}.jpg", i)
        head = {"image": f"images/synpic{i}.jpg", "phrase_type": "freeform"}
        closed = {
            "question": "Is the heart enlarged?",
            "answer": "No",
            "answer_type": "CLOSED",
            "question_type": "PRES",
        }
        place = {"question": "Where is it?", "answer": "Left", "answer_type": "OPEN", "question_type": "POS, PRES"}
        lines += [json.dumps({"qid": 2 * i, **head, **closed}), json.dumps({"qid": 2 * i + 1, **head, **place})]
    (source / "qa.jsonl").write_text("\n".join(lines) + "\n")
    return source


@pytest.fixture
def nih(tmp_path: Path) -> Path:
    """Three images of two patients."""
    source = tmp_path / "nih"
    table = ["image,patient_id,view_raw,labels,boxes"]
    for i, (patient, labels) in enumerate((("p1", "No Finding"), ("p1", "Mass|Effusion"), ("p2", "Hernia"))):
        write_xray(source / "images" / f"0000000{i}_000.png", i)
        table.append(f"images/0000000{i}_000.png,{patient},PA,{labels},")
    (source / "metadata.csv").write_text("\n".join(table) + "\n")
    return source
