from __future__ import annotations

import copy
import io
import itertools
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

import radloom
import tiny
from radloom.classifier.model import OUTPUTS
from radloom.classifier.signs import SignReader, save_signs
from radloom.errors import CheckpointError, ImageError, RadloomError, ReportError
from radloom.imaging import ImageWarning, as_image, png_bytes, read_image
from radloom.model_folder import load_vision, shipped
from radloom.reports.facts import OBSERVED
from radloom.reports.labeller import NO_FINDING, label
from radloom.reports.questions import sides
from radloom.reports.repair import agree
from radloom.reports.report_text import Sections, as_report
from radloom.reports.signs import signs
from radloom.study import OBSERVATIONS, SIDED, SIGNS, Mention, Report, Study, View


@pytest.fixture
def chest() -> np.ndarray:
    return tiny.draw_chest().astype(np.float32) / 255


def test_the_same_image_as_file_string_and_array_gives_one_report(
    model: radloom.Model, chest_file: Path, chest: np.ndarray
) -> None:
    report = model.report(chest_file)
    assert report.findings or report.impression
    assert report == model.report(str(chest_file)) == model.report(chest) == model.report(chest_file.read_bytes())
    with PILImage.open(chest_file) as picture:
        assert report == model.report(picture)


def test_a_picture_of_pillow_is_read_as_its_file_is(model: radloom.Model, chest: np.ndarray, tmp_path: Path) -> None:
    turned, inverted = tmp_path / "turned.jpg", tmp_path / "inverted.tif"
    exif = PILImage.Exif()
    exif[0x0112] = 6  # Orientation: a quarter turn
    PILImage.fromarray((chest * 255).astype(np.uint8)).save(turned, exif=exif)
    PILImage.fromarray((chest * 4095).astype(np.uint16)).save(inverted, tiffinfo={262: 0})  # white is zero
    for file in (turned, inverted):
        with PILImage.open(file) as picture:
            assert np.array_equal(as_image(picture), read_image(file))
    cut = PILImage.open(io.BytesIO(turned.read_bytes()[:900]))
    with pytest.raises(ImageError, match="picture cannot be decoded"):
        model.check(cut)


@pytest.mark.parametrize("image", [None, [[0.5]], object()])
def test_what_is_no_image_is_named(model: radloom.Model, image: Any) -> None:
    with pytest.raises(ImageError, match=f"is a {type(image).__name__}; give a path, the bytes of a file, a picture"):
        model.check(image)


def test_drawings_are_images_that_depend_on_seed_view_and_text(model: radloom.Model) -> None:
    first, second = model.image("Clear lungs.", n=2, seed=3)
    [again] = model.images([Report(findings="Clear lungs.")], ["frontal"], seeds=[np.int32(3)])
    assert np.allclose(again, first, atol=1e-4)
    assert first.shape == (tiny.SIDE, tiny.SIDE)
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 1
    assert not np.array_equal(first, second)
    assert np.allclose(second, model.image("Clear lungs.", seed=4)[0], atol=1e-4)
    many, lateral = (model.image("Clear lungs.", n=8, view=view) for view in ("frontal", "lateral"))
    assert not np.array_equal(many, lateral)  # in a tiny random model a view decides few of the codes
    strong = {"guidance": 30.0, "seed": 3}
    assert not np.array_equal(model.image("Clear lungs.", **strong)[0], model.image("Effusion.", **strong)[0])


def test_a_batch_gives_what_its_members_give_one_by_one(model: radloom.Model) -> None:
    chests = [tiny.draw_chest(i).astype(np.float32) / 255 for i in range(3)]
    questions = ["Is the heart enlarged?", "Effusion?", "Is there a pneumothorax?"]
    assert model.answers(chests, questions) == [model.ask(c, q) for c, q in zip(chests, questions, strict=True)]
    assert model.reports([Study(frontal=c) for c in chests]) == [model.report(c) for c in chests]


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_picture_that_shows_nothing(model: radloom.Model, value: float) -> None:
    blank = np.full((80, 72), value, np.float32)
    for task in (model.view, model.check, model.report, model.reconstruct):
        with pytest.raises(ImageError, match="one grey value everywhere and shows nothing"):
            task(blank)
    blank[0, 0] = (value + 0.7) % 1  # and next to nothing gives no NaN
    assert all(0 <= p <= 1 for p in model.check(blank).values())
    again = model.reconstruct(blank)
    assert np.isfinite(again).all() and 0 <= again.min() <= again.max() <= 1
    assert model.ask(blank, "Is the heart enlarged?")


