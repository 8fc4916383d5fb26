"""Every bad input of a user ends in exit code 2 and one sentence that names it; nothing half-written stays."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny


def missing(folder: Path) -> Path:
    return folder / "missing.png"


def empty(folder: Path) -> Path:
    path = folder / "empty.png"
    path.touch()
    return path


def truncated(folder: Path) -> Path:
    path = tiny.write_chest(folder / "truncated.png")
    path.write_bytes(path.read_bytes()[:400])
    return path


def one_by_one(folder: Path) -> Path:
    path = folder / "dot.png"
    Image.new("L", (1, 1)).save(path)
    return path


def huge_header(folder: Path) -> Path:
    """A PNG of a few bytes whose header promises 20,000 x 20,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path = folder / "huge.png"
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def text_file(folder: Path) -> Path:
    path = folder / "notes.png"
    path.write_text("The heart is normal.")
    return path


def not_finite(folder: Path) -> Path:
    path = folder / "nan.tiff"
    pixels = np.full((32, 32), 0.5, np.float32)
    pixels[3, 4] = np.nan
    Image.fromarray(pixels).save(path)
    return path


def ct_slice(folder: Path) -> Path:
    import pydicom
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = CTImageStorage, "1.2.3", "CT"
    dataset.Rows = dataset.Columns = 32
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelData = np.zeros((32, 32), np.int16).tobytes()
    path = folder / "slice.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


IMAGES = [missing, empty, truncated, one_by_one, huge_header, text_file, not_finite, ct_slice]


def assert_one_sentence(outcome, *words: str) -> None:
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("radloom: ")
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


