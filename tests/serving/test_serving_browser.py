"""The web page in a browser, with a tiny model: what a reader does on it, and what it says when something is wrong."""

from __future__ import annotations

import base64
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from served import Held, Stub, dicom, encoded, wait_until

import radloom
from radloom.classifier.signs import SignReader
from radloom.imaging import png_bytes, read_image
from radloom.study import OBSERVATIONS, SIGNS, Report

pytestmark = pytest.mark.slow

PNG = {"name": "chest.png", "mimeType": "image/png", "buffer": encoded()}
DICOM = {"name": "chest.dcm", "mimeType": "application/dicom", "buffer": dicom()}


def open_files(page: Any, *files: Any) -> None:
    page.set_input_files("#files", list(files))
    page.wait_for_selector(f"#strip .part:nth-child({len(files)}) canvas")
    page.wait_for_selector("#busy", state="hidden")


def draw(page: Any, text: str = "The lungs are clear.", samples: int = 1) -> None:
    """Draw from a text in the tab for it, as it is set."""
    page.click("#tab-draw")
    page.fill("#text", text)
    page.fill("#samples", str(samples))
    page.click("#draw-form [type=submit]")
    page.wait_for_selector(f"#drawings .card >> nth={samples - 1}")


def canvas_pixels(page: Any) -> np.ndarray:
    """(H, W, 3) of the first pane, once it is drawn."""
    url = page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
            () => done(document.querySelector('.pane canvas').toDataURL()))))"""
    )
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def middle(page: Any) -> np.ndarray:
    """Grey values of the column in the middle of the first pane."""
    pixels = canvas_pixels(page)
    return pixels[:, pixels.shape[1] // 2, 0]


def test_signs_stand_below_the_observations(browse: Any, model: radloom.Model) -> None:
    reading = copy.copy(model)
    reading.signs = SignReader().eval()
    with browse(reading) as page:
        open_files(page, PNG)
        page.wait_for_selector("#signs:visible")
        assert page.locator("#signs tbody th").all_inner_texts() == list(SIGNS)
        assert page.locator("#observations tbody tr").count() == 14
        shown = page.locator("#signs .share >> nth=0").inner_text()
        assert shown.endswith(" %") and page.locator("#signs meter").count() == len(SIGNS)
    with browse() as page:
        open_files(page, PNG)
        page.wait_for_selector("#observations:visible")
        assert page.is_hidden("#signs")


def test_a_study_is_opened_read_and_saved(browse: Any, model: radloom.Model, tmp_path: Path) -> None:
    with browse() as page:
        open_files(page, DICOM, PNG)
        assert page.locator("#strip .part canvas").count() == 2
        assert page.locator("#observations tbody tr").count() == 14
        page.click("#read-go")
        page.wait_for_selector("#report-files:visible")
        shown = page.inner_text("#findings")
        for kind in ("txt", "json"):
            with page.expect_download() as download:
                page.click(f"[data-format={kind}]")
            download.value.save_as(tmp_path / f"report.{kind}")
        page.click("[data-format=dcm]")  # the made-up DICOM file has no study that a report could join
        page.wait_for_selector("#read-trouble:visible")
        assert page.inner_text("#read-trouble").startswith("frontal has no SeriesInstanceUID")
    (tmp_path / "chest.png").write_bytes(encoded())
    (tmp_path / "chest.dcm").write_bytes(dicom())
    expected = model.report(tmp_path / "chest.dcm", tmp_path / "chest.png")
    assert shown == expected.findings.strip()
    assert json.loads((tmp_path / "report.json").read_text())["resourceType"] == "DiagnosticReport"
    assert "FINDINGS: " in (tmp_path / "report.txt").read_text() or expected.findings == ""


def test_words_appear_while_they_are_written(browse: Any) -> None:
    with browse() as page:
        open_files(page, PNG)
        page.evaluate(
            """() => {
                window.seen = new Set();
                const report = document.getElementById('report');
                new MutationObserver(() => seen.add(report.textContent)).observe(report,
                    {subtree: true, childList: true, characterData: true});
            }"""
        )
        page.click("#read-go")
        page.wait_for_selector("#report-files:visible")
        assert page.evaluate("() => seen.size") > 3


def test_the_viewer_shows_grey_values_in_a_window(browse: Any, tmp_path: Path) -> None:
    (tmp_path / "chest.png").write_bytes(encoded())
    image = read_image(tmp_path / "chest.png") * 255
    with browse() as page:
        open_files(page, PNG)
        whole = middle(page)
        assert abs(whole.mean() - image[:, image.shape[1] // 2].mean()) < 12
        page.keyboard.press("i")
        assert np.abs(whole + middle(page) - 255).max() <= 1
        page.keyboard.press("i")
        box = page.locator(".pane canvas").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y - 60)
        page.mouse.up()
        assert middle(page).mean() > whole.mean() + 10  # dragged up, it is brighter
        page.mouse.wheel(0, -300)
        assert "100 %" not in page.inner_text("#readout")
        page.mouse.dblclick(x, y)
        assert np.array_equal(middle(page), whole)


def test_a_deep_picture_is_windowed_at_its_own_depth(browse: Any) -> None:
    ramp = np.tile(np.arange(30_000, 30_200, 5, dtype=np.uint16)[:, None], (1, 40))  # less than a 255th of white
    ramp[0, 0] = 65_535
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, "PNG")
    with browse() as page:
        open_files(page, {"name": "deep.png", "mimeType": "image/png", "buffer": stream.getvalue()})
        assert len(np.unique(middle(page))) <= 2
        page.focus(".pane canvas")
        for key in ["ArrowUp"] * 2 + ["ArrowLeft"] * 55:
            page.keyboard.press(key)
        assert page.inner_text("#readout").startswith("L 118 W 2 ")
        assert len(np.unique(middle(page))) > 30


def test_pointing_at_an_observation_shows_where_it_is_found(browse: Any) -> None:
    with browse() as page:
        open_files(page, PNG)
        row = page.locator("tr[data-observation='Pleural Effusion']")
        row.hover()
        page.wait_for_selector("#legend:has-text('where the classifier looks')")
        pixels = canvas_pixels(page)
        assert (np.ptp(pixels, axis=2) > 20).any()  # coloured somewhere
        page.mouse.move(5, 5)
        page.wait_for_selector("#legend", state="hidden")
        assert np.ptp(canvas_pixels(page), axis=2).max() == 0
        row.focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_selector("#legend:has-text('Pleural Other')")


@pytest.mark.doubting
def test_what_is_no_chest_xray_is_told_of_and_what_is_improbable_is_faint(browse: Any, model: radloom.Model) -> None:
    class Sure(Stub):
        def check(self, image: np.ndarray) -> dict[str, float]:
            return self.model.check(image) | {"Edema": 0.02, "Fracture": 0.98}

    board = png_bytes(np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((10, 10))))
    with browse(Sure(model)) as page:
        open_files(page, {**PNG, "name": "board.png", "buffer": board})
        page.wait_for_selector("#trouble:has-text('board.png: The image does not look like a chest X-ray')")
        depth = {}
        for name, says in (("Edema", "would look for it"), ("Fracture", "looks")):
            page.locator(f"tr[data-observation={name}]").hover()
            page.wait_for_selector(f"#legend:has-text('{name}, '):has-text('where the classifier {says}')")
            depth[name] = np.ptp(canvas_pixels(page), axis=2).max()
        assert 0 < depth["Edema"] < depth["Fracture"]
        page.locator("tr[data-observation=Fracture]").click()
        page.evaluate("document.querySelector('#strip .close').click()")
        page.mouse.move(5, 5)
        open_files(page, PNG)
        assert page.is_hidden("#legend")  # nothing of the one before


SAID = Report("Patient 𝟙: nodular opacity, maybe edema.", "No pleural effusion.")
WORDS = {"nodular opacity": "positive", "edema": "uncertain", "effusion": "negative"}


def read(page: Any) -> Any:
    """Read what is open; the words of the report that mention an observation."""
    page.click("#read-go")
    page.wait_for_selector("#report-files:visible")
    return page.locator("#report [role=button]")


def test_words_of_the_report_are_marked_by_what_they_say(browse: Any, model: radloom.Model) -> None:
    with browse(Stub(model, SAID)) as page:
        open_files(page, PNG)
        words = read(page)
        assert (page.inner_text("#findings"), page.inner_text("#impression")) == (SAID.findings, SAID.impression)
        assert words.all_inner_texts() == list(WORDS)
        titles = [word.get_attribute("title") for word in words.all()]
        assert titles == [
            "Lung Lesion: positive, Lung Opacity: positive",
            "Edema: uncertain",
            "Pleural Effusion: negative",
        ]
        drawn = words.evaluate_all("all => all.map((word) => getComputedStyle(word).textDecorationStyle)")
        assert drawn == ["solid", "dashed", "dotted"]
        assert page.is_visible("#words-key") and page.is_visible("#table-key")


def test_pointing_at_words_of_the_report_shows_where_it_is_found(browse: Any, model: radloom.Model) -> None:
    with browse(Stub(model, SAID)) as page:
        open_files(page, PNG)
        words = read(page)
        row = page.locator("tr[data-observation='Pleural Effusion']")
        words.last.hover()
        page.wait_for_selector("#legend:has-text('Pleural Effusion, '):has-text('where the classifier looks')")
        assert (np.ptp(canvas_pixels(page), axis=2) > 20).any()
        assert "pointed" in row.get_attribute("class")
        page.mouse.move(5, 5)
        page.wait_for_selector("#legend", state="hidden")
        row.hover()
        assert words.evaluate_all("all => all.map((word) => word.matches('.pointed'))") == [False, False, True]
        page.mouse.move(5, 5)
        draw(page)
        page.click("#tab-read")
        words.last.hover()
        page.wait_for_timeout(300)
        assert page.is_hidden("#legend")  # the report is not of the drawing that is shown


def test_words_of_the_report_are_one_tab_stop_and_arrows_go_from_one_to_another(
    browse: Any, model: radloom.Model
) -> None:
    with browse(Stub(model, SAID)) as page:
        open_files(page, PNG)
        words = read(page)
        assert words.evaluate_all("all => all.map((word) => word.tabIndex)") == [0, -1, -1]
        words.first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#legend:has-text('Edema, ')")
        assert words.evaluate_all("all => all.map((word) => word.tabIndex)") == [-1, 0, -1]
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.dataset.format") == "txt"
        assert page.is_visible("#legend:has-text('Edema, ')")
        assert words.nth(1).get_attribute("aria-pressed") == "true"
        assert page.get_attribute("tr[data-observation=Edema]", "aria-selected") == "true"
        words.first.focus()
        page.keyboard.press("r")  # reads anew: the words go, and the focus with them to the button
        page.wait_for_function("() => document.activeElement.id === 'read-go'")


def test_a_tap_on_words_of_the_report_keeps_the_map_and_another_takes_it_away(
    browse: Any, model: radloom.Model
) -> None:
    with browse(Stub(model, SAID), width=390, look={"is_mobile": True, "has_touch": True}) as page:
        open_files(page, PNG)
        words = read(page)
        words.last.tap()
        page.wait_for_selector("#legend:has-text('Pleural Effusion, ')")
        page.locator("#report-about").tap()
        assert page.is_visible("#legend")
        words.last.tap()
        page.wait_for_selector("#legend", state="hidden")


def test_settings_are_explained_by_a_tap(browse: Any) -> None:
    with browse(width=390, look={"is_mobile": True, "has_touch": True}) as page:
        for tab in ("read", "draw", "complete"):
            page.click(f"#tab-{tab}")
            page.locator(f"#{tab} .help").tap()
            assert page.is_visible("#settings dt:has-text('Guidance')")
            page.keyboard.press("Escape")
            assert page.is_hidden("#settings")


def test_questions_and_answers_stand_in_a_thread(browse: Any, model: radloom.Model, tmp_path: Path) -> None:
    (tmp_path / "chest.png").write_bytes(encoded())
    with browse() as page:
        open_files(page, PNG)
        page.click("#tab-ask")
        for number, question in enumerate(("Is the heart enlarged?", "Is it clear?"), 1):
            page.fill("#question", question)
            page.keyboard.press("Enter")
            page.wait_for_selector(f"#thread li:nth-child({number})")
            page.wait_for_selector("#ask-job", state="hidden")
            given = page.locator("#thread .answer").last.text_content()
            assert given == (model.ask(tmp_path / "chest.png", question) or "(no answer)")
            assert page.locator("#thread li").last.inner_text().endswith("by the language model")


def test_all_that_is_known_of_a_study_is_saved_as_data(browse: Any, model: radloom.Model, tmp_path: Path) -> None:
    (tmp_path / "chest.png").write_bytes(encoded())
    with browse() as page:
        open_files(page, PNG)
        page.fill("#read-seed", "3")
        page.click("#read-go")
        page.wait_for_selector("#report-files:visible")
        page.click("#tab-ask")
        page.click("#questions button >> nth=1")
        page.wait_for_selector("#thread li:has-text('by the ')")
        draw(page)
        page.click("#tab-ask")
        page.click("#questions button >> nth=0")  # of the drawing that is shown: none of the study
        page.wait_for_selector("#thread li:has-text('synthetic'):has-text('by the ')")
        page.click("#tab-read")
        page.click("#strip .part")
        with page.expect_download() as download:
            page.click("#save-record")
        found = json.loads(Path(download.value.path()).read_text())
    [(view, picture)] = found["views"].items()
    seen = model.check(tmp_path / "chest.png")
    assert picture["observations"] == {name: pytest.approx(seen[name], abs=1e-4) for name in OBSERVATIONS}
    assert picture["signs"] == {}
    assert picture["looks"] == view and picture["name"] == "chest.png" and not picture["synthetic"]
    assert found["fingerprint"] == found["report"]["model"] == model.fingerprint and found["report"]["seed"] == 3
    [asked] = found["questions"]
    assert asked["question"] == "Is there a pleural effusion?" and asked["answer"] == model.ask(
        tmp_path / "chest.png", asked["question"]
    )


def test_drawings_are_marked_compared_and_saved(browse: Any, model: radloom.Model, tmp_path: Path) -> None:
    with browse() as page:
        open_files(page, PNG)
        page.click("#tab-draw")
        page.fill("#text", "The lungs are clear.")
        page.check("[name=view][value=both]")
        page.click("#draw-form [type=submit]")
        page.wait_for_selector("#drawings .card")
        assert page.locator("#drawings .card").count() == 4
        assert page.locator("#panes .pane").count() == 4
        assert page.locator("#panes .badge:visible").count() == 4
        view = page.get_attribute("#strip .part", "data-view")
        other = page.locator("#drawings .card", has_text=f"{'lateral' if view == 'frontal' else 'frontal'} · seed 1")
        assert other.get_by_text("Compare").is_disabled()  # there is no original of that view
        page.locator("#drawings .card", has_text=f"{view} · seed 1").get_by_text("Compare").press("Enter")
        assert page.evaluate("() => document.activeElement.textContent") == "Compare"
        before = canvas_pixels(page)
        page.focus("#divider")
        page.keyboard.press("End")
        assert not np.array_equal(before, canvas_pixels(page))
        assert page.locator("#panes .badge:visible").count() == 1
        assert page.locator("#panes .caption").all_inner_texts() == [f"original · {view}", f"drawing · {view} · seed 1"]
        card = page.locator("#drawings .card", has_text="frontal · seed 1")
        for kind in ("PNG", "DICOM"):
            with page.expect_download() as download:
                card.get_by_text(kind, exact=True).click()
            download.value.save_as(tmp_path / kind)
        page.once("dialog", lambda dialog: dialog.dismiss())
        card.get_by_text("Take as study").click()
        page.wait_for_selector("#draw-job", state="hidden")
        assert page.locator("#strip .part").first.locator(".badge").count() == 0  # what was open is kept
        page.once("dialog", lambda dialog: dialog.accept())
        card.get_by_text("Take as study").click()
        page.wait_for_selector("#strip [data-view=frontal] .badge")
    [image] = model.image("The lungs are clear.", seed=1, guidance=1)
    with Image.open(tmp_path / "PNG") as picture:
        assert np.abs(np.asarray(picture) / 255 - image).max() < 0.01
        assert picture.text["Comment"].startswith("Synthetic frontal")  # type: ignore[attr-defined]
    assert pydicom.dcmread(tmp_path / "DICOM").SyntheticData == "YES"


def test_both_views_of_a_text_are_of_one_invented_patient(browse: Any, any_to_any_model: radloom.Model) -> None:
    text = "The heart is enlarged."
    with browse(any_to_any_model) as page:
        page.click("#tab-draw")
        page.fill("#text", text)
        page.fill("#samples", "1")
        page.check("[name=view][value=both]")
        page.click("#draw-form [type=submit]")
        page.wait_for_selector("#drawings .card >> nth=1")
        lateral = page.locator("#drawings .card", has_text="lateral · seed 0")
        with page.expect_download() as download:
            lateral.get_by_text("PNG", exact=True).click()
        with Image.open(download.value.path()) as picture:
            drawn = np.asarray(picture) / 255
    study = radloom.Study(report=radloom.Report(findings=text))
    whole = any_to_any_model.complete(study, ["frontal", "lateral"])
    assert np.abs(drawn - whole.lateral).max() < 0.01


def test_another_patient_begins_with_an_empty_page(browse: Any) -> None:
    with browse() as page:
        open_files(page, PNG)
        page.click("#tab-ask")
        page.click("#questions button >> nth=0")
        page.wait_for_selector("#thread .answer:not(:empty)")
        draw(page, samples=2)
        page.keyboard.press("Escape")
        page.click("#tab-complete")
        page.check("#parts [name=report][value=given]")
        page.fill("#complete-text", "Of the first patient.")
        page.fill("#complete-samples", "1")
        page.click("#complete-go")
        page.wait_for_selector("#completions .sample")
        page.click("[data-do=invert]")
        page.once("dialog", lambda dialog: dialog.dismiss())
        open_files(page, {**PNG, "name": "other.png"})
        assert page.locator("#drawings .card").count() == 2 and page.input_value("#text")  # it was kept
        page.once("dialog", lambda dialog: dialog.accept())
        open_files(page, {**PNG, "name": "other.png"})
        page.wait_for_selector("#strip .thumb[title='other.png']")
        assert page.locator("#thread li, #drawings .card, #completions .sample, #strip > i").count() == 0
        assert page.input_value("#text") == page.input_value("#complete-text") == ""
        assert page.get_attribute("[data-do=invert]", "aria-pressed") == "false"


def test_a_slot_of_the_study_takes_one_file(browse: Any) -> None:
    with browse() as page:
        open_files(page, PNG)
        with page.expect_file_chooser() as chooser:
            page.click("#strip .missing")
        chooser.value.set_files([PNG, {**PNG, "name": "twin.png"}])
        page.wait_for_selector("#trouble:has-text('2 files are too many for the')")
        assert page.locator("#strip .missing").count() == 1 and page.locator("#panes .pane").count() == 1


def test_two_views_are_opened_with_the_frontal_one_first_and_doubts_are_told(browse: Any) -> None:
    with browse() as page:
        open_files(page, PNG, {**PNG, "name": "twin.png"})
        page.wait_for_selector("#strip .part[data-view=frontal] canvas")
        page.wait_for_selector("#strip .part[data-view=lateral] canvas")
        assert page.get_attribute("#strip [data-view=frontal] .thumb", "aria-pressed") == "true"
        told = page.inner_text("#trouble")
        assert told.startswith("twin.png is taken as the ") and "but looks like a " in told
        page.click("#tab-ask")
        page.keyboard.press("r")
        assert page.is_visible("#read")


def test_what_is_missing_of_a_study_is_made(browse: Any, any_to_any_model: radloom.Model, tmp_path: Path) -> None:
    with browse(any_to_any_model) as page:
        open_files(page, PNG)
        view = page.get_attribute("#strip .part", "data-view")
        other = "lateral" if view == "frontal" else "frontal"
        page.click("#strip .make")
        assert page.inner_text("#complete-go") == f"Make {other} and report"
        assert page.inner_text("#complete-hint") == f"from {view}"
        page.click("#complete-go")
        page.wait_for_selector("#completions .sample >> nth=1")
        assert page.locator("#panes .pane").count() == page.locator("#panes .badge:visible").count() == 2
        sample = page.locator("#completions .sample", has_text="Seed 1")
        assert sample.get_by_text("Compare").is_disabled()  # there is no original of that view
        with page.expect_download() as download:
            sample.get_by_text("PNG", exact=True).click()
        download.value.save_as(tmp_path / "made.png")
        sample.get_by_text("Take as study").click()
        page.wait_for_selector("#report-files:visible")
        findings = page.text_content("#findings")
        assert page.locator("#strip [data-view] .badge").count() == 1 and page.locator("#strip .make").count() == 0
        page.click("#tab-complete")
        assert page.is_disabled("#complete-go")
        assert page.input_value("#complete-text") == page.locator("#completions .prose").nth(1).text_content()
    (tmp_path / "chest.png").write_bytes(encoded())
    study = radloom.Study(**{view: read_image(tmp_path / "chest.png")})
    whole = any_to_any_model.complete(study, [other, "report"], seed=1)
    assert whole.report and findings == whole.report.findings
    with Image.open(tmp_path / "made.png") as picture:
        assert np.abs(np.asarray(picture) / 255 - whole.view(other)).max() < 0.01
        assert picture.text["Comment"].startswith(f"Synthetic {other}")  # type: ignore[attr-defined]


def test_a_report_of_views_is_made_by_the_language_model_without_guidance(
    browse: Any, any_to_any_model: radloom.Model
) -> None:
    with browse(any_to_any_model) as page:
        open_files(page, PNG)
        view = page.get_attribute("#strip .part", "data-view")
        page.click("#strip .make")
        assert page.is_visible("#complete-guidance")
        page.check(f"#parts [name={'lateral' if view == 'frontal' else 'frontal'}][value=out]")
        assert not page.is_visible("#complete-guidance")
        page.fill("#complete-samples", "1")
        page.click("#complete-go:has-text('Make report')")
        page.wait_for_selector("#completions .sample .prose")
        assert not page.is_visible("#complete-trouble")


def test_settings_of_either_engine_are_sent_with_what_is_made(
    browse: Any, any_to_any_model: radloom.Model, tmp_path: Path
) -> None:
    with browse(any_to_any_model) as page:
        open_files(page, PNG)
        view = page.get_attribute("#strip .part", "data-view")
        page.click("#tab-draw")
        page.fill("#text", "The heart is enlarged.")
        page.fill("#samples", "1")
        page.click("#draw-more summary")
        saved = []
        for engine, steps in (("diffusion", "2"), ("language", None)):
            page.select_option("#draw-engine", engine)
            assert page.is_visible("#draw-steps") == (steps is not None)
            if steps:
                page.fill("#draw-steps", steps)
            page.fill("#draw-seed", "0")
            page.click("#draw-form [type=submit]")
            page.wait_for_selector(f"#drawings .card >> nth={len(saved)}")
            saved.append(settings(page, page.locator("#drawings .card").first))
        page.click("#tab-complete")
        page.check("#parts [name=report][value=given]")
        page.fill("#complete-text", "The heart is enlarged.")
        page.click("#complete-more summary")
        page.locator("#complete-weights input:visible").last.fill("0.5")
        page.fill("#complete-steps", "3")
        page.fill("#complete-samples", "1")
        page.click("#complete-go")
        page.wait_for_selector("#completions .card")
        saved.append(settings(page, page.locator("#completions .card").first))
        page.select_option("#complete-engine", "language")
        assert not page.is_visible("#complete-steps") and page.locator("#complete-weights input:visible").count() == 0
        page.select_option("#complete-engine", "")
        page.locator("#complete-weights input:visible").last.fill("11")
        page.click("#complete-more summary")
        page.click("#complete-go")
        page.wait_for_selector("#complete-more[open]")  # what is wrong is shown, not folded away
        assert page.locator("#complete-weights input:invalid").count() == 1
    assert "steps 2," in saved[0] and "language engine" in saved[1]
    assert "steps 3," in saved[2] and f"weights {view}=1,report=0.5" in saved[2]


def settings(page: Any, card: Any) -> str:
    """What the PNG of a card says of how it was made."""
    with page.expect_download() as download:
        card.get_by_text("PNG", exact=True).click()
    with Image.open(download.value.path()) as picture:
        return str(picture.text["Software"])  # type: ignore[attr-defined]


def test_completing_without_diffusion_needs_something_given(browse: Any) -> None:
    with browse(width=360) as page:
        page.click("#tab-complete")
        assert not page.is_visible("#complete-guidance") and not page.is_visible("#complete-text")
        page.click("#complete-go")
        page.wait_for_selector("#complete-trouble:has-text('Nothing is given; give')")
        page.check("#parts [name=report][value=given]")
        page.check("#parts [name=frontal][value=out]")
        page.fill("#complete-text", "The lungs are clear.")
        page.fill("#complete-samples", "1")
        page.click("#complete-go:has-text('Make lateral')")
        page.wait_for_selector("#completions .sample:has-text('from report')")
        assert page.inner_text("#panes .badge") == "SYNTHETIC"
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_an_example_is_by_the_shipped_model_and_its_sentence_stays(browse: Any) -> None:
    shipped = radloom.load("nano").fingerprint
    with browse(width=360) as page:
        for name in page.locator("#examples button").all_inner_texts():
            file = page.request.get(f"{page.url}page/{name.lower().replace(' ', '-')}.png")
            with Image.open(io.BytesIO(file.body())) as picture:
                assert f" {shipped}, " in picture.text["Software"]  # type: ignore[attr-defined]
        page.click("#examples button:has-text('Large heart')")
        page.wait_for_selector("#checked:visible")
        assert page.inner_text("#panes .badge") == "SYNTHETIC"
        assert page.inner_text(".pane .caption") == "frontal · The heart is enlarged. The lungs are clear."
        page.locator("#observations tbody tr >> nth=2").click()
        page.wait_for_selector("#legend:has-text('where the classifier looks')")
        legend, badge = (page.locator(place).bounding_box() for place in ("#legend", "#panes .badge"))
        assert legend["y"] > badge["y"] + badge["height"]
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_what_is_wrong_is_said_in_one_sentence(browse: Any) -> None:
    with browse(body=30_000) as page:
        page.set_input_files("#files", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"The heart."})
        page.wait_for_selector("#trouble:visible")
        told = "notes.txt is a text file, not an image; give a PNG, JPEG, TIFF or DICOM file."
        assert page.inner_text("#trouble").splitlines()[0] == told
        page.click("#trouble [aria-label=Close]")
        assert page.is_hidden("#trouble")
        page.set_input_files("#files", {"name": "large.png", "mimeType": "image/png", "buffer": bytes(40_000)})
        page.wait_for_selector("#trouble:has-text('too large')")
        assert page.locator("#welcome").is_visible()


def test_a_full_queue_is_waited_for_and_work_can_be_cancelled(browse: Any, held: Held) -> None:
    with browse(held, queue=1) as page:
        open_files(page, PNG)
        page.click("#tab-ask")
        page.click("#questions button >> nth=0")
        wait_until(held.begun.is_set)
        page.click("#tab-read")
        page.click("#read-go")
        page.wait_for_selector("#read-job:has-text('All 1 places are taken; trying again in')")
        page.click("#tab-ask")
        page.click("#ask-job button")
        page.wait_for_selector("#ask-job", state="hidden")
        assert page.locator("#thread li").count() == 0 and page.input_value("#question") == "Is the heart enlarged?"
        page.click("#tab-read")
        page.wait_for_selector("#report-files:visible")
        assert page.inner_text("#findings") == "The lungs are clear."


def test_the_token_is_asked_for(browse: Any) -> None:
    with browse(token="open-sesame") as page:
        page.fill("#token-value", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_timeout(100)
        page.fill("#token-value", "open-sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-ready]")
        open_files(page, PNG)


def test_dark_and_light_and_the_description(browse: Any) -> None:
    with browse() as page:
        page.wait_for_selector("body[data-ready]")
        ground = "() => getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(ground)
        page.click("#theme")
        assert page.evaluate(ground) != light
        page.click("text=API")
        page.wait_for_selector("#routes section:has-text('POST /v1/saliency')")
        text = page.inner_text("#routes")
        assert "`" not in text and "Attributes:" not in text
        [row] = page.locator("#routes section:has-text('POST /v1/ask') tr:has-text('what answered')").all()
        name, meaning = (row.locator(cell).bounding_box()["width"] for cell in ("th", "td"))
        assert 3 * name < meaning


SYNTHETIC = Path(__file__).parents[2] / "src/radloom/serving/page/large-heart.png"
LOOKS = [("light", 1440, False), ("dark", 1024, False), ("light", 390, True), ("dark", 844, True)]


@pytest.mark.parametrize(("scheme", "width", "touch"), LOOKS)
def test_nothing_lies_over_what_must_be_seen_or_beside_the_screen(
    browse: Any, scheme: str, width: int, touch: bool
) -> None:
    with browse(width=width, look={"color_scheme": scheme, "is_mobile": touch, "has_touch": touch}) as page:
        page.set_input_files("#files", SYNTHETIC)
        page.wait_for_selector("#checked:visible")
        page.locator("#observations tbody tr >> nth=2").click()
        page.wait_for_selector("#legend:has-text('where the classifier looks')")
        draw(page, samples=2)
        for tab in ("read", "ask", "draw", "complete"):
            page.click(f"#tab-{tab}")
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, tab
            covered = page.evaluate(
                """() => [...document.querySelectorAll('.pane .badge')].filter((badge) => {
                    const { x, y, right, bottom } = badge.getBoundingClientRect();
                    return [...document.querySelectorAll('#stage > :not(#panes):not([hidden])')].some((other) => {
                        const box = other.getBoundingClientRect();
                        return box.x < right && box.right > x && box.y < bottom && box.bottom > y;
                    });
                }).length"""
            )
            assert covered == 0, tab