def test_what_counts_for_reports_is_not_for_questions(model: radloom.Model, chest: np.ndarray) -> None:
    with pytest.raises(RadloomError, match=r"guidance 3\.0 is for drawings and reports"):
        model.ask(chest, "Is the heart enlarged?", guidance=3.0)
    with pytest.raises(RadloomError, match=r"candidates 4 is for reports"):
        model.ask(chest, "Is the heart enlarged?", candidates=4)


def test_candidates_of_a_model_that_states_nothing_are_refused(model: radloom.Model, chest: np.ndarray) -> None:
    assert model.report(chest, candidates=1) == model.report(chest)
    with pytest.raises(RadloomError, match="states no observations that candidates could share"):
        model.report(chest, candidates=3)


def test_of_nothing_nothing_is_made(model: radloom.Model) -> None:
    assert model.reports([]) == model.answers([], []) == model.images([], [], seeds=[]) == []
    assert model.completions([], ["report"], seeds=[]) == model.completions([], ["frontal"], seeds=[], steps=5) == []


def test_each_thing_needs_its_own(model: radloom.Model, chest: np.ndarray) -> None:
    study = Study(frontal=chest)
    with pytest.raises(RadloomError, match="1 seeds are given for 2 items"):
        model.reports([study, study], seeds=[1])
    with pytest.raises(RadloomError, match="2 questions are given for 1 images"):
        model.answers([chest], ["Is it?", "Is it?"])
    with pytest.raises(RadloomError, match="0 seeds are given for 1 items"):
        model.answers([chest], ["Is it?"], seeds=[])
    with pytest.raises(RadloomError, match="1 views are given for 2 reports"):
        model.images([Report("Clear.")] * 2, [View.FRONTAL], seeds=[1, 2])
    with pytest.raises(RadloomError, match="2 seeds are given for 1 items"):
        model.completions([study], ["report"], seeds=[1, 2])
    with pytest.raises(RadloomError, match=r"seed \d+ is out of range"):
        model.image("Clear lungs.", seed=2**70)


@pytest.mark.parametrize(
    ("setting", "value"), [("max_tokens", 0), ("candidates", 0), ("temperature", -1.0), ("top_p", 0.0)]
)
def test_a_setting_out_of_range_is_named(model: radloom.Model, chest: np.ndarray, setting: str, value: float) -> None:
    with pytest.raises(RadloomError, match=f"{setting} {value} is out of range"):
        model.report(chest, **{setting: value})


def test_without_chance_one_candidate_is_written(seeing: radloom.Model, chest: np.ndarray) -> None:
    def alone(drafts: list[Report], *_: Any) -> Report:
        return drafts[0] if len(drafts) == 1 else pytest.fail()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.language.consensus.consensus", alone)
        assert seeing.report(chest, temperature=0.0, candidates=4) == seeing.report(chest, temperature=0.0)


def test_check_and_view(model: radloom.Model, chest: np.ndarray) -> None:
    found = model.check(chest)
    assert tuple(found) == (*OBSERVATIONS, "lateral")
    assert all(0 <= p <= 1 for p in found.values())
    assert model.view(chest) is View.FRONTAL


def test_a_lateral_view_alone_is_read_as_one_with_a_warning(
    model: radloom.Model, chest: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "view", lambda image: View.LATERAL)
    with pytest.warns(ImageWarning, match="looks like a lateral view and is read as one"):
        report = model.report(chest)
    assert report == model.reports([Study(lateral=chest)])[0]


