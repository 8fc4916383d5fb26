"""The reader of signs and how it is fitted."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from radloom.classifier.evidence import NEVER
from radloom.classifier.fitting import FOLDS, PRECISION, SignTable, fit_signs, sign_scores
from radloom.classifier.network import FEATURES
from radloom.classifier.sides import WIDTH
from radloom.classifier.signs import SignReader, load_signs, save_signs
from radloom.corpora.manifest import ImageRef, Row
from radloom.corpora.tokens import TokenStore
from radloom.errors import CheckpointError
from radloom.study import SIGNS, Report, View

STUDIES = 300


def made(seed: int = 0, strength: float = 3.0) -> SignTable:
    """Studies of one or two images whose feature i says whether sign i is there, in about a quarter of them."""
    random = torch.Generator().manual_seed(seed)
    hidden = torch.randn(STUDIES, len(SIGNS), generator=random)
    said = (hidden > 0.7).float()
    study = torch.cat([torch.arange(STUDIES), torch.arange(0, STUDIES, 2)])
    features = torch.zeros(len(study), FEATURES)
    features[:, : len(SIGNS)] = torch.randn(len(study), len(SIGNS), generator=random) + strength * hidden[study]
    return SignTable(features, study, said, [f"p{i}" for i in range(STUDIES)])


def test_what_the_features_tell_is_read_of_others_too() -> None:
    reader = fit_signs(made(), penalty=0.03)
    other = made(seed=1)
    scores = sign_scores(reader, other)
    assert list(scores) == ["auroc[mean]", *(f"auroc[{sign}]" for sign in SIGNS)]
    assert scores["auroc[mean]"] > 0.95
    with torch.no_grad():
        called = reader.verdicts(other.mean(reader(other.features)).numpy(), other.study.bincount().numpy())
    right = [
        signs[sign]
        for i, sign in enumerate(SIGNS)
        for signs, there in zip(called, other.said[:, i], strict=True)
        if there
    ]
    assert np.mean(right) > 0.75


def test_weights_are_those_of_logistic_regression() -> None:
    table, penalty = made(), 0.03
    reader = fit_signs(table, penalty)
    place, spread = table.features.mean(0), table.features.std(0) + 1e-3
    theirs = LogisticRegression(C=1 / (penalty * len(table.features)), tol=1e-8, max_iter=2000)
    theirs.fit(((table.features - place) / spread).numpy(), table.said[table.study][:, 2].numpy())
    with torch.no_grad():
        ours = reader(table.features)[:, 2].numpy()
    assert np.allclose(ours, theirs.decision_function(((table.features - place) / spread).numpy()), atol=0.02)


def test_signs_are_called_as_often_as_reports_say_them_of_one_x_ray_and_of_several() -> None:
    table = made(strength=1.0)
    reader = fit_signs(table, penalty=0.03)
    assert (reader.thresholds < NEVER).all()
    several = table.study.bincount() > 1
    with torch.no_grad():
        values = reader(table.features)
    for scores, said, thresholds in (
        (values, table.said[table.study], reader.thresholds[0]),
        (table.mean(values)[several], table.said[several], reader.thresholds[1]),
    ):
        called = (scores >= thresholds).float().mean(0)
        assert torch.allclose(called, said.mean(0), atol=0.06)
        verdicts = reader.verdicts(scores.numpy(), np.full(len(scores), 1 if scores is values else 2))
        assert [row[SIGNS[3]] for row in verdicts] == (scores[:, 3] >= thresholds[3]).tolist()
    assert (reader.thresholds[0] > reader.thresholds[1]).any()  # means lie closer together


def test_without_studies_of_several_x_rays_one_threshold_does_for_both() -> None:
    table = made()
    alone = SignTable(table.features[:STUDIES], table.study[:STUDIES], table.said, table.patients)
    reader = fit_signs(alone, penalty=0.03)
    assert torch.equal(*reader.thresholds) and (reader.thresholds < NEVER).all()


def test_what_cannot_be_seen_is_never_called() -> None:
    table = made()
    blind = table.features.clone()
    blind[:, 4] = torch.randn(len(blind), generator=torch.Generator().manual_seed(2))  # whatever is there
    rare = table.said.clone()
    rare[:, 4] = (torch.rand(STUDIES, generator=torch.Generator().manual_seed(3)) < PRECISION / 4).float()
    reader = fit_signs(replace(table, features=blind, said=rare), penalty=0.03)
    assert (reader.thresholds[:, 4] == NEVER).all()
    values = np.full((2, len(SIGNS)), 50.0, np.float32)
    seen = dict.fromkeys([sign for sign in SIGNS if sign != SIGNS[4]], True)
    assert reader.verdicts(values, np.array([1, 2])) == [seen] * 2


def test_one_x_ray_and_several_have_thresholds_of_their_own() -> None:
    reader = SignReader()
    reader.thresholds[:, 0] = torch.tensor([0.5, -0.5])
    reader.thresholds[1, 1] = 0.0
    values = np.zeros((2, len(SIGNS)), np.float32)
    first, second = reader.verdicts(values, np.array([1, 3]))
    assert first == {SIGNS[0]: False}
    assert second == {SIGNS[0]: True, SIGNS[1]: True}


def test_thresholds_are_set_on_patients_that_were_not_seen() -> None:
    """Every patient has a mark of its own: a reader that had seen it would know the report by heart."""
    random = torch.Generator().manual_seed(0)
    features = 0.01 * torch.randn(STUDIES, FEATURES, generator=random)
    features[torch.arange(STUDIES), torch.arange(STUDIES)] = 30.0
    said = (torch.rand(STUDIES, len(SIGNS), generator=random) < 0.06).float()
    table = SignTable(features, torch.arange(STUDIES), said, [f"p{i}" for i in range(STUDIES)])
    reader = fit_signs(table, penalty=1e-4)
    assert sign_scores(reader, table)["auroc[mean]"] > 0.99
    assert (reader.thresholds[0] < NEVER).sum() <= 1  # by chance


def test_doubt_weighs_nothing() -> None:
    table = made()
    doubted = table.said.clone()
    doubted[::3, 0] = torch.nan
    told = table.said.clone()
    told[::3, 0] = 1 - told[::3, 0]
    reader, misled = (fit_signs(replace(table, said=said), 0.03) for said in (doubted, told))
    assert sign_scores(reader, table)["auroc[Hyperinflation]"] > 0.95
    assert sign_scores(misled, table)["auroc[Hyperinflation]"] < sign_scores(reader, table)["auroc[Hyperinflation]"]
    few = float(doubted[:, 0].nanmean())
    with torch.no_grad():
        called = (reader(table.features)[:, 0] >= reader.thresholds[0, 0]).float()
    assert float(called.mean()) == pytest.approx(few, abs=0.06)  # doubt is no wrong call either


@pytest.mark.parametrize("patients", [1, 2])
def test_what_nobody_has_judged_is_not_called(patients: int) -> None:
    """Of one patient, or of two who fall into one fold, no regression has seen others alone."""
    table = made()
    names = [name for name in map(str, range(100)) if zlib.crc32(name.encode()) % FOLDS == 0][:patients]
    reader = fit_signs(replace(table, patients=[names[i % patients] for i in range(STUDIES)]), 0.03)
    assert (reader.thresholds == NEVER).all()
    assert sign_scores(reader, table)["auroc[mean]"] > 0.95


def test_where_no_report_says_a_sign_there_is_nothing_to_score() -> None:
    table = replace(made(), said=torch.zeros(STUDIES, len(SIGNS)))
    assert sign_scores(fit_signs(table, 0.03), table) == {}


def test_a_table_has_the_studies_that_have_a_report_and_an_image() -> None:
    def row(uid: str, text: str, *paths: str) -> Row:
        images = tuple(ImageRef(path, View.FRONTAL) for path in paths)
        return Row(uid, f"p{uid}", "train", images, Report(text), corpus="made-up")

    store = TokenStore(
        {"features": np.arange(3 * FEATURES, dtype=np.float16).reshape(3, -1) % 7},
        {"a": [0], "b": [1], "c": [2]},
        (0, 0),
        "",
    )
    rows = [
        row("1", "Low lung volumes. Possible hiatal hernia.", "c", "a"),
        row("2", "", "b"),
        row("3", "No report without an image."),
    ]
    table = SignTable.of(rows, store)
    assert table.patients == ["made-up/p1"]
    assert table.study.tolist() == [0, 0]
    assert table.features[0].tolist() == store.features("c").tolist()
    assert table.said[0, SIGNS.index("Low Lung Volumes")] == 1
    assert table.said[0, SIGNS.index("Hiatal Hernia")].isnan()
    assert table.said[0].nansum() == 1


def test_a_reader_is_read_back(tmp_path: Path) -> None:
    reader = fit_signs(made(), 0.03)
    save_signs(reader, tmp_path / "signs", "abc")
    again = load_signs(tmp_path / "signs", "abc")
    features = torch.randn(4, FEATURES)
    assert torch.equal(reader(features), again(features))
    assert torch.equal(reader.thresholds, again.thresholds)
    halves = torch.randn(4, 2, WIDTH)
    assert torch.equal(reader.sides(halves), again.sides(halves))
    assert torch.equal(reader.sides.certain, again.sides.certain)


def test_a_reader_of_another_classifier_or_of_other_signs_is_refused(tmp_path: Path) -> None:
    save_signs(SignReader(), tmp_path / "signs", "abc")
    with pytest.raises(CheckpointError, match=r"features of classifier abc, not of def"):
        load_signs(tmp_path / "signs", "def")
    for name in ("Hiatal Hernia", "Pneumothorax"):
        save_signs(SignReader(), tmp_path / "signs", "abc")
        config = tmp_path / "signs" / "config.json"
        config.write_text(config.read_text().replace(name, "Nipple Shadow"))
        with pytest.raises(CheckpointError, match=r"other signs or sides than this radloom"):
            load_signs(tmp_path / "signs")


def test_without_studies_there_are_no_scores() -> None:
    store = TokenStore({"features": np.zeros((0, FEATURES), np.float16)}, {}, (0, 0), "")
    assert sign_scores(fit_signs(made(), 0.03), SignTable.of([], store)) == {}
