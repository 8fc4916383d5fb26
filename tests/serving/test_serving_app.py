"""Every route gives what the model gives, and every bad request one sentence."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from served import Held, Stub, dicom, encoded

import radloom
import tiny
from radloom.completion import remarks
from radloom.imaging import InMemory, read_image
from radloom.serving.metrics import Metrics
from radloom.study import Report, Study, View


def chest(seed: int = 0) -> np.ndarray:
    return read_image(InMemory(encoded(seed=seed)))


def test_a_report_is_the_models(serve: Any, model: radloom.Model) -> None:
    frontal, lateral = encoded(seed=1), encoded(seed=2)
    how = {"seed": 5, "temperature": 1.0}
    with serve() as client:
        given = client.post("/v1/report", files={"frontal": frontal, "lateral": lateral}, data=how)
        alone = client.post("/v1/report", files={"lateral": lateral}).json()
    answer, expected = given.json(), model.report(chest(1), chest(2), **how)
    found = remarks(model, Study(frontal=chest(1), lateral=chest(2)))
    assert (answer["findings"], answer["impression"]) == (expected.findings, expected.impression)
    assert (answer["seed"], answer["model"]) == (5, model.fingerprint)
    assert answer["remarks"] == found
    assert answer["seconds"] > 0
    assert given.headers["cache-control"] == "no-store"
    assert alone["findings"] == model.reports([Study(lateral=chest(2))])[0].findings


def test_an_image_that_looks_lateral_is_read_as_such_and_said_to_be(
    serve: Any, model: radloom.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "view", lambda image: View.LATERAL)
    with serve() as client:
        answer = client.post("/v1/report", files={"frontal": encoded()}).json()
    assert answer["remarks"] == ["The image looks like a lateral view and is read as one."]
    assert answer["findings"] == model.reports([Study(lateral=chest())])[0].findings


def test_drawings_are_the_models_and_say_that_they_are_synthetic(serve: Any, model: radloom.Model) -> None:
    with serve() as client:
        fields = {"report": "FINDINGS: Clear lungs.", "n": 2, "seed": 3, "view": "lateral"}
        answer = client.post("/v1/image", data=fields).json()
    assert (answer["view"], [drawing["seed"] for drawing in answer["images"]]) == ("lateral", [3, 4])
    expected = model.image("FINDINGS: Clear lungs.", n=2, seed=3, view="lateral")
    for drawing, image in zip(answer["images"], expected, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(drawing["png"]))) as picture:
            assert np.abs(np.asarray(picture) / 255 - image).max() < 0.01
            assert picture.text["Comment"].startswith("Synthetic lateral")  # type: ignore[attr-defined]


def test_a_drawing_is_diffused_or_by_the_engine_that_is_named(serve: Any, any_to_any_model: radloom.Model) -> None:
    asked = [
        {"steps": 2, "guidance": 2.0, "candidates": 2},
        {"engine": "language", "temperature": 1.0},
    ]
    with serve(any_to_any_model) as client:
        [about] = client.get("/v1/models").json()["models"]
        answers = [client.post("/v1/image", data={"report": "Clear lungs.", "seed": 3} | how).json() for how in asked]
        long = client.post("/v1/image", data={"report": "effusion " * 100, "steps": 2}).json()
        refused = client.post("/v1/image", data={"report": "Clear lungs.", "temperature": 1.0})
        many = [
            client.post(f"/v1/{route}", data={"report": "Clear lungs.", "n": 2, "candidates": 3, **want}).json()
            for route, want in (("image", {}), ("complete", {"want": "frontal"}))
        ]
    for answer in many:
        assert answer["error"]["message"] == "n is 2 with 3 candidates each; at most 4 are made at a time."
    shown = {
        "engine": "diffusion",
        "guidance": 6.0,
        "guided_below": 900,
        "steps": 20,
        "sampler": "dpm++",
        "candidates": 1,
    }
    assert about["image"] == [shown, any_to_any_model.drawing_settings("language")]
    assert [answer["engine"] for answer in answers] == ["diffusion", "language"]
    for how, answer in zip(asked, answers, strict=True):
        [expected] = any_to_any_model.image("Clear lungs.", seed=3, **how)
        assert not any("tokens long" in remark for remark in answer["remarks"])
        with Image.open(io.BytesIO(base64.b64decode(answer["images"][0]["png"]))) as picture:
            assert np.abs(np.asarray(picture) / 255 - expected).max() < 0.01
            assert f"{answer['engine']} engine, seed 3" in picture.text["Software"]  # type: ignore[attr-defined]
    assert re.match("The text is .* diffusion reads the first 46", long["remarks"][0])
    assert refused.status_code == 422
    assert refused.json()["error"]["message"].startswith("temperature is a setting of the language engine; leave")


@pytest.mark.parametrize("field", ["frontal", "lateral"])
def test_an_answer_is_the_models(serve: Any, model: radloom.Model, field: str) -> None:
    with serve() as client:
        answer = client.post("/v1/ask", files={field: encoded()}, data={"question": "Is it?"}).json()
    assert answer["answer"] == model.ask(chest(), "Is it?") and answer["by"] == "language model"


def test_every_kind_of_file_is_read(serve: Any, model: radloom.Model, file: tuple[str, bytes], tmp_path: Path) -> None:
    (tmp_path / file[0]).write_bytes(file[1])
    with serve() as client:
        answer = client.post("/v1/report", files={"frontal": file}).json()
    assert answer["findings"] == model.report(tmp_path / file[0]).findings


def test_what_the_service_says_of_itself(serve: Any, model: radloom.Model) -> None:
    with serve() as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert [client.head(path).status_code for path in ("/health", "/ready")] == [200, 200]
        assert client.get("/ready").json() == {"status": "ready"}
        about = client.get("/v1/models").json()
        described = client.get("/openapi.json").json()
    [served] = about["models"]
    assert about["limits"]["images"] == 4 and "Not a medical device" in about["notice"]
    assert (served["name"], served["fingerprint"], served["pixels"]) == ("tiny", model.fingerprint, tiny.SIDE)
    assert served["devices"] == ["cpu"]
    assert {"/v1/report", "/v1/image", "/v1/ask", "/v1/models", "/ready"} <= set(described["paths"])
    fields = described["components"]["schemas"]["Body_report_v1_report_post"]["properties"]
    assert {"frontal", "lateral", "seed", "temperature", "top_p", "guidance", "candidates"} == set(fields)


def test_metrics_know_no_addresses_but_their_own(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model)) as client:
        client.get("/v1/somebody's name")
        text = client.get("/metrics").text
    assert 'radloom_requests_total{route="other",status="404"} 1.0' in text
    assert "radloom_queue_length 0.0" in text and "somebody" not in text


def test_one_quick_batch_does_not_make_all_seem_quick() -> None:
    metrics = Metrics(lambda: 0, lambda: 0)
    metrics.batch("image", 1, 10.0)
    metrics.batch("check", 1, 0.1)
    assert 2 < metrics.pace < 4


QUESTION = {"question": "Is it?"}
PNG = {"frontal": encoded()}


@pytest.mark.parametrize(
    ("path", "files", "data", "status", "code", "message"),
    [
        ("report", {"frontal": b"GIF89a" + bytes(90)}, {}, 422, "invalid_image", "^frontal is not an image that"),
        ("report", {"lateral": b"The heart is normal."}, {}, 422, "invalid_image", "^lateral is a text file"),
        ("report", {"frontal": ("a.png", b"")}, {}, 422, "invalid_image", "^frontal is empty"),
        ("report", {"frontal": ("", b"")}, {"seed": 1}, 422, "invalid_image", "^There is no image; send"),
        ("report", {}, {"seed": 1}, 422, "invalid_image", "^There is no image; send"),
        ("report", {}, {"frontal": "a.png"}, 422, "invalid_request", "^frontal is text and no file; .* frontal=@FILE"),
        ("report", PNG, {"guidence": 2}, 422, "unknown_field", r"^Unknown field 'guidence' \(did you mean 'guidance'"),
        ("report", PNG | {"side": encoded()}, {}, 422, "unknown_field", "^Unknown field 'side'; fields: frontal, "),
        ("report", PNG, {"x" * 2000: 2}, 422, "unknown_field", f"^Unknown field '{'x' * 1000}'; fields: frontal, "),
        ("report", PNG, {"seed": ["1", "2"]}, 422, "repeated_field", "^The field 'seed' was sent twice; send it once"),
        (
            "image",
            {},
            {"report": "Clear.", "view": "x" * 1001},
            422,
            "too_long",
            "^The field 'view' has more than 1000 ",
        ),
        ("report", PNG, {"seed": -1}, 422, "invalid_request", "^seed: Input should be greater"),
        ("report", PNG, {"temperature": "nan"}, 422, "invalid_request", "^temperature: "),
        ("report", PNG, {"top_p": "0"}, 422, "invalid_request", "^top_p: "),
        ("report", PNG, {"guidance": "much"}, 422, "invalid_request", "^guidance: "),
        (
            "report",
            PNG,
            {f"field{i}": "x" for i in range(20)},
            400,
            "bad_request",
            "^The form cannot be read: Too many",
        ),
        ("ask", PNG, {}, 422, "invalid_request", "^question: Field required"),
        ("ask", PNG, {"question": " "}, 422, "invalid_text", "^The question is empty"),
        ("ask", {}, QUESTION, 422, "invalid_image", "^A question is about one image, and 0 were sent"),
        ("ask", PNG | {"lateral": encoded()}, QUESTION, 422, "invalid_image", "one image, and 2 were sent"),
        ("ask", PNG, {"question": "Why? " * 900}, 422, "invalid_text", "has 4500 characters; at most 4000"),
        ("ask", PNG, {"question": "Why? " * 700}, 422, "invalid_text", r"tokens long; at most \d+ fit"),
        ("check", {"lateral": ("", b"")}, {}, 422, "invalid_image", "^A check is about one image, and 0 were sent"),
        ("saliency", PNG, {}, 422, "invalid_request", "^observations: Field required"),
        ("saliency", PNG, {"observations": "Efusion"}, 422, "invalid_request", "did you mean"),
        ("view", PNG | {"lateral": encoded()}, {}, 422, "invalid_image", "^A view is about one image, and 2 were"),
        ("view", {"frontal": b"GIF89a" + bytes(90)}, {}, 422, "invalid_image", "^frontal is not an image that"),
        ("document", {}, {"format": "pdf", "findings": "Clear."}, 422, "invalid_request", "name txt, json or dcm"),
        ("document", {}, {"format": "txt"}, 422, "invalid_text", "^The report is empty"),
        ("image", {}, {"report": "Clear.", "n": 5}, 422, "invalid_request", "^n is 5; at most 4"),
        ("image", {}, {"report": "Clear.", "view": "frontale"}, 422, "invalid_request", "did you mean 'frontal'"),
        ("image", {}, {"report": "  "}, 422, "invalid_text", "^The report is empty"),
        ("image", {}, {"report": "FINDINGS: IMPRESSION:"}, 422, "invalid_text", "empty; give findings"),
        ("other", {}, {}, 404, "not_found", "^There is nothing at this address"),
        ("models", {}, {}, 405, "method_not_allowed", "another method"),
        ("report", {}, {}, 415, "no_form", "^The request is no form"),
    ],
)
def test_a_bad_request_gets_one_sentence(
    serve: Any, path: str, files: dict, data: dict, status: int, code: str, message: str
) -> None:
    with serve() as client:
        answer = client.post(f"/v1/{path}", files=files, data=data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert re.search(message, answer.json()["error"]["message"]), answer.text
    assert "\n" not in answer.json()["error"]["message"]


def test_a_form_without_its_end_is_refused(serve: Any) -> None:
    with serve() as client:
        headers = {"content-type": "multipart/form-data; boundary=fence"}
        answer = client.post("/v1/report", content=b"--fence\r\nContent-Disp\0", headers=headers)
        nameless = client.post("/v1/report", content=b"x", headers={"content-type": "multipart/form-data"})
    assert (answer.status_code, nameless.status_code) == (400, 400)


def test_damaged_files_are_never_an_error_of_the_service(
    serve: Any, model: radloom.Model, file: tuple[str, bytes]
) -> None:
    random, (name, data) = np.random.default_rng(0), file
    mutated = [data[: len(data) * i // 6] for i in range(1, 6)]
    for _ in range(15):
        changed = np.frombuffer(data, np.uint8).copy()
        where = random.integers(0, min(len(data), 1200), 6)
        changed[where] = random.integers(0, 256, len(where))
        mutated.append(changed.tobytes())
    with serve(Stub(model)) as client:
        statuses = [client.post("/v1/report", files={"frontal": (name, damaged)}).status_code for damaged in mutated]
    assert set(statuses) <= {200, 422}
    assert statuses.count(422) > 3


def test_a_failure_inside_is_told_without_its_text(
    serve: Any, model: radloom.Model, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Stub):
        def reports(self, studies: list[Study], **options: Any) -> list[Report]:
            raise RuntimeError("Jane Doe")

    with serve(Broken(model)) as client:
        answer = client.post("/v1/report", files=PNG)
        assert client.post("/v1/ask", files=PNG, data=QUESTION).status_code == 200  # the worker works on
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "Jane" not in answer.text + caplog.text
    assert re.search(r"RuntimeError in test_serving_app.py, line \d+", caplog.text)


def test_nothing_of_a_request_is_logged(
    serve: Any, held: Held, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("WARNING", "httpx2")  # the client of this test
    caplog.set_level("DEBUG")
    held.go.set()
    with serve(held, token="open-sesame") as client:
        client.headers["authorization"] = "Bearer open-sesame"
        for data in (encoded(), b"Jane", dicom()[:600]):
            client.post("/v1/ask?patient=Jane", files={"frontal": ("Jane.png", data)}, data={"question": "Jane?"})
        client.post("/v1/image", data={"report": "Jane has an effusion.", "n": 7})
        client.get("/Jane")
    logged = caplog.text + "".join(capfd.readouterr())
    assert (
        re.search(r"POST /v1/ask 200 \d+\.\d+ s", logged) and "POST /v1/ask 422" in logged and "GET other 404" in logged
    )
    assert not re.search("Jane|Doe|effusion|sesame|testclient", logged), logged


def test_a_lone_file_is_read_as_the_view_that_it_states(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for stated in (View.LATERAL, View.FRONTAL):
        monkeypatch.setattr("radloom.serving.uploads.dicom_view", lambda file, stated=stated: stated)
        with serve() as client:
            said = client.post("/v1/report", files={"frontal": encoded()}).json()["remarks"]
        assert ("The image is by its DICOM header a lateral view and is read as one." in said) is (
            stated is View.LATERAL
        )