@pytest.mark.parametrize("make", IMAGES, ids=lambda make: make.__name__)
def test_bad_image(cli, tiny_model: Path, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    assert_one_sentence(cli("report", path, "--model", tiny_model), path.name)


@pytest.mark.parametrize("make", [missing, truncated, not_finite], ids=lambda make: make.__name__)
def test_bad_image_whatever_the_command(
    cli, tiny_model: Path, chest_file: Path, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    for arguments in (
        ("ask", path, "Is it large?"),
        ("check", path),
        ("report", chest_file, "--lateral", path),
        ("reconstruct", chest_file, path, "-o", tmp_path / "pairs.png"),
    ):
        assert_one_sentence(cli(*arguments, "--model", tiny_model), path.name)
    assert sorted(tmp_path.iterdir()) == before


def test_predict_leaves_nothing_when_it_cannot_begin(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for picture in (prepared.parent / "raw").rglob("*.png"):
        to = tmp_path / "images" / picture.relative_to(prepared.parent / "raw")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(picture.read_bytes()[:200])
    to = ("-o", tmp_path / "out.jsonl", "--model", tiny_model)
    assert_one_sentence(cli("predict", "report", prepared, "--images", tmp_path / "images", *to), ".png")
    assert_one_sentence(cli("predict", "image", prepared, "--temperature", "-1", *to), "temperature -1.0")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_a_text_of_a_manifest_that_is_too_long_is_named(cli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "t.csv").write_text("uid,findings\nlengthy," + "effusion " * 5000 + "\n")
    assert cli("prepare", "folder", tmp_path / "raw", "-o", tmp_path / "made").code == 0
    outcome = cli("predict", "image", tmp_path / "made", "-o", tmp_path / "x.jsonl", "--model", tiny_model)
    assert_one_sentence(outcome, "uid lengthy", "Shorten")


def test_train_without_its_data_leaves_nothing(cli, tmp_path: Path) -> None:
    outcome = cli("train", "llm-cxr/nano", "--data", tmp_path, "-o", tmp_path / "run")
    assert_one_sentence(outcome, "iu_xray", "--data")
    assert list(tmp_path.iterdir()) == []


def test_demo_of_nothing(cli, tiny_model: Path, tmp_path: Path) -> None:
    assert_one_sentence(cli("demo", "-o", tmp_path / "demo", "--text", "", "--model", tiny_model), "empty")


def test_with_json_the_error_is_an_object_on_stdout(cli, tiny_model: Path, tmp_path: Path) -> None:
    outcome = cli("ask", missing(tmp_path), "Is it large?", "--model", tiny_model, "--json")
    assert outcome.code == 2
    assert f"radloom: {json.loads(outcome.out)['error']}\n" == outcome.err
    assert "missing.png does not exist" in outcome.err


@pytest.mark.parametrize(("text", "word"), [("", "empty"), (" \n", "empty"), ("effusion " * 5000, "Shorten")])
def test_prompt_that_is_empty_or_too_long(cli, tiny_model: Path, tmp_path: Path, text: str, word: str) -> None:
    outcome = cli("image", text, "-o", tmp_path / "x.png", "--model", tiny_model)
    assert_one_sentence(outcome, "text", word)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("question", "word"), [(" ", "empty"), ("Is it large? " * 1700, "Shorten")])
def test_question_that_is_empty_or_too_long(cli, tiny_model: Path, chest_file: Path, question: str, word: str) -> None:
    assert_one_sentence(cli("ask", chest_file, question, "--model", tiny_model), word)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--temperature", "-1"), ("temperature -1.0",)),
        (("--top-p", "0"), ("top_p 0.0",)),
        (("--guidance", "nan"), ("guidance nan",)),
        (("--guidance", "1000"), ("guidance 1000.0 is out of range; give -100 to 100",)),
        (("--view", "side"), ("'side'", "frontal, lateral")),
        (("--device", "abacus"), ("'abacus'", "cpu")),
    ],
)
def test_sampling_out_of_range(
    cli, tiny_model: Path, tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    outcome = cli("image", "Clear lungs.", "-o", tmp_path / "x.png", "--model", tiny_model, *options)
    assert_one_sentence(outcome, *words)
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_written_is_found_before_any_work(cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    below = tmp_path / "file" / "x.png"
    assert_one_sentence(cli("image", "Clear.", "-o", below, "--model", "unread"), str(below), "choose another")
    assert_one_sentence(cli("image", "Clear.", "-o", tmp_path / "folder.png"), "is a folder")
    assert_one_sentence(cli("image", "Clear.", "-o", tmp_path / "x.gif"), "x.gif", ".png or .dcm")
    report = ("report", tmp_path / "unread.png", "-o")
    assert_one_sentence(cli(*report, tmp_path / "x.pdf"), "x.pdf", ".txt, .json or .dcm", "one of these endings")
    assert_one_sentence(cli(*report, below.with_suffix(".dcm")), "choose another")
    assert_one_sentence(cli("image", "Clear.", "-o", ".", "-n", 2), ".png")
    assert_one_sentence(cli("demo", "-o", tmp_path / "file" / "demo"), "choose another")
    assert_one_sentence(cli("predict", "report", tmp_path, "-o", tmp_path / "x.csv"), "x.csv", ".jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_model_that_is_unknown_or_damaged(cli, tiny_model: Path, chest_file: Path, tmp_path: Path) -> None:
    assert_one_sentence(cli("report", chest_file, "--model", "nanoo"), "'nanoo'", "radloom train")
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    (broken / "model.json").write_text('{"format": 99}')
    assert_one_sentence(cli("report", chest_file, "--model", broken), "model.json", "format 99")
    (broken / "model.json").write_text("{")
    assert_one_sentence(cli("check", chest_file, "--model", broken), "model.json", "not valid JSON")


def test_checkpoint_with_a_missing_key(cli, tiny_model: Path, chest_file: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    for part, key in (("codec", "decoder.0.weight"), ("language", "model.norm.weight")):
        weights = broken / part / "model.safetensors"
        whole = weights.read_bytes()
        state = load_file(weights)
        del state[key]
        save_file(state, weights, metadata={"format": "pt"})
        words = (key,) if part == "codec" else (key, "language")
        assert_one_sentence(cli("report", chest_file, "--model", broken), *words)
        weights.write_bytes(whole)


def test_codec_of_another_model(cli, tiny_model: Path, chest_file: Path, tmp_path: Path) -> None:
    mixed = shutil.copytree(tiny_model, tmp_path / "mixed")
    shutil.rmtree(mixed / "codec")
    shutil.copytree(tiny.make_model(tmp_path / "other", seed=1) / "codec", mixed / "codec")
    assert_one_sentence(cli("report", chest_file, "--model", mixed), "codec", "trained")


def test_recipe_that_is_unknown_or_has_an_unknown_key(cli, tmp_path: Path) -> None:
    assert_one_sentence(cli("train", "llm-cxr/nanoo", "--data", tmp_path), "'llm-cxr/nanoo'", "did you mean")
    assert_one_sentence(cli("train", "--data", tmp_path), "Name a recipe")
    assert_one_sentence(cli("train", "llm-cxr/nano"), "--data")
    assert_one_sentence(cli("train", "llm-cxr/nano", "--data", tmp_path, "--until", "lunch"), "lunch")
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(cli("train", "llm-cxr/nano", "--show").out.replace("batch_size", "batch_sise", 1))
    outcome = cli("train", recipe, "--data", tmp_path, "-o", tmp_path / "run")
    assert_one_sentence(outcome, "'batch_sise'", "did you mean 'batch_size'")
    assert not (tmp_path / "run").exists()


def test_corpus_without_one_readable_report(cli, tmp_path: Path) -> None:
    source = tiny.make_indiana(tmp_path / "raw", studies=2)
    for file in (source / "ecgen-radiology").iterdir():
        file.write_text("<eCitation><uId")
    assert_one_sentence(cli("prepare", "indiana", source, "-o", tmp_path / "out"), str(source), "no usable study")
    assert not (tmp_path / "out").exists()


def test_manifest_of_another_version(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(prepared / "manifest.parquet")
    newer = table.replace_schema_metadata({**(table.schema.metadata or {}), b"radloom.format": b"99"})
    pq.write_table(newer, tmp_path / "manifest.parquet")
    out = tmp_path / "out.jsonl"
    outcome = cli("predict", "report", tmp_path, "-o", out, "--model", tiny_model)
    assert_one_sentence(outcome, "manifest.parquet", "format 99")
    assert not out.exists()
    outcome = cli("reconstruct", prepared, "--split", "tset", "-o", tmp_path / "x.png", "--model", tiny_model)
    assert_one_sentence(outcome, "no split 'tset'", "train")


def test_wrong_option_is_told_by_the_parser(cli) -> None:
    for arguments in (("report",), ("image", "text"), ("report", "x.png", "--no-such"), ("no-such",)):
        outcome = cli(*arguments)
        assert outcome.code == 2
        assert outcome.out == ""
        assert "Error: " in outcome.err


@pytest.mark.parametrize(
    "command",
    [
        ("report", "PATH"),
        ("report", "CHEST", "--lateral", "PATH"),
        ("ask", "PATH", "Is the heart enlarged?"),
        ("check", "PATH"),
        ("saliency", "PATH", "-o", "OUT.png"),
        ("complete", "--frontal", "PATH", "--want", "report", "-o", "OUT"),
    ],
)
@pytest.mark.parametrize("make", [missing, empty])
def test_a_file_that_is_not_there_costs_no_loading_of_a_model(
    cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...], make: Callable[[Path], Path]
) -> None:
    monkeypatch.setattr("radloom.models.load", lambda *_, **__: pytest.fail("a model was loaded"))
    path = make(tmp_path)
    names = {"PATH": path, "CHEST": tiny.write_chest(tmp_path / "chest.png"), "OUT": tmp_path / "x"}
    found = cli(*(names.get(part, tmp_path / part if part.startswith("OUT") else part) for part in command))
    assert found.code == 2 and path.name in found.err
