import json
from io import BytesIO

import numpy as np
from PIL import Image

from radloom.imaging import png_bytes
from radloom.provenance import Maker, Origin, marks, text_hash
from radloom.study import Part, Report, View

MAKER = Maker("any-to-any/nano", "0123456789abcdef", 7, "diffusion", {"steps": 20, "guidance": 2.0})


def record(origin: Origin) -> dict[str, object]:
    """What a program reads of a PNG file that was written with the marks."""
    png = png_bytes(np.zeros((8, 8), np.float32), text=marks(View.LATERAL, MAKER, origin))
    return dict(json.loads(Image.open(BytesIO(png)).text["radloom"]))  # type: ignore[attr-defined]


def test_a_program_reads_all_of_it() -> None:
    text = Report(findings="Mrs Doe has a large heart.")
    found = record(Origin([Part.FRONTAL, Part.REPORT], text))
    assert found.pop("text_sha256") == text_hash(text) != text_hash(Report())
    assert found.pop("version")
    assert found == {
        "synthetic": True,
        "view": "lateral",
        "made_from": ["frontal", "report"],
        "recipe": "any-to-any/nano",
        "model": "0123456789abcdef",
        "engine": "diffusion",
        "seed": 7,
        "settings": {"steps": 20, "guidance": 2.0},
    }


def test_the_words_name_the_same_text_and_nothing_that_was_typed() -> None:
    text = Report(findings="Mrs Doe has a large heart.")
    said = marks(View.FRONTAL, MAKER, Origin([Part.REPORT], text))
    assert text_hash(text)[:16] in said["Description"]
    assert "Doe" not in "".join(said.values())


def test_without_a_text_there_is_no_checksum() -> None:
    assert record(Origin([]))["text_sha256"] is None
