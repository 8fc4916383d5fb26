"""Completing a study over HTTP: as the model does it, alone or with others that wait, and with the same refusals."""

from __future__ import annotations

import base64
import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from served import Held, encoded, wait_until

import radloom
from radloom.completion import Plan, complete
from radloom.imaging import InMemory, read_image
from radloom.study import Report, Study

TEXT = "The lungs are clear."
PNG = {"frontal": encoded()}
TWO = {"steps": 2}


def chest(seed: int = 0) -> np.ndarray:
    return read_image(InMemory(encoded(seed=seed)))


def picture(drawing: dict[str, Any]) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(drawing["png"]))) as image:
        return np.asarray(image) / 255


class HeldCompleting(Held):
    """The same for completions."""

    def __init__(self, model: radloom.Model, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(model)
        monkeypatch.setattr("radloom.serving.tasks.complete", self.complete)

    def complete(self, model: radloom.Model, plan: Plan, studies: list[Study], **how: Any) -> list[Study]:
        self.batches.append([study.report.findings if study.report else "" for study in studies])
        self.begun.set()
        self.go.wait(20)
        return complete(self.model, plan, studies, **how)


class HeldDrawing(Held):
    """The same for drawings."""

    def images(self, reports: list[Report], views: Any, **how: Any) -> list[np.ndarray]:
        self.batches.append([report.findings for report in reports])
        self.begun.set()
        self.go.wait(20)
        return self.model.images(reports, views, **how)


def test_samples_are_the_models_and_say_that_they_are_synthetic(serve: Any, any_to_any_model: radloom.Model) -> None:
    how = {"guidance": 2.0, "steps": 2, "sampler": "ddim"}
    with serve(any_to_any_model) as client:
        form = {"want": "lateral", "report": TEXT, "weights": "frontal=2", "n": 2, "seed": 3, "dicom": True}
        answer = client.post("/v1/complete", files=PNG, data=form | how).json()
        whole = client.post("/v1/complete", data={"want": "report,lateral,frontal"} | TWO).json()
    assert (answer["given"], answer["made"]) == (["frontal", "report"], ["lateral"])
    assert (answer["engines"], answer["model"]) == ({"lateral": "diffusion"}, any_to_any_model.fingerprint)
    assert [sample["seed"] for sample in answer["samples"]] == [3, 4] and answer["seconds"] > 0
    study = Study(frontal=chest(), report=Report(TEXT))
    for sample in answer["samples"]:
        expected = any_to_any_model.complete(study, ["lateral"], seed=sample["seed"], weights={"frontal": 2}, **how)
        assert np.abs(picture(sample["lateral"]) - expected.lateral).max() < 0.01
        assert sample["frontal"] is None and sample["report"] is None
        with Image.open(io.BytesIO(base64.b64decode(sample["lateral"]["png"]))) as image:
            assert image.text["Comment"].startswith("Synthetic lateral")  # type: ignore[attr-defined]
            told = image.text["Description"], image.text["Software"]  # type: ignore[attr-defined]
            assert re.fullmatch(r"Made from a frontal X-ray and a text with SHA-256 [0-9a-f]{16}\.", told[0])
            assert (
                "guidance 2.0, guided_below 900, steps 2, sampler ddim, candidates 1" in told[1]
                and "frontal=2" in told[1]
            )
        assert pydicom.dcmread(io.BytesIO(base64.b64decode(sample["lateral"]["dicom"]))).SyntheticData == "YES"
    [sample] = whole["samples"]
    expected = any_to_any_model.complete(Study(), ["frontal", "lateral", "report"], steps=2)
    assert (whole["given"], whole["made"]) == ([], ["frontal", "lateral", "report"])
    assert expected.report is not None and sample["report"]["findings"] == expected.report.findings
    assert np.abs(picture(sample["frontal"]) - expected.frontal).max() < 0.01


def test_a_report_is_a_file_or_text_and_a_report_of_views_the_language_models(
    serve: Any, any_to_any_model: radloom.Model
) -> None:
    form = {"want": "frontal"} | TWO
    with serve(any_to_any_model) as client:
        text = client.post("/v1/complete", data=form | {"report": TEXT}).json()
        file = client.post("/v1/complete", files={"report": ("notes.txt", TEXT.encode("utf-8-sig"))}, data=form).json()
        read = client.post("/v1/complete", files=PNG, data={"want": "report"}).json()
        binary = client.post("/v1/complete", files={"report": ("notes.txt", b"\xff\xfe")}, data=form)
    assert text["samples"] == file["samples"]
    expected = any_to_any_model.complete(Study(frontal=chest()), ["report"]).report
    assert expected and read["engines"] == {"report": "language"}
    assert read["samples"][0]["report"]["findings"] == expected.findings
    assert binary.status_code == 422 and "no text in UTF-8" in binary.json()["error"]["message"]


def test_those_that_wait_are_completed_together_and_as_they_are_alone(
    serve: Any, any_to_any_model: radloom.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldCompleting(any_to_any_model, monkeypatch)
    wants = ("frontal", "frontal", "frontal,lateral", "frontal")
    with serve(held) as client, ThreadPoolExecutor(4) as threads:
        queue = client.app.state.service.queue

        def complete(i: int) -> Any:
            form = {"want": wants[i], "report": f"{i}.", "n": 1 + i % 2, "seed": i} | TWO
            return client.post("/v1/complete", data=form)

        answers = [threads.submit(complete, 0)]
        wait_until(held.begun.is_set)
        for i in range(1, 4):
            answers.append(threads.submit(complete, i))
            wait_until(lambda waiting=i: len(queue) == waiting)
        held.go.set()
        given = [answer.result().json() for answer in answers]
    assert held.batches == [["0."], ["1.", "1.", "3.", "3."], ["2."]]
    for i, answer in enumerate(given):
        assert [sample["seed"] for sample in answer["samples"]] == list(range(i, i + 1 + i % 2))
        for sample in answer["samples"]:
            study = Study(report=Report(f"{i}."))
            alone = any_to_any_model.complete(study, wants[i].split(","), seed=sample["seed"], steps=2)
            assert np.abs(picture(sample["frontal"]) - alone.frontal).max() < 0.01


def test_drawings_of_one_engine_and_its_settings_are_made_together_and_as_they_are_alone(
    serve: Any, any_to_any_model: radloom.Model
) -> None:
    held = HeldDrawing(any_to_any_model)
    hows = (TWO, TWO, TWO | {"view": "lateral", "engine": "diffusion"}, {"engine": "language"}, {"steps": 3})
    with serve(held) as client, ThreadPoolExecutor(len(hows)) as threads:
        queue = client.app.state.service.queue
        answers = []
        for i, how in enumerate(hows):
            form = {"report": f"{i}.", "seed": i} | how
            answers.append(threads.submit(client.post, "/v1/image", data=form))
            wait_until(lambda waiting=i: len(queue) == waiting and held.begun.is_set())
        held.go.set()
        given = [answer.result().json() for answer in answers]
    assert held.batches == [["0."], ["1.", "2."], ["3."], ["4."]]
    for i, (answer, how) in enumerate(zip(given, hows, strict=True)):
        [alone] = any_to_any_model.image(f"{i}.", seed=i, **how)
        assert np.abs(picture(answer["images"][0]) - alone).max() < 0.01


def test_the_engine_is_chosen_for_each_and_not_for_the_batch(
    serve: Any, any_to_any_model: radloom.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldCompleting(any_to_any_model, monkeypatch)
    with serve(held) as client, ThreadPoolExecutor(3) as threads:

        def complete(want: str, files: dict | None = None, how: dict = TWO) -> Any:
            return client.post("/v1/complete", files=files, data={"want": want} | how).json()

        threads.submit(complete, "lateral")
        wait_until(held.begun.is_set)
        reports = [threads.submit(complete, "report"), threads.submit(complete, "report", PNG, {})]
        wait_until(lambda: len(client.app.state.service.queue) == 2)
        held.go.set()
        assert [report.result()["engines"]["report"] for report in reports] == ["diffusion", "language"]
    assert held.batches == [[""]] * 3


def test_views_that_look_like_the_other_are_said_to(
    serve: Any, any_to_any_model: radloom.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(any_to_any_model, "view", lambda image: "lateral")
    with serve(any_to_any_model) as client:
        answer = client.post("/v1/complete", files=PNG, data={"want": "lateral"} | TWO).json()
    assert answer["remarks"] == ["The frontal image looks like a lateral view."]


def test_the_service_says_what_can_complete(serve: Any, model: radloom.Model, any_to_any_model: radloom.Model) -> None:
    with serve(any_to_any_model) as client:
        [both] = client.get("/v1/models").json()["models"]
        described = client.get("/openapi.json").json()
    assert both["complete"]["engines"] == ["diffusion", "language"] and both["complete"]["guidance"] == 6.0
    fields = described["components"]["schemas"]["Body_complete_v1_complete_post"]["properties"]
    settings = {"n", "seed", "weights", "engine", "guidance", "steps", "sampler", "candidates", "together", "dicom"}
    assert set(fields) == {"frontal", "lateral", "report", "want"} | settings
    with serve(model) as client:
        [one] = client.get("/v1/models").json()["models"]
        refused = client.post("/v1/complete", files=PNG, data={"want": "lateral", "engine": "diffusion"})
        by_language = client.post("/v1/complete", data={"want": "lateral", "report": TEXT}).json()
        of_nothing = client.post("/v1/complete", data={"want": "report"})
    assert one["complete"]["engines"] == ["language"]
    assert refused.status_code == 422
    assert refused.json()["error"]["message"].startswith("This model has no any-to-any part; train one")
    assert by_language["engines"] == {"lateral": "language"}
    assert of_nothing.json()["error"]["message"].startswith("Nothing is given; give")


@pytest.mark.parametrize(
    ("files", "data", "code", "message"),
    [
        (PNG, {}, "invalid_request", "^want: Field required"),
        (PNG, {"want": " , "}, "invalid_request", "^Nothing is wanted"),
        (PNG, {"want": "latral"}, "invalid_request", "did you mean 'lateral'"),
        (PNG, {"want": "frontal"}, "invalid_request", "^The frontal is both given and wanted"),
        (PNG, {"want": "lateral", "weights": "frontal"}, "invalid_request", "write PART=WEIGHT"),
        (PNG, {"want": "lateral", "weights": "frontal=nan"}, "invalid_request", "^The weight of frontal is nan"),
        (PNG, {"want": "lateral", "weights": "report=1"}, "invalid_request", "^A weight is given for the report"),
        (PNG, {"want": "lateral", "engine": "difusion"}, "invalid_request", "did you mean 'diffusion'"),
        (PNG, {"want": "report", "steps": 5}, "invalid_request", "^steps counts for the diffusion engine alone"),
        (PNG, {"want": "lateral", "sampler": "euler"}, "invalid_request", "^Unknown sampler 'euler'"),
        (PNG, {"want": "lateral", "steps": 0}, "invalid_request", "^steps: "),
        (PNG, {"want": "lateral", "n": 5}, "invalid_request", "^n is 5; at most 4"),
        (PNG, {"want": "lateral", "report": " "}, "invalid_text", "^The report is empty"),
        ({"frontal": b"GIF89a" + bytes(90)}, {"want": "lateral"}, "invalid_image", "^frontal is not an image that"),
    ],
)
def test_a_bad_request_gets_one_sentence(
    serve: Any, any_to_any_model: radloom.Model, files: dict, data: dict, code: str, message: str
) -> None:
    with serve(any_to_any_model) as client:
        answer = client.post("/v1/complete", files=files, data=data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code), answer.text
    assert re.search(message, answer.json()["error"]["message"]), answer.text