def test_a_study_is_arranged_by_what_its_image_looks_like(
    model: radloom.Model, chest: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {True: View.FRONTAL, False: View.LATERAL}
    monkeypatch.setattr(model, "view", lambda image: seen[bool(image[0, 0] == chest[0, 0])])
    study, said = model.arrange(chest, 1 - chest)
    assert study.frontal is not None and study.lateral is not None and said == []
    assert model.arrange(1 - chest, chest)[1] == [
        "The frontal image looks like a lateral view.",
        "The lateral image looks like a frontal view.",
    ]
    monkeypatch.setattr(model, "view", lambda image: View.LATERAL)
    study, said = model.arrange(chest)
    assert study.frontal is None and study.lateral is not None and "read as one" in said[0]
    study, said = model.arrange(chest, 1 - chest)
    assert study.frontal is not None and study.lateral is not None and "looks like a lateral view" in said[0]


@pytest.mark.doubting
def test_what_looks_like_no_upright_chest_xray_is_warned_of(model: radloom.Model, chest: np.ndarray) -> None:
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((10, 10))).astype(np.float32)
    file = png_bytes(board)
    for act in (model.check, model.report, model.saliency, lambda image: model.ask(image, "Is the heart enlarged?")):
        with pytest.warns(ImageWarning, match="The image does not look like a chest X-ray"):
            act(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ImageWarning)
        model.check(board)  # who has an array has looked at it
    frontal, lateral, *_ = model.arrange(board, board)[1]
    assert frontal.startswith("The frontal image does not") and lateral.startswith("The lateral image does not")


@pytest.mark.doubting
def test_a_doubted_image_that_is_read_as_lateral_is_said_to_be(
    model: radloom.Model, chest: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((10, 10))).astype(np.float32)
    monkeypatch.setattr(model, "view", lambda image: View.LATERAL)
    study, [doubted, read] = model.arrange(board)
    assert study.frontal is None and "does not look" in doubted and "is read as one" in read
    assert [remark.partition(" looks ")[2] for remark in model.arrange(board, board)[1]][1] == "like a lateral view."


def test_yes_or_no_is_answered_where_it_is_asked_for(model: radloom.Model, chest: np.ndarray) -> None:
    asked = ["Is the trachea deviated?", "Does it show free air?", "Where is the trachea?"]
    answers = model.answers([chest] * 3, asked)
    assert set(answers[:2]) <= {"yes", "no"} and answers[2] not in ("yes", "no")
    assert [model.ask(chest, question) for question in asked] == answers
    assert model.ask(chest, asked[0], agree=False) not in ("yes", "no")


def test_words_are_told_of_while_they_are_written(model: radloom.Model, chest: np.ndarray) -> None:
    reports: list[list[Report]] = []
    assert model.reports([Study(frontal=chest)], written=reports.append) == reports[-1]
    answers: list[list[str]] = []
    assert model.answers([chest], ["Is the heart enlarged?"], written=answers.append) == answers[-1]
    for told in (reports, answers):
        lengths = [len(str(so_far)) for so_far in told]
        assert len(lengths) > 1 and lengths == sorted(lengths)


def test_reconstruction_has_the_size_of_the_model(model: radloom.Model, chest: np.ndarray) -> None:
    assert model.reconstruct(chest).shape == (tiny.SIDE, tiny.SIDE)


PARTS = ("frontal", "lateral", "report")


@pytest.mark.parametrize("given", [s for n in (1, 2) for s in itertools.combinations(PARTS, n)])
def test_every_missing_part_is_completed_from_any_that_are_there(
    model: radloom.Model, chest: np.ndarray, given: tuple[str, ...]
) -> None:
    there = {"frontal": chest, "lateral": chest, "report": Report(findings="Clear lungs.")}
    missing = [part for part in PARTS if part not in given]
    for n in range(1, len(missing) + 1):
        for want in itertools.combinations(missing, n):
            whole = model.complete(Study(uid="s1", **{part: there[part] for part in given}), want)
            assert whole.uid == "s1"
            for part in PARTS:
                assert (getattr(whole, part) is not None) == (part in given or part in want)


def test_what_cannot_be_completed(model: radloom.Model, chest: np.ndarray) -> None:
    with pytest.raises(RadloomError, match="both given and wanted"):
        model.complete(Study(frontal=chest), ["frontal"])
    with pytest.raises(RadloomError, match="did you mean 'lateral'"):
        model.complete(Study(frontal=chest), ["latral"])
    with pytest.raises(RadloomError, match="Nothing is wanted"):
        model.complete(Study(frontal=chest), [])
    with pytest.raises(RadloomError, match="Nothing is given"):
        model.complete(Study(), ["report"])


