"""The small base models, with and without image tokens, and a made-up corpus with random codes."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from tiny_models import BASES

from radloom.corpora import tokens
from radloom.corpora.manifest import ImageRef, Row
from radloom.language.vocabulary import ImageVocabulary
from radloom.study import Mention, Question, Report, View


@pytest.fixture
def vocabulary():
    return ImageVocabulary(codes=32, grid=(4, 4))


@cache
def made(name):
    """Model and tokenizer, and the random state that making them leaves."""
    return BASES[name](), torch.get_rng_state()


@pytest.fixture(params=BASES)
def base(request):
    """Model and tokenizer as they come, without image tokens."""
    pair, state = made(request.param)
    torch.set_rng_state(state)
    return copy.deepcopy(pair)


@pytest.fixture
def extended(base, vocabulary):
    """Model, tokenizer and ids with image tokens."""
    model, tokenizer = base
    return model, tokenizer, vocabulary.extend(tokenizer, model)


@pytest.fixture
def rows():
    """Three whole studies, one without findings, one without a lateral, one of images and questions alone."""

    def study(uid, views, report, **more):
        images = tuple(ImageRef(f"{uid}-{view}.png", View(view)) for view in views)
        return Row(uid, f"patient {uid}", "train", images, report, corpus="made up", **more)

    clear = Report(findings="The lungs are clear.", impression="No acute disease.")
    both = ("frontal", "lateral")
    asked = tuple(Question(f"q{i}", f"Is there finding {i}?", "No.", "closed", "presence") for i in range(6))
    one = Question("r0", "Which side?", "Left.", "open", "side", image="e-frontal.png")
    return [
        study("a", both, clear, labels={"Cardiomegaly": Mention.NEGATIVE, "No Finding": Mention.POSITIVE}),
        study("b", both, Report(findings="Small left effusion.", impression="Effusion."), questions=asked),
        study("c", both, Report(impression="Stable cardiomegaly."), labels={"Cardiomegaly": Mention.POSITIVE}),
        study("d", ("frontal",), clear),
        study("e", ("frontal",), Report(), questions=(one,)),
    ]


@pytest.fixture
def store(rows, tmp_path):
    paths = [ref.path for row in rows for ref in row.images]
    codes = np.random.default_rng(0).integers(0, 32, (2 * len(paths), 16))
    index = {path: [2 * i, 2 * i + 1] for i, path in enumerate(paths)}
    return tokens.write(tmp_path / "store", codes, index, (4, 4), "codec-1")
