from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import radloom
import tiny
from radloom.checkpoint import fingerprint
from radloom.classifier.signs import SignReader, save_signs
from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError
from radloom.reports.labeller import label
from radloom.study import OBSERVATIONS, SIGNS, Report

pytestmark = pytest.mark.usefixtures("meteor_read_once")


def test_report_gives_sections_as_text_or_json(cli, tiny_model: Path, chest_file: Path) -> None:
    text = cli("report", chest_file, "--model", tiny_model)
    assert text.code == 0
    assert text.out.startswith(("FINDINGS: ", "IMPRESSION: "))
    found = cli("report", chest_file, "--lateral", chest_file, "--model", tiny_model, "--json")
    said = json.loads(found.out)
    assert said.keys() == {"findings", "impression", "mentions", "seed", "model", "seconds", "remarks"}
    assert said["remarks"] == ["The lateral image looks like a frontal view."]
    assert "warning: The lateral image looks like a frontal view." in found.err
    assert said["mentions"] == label(Report(said["findings"], said["impression"]))
    assert found.out.count("\n") == 1


def test_image_writes_one_png_that_says_it_is_synthetic(cli, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "x.png"
    result = cli("image", "Large right pleural effusion.", "-o", out, "--model", tiny_model, "--view", "lateral")
    assert (result.code, result.out) == (0, f"{out}\n")
    with Image.open(out) as picture:
        assert picture.size == (tiny.SIDE, tiny.SIDE)
        assert "Synthetic lateral" in picture.text["Comment"]
        checksum = hashlib.sha256(b"FINDINGS: Large right pleural effusion.").hexdigest()[:16]
        assert picture.text["Description"] == f"Made from a text with SHA-256 {checksum}."


def test_image_is_diffused_or_by_the_engine_that_is_named(
    cli, any_to_any_folder: Path, any_to_any_model: radloom.Model, tmp_path: Path
) -> None:
    import pydicom

    draw = ("image", "Clear lungs.", "--model", any_to_any_folder, "--json", "-o")
    diffused = json.loads(cli(*draw, tmp_path / "x.png", "--steps", 2, "--candidates", 2).out)
    written = json.loads(cli(*draw, tmp_path / "y.dcm", "--engine", "language", "--temperature", 0.5).out)
    assert (diffused["engine"], written["engine"]) == ("diffusion", "language")
    with Image.open(tmp_path / "x.png") as picture:
        how = "diffusion engine, seed 0, guidance 6.0, guided_below 900, steps 2, sampler dpm++, candidates 2"
        assert how in picture.text["Software"]
        [expected] = any_to_any_model.image("Clear lungs.", steps=2, candidates=2)
        assert np.abs(np.asarray(picture) / 255 - expected).max() < 0.01
    assert "language engine, seed 0" in pydicom.dcmread(tmp_path / "y.dcm").ImageComments
    refused = cli(*draw, tmp_path / "z.png", "--temperature", 0.5)
    assert refused.code == 2 and "temperature is a setting of the language engine" in refused.err


def test_image_writes_dicom_that_report_reads(cli, tiny_model: Path, tmp_path: Path) -> None:
    import pydicom

    out = tmp_path / "x.dcm"
    drawn = cli("image", "Large effusion.", "-o", out, "-n", 2, "--seed", 4, "--model", tiny_model, "--view", "lateral")
    assert (drawn.code, drawn.out) == (0, f"{tmp_path / 'x-1.dcm'}\n{tmp_path / 'x-2.dcm'}\n")
    dataset = pydicom.dcmread(tmp_path / "x-2.dcm")
    assert (dataset.SyntheticData, dataset.Rows, dataset.Columns) == ("YES", tiny.SIDE, tiny.SIDE)
    assert "lateral" in dataset.ImageComments and "seed 5" in dataset.ImageComments
    read = cli("report", tmp_path / "x-1.dcm", "-o", tmp_path / "r.dcm", "--model", tiny_model)
    assert read.code == 0
    assert pydicom.dcmread(tmp_path / "r.dcm").PatientID == pydicom.dcmread(tmp_path / "x-1.dcm").PatientID


def test_report_is_written_as_its_suffix_says(cli, tiny_model: Path, chest_file: Path, tmp_path: Path) -> None:
    plain = cli("report", chest_file, "--model", tiny_model).out
    for name in ("r.txt", "r.json", "r.dcm"):
        out = tmp_path / "new" / name
        written = cli("report", chest_file, "--lateral", chest_file, "-o", out, "--model", tiny_model)
        assert written.code == 0 and written.out.endswith(f"{out}\n") and out.is_file()
    alone = cli("report", chest_file, "-o", tmp_path / "r.txt", "--model", tiny_model, "--json")
    found = json.loads(alone.out)
    assert found["out"] == str(tmp_path / "r.txt")
    text = (tmp_path / "r.txt").read_text(encoding="utf-8")
    assert text.startswith(plain) and "checked by nobody" in text
    assert json.loads((tmp_path / "new" / "r.json").read_text())["status"] == "preliminary"


def test_several_images_are_numbered_and_seeded(cli, tiny_model: Path, tmp_path: Path) -> None:
    sampling = ("--guidance", "1", "--top-p", "0.9", "--temperature", "1")
    draw = ("image", "Clear lungs.", "--model", tiny_model, *sampling, "--json", "-o")
    three = json.loads(cli(*draw, tmp_path / "x.png", "-n", 3, "--seed", 5).out)
    assert three["images"] == [str(tmp_path / f"x-{i}.png") for i in (1, 2, 3)]
    assert three["seeds"] == [5, 6, 7]
    pictures = [np.asarray(Image.open(path)) for path in three["images"]]
    assert not np.array_equal(pictures[0], pictures[1])
    cli(*draw, tmp_path / "again.png", "--seed", 6)
    again = np.asarray(Image.open(tmp_path / "again.png"))
    assert np.abs(pictures[1].astype(int) - again).max() <= 1


def test_ask(cli, tiny_model: Path, chest_file: Path) -> None:
    answer = cli("ask", chest_file, "Is the heart enlarged?", "--model", tiny_model)
    found = json.loads(cli("ask", chest_file, "Is the heart enlarged?", "--model", tiny_model, "--json").out)
    turned = cli("ask", "Is the heart enlarged?", chest_file, "--model", tiny_model)
    assert turned.code == 2 and "The question comes after the image" in turned.err
    assert found["question"] == "Is the heart enlarged?"
    assert answer.out.strip() == found["answer"] != "" and found["by"] in ("classifier", "language model")


def test_check_lists_the_fourteen_observations(cli, tiny_model: Path, chest_file: Path) -> None:
    found = json.loads(cli("check", chest_file, "--model", tiny_model, "--json").out)
    assert tuple(found["observations"]) == OBSERVATIONS
    assert all(0 <= p <= 1 for p in found["observations"].values())
    text = cli("check", chest_file, "--model", tiny_model).out
    assert re.search(r"^Pleural Effusion +0\.\d\d", text, re.MULTILINE)
    assert "view" in text and "frontal" in text
    assert found["signs"] == {} and "Scoliosis" not in text


def test_check_lists_signs_where_they_are_read(cli, tiny_model: Path, chest_file: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "reading")
    save_signs(SignReader(), folder / "signs", fingerprint(folder / "classifier"))
    found = json.loads(cli("check", chest_file, "--model", folder, "--json").out)
    assert tuple(found["signs"]) == SIGNS and tuple(found["observations"]) == OBSERVATIONS
    shown = cli("check", chest_file, "--model", folder).out
    assert re.search(rf"^Hyperinflation +{found['signs']['Hyperinflation']:.2f}", shown, re.MULTILINE)


def test_prepare_says_what_was_kept_and_left_out(cli, tmp_path: Path) -> None:
    source = tiny.make_indiana(tmp_path / "raw")
    (source / "ecgen-radiology" / "2.xml").write_text("<eCitation><uId")
    result = cli("prepare", "indiana", source, "-o", tmp_path / "out")
    assert result.code == 0
    assert "indiana: 5 studies" in result.out
    assert "left out: 1 x report, unreadable" in result.out
    found = json.loads(cli("prepare", "indiana", source, "-o", tmp_path / "out", "--json").out)
    assert found["splits"]["val"]["studies"] == 2
    assert found["dropped"]["report"] == {"unreadable": 1}


def test_prepare_of_other_corpora_tells_as_json(cli, tmp_path: Path) -> None:
    for kind, make, studies in (("folder", tiny.make_folder_corpus, 6), ("nih", tiny.make_nih, 6)):
        found = json.loads(cli("prepare", kind, make(tmp_path / kind), "-o", tmp_path / f"{kind}-out", "--json").out)
        assert (found["studies"], found["out"]) == (studies, str(tmp_path / f"{kind}-out"))


def test_evaluate_tells_as_json(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    found = json.loads(cli("evaluate", tiny_model, prepared, "--tasks", "question", "-o", out, "--json").out)
    assert found["signature"]["split"] == "val"
    assert "accuracy[closed, raw]" in {score["name"] for score in found["scores"]}
    assert found == json.loads((out / "scores.json").read_text(encoding="utf-8")) | {"out": str(out), "remarks": []}
    assert {"README.md", "index.html", "scores.md", "draws.npz"} <= {path.name for path in out.iterdir()}


def test_files_of_another_system_are_scored_and_compared(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    cli("evaluate", tiny_model, prepared, "--tasks", "report", "--adapters", "none", "-o", tmp_path / "a")
    file = tmp_path / "a" / "predictions" / "report-val.jsonl"
    scored = cli("score", "report", file, prepared, "--adapters", "none", "-o", tmp_path / "b", "--name", "other")
    assert scored.code == 0 and "| bleu4[findings, r2gen] | 2 |" in scored.out
    text = cli("compare", tmp_path / "a" / "scores.json", tmp_path / "b" / "scores.json").out
    assert "| bleu4[findings, r2gen] | 2 |" in text and "+0.000 [+0.000, +0.000] | 1.000 |" in text
    many = cli("compare", *[tmp_path / name for name in "abb"]).out.splitlines()
    assert many[0].startswith("| recipe | BLEU-4 |") and len(many) == 5
    assert cli("compare", *[tmp_path / name for name in "abb"], "--a", "constant").code == 2
    against = ("compare", tmp_path / "a", tmp_path / "b", "--a", "constant", "--json")
    assert json.loads(cli(*against).out)["a"] == "constant"


def test_a_task_that_fails_gives_exit_code_1(
    cli, tiny_model: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RadloomError("nothing works; mend it.")

    monkeypatch.setattr("radloom.evaluation.run.score_classifier", fail)
    result = cli("evaluate", tiny_model, prepared, "--tasks", "classifier", "-o", tmp_path)
    assert result.code == 1 and "error: nothing works; mend it." in result.out


def test_questions_by_rule(cli, tmp_path: Path) -> None:
    cli("prepare", "indiana", tiny.make_indiana(tmp_path / "raw"), "-o", tmp_path / "made")
    result = cli("questions", tmp_path / "made", "-o", tmp_path / "asked", "--limit", 2)
    assert result.code == 0 and "written by rule: 6 studies" in result.out
    first = Manifest.read(tmp_path / "asked").rows[0]
    assert 1 <= len(first.questions) <= 2
    assert any("effusion" in q.question and q.answer in ("yes", "no", "right") for q in first.questions)
    again = cli("questions", tmp_path / "asked", "-o", tmp_path / "twice")
    assert again.code == 2 and "has questions already" in again.err


def test_questions_by_a_language_model(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = []

    def fake(name: str, device: str) -> Callable[[str], str]:
        def write(prompt: str) -> str:
            prompts.append(prompt)
            pairs = [("Is there an effusion?", "Yes"), ("Has it grown?", "unchanged")]
            return json.dumps([{"question": q, "answer": a} for q, a in pairs])

        return write

    monkeypatch.setattr("radloom.language.writer.question_writer", fake)
    cli("prepare", "indiana", tiny.make_indiana(tmp_path / "raw"), "-o", tmp_path / "made")
    asked = (
        "questions",
        tmp_path / "made",
        "--split",
        "val",
        "-o",
        tmp_path / "asked",
        "--llm",
        "some/model",
        "--json",
    )
    found = json.loads(cli(*asked).out)
    assert found["corpus"] == "indiana, written by model"
    assert found["notes"] == ["left out: 2 x pair, prior study"]
    assert len(prompts) == 2 and "pleural effusion" in "".join(prompts)
    assert [q.answer for row in Manifest.read(tmp_path / "asked") for q in row.questions] == ["yes", "yes"]


def test_saliency_shows_the_xray_and_a_map_for_each_observation(
    cli, tiny_model: Path, chest_file: Path, tmp_path: Path
):
    run = ("saliency", chest_file, "-o", tmp_path / "where.png", "--model", tiny_model)
    text = cli(*run)
    found = json.loads(cli("check", chest_file, "--model", tiny_model, "--json").out)["observations"]
    likeliest = max(OBSERVATIONS[1:], key=found.__getitem__)
    assert text.code == 0 and text.out.splitlines()[2].startswith(likeliest)
    with Image.open(tmp_path / "where.png") as picture:
        assert (picture.size, picture.mode) == ((2 * tiny.SIDE, tiny.SIDE), "RGB")
        left, right = np.split(np.asarray(picture).astype(int), 2, axis=1)
    assert (left[..., 0] == left[..., 2]).all() and not (right[..., 0] == right[..., 2]).all()
    two = cli(*run, "--observations", "Cardiomegaly, Edema", "--method", "grad-cam", "--json")
    found = json.loads(two.out)
    assert list(found["saliency"]) == list(found["strongest"]) == ["Cardiomegaly", "Edema"]
    place, cells = found["strongest"]["Edema"], np.array(found["saliency"]["Edema"])
    assert cells[place["row"] - 1, place["column"] - 1] == cells.max() and 0 <= place["probability"] <= 1
    assert np.mean(found["saliency"]["Edema"]) == pytest.approx(1, abs=1e-2)
    assert Image.open(tmp_path / "where.png").size == (3 * tiny.SIDE, tiny.SIDE)
    wrong = cli(*run, "--observations", "Edemma")
    assert wrong.code == 2 and "did you mean 'Edema'" in wrong.err


def test_reconstruct_scores_a_manifest_and_draws_pairs(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    run = ("reconstruct", prepared, "--split", "val", "-n", 3, "-o", out, "--model", tiny_model)
    found = json.loads(cli(*run, "--json").out)
    assert found["images"] == 4
    assert 0 < found["scores"]["psnr"] < 40
    assert 0 < found["scores"]["codebook_usage"] <= 1
    assert 0 <= found["verdicts"]["Pleural Effusion"]["agreement"] <= 1
    with Image.open(out) as picture:
        assert picture.width > 3 * tiny.SIDE
        assert picture.height > 2 * tiny.SIDE
    assert "Pleural Effusion" in cli(*run).out


def test_reconstruct_probes_the_codes(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    run = ("reconstruct", prepared, "-o", tmp_path / "pairs.png", "--model", tiny_model, "--probe")
    text = cli(*run, "--split", "val")
    assert text.code == 0
    assert re.search(r"^ +moved +kept +AUROC +then +codes$", text.out, re.MULTILINE)
    found = json.loads(cli(*run, "--split", "val", "--json").out)
    assert 0 <= found["scores"]["auroc[Pleural Effusion, codes probe]"] <= 1
    for wrong in ((), ("--split", "train")):
        assert "name a manifest and --split val" in cli(*run, *wrong).err


def test_reconstruct_takes_images_and_another_codec(cli, tiny_model: Path, chest_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    run = ("reconstruct", chest_file, chest_file, "-o", out, "--model", tiny_model, "--codec", tiny_model / "codec")
    found = json.loads(cli(*run, "--json").out)
    assert found["images"] == 2
    assert found["verdicts"]["Edema"]["auroc"] is None


def test_demo_writes_pictures_and_a_page_that_fetches_nothing(cli, tiny_model: Path, tmp_path: Path) -> None:
    result = cli("demo", "-o", tmp_path / "demo", "--model", tiny_model)
    assert result.code == 0
    page = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    assert str(tmp_path / "demo" / "index.html") in result.out
    assert "the installation is fine" in result.out and "the installation is fine" in page
    assert len(list((tmp_path / "demo").glob("*.png"))) == page.count("data:image/png;base64,") == 4
    assert set(re.findall(r'(?:src|href)="(\w+):', page)) == {"data"}
    assert "http" not in page and "url(" not in page
    for text in ("synthetic", "not a medical device", "Is the heart enlarged?", "Cardiomegaly", " s</span>"):
        assert text in page


def test_demo_reads_the_drawing_that_shows_most_of_its_sentence(
    cli, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radloom.demo.fitting", lambda model, images, report, view: np.array([0, 1, 3, 2]))
    found = json.loads(cli("demo", "-o", tmp_path, "--model", tiny_model, "--json").out)
    assert found["read"] == found["images"][2] == str(tmp_path / "drawing-3.png")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r"drawing-\d", page)
    assert shown == ["drawing-3", "drawing-1", "drawing-2", "drawing-4"]


def test_demo_escapes_what_it_shows(cli, tiny_model: Path, tmp_path: Path) -> None:
    found = cli("demo", "-o", tmp_path, "--model", tiny_model, "--text", "A <b>large</b> heart & lungs.", "--json")
    assert json.loads(found.out)["text"] == "A <b>large</b> heart & lungs."
    assert "A &lt;b&gt;large&lt;/b&gt; heart &amp; lungs." in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_text_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    from radloom.cli.base import text_or_file
    from radloom.reports.report_text import as_report

    file, text = tmp_path / "from-notepad.txt", "FINDINGS: The heart is enlarged.\nIMPRESSION: Cardiomegaly."
    file.write_text(text, encoding="utf-8-sig")
    assert as_report(text_or_file(str(file))) == Report("The heart is enlarged.", "Cardiomegaly.")


def test_a_text_file_may_have_a_long_name(tmp_path: Path) -> None:
    from radloom.cli.base import text_or_file

    folder = tmp_path / ("a" * 120) / ("b" * 120)
    folder.mkdir(parents=True)
    (folder / "report.txt").write_text("The heart is enlarged.", encoding="utf-8")
    assert text_or_file(str(folder / "report.txt")) == "The heart is enlarged."
    sentence = "The heart is enlarged. " * 400 + "See report.txt"
    assert text_or_file(sentence) == sentence


def test_doctor_fails_where_something_needed_is_missing(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from radloom.doctor import Check

    checks = [Check("torch", True, "2.0"), Check("training: gguf", False, "none", "Install it.", optional=True)]
    monkeypatch.setattr("radloom.doctor.diagnose", lambda: checks)
    result = cli("doctor")
    assert result.code == 0
    assert "Install it." in result.out
    checks.append(Check("memory", False, "0.1 GB", "Close programs."))
    result = cli("doctor", "--json")
    assert result.code == 1
    assert json.loads(result.out)["ok"] is False


def test_recipes_are_listed_and_shown_to_be_copied(cli, tmp_path: Path) -> None:
    listed = json.loads(cli("train", "--list", "--json").out)["recipes"]
    assert "llm-cxr/nano" in listed
    copy = tmp_path / "mine.yaml"
    copy.write_text(cli("train", "llm-cxr/nano", "--show").out)
    again = cli("train", copy, "--set", "no-such-stage.train.steps=1", "--data", tmp_path)
    assert again.code == 2
    assert "no-such-stage" in again.err


RECIPE = """
name: mine
about: A codec, and nothing else.
transform: {size: 64}
corpora:
  here: {kind: folder, path: raw}
stages:
  - name: codec
    kind: codec
    corpora: [here]
    network: {channels: [16, 16, 16], codes: 16, code_dim: 8}
    loss: {perceptual: 0, clinical: 0, phi: 0, adversarial: 0}
    train: {steps: 500, batch_size: 2, learning_rate: 1.0e-3}
model: {codec: codec}
"""


def test_sizes_are_counted_without_data(cli, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(RECIPE)
    said = json.loads(cli("train", recipe, "--set", "codec.network.detail=8", "--sizes", "--json").out)
    parts = said["parameters"]["codec"]
    assert said["all"] == parts["codec.encoder"] + parts["codec.decoder"]
    lines = cli("train", recipe, "--set", "codec.network.detail=64", "--sizes").out.splitlines()
    assert lines[-1].split()[0] == "all" and int(lines[-1].split()[1].replace(",", "")) > said["all"]
    assert not (tmp_path / "runs").exists()


def test_train_runs_a_recipe_of_ones_own_and_names_what_it_made(cli, tmp_path: Path) -> None:
    tiny.make_folder_corpus(tmp_path / "raw")
    (tmp_path / "mine.yaml").write_text(RECIPE)
    run = ("train", tmp_path / "mine.yaml", "--data", tmp_path, "-o", tmp_path / "run", "--set", "codec.train.steps=1")
    found = json.loads(cli(*run, "--json").out)
    assert found["model"] == str(tmp_path / "run" / "model")
    assert (tmp_path / "run" / "model" / "codec" / "model.safetensors").is_file()
    changed = cli(*run[:-1], "codec.train.steps=2")
    assert changed.code == 2
    assert "other settings" in changed.err


def test_colour_photo_is_read_with_a_warning_of_one_line(cli, tiny_model: Path, tmp_path: Path) -> None:
    photo = tmp_path / "holiday.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(photo)
    result = cli("report", photo, "--model", tiny_model)
    assert result.code == 0
    assert result.err.startswith("radloom: warning: ")
    assert "holiday.jpg is a colour image" in result.err
    assert result.err.count("\n") == 1


def test_ctrl_c_exits_with_130(cli, tiny_model: Path, chest_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("radloom.models.load", interrupted)
    assert cli("report", chest_file, "--model", tiny_model).code == 130


def test_version_and_help_load_nothing_heavy() -> None:
    assert radloom.__version__ in _python("-m", "radloom", "--version").stdout
    watch = (
        "import sys, radloom.cli\n"
        "try: radloom.cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'transformers', 'rich') if m in sys.modules])"
    )
    shown = _python("-c", watch).stdout
    assert "reconstruct" in shown
    assert shown.splitlines()[-1] == "[]"


def test_a_process_of_its_own_reads_quietly_and_opens_no_connection(tiny_model: Path) -> None:
    drawn = files("radloom").joinpath("serving/page/normal-chest.png")
    watch = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event == 'socket.connect': raise SystemExit('a connection was opened')\n"
        "sys.addaudithook(hook)\n"
        "from radloom.cli import main\n"
        "main()"
    )
    result = _python("-c", watch, "report", str(drawn), "--model", str(tiny_model), "--json")
    assert result.returncode == 0, result.stderr
    assert "findings" in json.loads(result.stdout)
    assert result.stderr == ""


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=os.environ, timeout=300)