def test_text_to_draw_from(model: radloom.Model) -> None:
    assert as_report("Clear lungs.\nNormal heart.") == Report(findings="Clear lungs. Normal heart.")
    headed = as_report("FINDINGS: Clear lungs. IMPRESSION: Normal.")
    assert (headed.findings, headed.impression) == ("Clear lungs.", "Normal.")
    for empty in ("  ", "FINDINGS:", "INDICATION: Cough. IMPRESSION:"):
        with pytest.raises(ReportError, match="empty"):
            model.image(empty)
    with pytest.raises(ReportError, match=r"tokens long; at most \d+ fit"):
        model.image("effusion " * 5000)
    with pytest.raises(RadloomError, match="at least one"):
        model.image("Clear lungs.", n=0)
    with pytest.raises(RadloomError, match=r"Unknown view 'frontale' .did you mean 'frontal'"):
        model.image("Clear lungs.", view="frontale")
    with pytest.raises(RadloomError, match=r"'temprature' .did you mean 'temperature'"):
        model.image("Clear lungs.", temprature=1.0)


def test_questions_and_studies_that_cannot_be_answered(model: radloom.Model, chest: np.ndarray) -> None:
    with pytest.raises(ReportError, match="question is empty"):
        model.ask(chest, " ")
    with pytest.raises(ImageError, match="'s7' has no image"):
        model.reports([Study(uid="s7")])
    with pytest.raises(ImageError, match="scale them"):
        model.report(chest * 255)


def test_defaults_of_sampling_come_with_the_model(model: radloom.Model, tiny_model: Path, tmp_path: Path) -> None:
    assert model.config.text.max_tokens == tiny.MAX_TOKENS
    other = shutil.copytree(tiny_model, tmp_path / "other")
    head = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(head | {"text": {"max_tokens": 1, "temprature": 0.0}}))
    with pytest.raises(RadloomError, match="temprature"):
        radloom.load(other)


def test_fingerprint_tells_models_apart(model: radloom.Model, tiny_model: Path, tmp_path: Path) -> None:
    assert len(model.fingerprint) == 16
    assert radloom.load(tiny_model).fingerprint == model.fingerprint
    assert radloom.load(tiny.make_model(tmp_path / "other", seed=1)).fingerprint != model.fingerprint


