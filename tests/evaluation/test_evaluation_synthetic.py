"""Utility and privacy of a synthetic corpus: who trains on what, what a copy looks like, and what is refused."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import radloom
from radloom.classifier.model import ClassifierConfig
from radloom.corpora.manifest import Manifest, combine
from radloom.errors import ManifestError, RadloomError
from radloom.evaluation import privacy, utility
from radloom.evaluation.bench import Vision
from radloom.evaluation.glossary import MEASURES, measure
from radloom.evaluation.privacy import score_privacy, thumbnails
from radloom.evaluation.synthetic import Corpora, patients
from radloom.evaluation.table import GAIN, LESS_REAL, REAL, SCORES, Board
from radloom.evaluation.utility import REAL as TRAINED_ON_REAL
from radloom.evaluation.utility import UtilityConfig, rare, score_utility, training_images
from radloom.imaging import Transform
from radloom.scores.statistics import Difference
from radloom.study import OBSERVATIONS, Mention, Part, View
from radloom.training import LoopConfig

QUICK = UtilityConfig(
    few=0.3,
    rare=0.7,
    network=ClassifierConfig(size=32),
    train=LoopConfig(steps=2, batch_size=2, learning_rate=1e-3, warmup=1, precision="fp32"),
)


@pytest.fixture(scope="module")
def drawn(studies: Manifest) -> Manifest:
    """A synthetic corpus that is no better than its training images turned on their heads."""
    from radloom.imaging import read_image, write_png

    rows = []
    for row in studies.split("train"):
        frontal = row.image(View.FRONTAL)
        assert frontal
        path = f"drawn/{row.uid}.png"
        write_png(np.flipud(read_image(studies.path(frontal))), studies.root / path)
        rows.append(replace(row, images=(replace(frontal, path=path),), made=(Part.FRONTAL,)))
    return replace(studies, rows=rows)


@pytest.fixture
def copied(studies: Manifest) -> Manifest:
    """The training images themselves, said to be made."""
    rows = [replace(row, made=(Part.FRONTAL, Part.LATERAL)) for row in studies.split("train")]
    return replace(studies, rows=rows)


@pytest.fixture
def no_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)


# -- the sets --------------------------------------------------------------------------------------------------------


def test_each_training_has_its_images(studies: Manifest, drawn: Manifest) -> None:
    sets = Corpora.of(studies, drawn, "val").images(Transform(32), [View.FRONTAL])
    assert [len(images) for images in sets] == [12, 6, 12]
    images = training_images(sets, QUICK)
    assert {name: len(images[name]) for name in images if "rare" not in name} == {
        "real": 12,
        "synthetic": 12,
        "real and synthetic": 24,
        "few real": 4,
        "few real and synthetic": 16,
    }
    made = {name: sum(e.row.is_made(e.ref) for e in images[name].entries) for name in images}
    assert made["rare repeated"] == made["few real"] == made["real"] == 0
    assert made["rare synthetic"] == len(images["rare synthetic"]) - 12 > 0
    held_out = set(patients(sets.held_out))
    assert all(held_out.isdisjoint(patients(x)) for x in images.values())
    few = patients(images["few real"])
    assert set(patients(images["few real and synthetic"])) > set(few)
    other = training_images(sets, replace(QUICK, train=replace(QUICK.train, seed=1)))
    assert patients(other["few real"]) != few == patients(training_images(sets, QUICK)["few real"])


def test_rare_observations_are_made_up(studies: Manifest, drawn: Manifest) -> None:
    sets = Corpora.of(studies, drawn, "val").images(Transform(32), [View.FRONTAL])
    real = [replace_labels(entry, {"Edema"} if i < 2 else {"Fracture"}) for i, entry in enumerate(sets.train.entries)]
    pool = [
        replace_labels(entry, {"Edema", "Pneumonia"} if i < 3 else set()) for i, entry in enumerate(sets.made.entries)
    ]
    added = rare(real, pool, 0.6)  # of 12 images: 8 positives
    # Pneumonia comes first, with 8 of 3 images; their edema and the 2 real ones are enough
    assert Counter(e.row.uid for e in added) == dict(zip([e.row.uid for e in pool[:3]], (3, 3, 2), strict=True))
    assert rare(real, [], 0.6) == []


def replace_labels(entry, positive: set[str]):
    labels = {name: Mention.POSITIVE if name in positive else Mention.NEGATIVE for name in OBSERVATIONS}
    return entry._replace(row=replace(entry.row, labels=labels))


def test_what_is_no_synthetic_corpus(studies: Manifest, drawn: Manifest) -> None:
    with pytest.raises(ManifestError, match="no image that a model made"):
        Corpora.of(studies, studies, "val")
    with pytest.raises(RadloomError, match="name the real corpus first"):
        Corpora.of(combine([studies, drawn]), drawn, "val")
    with pytest.raises(RadloomError, match="hold out another"):
        Corpora.of(studies, drawn, "train")
    moved = replace(drawn, rows=[replace(row, patient=studies.split("val").rows[0].patient) for row in drawn])
    with pytest.raises(ManifestError, match="is in the splits"):
        Corpora.of(studies, moved, "val")
    with pytest.raises(RadloomError, match="no synthetic image of the view lateral"):
        Corpora.of(studies, drawn, "val").images(Transform(32), [View.LATERAL])


def test_real_images_of_a_filled_corpus_are_not_used(studies: Manifest, drawn: Manifest) -> None:
    both = {row.uid: row for row in studies}
    filled = replace(drawn, rows=[replace(row, images=(*row.images, both[row.uid].images[1])) for row in drawn])
    assert Corpora.of(studies, filled, "val").made.rows == drawn.rows


# -- utility ---------------------------------------------------------------------------------------------------------


def test_utility_goes_on_and_compares_with_real(
    studies: Manifest, drawn: Manifest, tmp_path: Path, no_imagenet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "utility"
    score_utility(studies, drawn, out, scenarios=[], config=QUICK)
    trained = []
    fit = utility.fit
    monkeypatch.setattr(utility, "fit", lambda stage, *rest, name: trained.append(name) or fit(stage, *rest, name=name))
    board = score_utility(studies, drawn, out, scenarios=["imbalance"], config=QUICK)
    assert trained == ["rare repeated", "rare synthetic"]  # what was trained before stays
    name = "auroc_micro[14 observations, trained on {}, frontal, rule-labeller]"
    assert board.find(name.format("real")) and not board.find(name.format("real"), LESS_REAL)
    for other in ("rare repeated", "rare synthetic"):
        ours, real = board.find(name.format(other)), board.find(name.format(TRAINED_ON_REAL))
        gap = board.find(name.format(other), LESS_REAL)
        assert ours and real and gap and isinstance(gap.interval, Difference)
        assert gap.interval.value == pytest.approx(ours.interval.value - real.interval.value)
    repeated, gain = (board.find(name.format(x), y) for x, y in (("rare repeated", None), ("rare synthetic", GAIN)))
    assert repeated and gain and gain.interval.value == pytest.approx(ours.interval.value - repeated.interval.value)
    assert not board.find(name.format("rare repeated"), GAIN)
    assert {measure(score.name) for score in board.scores} <= MEASURES.keys()
    steps = {json.loads(file.read_text())["step"] for file in out.glob("trainings/*/done.json")}
    assert steps == {2} and len(list((out / "trainings").iterdir())) == 3
    assert Board.read(out).markdown() == (out / "scores.md").read_text()
    assert (out / "auroc-by-what-was-trained-on.svg").read_text().startswith("<?xml")
    with pytest.raises(RadloomError, match="begun with another train"):
        score_utility(studies, drawn, out, config=replace(QUICK, train=replace(QUICK.train, steps=3)))


def test_what_utility_refuses(studies: Manifest, drawn: Manifest, tmp_path: Path) -> None:
    with pytest.raises(RadloomError, match="did you mean 'scarcity'"):
        score_utility(studies, drawn, tmp_path, scenarios=["scarcty"])
    with pytest.raises(RadloomError, match="few is 0"):
        UtilityConfig(few=0)


# -- privacy ---------------------------------------------------------------------------------------------------------


def score_of(board: Board, kind: str, what: str, system: str = privacy.NAME) -> float:
    maker = privacy.MEASURES[what]
    [score] = [
        s
        for s in board.scores
        if s.system == system and s.name.startswith(f"{kind}") and s.name.endswith(f"frontal, {what}, {maker}]")
    ]
    assert score.interval, score.why
    return score.interval.value


def test_copies_are_found(model: radloom.Model, studies: Manifest, copied: Manifest, tmp_path: Path) -> None:
    board = score_privacy(studies, copied, tmp_path, Vision(model.classifier, model.transform), views=list(View))
    for what in privacy.MEASURES:
        assert score_of(board, "distance", what) == pytest.approx(0, abs=1e-5)
        assert score_of(board, "distance", what, REAL) > 1e-4
        for kind in ("nearer", "near_copies[1 %", "near_copies[5 %", "own_nearest"):
            assert score_of(board, kind, what) == 1
    assert {measure(score.name) for score in board.scores} <= MEASURES.keys()
    assert any("synthetic lateral images" in warning for warning in board.warnings)
    for view in View:
        assert (tmp_path / f"closest-pairs-{view}.png").is_file()
        assert (tmp_path / f"distance-to-the-nearest-training-image-{view}-pixels.svg").is_file()
    assert json.loads((tmp_path / SCORES).read_text())["signature"]["synthetic"] == copied.fingerprint()


def test_other_images_are_not_copies(model: radloom.Model, studies: Manifest, drawn: Manifest, tmp_path: Path) -> None:
    board = score_privacy(studies, drawn, tmp_path, Vision(model.classifier, model.transform))
    assert score_of(board, "nearer", "pixels") == 0  # an upright held-out image is nearer than one on its head
    assert score_of(board, "near_copies[5 %", "pixels") == 0
    with pytest.raises(RadloomError, match="holds scores of another synthetic"):
        score_privacy(studies, replace(drawn, rows=drawn.rows[1:]), tmp_path, Vision(model.classifier, model.transform))


def test_pixels_are_compared_whatever_their_brightness() -> None:
    images = torch.rand(3, 1, 32, 32)
    rows, changed = thumbnails(images, 8), thumbnails(0.3 * images - 0.5, 8)
    assert rows.shape == (3, 64)
    np.testing.assert_allclose(
        rows[0], images[0, 0].reshape(8, 4, 8, 4).mean((1, 3)).flatten() - images[0].mean(), atol=1e-6
    )
    np.testing.assert_allclose(changed, 0.3 * rows, atol=1e-6)
