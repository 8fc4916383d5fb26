"""What the classifier finds, and files: pictures for browsers, drawings as DICOM, reports as text, FHIR and SR."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from served import Stub, dicom, encoded

import radloom
import tiny
from radloom.imaging import InMemory, png_bytes, read_image
from radloom.study import OBSERVATIONS, Report

CHEST = {"frontal": encoded()}


def test_a_check_is_the_models(serve: Any, model: radloom.Model) -> None:
    with serve() as client:
        answer = client.post("/v1/check", files={"lateral": encoded()}).json()
    found = model.check(read_image(InMemory(encoded())))
    assert answer["observations"] == {name: pytest.approx(found[name], abs=1e-4) for name in OBSERVATIONS}
    assert (answer["view"], answer["remarks"], answer["model"]) == ("frontal", [], model.fingerprint)


@pytest.mark.doubting
def test_what_looks_like_no_upright_chest_xray_is_said_to(serve: Any) -> None:
    board = png_bytes(np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((10, 10))))
    with serve() as client:
        checked = client.post("/v1/check", files={"frontal": board}).json()
        read = client.post("/v1/report", files={"lateral": board}).json()
        asked = client.post("/v1/ask", files={"frontal": board}, data={"question": "Is it?"}).json()
    assert checked["remarks"] == asked["remarks"]
    assert checked["remarks"][0].startswith("The image does not look like a chest X-ray")
    assert read["remarks"][0].startswith("The lateral image does not look like a chest X-ray") and read["findings"]


def test_what_is_odd_about_a_file_is_said(serve: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    views = {
        "frontal": ("a.dcm", dicom(StudyInstanceUID="1.2.3.98", BodyPartExamined="HAND")),
        "lateral": ("b.dcm", dicom(1, StudyInstanceUID="1.2.3.99")),
    }
    with serve() as client:
        coloured = client.post("/v1/saliency", files={"frontal": stream.getvalue()}, data={"observations": "Edema"})
        read = client.post("/v1/report", files=views, headers={"Accept": "text/event-stream"})
        blank = client.post("/v1/check", files={"frontal": png_bytes(np.zeros((40, 40), np.float32))})
    assert coloured.json()["remarks"][0].startswith("frontal is a colour image")
    said = json.loads(read.text.rpartition("event: answer\ndata: ")[2])["remarks"]
    assert said[:2] == [
        "frontal and lateral are of two studies by their DICOM headers.",
        "frontal says that it shows the hand; radloom knows chests alone.",
    ]
    assert blank.status_code == 422 and "one grey value everywhere" in blank.text


def test_saliency_is_the_models_over_the_square_that_it_sees(serve: Any, model: radloom.Model) -> None:
    names = ["Cardiomegaly", "Pleural Effusion"]
    with serve() as client:
        answer = client.post("/v1/saliency", files=CHEST, data={"observations": ", ".join(names)}).json()
    assert list(answer["saliency"]) == names and answer["fit"] == model.transform.fit
    for name in names:
        expected = model.saliency(read_image(InMemory(encoded())), [name])
        assert np.abs(np.array(answer["saliency"][name]) - expected).max() < 1e-3
        assert expected.shape == (tiny.SIDE // 16, tiny.SIDE // 16)


def test_a_view_is_the_picture_at_its_own_size(serve: Any, model: radloom.Model, file: tuple[str, bytes]) -> None:
    with serve(Stub(model)) as client:
        answer = client.post("/v1/view", files={"frontal": file})
    assert (answer.headers["content-type"], answer.headers["synthetic"]) == ("image/png", "no")
    expected = read_image(InMemory(file[1], suffix=file[0][-4:]))
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.mode, picture.size) == ("L", expected.shape[::-1])
        assert np.abs(np.asarray(picture) / 255 - expected).max() < 0.5 / 255 + 1e-6


def test_a_deep_picture_and_an_inverted_one_come_for_display(serve: Any, model: radloom.Model) -> None:
    stream = io.BytesIO()
    ramp = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (32, 1))
    Image.fromarray(ramp).save(stream, "TIFF")
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    dataset.PhotometricInterpretation = "MONOCHROME1"
    inverted = io.BytesIO()
    dataset.save_as(inverted)
    with serve(Stub(model)) as client:
        whole, shallow = (
            Image.open(io.BytesIO(client.post("/v1/view", files={"frontal": data}, data={"deep": True}).content))
            for data in (stream.getvalue(), dicom())
        )
        deep, plain, turned = (
            np.asarray(Image.open(io.BytesIO(client.post("/v1/view", files={"frontal": data}).content))).astype(int)
            for data in (stream.getvalue(), dicom(), inverted.getvalue())
        )
    assert deep.shape == (32, 64) and (deep[0, 0], deep[0, -1]) == (0, 255)
    assert np.abs(plain + turned - 255).max() <= 1
    red, green, _ = np.moveaxis(np.asarray(whole).astype(int), 2, 0)
    assert np.array_equal(256 * red + green, np.rint(ramp / 4095 * 65535))
    assert shallow.mode == "L" and np.array_equal(np.asarray(shallow), plain)


def test_a_view_says_that_a_synthetic_file_is(serve: Any) -> None:
    with serve() as client:
        [drawing] = client.post("/v1/image", data={"report": "Clear.", "dicom": True}).json()["images"]
        files = [base64.b64decode(drawing[kind]) for kind in ("png", "dicom")]
        said = [client.post("/v1/view", files={"frontal": data}).headers["synthetic"] for data in files]
        other = png_bytes(np.zeros((20, 20)), text={"Comment": "A phantom."})
        assert client.post("/v1/view", files={"frontal": other}).headers["synthetic"] == "no"
    assert said == ["yes", "yes"]


def test_a_drawing_comes_as_dicom_where_that_is_asked_for(serve: Any, model: radloom.Model) -> None:
    with serve() as client:
        [plain] = client.post("/v1/image", data={"report": "Clear lungs."}).json()["images"]
        [both] = client.post("/v1/image", data={"report": "Clear lungs.", "dicom": True}).json()["images"]
    assert plain["dicom"] is None and both["png"] == plain["png"]
    dataset = pydicom.dcmread(io.BytesIO(base64.b64decode(both["dicom"])))
    with Image.open(io.BytesIO(base64.b64decode(both["png"]))) as picture:
        assert np.array_equal(dataset.pixel_array, np.asarray(picture))
    assert dataset.SyntheticData == "YES" and "Made from a text with SHA-256" in dataset.ImageComments
    assert model.fingerprint in dataset.ImageComments


REPORT = {"findings": "The heart is enlarged.", "impression": "Cardiomegaly."}


def test_a_report_as_text_and_as_fhir(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model)) as client:
        text = client.post("/v1/document", data=REPORT | {"format": "txt"})
        fhir = client.post("/v1/document", data=REPORT | {"format": "json", "seed": 4})
    assert text.text.startswith("FINDINGS: The heart is enlarged.\nIMPRESSION: Cardiomegaly.\nNOTE: Written by radloom")
    assert text.headers["content-disposition"] == 'attachment; filename="report.txt"'
    assert fhir.headers["content-type"] == "application/fhir+json"
    resource = fhir.json()
    assert (resource["resourceType"], resource["conclusion"]) == ("DiagnosticReport", "Cardiomegaly.")
    assert "cardiomegaly" in [part["id"] for part in resource["contained"]]


def test_a_structured_report_joins_the_study_of_a_dicom_file(serve: Any, model: radloom.Model) -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    whole = io.BytesIO()
    dataset.save_as(whole)
    with serve(Stub(model)) as client:
        fields = REPORT | {"format": "dcm"}
        alone = client.post("/v1/document", data=fields, files=CHEST)
        joined = client.post("/v1/document", data=fields, files={"frontal": whole.getvalue()})
        lacking = client.post("/v1/document", data=fields, files={"frontal": dicom()})
    assert alone.headers["content-type"] == "application/dicom"
    assert pydicom.dcmread(io.BytesIO(alone.content)).Modality == "SR"
    report = pydicom.dcmread(io.BytesIO(joined.content))
    assert (report.StudyInstanceUID, str(report.PatientName)) == ("1.2.3", "Doe^Jane")
    assert lacking.status_code == 422
    assert lacking.json()["error"]["message"].startswith("frontal has no SeriesInstanceUID")


def test_a_report_says_what_it_mentions_and_takes_candidates(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model)) as client:
        answer = client.post("/v1/report", files=CHEST).json()
        assert client.post("/v1/report", files=CHEST, data={"candidates": 9}).status_code == 422
    assert answer["mentions"]["No Finding"] == "positive"


def test_a_report_says_by_which_words_it_mentions_something(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model, Report("Possible edema.", "No effusion."))) as client:
        answer = client.post("/v1/report", files=CHEST).json()
    assert answer["spans"] == [
        {"section": "findings", "start": 9, "end": 14, "observation": "Edema", "mention": "uncertain"},
        {"section": "impression", "start": 3, "end": 11, "observation": "Pleural Effusion", "mention": "negative"},
    ]