def test_unknown_model_and_device(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No model 'nowhere'"):
        radloom.load("nowhere")
    with pytest.raises(CheckpointError, match="neither inside the package"):
        radloom.load(tmp_path)
    with pytest.raises(RadloomError, match="'abacus' cannot be used"):
        radloom.load(tiny_model, device="abacus")


def test_parts_with_different_transforms_do_not_go_together(tiny_model: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny_model, tmp_path / "other")
    (other / "codec" / "transform.json").write_text('{"size": 64, "fit": "crop"}')
    with pytest.raises(CheckpointError, match="different transforms"):
        load_vision(other)


def test_every_shipped_model_is_whole() -> None:
    for name in shipped():
        assert radloom.load(name).config.recipe


def test_a_model_with_evidence_reads_draws_and_asks(tmp_path: Path, chest: np.ndarray) -> None:
    model = radloom.load(tiny.make_model(tmp_path / "seeing", seeing=True))
    report = model.report(chest)
    assert report == model.report(chest) and "<" not in report.findings + report.impression
    assert model.ask(chest, "Is the heart enlarged?") is not None
    first, second = model.image("Clear lungs.", n=2, seed=3)
    assert np.allclose(second, model.image("Clear lungs.", seed=4)[0], atol=1e-4) and not np.array_equal(first, second)
    (bright,), (dark,) = (model._image_tokens([Study(frontal=image)])[0][0] for image in (chest, 1 - chest))
    channels = model.language.ids.evidence.shape[0]
    assert len(bright) == len(dark) == channels + 16 + 3
    assert bright[2 : 2 + channels] != dark[2 : 2 + channels]  # the classifier sees two different images


def test_evidence_decides_what_a_report_states(tmp_path: Path, chest: np.ndarray) -> None:
    model = radloom.load(tiny.make_model(tmp_path / "seeing", seeing=True))
    study = Study(frontal=chest, lateral=1 - chest)
    values = model._image_tokens([study, Study(frontal=chest), Study(lateral=1 - chest)])[1].evidence
    assert np.allclose(values[0], (values[1] + values[2]) / 2, atol=1e-4)  # of a study, the mean of its X-rays
    cuts = [float(values[0][i]) + (0.1 if i % 2 else -0.1) for i in range(len(OBSERVATIONS))]
    sight = replace(model.language.sight, calls=tuple(cuts))
    assert sight.called(values[:1]) == [[i % 2 == 0 for i in range(len(OBSERVATIONS))]]
    assert model.language.sight.called(values) is None
    heard = []
    model.language.sight = sight
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.language.consensus.consensus", lambda *given: heard.append(given) or given[0][-1])
        last = model.reports([study] * 2, candidates=3, temperature=0.6, seeds=[5, 6])
    positive = {o for o, on in zip(OBSERVATIONS, sight.called(values[:1])[0], strict=True) if on}
    assert [stated for _, stated, _, _ in heard] == [positive] * 2
    assert [len(drafts) for drafts, *_ in heard] == [3, 3] and last == [drafts[-1] for drafts, *_ in heard]
    for on in (True, False):
        (made,) = model.reports([study], candidates=3, sections=Sections.FINDINGS, agree=on)
        said = {name for name, mention in label(made.findings).items() if mention is Mention.POSITIVE}
        assert not made.impression and (said - {NO_FINDING} == positive - {NO_FINDING}) is on
    how = {"sections": Sections.FINDINGS, "candidates": 1}
    raw, agreed = (model.reports([study], agree=on, **how)[0] for on in (False, True))
    assert agreed == agree(raw, positive) != raw


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> radloom.Model:
    """A model whose evidence of `draw_chest()` calls every second observation."""
    model = radloom.load(tiny.make_model(tmp_path_factory.mktemp("models") / "seeing", seeing=True))
    [values] = model._image_tokens([Study(frontal=tiny.draw_chest().astype(np.float32) / 255)])[1].evidence
    assert model.language.sight is not None
    cuts = tuple(float(value) + (0.1 if i % 2 else -0.1) for i, value in enumerate(values[: len(OBSERVATIONS)]))
    model.language.sight = replace(model.language.sight, calls=cuts)
    return model


def test_answers_agree_with_what_the_report_of_the_image_states(seeing: radloom.Model, chest: np.ndarray) -> None:
    said = label(seeing.report(chest))
    questions = [f"Is there {known.a}?" for known in OBSERVED.values()]
    answers = dict(zip(OBSERVED, seeing.answers([chest] * len(questions), questions), strict=True))
    assert answers == {o: "yes" if said.get(o) is Mention.POSITIVE else "no" for o in OBSERVED}
    assert list(answers.values()) == ["no", "yes"] * 6 + ["no"]
    assert seeing.ask(chest, "Is this X-ray normal?") == "no"


def test_a_batch_holds_what_is_seen_and_what_the_language_model_answers(
    seeing: radloom.Model, chest: np.ndarray
) -> None:
    questions = ["Where is it?", "Is the heart enlarged?", "How is it?", "Is the chest free of cardiomegaly?"]
    told: list[list[str]] = []
    steps: list[int] = []
    hear: dict[str, Any] = {"written": told.append, "progress": lambda done, total: steps.append(total - done)}
    mixed = seeing.answers([chest] * 4, questions, seeds=[7, 8, 9, 10], temperature=1.0, **hear)
    assert mixed == [seeing.ask(chest, q, seed=seed, temperature=1.0) for seed, q in enumerate(questions, 7)]
    assert mixed == told[-1] and len(told) == len(steps) > 1
    assert {(answers[1], answers[3]) for answers in told} == {("yes", "no")} and mixed[0] not in ("yes", "no")
    assert [answer.by for answer in mixed] == ["language model", "classifier"] * 2
    assert [answer.by for answer in copy.deepcopy(mixed)] == [answer.by for answer in mixed]
    told.clear()
    steps.clear()
    assert seeing.answers([chest], [questions[1]], **hear) == ["yes"]
    assert told == [["yes"]] and steps == [0]


def test_the_language_model_answers_all_where_it_need_not_agree(seeing: radloom.Model, chest: np.ndarray) -> None:
    question, dark = "Is the heart enlarged?", 1 - chest
    assert seeing.ask(chest, question) == "yes"
    assert seeing.ask(chest, question, agree=False) not in ("yes", "no")
    assert seeing.answers([chest, dark], [question] * 2) == [seeing.ask(x, question) for x in (chest, dark)]
    with pytest.raises(ReportError, match="question is empty"):
        seeing.answers([chest] * 2, [question, " "])


def test_signs_are_said_and_answered_by_the_classifier(seeing: radloom.Model, chest: np.ndarray) -> None:
    model = copy.copy(seeing)
    model.signs = SignReader().eval()
    dark = 1 - chest
    seen = [float(model._image_tokens([Study(frontal=image)])[1].signs[0, 0]) for image in (chest, dark)]
    model.signs.thresholds[0, 0] = sum(seen) / 2  # of the first sign in one X-ray; else NEVER
    there = seen[0] > seen[1]
    [both] = model._image_tokens([Study(frontal=chest, lateral=dark)])[1].signs
    assert both[0] == pytest.approx(sum(seen) / 2, abs=1e-4)
    reports = model.reports([Study(frontal=chest), Study(frontal=dark)], sections=Sections.FINDINGS)
    assert [signs(report) == {"Hyperinflation": Mention.POSITIVE} for report in reports] == [there, not there]
    answers = model.answers([chest, dark], ["Are the lungs hyperinflated?"] * 2)
    assert answers == (["yes", "no"] if there else ["no", "yes"])
    assert {answer.by for answer in answers} == {"classifier"}
    assert (
        model.ask(chest, "Is there scoliosis?").by == seeing.ask(chest, "Is it hyperinflated?").by == "language model"
    )
    assert not signs(model.report(chest, agree=False).findings)
    assert list(model.check(chest)) == [*OUTPUTS, *SIGNS] and list(seeing.check(chest)) == list(OUTPUTS)
    assert model.check(chest)["Hyperinflation"] == pytest.approx(1 / (1 + np.exp(-seen[0])), abs=1e-4)


def test_sides_are_said_and_answered_by_the_classifier(seeing: radloom.Model, chest: np.ndarray) -> None:
    model = copy.copy(seeing)
    model.signs = SignReader().eval()
    stated = {o for o, mention in label(seeing.report(chest)).items() if mention is Mention.POSITIVE} & set(SIDED)
    asked = f"On which side is {OBSERVED[min(stated)].the}: left, right or both?"
    assert seeing.ask(chest, asked).by == "language model"
    for bias, side in ((9.0, "left"), (-9.0, "right")):
        model.signs.sides.apart.bias.data.fill_(bias)
        model.signs.sides.certain.fill_(1.1)
        assert not sides(model.report(chest).findings).keys() & stated
        assert (model.ask(chest, asked), model.ask(chest, asked).by) == (side, "classifier")
        model.signs.sides.certain.fill_(0.9)
        assert {o: said for o, said in sides(model.report(chest).findings).items() if o in stated} == dict.fromkeys(
            stated, side
        )


def test_sides_are_those_of_frontal_views(
    seeing: radloom.Model, chest: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, dark = copy.copy(seeing), 1 - chest
    model.signs = SignReader().eval()
    alone, turned, both, two = (
        model._image_tokens([study])[1].sides
        for study in (
            Study(frontal=chest),
            Study(lateral=chest),
            Study(frontal=chest, lateral=dark),
            Study(frontal=dark),
        )
    )
    assert np.allclose(both, alone, atol=1e-4) and np.isnan(turned).all() and not np.allclose(two, alone, atol=1e-2)
    seen = model.reader.look(model.pixels([chest, dark]))
    assert np.allclose(seen.means([[0, 1]]).sides, (alone + two) / 2, atol=1e-5)
    question = "Which side is the pleural effusion on?"
    assert model.ask(chest, question).by == "classifier"
    assert model.ask(chest, question, agree=False).by == "language model"
    monkeypatch.setattr(model.classifier.head.bias, "data", model.classifier.head.bias + 100)
    assert model.view(chest) == "lateral"
    assert model.ask(chest, question).by == "language model"


def test_the_view_is_told_by_the_classifier(model: radloom.Model, chest: np.ndarray) -> None:
    answer = model.ask(chest, "Is this a lateral view?")  # of a model that reads no evidence, too
    assert (answer, answer.by) == ("no", "classifier")
    assert model.ask(chest, "Which view is this?") == model.view(chest) == "frontal"
    assert model.ask(chest, "Which view is this?", agree=False).by == "language model"


@pytest.mark.doubting
def test_whether_it_is_a_chest_x_ray_is_answered_where_it_looks_like_one(
    model: radloom.Model, chest: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "Is this a chest X-ray?"
    monkeypatch.setattr("radloom.models.doubt", lambda image: "It looks odd.")
    answers = model.answers([chest] * 2, [question, "Is this a CT scan?"])
    assert answers[0] == "no" and [answer.by for answer in answers] == ["classifier", "language model"]
    monkeypatch.setattr("radloom.models.doubt", lambda image: None)
    answers = model.answers([chest] * 2, [question, "Is this a CT scan?"])
    assert answers == ["yes", "no"] and {answer.by for answer in answers} == {"classifier"}


def test_signs_are_a_part_of_the_model(tmp_path: Path) -> None:
    folder = tiny.make_model(tmp_path / "seeing", seeing=True)
    without = radloom.load(folder)
    assert without.signs is None
    save_signs(SignReader(), folder / "signs", without.judge)
    model = radloom.load(folder)
    assert model.signs is not None and model.fingerprint != without.fingerprint
    save_signs(SignReader(), folder / "signs", "another")
    with pytest.raises(CheckpointError, match="reads features of classifier another"):
        radloom.load(folder)


def test_evidence_of_another_classifier_is_refused(tmp_path: Path) -> None:
    folder = tiny.make_model(tmp_path / "seeing", seeing=True)
    other = tiny.make_model(tmp_path / "other", seed=5)
    shutil.rmtree(folder / "classifier")
    shutil.copytree(other / "classifier", folder / "classifier")
    with pytest.raises(CheckpointError, match="was trained with evidence of classifier"):
        radloom.load(folder)


def test_a_byte_order_mark_is_no_text(model: radloom.Model) -> None:
    assert as_report("\ufeffThe heart is enlarged.") == Report("The heart is enlarged.")
    assert as_report("\ufeffFINDINGS: The heart is enlarged.") == Report("The heart is enlarged.")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda model, chest: model.image(["Clear."]), "A list is no text to draw from"),
        (lambda model, chest: model.image(None), "A NoneType is no text to draw from"),
        (lambda model, chest: model.image("Clear.", n=1.5), "n is 1.5"),
        (lambda model, chest: model.report(chest, seed="a"), "seed 'a' is out of range"),
        (lambda model, chest: model.ask(chest, ["Is it?"]), "is no question"),
        (lambda model, chest: model.report(chest, seed=True), "seed True is out of range"),
        (lambda model, chest: model.report(chest, max_tokens="9"), "max_tokens: expected int, got '9'"),
        (lambda model, chest: model.report(chest, agree="no"), "agree: expected bool, got 'no'"),
        (lambda model, chest: model.image("Clear.", temperature="hot"), "temperature: expected float, got 'hot'"),
        (lambda model, chest: model.images([Report("Clear.")], ["side"], seeds=[0]), "Unknown view 'side'"),
        (lambda model, chest: Study(frontal=chest).view("side"), "Unknown view 'side'"),
        (lambda model, chest: model.complete(Study(report=Report()), ["frontal"]), "report that is given is empty"),
    ],
)
def test_what_is_of_the_wrong_kind_is_named(model: radloom.Model, chest: np.ndarray, call: Any, says: str) -> None:
    with pytest.raises(RadloomError, match=says):
        call(model, chest)


def test_the_view_that_a_dicom_file_states_counts(
    model: radloom.Model, chest: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chest.png"
    file.write_bytes(png_bytes(chest))
    for stated, remarks in (
        (None, []),
        (View.FRONTAL, []),
        (View.LATERAL, ["The image is by its DICOM header a lateral view and is read as one."]),
    ):
        monkeypatch.setattr("radloom.models.dicom_view", lambda path, stated=stated: stated)
        for image in (file, file.read_bytes()):
            study, said = model.arrange(image)
            assert said == remarks and (study.lateral is not None) is (stated is View.LATERAL)
    study, said = model.arrange(chest, stated=View.LATERAL)
    assert study.lateral is not None and "by its DICOM header" in said[0]
