"""The model inside the package: there, within its limits, and able to do what it is for."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import radloom
from radloom.errors import ReportError
from radloom.models import locate
from radloom.study import OBSERVATIONS

SENTENCE = "The heart is enlarged. There is a moderate right pleural effusion."


@pytest.fixture(scope="module")
def nano():
    return radloom.load("nano")


@pytest.fixture(scope="module")
def drawn(nano):
    return nano.image(SENTENCE, n=4, seed=1)


def test_weights_are_small_and_described():
    sizes = [path.stat().st_size for path in locate("nano").rglob("*") if path.is_file()]
    assert max(sizes) < 50e6
    assert sum(sizes) < 120e6
    card = (locate("nano") / "README.md").read_text(encoding="utf-8")
    for word in ("non-commercial", "not a medical device", "CC BY-NC-ND 4.0", "radloom train nano"):
        assert word in card
    assert not list(locate("nano").rglob("*.bin")) and not list(locate("nano").rglob("*.pkl"))


def test_a_prompt_of_thousands_of_words_is_refused(nano):
    with pytest.raises(ReportError, match="Shorten"):
        nano.image("heart " * 5000)
    with pytest.raises(ReportError, match="Shorten"):
        nano.ask(np.full((64, 64), 0.5, np.float32), "large " * 5000)


@pytest.mark.slow
def test_samples_of_one_prompt_are_pictures_and_differ(drawn):
    for image in drawn:
        assert image.shape == (256, 256)
        assert image.std() > 0.1
    distances = [np.abs(a - b).mean() for i, a in enumerate(drawn) for b in drawn[:i]]
    assert min(distances) > 0.02


@pytest.mark.slow
def test_a_seed_draws_the_same_picture_alone_and_in_a_batch(nano, drawn):
    [again] = nano.image(SENTENCE, seed=3)
    assert np.abs(again - drawn[2]).mean() < 0.02  # a batch may round a logit otherwise


@pytest.mark.slow
def test_a_drawing_is_read_and_asked_about(nano, drawn):
    report = nano.report(drawn[0])
    assert len((report.findings + report.impression).split()) >= 3
    assert nano.ask(drawn[0], "Is there a pleural effusion?")
    assert set(OBSERVATIONS) <= nano.check(drawn[0]).keys()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads the peak of memory from /proc")
def test_it_answers_in_time_and_memory(tmp_path):
    program = """
import json, time, radloom
model = radloom.load("nano")
start = time.perf_counter(); [image] = model.image("The lungs are clear.", seed=0); draw = time.perf_counter() - start
start = time.perf_counter(); model.report(image); read = time.perf_counter() - start
# not getrusage: a new process starts with the peak of the one that started it
with open("/proc/self/status") as status:
    [peak] = [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")]
print(json.dumps([draw, read, peak]))
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    draw, read, megabytes = json.loads(out.stdout.splitlines()[-1])
    assert 100 < megabytes < 2048
    assert draw < 24  # 8 s on two free cores; a test machine may be busy
    assert read < 9  # 3 s likewise


def test_it_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(locate("nano")).is_dir()
