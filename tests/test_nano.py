"""The model inside the package: there, within its limits, and able to do what it is for."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import radloom
from radloom.completion import ReportWarning
from radloom.errors import ReportError
from radloom.model_folder import locate
from radloom.study import OBSERVATIONS

SENTENCE = "The heart is enlarged. There is a moderate right pleural effusion."


@pytest.fixture(scope="module")
def nano():
    return radloom.load("nano")


@pytest.fixture(scope="module")
def drawn(nano):
    return nano.image(SENTENCE, n=4, seed=1)


ALONE = """
import json, sys, time, numpy, radloom
model = radloom.load("nano")
_ = model.any_to_any
start = time.perf_counter(); [image] = model.image(sys.argv[1], seed=3); draw = time.perf_counter() - start
start = time.perf_counter(); report = model.report(image); read = time.perf_counter() - start
try:  # not getrusage: a new process starts with the peak of the one that started it
    with open("/proc/self/status") as status:
        [peak] = [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")]
except OSError:
    peak = None
numpy.save("image.npy", image)
print(json.dumps({"draw": draw, "read": read, "megabytes": peak, "report": report.findings + report.impression}))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What a process of its own drew of the sentence and read in it, how many seconds that took, and what memory."""
    folder = tmp_path_factory.mktemp("alone")
    command = [sys.executable, "-c", ALONE, SENTENCE]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(out.stdout.splitlines()[-1]) | {"image": np.load(folder / "image.npy")}


def test_weights_are_small_and_described():
    sizes = [path.stat().st_size for path in locate("nano").rglob("*") if path.is_file()]
    assert max(sizes) < 50e6
    assert sum(sizes) < 120e6
    card = (locate("nano") / "README.md").read_text(encoding="utf-8")
    for word in ("non-commercial", "not a medical device", "CC BY-NC-ND 4.0", "radloom train any-to-any/nano"):
        assert word in card
    assert not list(locate("nano").rglob("*.bin")) and not list(locate("nano").rglob("*.pkl"))


def test_a_prompt_of_thousands_of_words_is_refused(nano):
    with pytest.raises(ReportError, match="Shorten"):
        nano.image("heart " * 5000, engine="language")
    with pytest.raises(ReportError, match="Shorten"):
        nano.ask(np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64), "large " * 5000)


def test_it_draws_by_diffusion_and_tells_what_it_does_not_read(nano):
    with pytest.warns(ReportWarning, match=r"diffusion reads the first 190\. Shorten it"):
        nano.image("heart " * 5000, steps=1)


def test_a_text_in_another_language_is_told_of(nano):
    for text in ("Das Herz ist vergrößert.", "El corazón está agrandado."):
        with pytest.warns(ReportWarning, match="Hardly a word of the text is one that reports use"):
            nano.image(text, steps=1)
    with warnings.catch_warnings(action="error", category=ReportWarning):
        nano.image("Large right effusion.", steps=1)


@pytest.mark.slow
def test_samples_of_one_prompt_are_pictures_and_differ(drawn):
    for image in drawn:
        assert image.shape == (256, 256)
        assert image.std() > 0.1
    distances = [np.abs(a - b).mean() for i, a in enumerate(drawn) for b in drawn[:i]]
    assert min(distances) > 0.02


@pytest.mark.slow
def test_a_seed_draws_the_same_picture_alone_and_in_a_batch(alone, drawn):
    assert np.abs(alone["image"] - drawn[2]).mean() < 0.02  # a batch may round a latent to another code


@pytest.mark.slow
def test_a_drawing_is_read_and_asked_about(nano, drawn, alone):
    assert len(alone["report"].split()) >= 3
    assert nano.ask(drawn[0], "Is there a pleural effusion?")
    assert set(OBSERVATIONS) <= nano.check(drawn[0]).keys()


@pytest.mark.slow
def test_it_answers_in_time_and_memory(alone):
    if alone["megabytes"] is not None:
        assert 100 < alone["megabytes"] < 2048
    assert alone["draw"] < 12  # 2 to 4 s on two free cores; a test machine may be busy
    assert alone["read"] < 9  # 3 s likewise


def test_it_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(locate("nano")).is_dir()


def test_what_the_documents_show_is_of_these_weights(nano):
    shown = Path(__file__).parents[1] / "docs" / "report.md"
    for text in (shown, locate("nano") / "README.md"):
        assert nano.fingerprint in text.read_text(encoding="utf-8"), text
